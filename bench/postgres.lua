-- SPDX-License-Identifier: MIT
-- Rows a second from add to commit in PostgreSQL, beside psql's \copy of the same rows prepared as one binary
-- file; and the client's CPU a row. Interleaved, into the same table with its indexes, emptied before each.

local writebehind = require "writebehind"
local rows = require "bench.rows"

local ROUNDS, COUNT = 5, 200000
local lua, conninfo, scratch = arg[1], arg[2], arg[3]
local TABLE = writebehind.agent_stats.table
local store = writebehind.postgres { conninfo = conninfo }

local function run(command)
    local status = os.execute(command)
    assert(status == true or status == 0, command)
end

local function psql(sql)
    local path = scratch .. "/statements.sql"
    local file = assert(io.open(path, "w"))
    file:write(sql, ";\n")
    file:close()
    run(("psql -qX -v ON_ERROR_STOP=1 '%s' -f '%s' >/dev/null"):format(conninfo, path))
end

-- The same rows through a driven batcher, whose only batch is the file.
local function prepare(path)
    local batcher = writebehind.batcher {
        store = { write = function() return true end }, schema = writebehind.agent_stats.schema, table = TABLE,
        batch_size = COUNT, flush_at = 1, batch_bytes = 2 ^ 30, max_pending_rows = COUNT,
        max_pending_bytes = 2 ^ 30, interval = 3600, inline = false,
    }
    for i = 1, COUNT do
        assert(batcher:add_values(rows.values(i)))
    end
    local batch = assert(batcher:take())
    assert(#batch == COUNT)
    local file = assert(io.open(path, "wb"))
    file:write(batch:copy_binary())
    file:close()
    batch:complete(true)
    assert(batcher:close())
end

local function written()
    local batcher = writebehind.batcher {
        store = store, schema = writebehind.agent_stats.schema, table = TABLE, overflow = "block",
        block_timeout = 60,
    }
    assert(batcher:add_values(rows.values(0))) -- the connection is not what is measured
    assert(batcher:flush(60))
    local began, cpu = rows.now(), os.clock()
    for i = 1, COUNT do
        batcher:add_values(rows.values(i))
    end
    assert(batcher:flush(120))
    local took, used = rows.now() - began, os.clock() - cpu
    local stats = batcher:stats()
    assert(stats.stored == COUNT + 1 and batcher:close())
    return COUNT / took, used * 1e9 / COUNT, COUNT / stats.batches
end

local function copied(path)
    local began = rows.now()
    run(("psql -qX '%s' -c \"\\copy %s from '%s' with (format binary)\""):format(conninfo, TABLE, path))
    return COUNT / (rows.now() - began)
end

psql(writebehind.agent_stats.ddl.postgresql)
local path = scratch .. "/rows.bin"
prepare(path)
local ours, theirs, cpu, batch = {}, {}, {}, {}
for round = 0, ROUNDS do
    psql("TRUNCATE " .. TABLE)
    psql("CHECKPOINT")
    local rate, ns, size = written()
    psql("TRUNCATE " .. TABLE)
    psql("CHECKPOINT")
    local copy = copied(path)
    if round > 0 then -- the first warms up
        ours[round], theirs[round], cpu[round], batch[round] = rate, copy, ns, size
    end
end

local rate, copy, ns = rows.median(ours), rows.median(theirs), rows.median(cpu)
rows.ratio(lua .. ": rows/s from add to commit / psql \\copy of the same rows", rate / copy, "aim: >= 0.9")
rows.ratio(lua .. ": client CPU a row / 800 ns", ns / 800, "aim: <= 1")
rows.figure(lua .. ": rows/s from add to commit", rate, "rows/s")
rows.figure(lua .. ": rows/s of psql \\copy", copy, "rows/s")
rows.figure(lua .. ": client CPU a row, add to commit", ns, "ns")
rows.figure(lua .. ": rows a write", rows.median(batch), "rows")
