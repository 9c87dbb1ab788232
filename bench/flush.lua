-- SPDX-License-Identifier: MIT
-- A tracker's flush beside psql's plain UPDATE of the same ids, few and many, in a table of 100,000 rows. psql says
-- how long its statement took, and the tracker how long its writes; a flush has the threads' waking besides.
-- Usage: flush.lua WHO CONNINFO SCRATCH

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who, conninfo, scratch = arg[1], arg[2], arg[3]
local COUNT = 100000

local function psql(sql)
    local path = scratch .. "/statements.sql"
    local file = assert(io.open(path, "w"))
    file:write(sql, "\n")
    file:close()
    local pipe = assert(io.popen(("psql -qXAt -v ON_ERROR_STOP=1 '%s' -f '%s'"):format(conninfo, path)))
    local text = pipe:read("*a")
    assert(pipe:close())
    return text
end

local function ids_of(count, step)
    local ids = {}
    local sql = "SELECT id FROM used WHERE n %% %d = %d LIMIT %d"
    for id in psql(sql:format(step, step - 1, count) .. ";"):gmatch("%S+") do
        ids[#ids + 1] = id
    end
    assert(#ids == count)
    return ids
end

-- Of few ids the last of some in a row: what is warm then is warm on both sides.
local function times(ids)
    return #ids < 1000 and 10 or 1
end

local function plain(ids)
    local update = "UPDATE used SET at = clock_timestamp() WHERE id = ANY ('{" .. table.concat(ids, ",")
        .. "}'::uuid[]);\n"
    local text = psql("\\timing on\n" .. update:rep(times(ids)))
    local last
    for ms in text:gmatch("Time: ([%d.]+) ms") do
        last = tonumber(ms) / 1e3
    end
    return last
end

-- The time of the writes, and of the whole flush.
local function flushed(tracker, spent, ids)
    local wrote, took
    for _ = 1, times(ids) do
        for _, id in ipairs(ids) do
            assert(tracker:add(id))
        end
        spent.seconds = 0
        local began = rows.now()
        assert(tracker:flush(120))
        took = rows.now() - began
        tracker:poll()
        wrote = spent.seconds
    end
    return wrote, took
end

local function compare(what, count, rounds)
    local ids = ids_of(count, math.max(1, math.floor(COUNT / count)))
    local spent = {}
    local tracker = writebehind.tracker { store = writebehind.postgres { conninfo = conninfo }, table = "used",
        key = "id", column = "at", interval = 3600, on_flush = function(report)
            spent.seconds = spent.seconds + report.elapsed
        end }
    for round = 0, rounds do
        local own, flush, copy
        if round % 2 == 0 then
            own, flush = flushed(tracker, spent, ids)
            copy = plain(ids)
        else
            copy = plain(ids)
            own, flush = flushed(tracker, spent, ids)
        end
        if count > 1000 then
            psql "VACUUM used; CHECKPOINT;"
        end
        if round > 0 then -- the first warms up
            rows.sample(who, what .. ": the writes, ms", own * 1e3)
            rows.sample(who, what .. ": a flush, ms", flush * 1e3)
            rows.sample("psql", what .. ": the writes, ms", copy * 1e3)
        end
    end
    assert(tracker:stats().updated == (rounds + 1) * count * times(ids) and tracker:close())
end

psql(([[DROP TABLE IF EXISTS used;
    CREATE TABLE used (id uuid PRIMARY KEY, n int8, at timestamptz);
    INSERT INTO used SELECT gen_random_uuid(), i, '2020-01-01' FROM generate_series(1, %d) AS i;
    VACUUM ANALYZE used; CHECKPOINT;]]):format(COUNT))
compare("10 ids", 10, 25)
compare("100,000 ids", COUNT, 3)
