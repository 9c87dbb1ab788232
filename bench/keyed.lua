-- SPDX-License-Identifier: MIT
-- Rows of a key, of an API meter. "adds": ns an add of a key that waits (coalesce), beside an add of the same row to a
-- batcher without. "writes": ms a write of 1,000 new keys: COPY, COPY with a ledger, an upsert. "upserts": ms an upsert
-- of 1,000 keys that the table has. Usage: keyed.lua WHO adds | … WHO writes CONNINFO | … WHO upserts CONNINFO <KEYS

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who, mode, conninfo = arg[1], arg[2], arg[3]
local COUNT, RUN, STEP, ROWS = 96000, 800, 7919, 1000
local MINUTE, PATH = 1715673600, "/api/v2/workspaces"
local MERGED = { key = { "key", "minute" }, merge = { requests = "sum", bytes = "sum", seen = "max" } }

local schema = writebehind.schema {
    { "key", "uuid" }, { "minute", "timestamptz" }, { "requests", "int8" }, { "bytes", "int8" },
    { "seen", "timestamptz" }, { "path", "text" }, { "status", "int4" },
}

-- One that writes nothing before it is told to.
local function batcher(options)
    options.store = conninfo and writebehind.postgres { conninfo = conninfo } or writebehind.memory { keep_rows = 1 }
    options.schema, options.table, options.log = schema, "meter", function() end
    options.interval, options.batch_size, options.batch_bytes = 3600, 1000000, 2 ^ 30
    options.max_pending_rows, options.max_pending_bytes = math.huge, math.huge
    return assert(writebehind.batcher(options))
end

-- Calls of a form in turn with the same of a batcher that coalesces: STEP so that keys don't come in the order in which
-- they lie in memory, and the two half of the keys apart, so that neither finds warm what the other just read.
local forms = {}

function forms.add(meter, keys, count, from)
    for i = from, from + RUN - 1 do
        meter:add { key = keys[i * STEP % count + 1], minute = MINUTE, requests = 1, bytes = 512, seen = MINUTE + i,
            path = PATH, status = 200 }
    end
end

function forms.add_values(meter, keys, count, from)
    for i = from, from + RUN - 1 do
        meter:add_values(keys[i * STEP % count + 1], MINUTE, 1, 512, MINUTE + i, PATH, 200)
    end
end

local function turns(name, keys, count)
    local form, spent, plain, coalesced = forms[name], { 0, 0 }, batcher {}, batcher { coalesce = MERGED }
    for from = 1, count + 10 * RUN, RUN do
        form(coalesced, keys, count, from) -- now all of them wait
    end
    collectgarbage()
    for from = 1, COUNT, RUN do
        assert(plain:flush(60))
        local began = rows.now()
        form(plain, keys, count, from)
        local between = rows.now()
        form(coalesced, keys, count, from + math.floor(count / 2))
        spent[1], spent[2] = spent[1] + between - began, spent[2] + rows.now() - between
    end
    assert(coalesced:stats().pending_rows == count and coalesced:stats().rejected + plain:stats().rejected == 0)
    rows.sample(who, ("%s, %d keys, ns"):format(name, count), spent[1] * 1e9 / COUNT)
    rows.sample(who, ("%s, %d keys, coalesce, ns"):format(name, count), spent[2] * 1e9 / COUNT)
    assert(plain:close() and coalesced:close())
end

local function adds()
    local keys = {}
    for _, count in ipairs { 100, 10000, 100000 } do
        for i = #keys + 1, count do
            keys[i] = rows.uuid()
        end
        turns("add", keys, count)
        turns("add_values", keys, count)
    end
end

-- A function that writes a row of each key, and samples each write but the first, which makes what it needs.
local function writer(what, options)
    local report
    options.dedupe, options.on_flush = options.dedupe or "none", function(one) report = one end
    local meter = batcher(options)
    return function(key)
        for i = 1, ROWS do
            assert(meter:add_values(key(i), MINUTE, 1, 512, MINUTE + i, PATH, 200))
        end
        assert(meter:flush(60) and report.ok and report.rows == ROWS)
        if meter:stats().flushes > 1 then
            rows.sample(who, what, report.elapsed * 1e3)
        end
    end
end

local function writes()
    local writers = { writer("new keys, COPY, ms", {}), writer("new keys, upsert, ms", { upsert = MERGED }),
        writer("new keys, COPY and ledger, ms", { dedupe = "ledger" }) }
    for _ = 1, 20 * #writers do -- no order that suits one of them
        writers[math.random(#writers)](writebehind.uuidv4)
    end
end

local function upserts()
    local write, keys = writer("keys that are there, upsert, ms", { upsert = MERGED }), {}
    for key in io.lines() do
        keys[#keys + 1] = key
    end
    for _ = 0, 5 do
        write(function(i) return keys[i] end)
    end
end

assert(({ adds = adds, writes = writes, upserts = upserts })[mode])()
