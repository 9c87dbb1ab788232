-- The examples in examples/coalesce, with both stores that have upserts: the meter's sums are exact, also where answers
-- are lost; the batcher that keeps the last use of each id makes a tracker's table. (That of agents' metadata is in
-- upsert_spec.lua, the meter in nginx in spec/openresty.)

local kits = require "spec.support.kits"
local process = require "spec.support.process"
local writebehind = require "writebehind"

local ROOT = assert(os.getenv "WRITEBEHIND_ROOT")
local PATIENCE = process.PATIENCE
local NOON = 1699963200 -- 2023-11-14 12:00:00

local function example(name)
    return dofile(("%s/examples/coalesce/%s.lua"):format(ROOT, name))
end

local function lines_of(text)
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        lines[#lines + 1] = line
    end
    return lines
end

local SECONDS = { postgresql = "floor(extract(epoch FROM %s))::int8", sqlite = "CAST(strftime('%%s', %s) AS int)" }

describe("the API meter", function()
    local api_meter = example "api_meter"
    local TABLE = "CREATE TABLE %s (api_key text, minute timestamptz, requests int8 NOT NULL, bytes int8 NOT NULL, " ..
        "PRIMARY KEY (api_key, minute))"

    -- Of three keys, over three minutes.
    local function request(n)
        return ("key-%d"):format(n % 3), n * n % 1009, NOON + n * 7 % 180 + 0.999
    end

    -- What the first so many requests are together.
    local function sums_of(count)
        local requests, bytes, lines = {}, {}, {}
        for n = 1, count do
            local key, size, at = request(n)
            local minute = ("%s|%d"):format(key, math.floor(at / 60) * 60)
            requests[minute], bytes[minute] = (requests[minute] or 0) + 1, (bytes[minute] or 0) + size
        end
        for minute in pairs(requests) do
            lines[#lines + 1] = ("%s|%d|%d"):format(minute, requests[minute], bytes[minute])
        end
        table.sort(lines)
        return lines
    end

    local function usage(place, name)
        return lines_of(place.sql(("SELECT api_key, %s, requests, bytes FROM %s ORDER BY 1, 2;"):format(
            SECONDS[place.dialect]:format "minute", name)))
    end

    local function meter(place, name, options)
        options = options or {}
        options.table = name
        return writebehind.batcher(api_meter.options(place.store, options))
    end

    local function count(batcher, n)
        assert(api_meter.count(batcher, request(n)))
    end

    for _, kind in ipairs { "postgres", "sqlite" } do
        it("has a row of each key and minute in " .. kind .. ", in memory and in the table", function()
            local place = kits[kind]()
            local name = place.name()
            place.sql(TABLE:format(name) .. ";")
            local batcher = meter(place, name, { interval = 3600 })
            for n = 1, 3000 do
                count(batcher, n)
                if n % 1000 == 0 then
                    local stats = batcher:stats()
                    assert.equal(9, stats.pending_rows)
                    assert.equal(1000, stats.pending)
                    assert.equal(991 * n / 1000, stats.coalesced)
                    assert(batcher:flush(PATIENCE))
                end
            end
            assert(batcher:close(PATIENCE))
            assert.equal(3000, batcher:stats().stored)
            assert.same(sums_of(3000), usage(place, name))
            place.finish()
        end)

        it("adds up what several count in " .. kind, function()
            local place = kits[kind]()
            local name, meters = place.name(), {}
            place.sql(TABLE:format(name) .. ";")
            for n = 1, 3 do
                meters[n] = meter(place, name, { interval = 0.002 })
            end
            for n = 1, 3000 do
                count(meters[n % 7 % 3 + 1], n)
            end
            for n = 1, 3 do
                assert(meters[n]:close(PATIENCE))
            end
            assert.same(sums_of(3000), usage(place, name))
            place.finish()
        end)
    end

    -- A server of its own, whose commits can be made to wait for a standby that never comes. A connection that is ended
    -- then has committed, and never said so.
    describe("with a server that loses answers", function()
        local SCRIPT = process.quote(ROOT .. "/scripts/postgres")
        local dir, conninfo

        setup(function()
            dir = process.dir()
            conninfo = process.run(("%s start %s"):format(SCRIPT, dir)).out:gsub("\n$", "")
        end)

        teardown(function()
            process.run(("%s stop %s fast"):format(SCRIPT, dir))
            process.remove(dir)
        end)

        local function sql(text)
            local result = process.run(("psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s"):format(process.quote(conninfo),
                process.quote(text)))
            assert.equal(0, result.code, result.err)
            return result.out
        end

        local function let_commits_wait(yes)
            sql(("ALTER SYSTEM SET synchronous_standby_names = '%s'"):format(yes and "nobody" or ""))
            sql "SELECT pg_reload_conf()"
        end

        local function end_who_waits()
            return sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" ~= ""
        end

        it("counts nothing twice", function()
            local place = { store = writebehind.postgres { conninfo = conninfo }, sql = sql, dialect = "postgresql" }
            sql(TABLE:format "api_usage")
            local batcher = meter(place, "api_usage", { interval = 0.01, retry = { initial = 0.001, max = 0.01 },
                log = function() end })
            local counted = 0
            local function count_some()
                for _ = 1, 50 do
                    counted = counted + 1
                    count(batcher, counted)
                end
            end
            for _ = 1, 4 do
                let_commits_wait(true)
                assert.truthy(process.wait(function()
                    count_some()
                    return end_who_waits()
                end))
                let_commits_wait(false)
                assert(batcher:flush(PATIENCE))
            end
            assert(batcher:close(PATIENCE))
            assert.truthy(batcher:stats().failures >= 4)
            assert.equal(counted, batcher:stats().stored)
            assert.same(sums_of(counted), usage(place, "api_usage"))
        end)
    end)
end)

describe("last_used as a batcher, beside the tracker", function()
    local last_used = example "last_used"
    local TABLE = "CREATE TABLE %s (id uuid PRIMARY KEY, last_used_at timestamptz)"

    local function id(n)
        return ("00000000-0000-4000-8000-%012d"):format(n)
    end

    local function rows(place, name)
        return lines_of(place.sql(("SELECT id, last_used_at FROM %s ORDER BY id;"):format(name)))
    end

    local function make_tables(place, stored)
        local names = { place.name(), place.name() }
        for _, name in ipairs(names) do
            place.sql((TABLE .. ";"):format(name))
            place.sql(("INSERT INTO %s VALUES %s;"):format(name, stored))
        end
        return names
    end

    for _, kind in ipairs { "postgres", "sqlite" } do
        it("makes the same rows in " .. kind, function()
            local place = kits[kind]()
            local names = make_tables(place, ("('%s', NULL), ('%s', '%s'), ('%s', '%s')"):format(id(0),
                id(1), "2023-11-14T13:00:00.000000Z", id(4), "2023-11-13T00:00:00.000000Z"))
            local batcher = last_used(place.store, names[1])
            local tracker = assert(writebehind.tracker { store = place.store, table = names[2], precision = "exact",
                insert = true })
            local newest = {}
            for n = 1, 4000 do
                local key, at = id(n * n % 101), NOON + n * 7919 % 3000 + n % 64 / 64
                assert(batcher:add_values(key, at))
                assert(tracker:add(key, at))
                newest[key] = math.max(newest[key] or 0, at)
                if n % 1000 == 0 then
                    assert.equal(tracker:stats().pending_rows, batcher:stats().pending_rows)
                    assert(batcher:flush(PATIENCE) and tracker:flush(PATIENCE))
                end
            end
            assert(batcher:close(PATIENCE) and tracker:close(PATIENCE))
            assert.equal(4000, batcher:stats().stored)
            assert.equal(4000, tracker:stats().stored)

            local list = rows(place, names[1])
            assert.same(rows(place, names[2]), list)
            assert.truthy(#list > 40)
            newest[id(1)] = NOON + 3600 -- is there, and newer than all of these
            for _, line in ipairs(lines_of(place.sql(("SELECT id, %s FROM %s;"):format(
                SECONDS[place.dialect]:format "last_used_at", names[1])))) do
                local key, at = line:match "^(.-)|(.-)$"
                assert.equal(math.floor(newest[key]), tonumber(at))
            end
            place.finish()
        end)
    end
end)
