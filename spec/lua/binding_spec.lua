-- SPDX-License-Identifier: MIT
-- The binding under wrong use: wrong selves, wrong arguments, wrong order, collected halves. Each wrong call
-- raises a message or answers nil, message, code; none crashes, and none loses a row.

local ids = require "spec.support.ids"
local core = require "writebehind.core"
local writebehind = require "writebehind"

local testing = writebehind.testing

local SCHEMA = writebehind.schema {
    { "id", "uuid", generate = "uuidv7" },
    { "n", "int8" },
    { "note", "text", null = true },
}

local CODES = { invalid = true, full = true, closed = true, timeout = true, fork = true, store = true }

local function batcher_of(store, more)
    local options = { store = store, schema = SCHEMA, table = "t" }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return assert(writebehind.batcher(options))
end

local function tracker_of(store, more)
    local options = { store = store, table = "w", key = "id", column = "at" }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return assert(writebehind.tracker(options))
end

local function conserved(batcher)
    local stats = batcher:stats()
    assert.equal(stats.accepted, stats.stored + stats.pending + stats.dead + stats.dropped)
    return stats
end

-- The call raises a message that holds every part, at this file's line.
local function raises(parts, call, ...)
    local ok, message = pcall(call, ...)
    assert.is_false(ok)
    assert.equal("string", type(message))
    for _, part in ipairs(parts) do
        assert.truthy(message:find(part, 1, true), message)
    end
    return message
end

local function collect()
    collectgarbage()
    collectgarbage()
end

describe("options", function()
    local store = writebehind.memory()

    it("are named when they are unknown, of the wrong type or out of range", function()
        local cases = {
            { "flush_at", 7, "above 0 and at most 1, got 7" },
            { "flush_at", 0, "got 0" },
            { "batch_size", 0, "at least 1" },
            { "batch_size", 1.5, "whole" },
            { "batch_size", "many", 'got "many"' },
            { "interval", -1, "0 or more" },
            { "interval", 0 / 0, "seconds" },
            { "overflow", "explode", '"drop_oldest"' },
            { "retry", 3, "a table" },
            { "retry", { attempts = 0 }, "attempts" },
            { "retry", { initial = 5, max = 1 }, "above max" },
            { "retry", { tries = 1 }, "tries" },
            { "dedupe", "n", "generated uuid column" },
            { "on_flush", true, "a function" },
            { "table", "", "a name" },
            { "table", "a\0b", "a name" },
            { "schema", {}, "a schema" },
            { "store", {}, "write" },
            { "clock", 5, "a clock" },
            { "inline", true, "native store" },
            { "batchsize", 5, "unknown option" },
        }
        for _, case in ipairs(cases) do
            local options = { store = store, schema = SCHEMA, table = "t", [case[1]] = case[2] }
            raises({ "binding_spec.lua", "batcher: ", '"' .. case[1] .. '"', case[3] }, function()
                writebehind.batcher(options)
            end)
        end
    end)

    it("are named when they are missing", function()
        for _, name in ipairs { "store", "schema", "table" } do
            local options = { store = store, schema = SCHEMA, table = "t" }
            options[name] = nil
            raises({ '"' .. name .. '"', "got nothing" }, writebehind.batcher, options)
        end
        for _, name in ipairs { "store", "table" } do
            local options = { store = writebehind.memory(), table = "t" }
            options[name] = nil
            raises({ "tracker", '"' .. name .. '"', "got nothing" }, writebehind.tracker, options)
        end
    end)

    it("of stores are checked too", function()
        raises({ "postgres", '"conninfo"' }, writebehind.postgres, {})
        raises({ "postgres", '"host"' }, writebehind.postgres, { conninfo = "", host = "x" })
        raises({ "sqlite", '"path"' }, writebehind.sqlite, { path = 1 })
        raises({ "memory", '"keep_rows"' }, writebehind.memory, { keep_rows = -1 })
        raises({ "open" }, writebehind.open, 5)
        local opened, message, code = writebehind.open "nonsense:thing"
        assert.is_nil(opened)
        assert.equal("string", type(message))
        assert.equal("invalid", code)
    end)

    it("raise at the line of the caller", function()
        local line = debug.getinfo(1, "l").currentline + 2
        local message = raises({}, function()
            writebehind.batcher { store = store, schema = SCHEMA, table = "t", flush_at = 7 }
        end)
        assert.truthy(message:find("binding_spec.lua:" .. line .. ":", 1, true), message)
    end)
end)

describe("schema", function()
    it("names the column that is wrong", function()
        local cases = {
            { { { "a", "int9" } }, '"a"', "int9" },
            { { { "a", "int8", nul = true } }, '"a"', "nul" },
            { { { "a", "int8", null = 1 } }, '"a"', "boolean" },
            { { { "a", "uuid", generate = "v4" } }, '"a"', "uuidv4" },
            { { { "a", "int8", generate = "uuidv4" } }, "a" },
            { { { "a", "int8" }, { "a", "int8" } }, "a" },
            { { { "a", "int8", default = print } }, '"a"', "function" },
            { { { "a", "int2", default = 1e9 } }, "a" },
            { { { 5, "int8" } }, "column 1" },
            { { "a" }, "column 1" },
            { { { "a\0", "int8" } }, "NUL" },
            { {}, "1 to 1600" },
            { { a = { "a", "int8" } }, "list" },
        }
        for _, case in ipairs(cases) do
            raises({ "schema", case[2], case[3] }, writebehind.schema, case[1])
        end
        raises({ "table expected" }, writebehind.schema, "a")
    end)

    it("gives its columns back, as a schema takes them", function()
        local schema = writebehind.schema {
            { "id", "uuid", generate = "uuidv4" },
            { "n", "int8", default = 3 },
            { "t", "text", null = true },
        }
        local columns = schema:columns()
        assert.same({
            { name = "id", type = "uuid", null = false, generate = "uuidv4" },
            { name = "n", type = "int8", null = false, default = 3 },
            { name = "t", type = "text", null = true },
        }, columns)
        assert.same(columns, writebehind.schema(columns):columns())
        assert.truthy(schema:ddl("sqlite", "t"):find("CREATE TABLE", 1, true))
        raises({ "postgresql" }, schema.ddl, schema, "oracle", "t")
    end)
end)

describe("a wrong self", function()
    it("raises and says what was expected", function()
        local batcher, tracker = batcher_of(writebehind.memory()), tracker_of(writebehind.memory())
        local driven = batcher_of(testing.store())
        local selves = { 1, "x", true, {}, print, io.stdout, SCHEMA, testing.clock(0), core }
        for _, name in ipairs { "add", "add_values", "flush", "close", "stats", "poll", "fd", "next_due", "take" } do
            for _, self in ipairs(selves) do
                raises({ "batcher" }, batcher[name], self)
                raises({ "batcher" }, driven[name], self)
            end
            raises({}, batcher[name])
            raises({}, driven[name])
        end
        raises({ "expected a tracker, got batcher" }, tracker.add, batcher, ids.uuid(1))
        raises({ "expected a batcher, got tracker" }, batcher.add_values, tracker, 1)
        raises({ "colon" }, batcher.add_values, 1, "x")
        raises({ "schema" }, SCHEMA.columns, batcher)
        raises({ "memory store" }, writebehind.memory().rows, assert(writebehind.open "sqlite:none.db"), "t")
    end)
end)

describe("a threaded batcher", function()
    it("stores, closes, and tells the closed", function()
        local store = writebehind.memory()
        local batcher = batcher_of(store)
        for n = 1, 3000 do
            assert.is_true((batcher:add_values(n)))
        end
        assert.is_true(batcher:flush(10))
        assert.equal(3000, store:count "t")
        assert.is_true(batcher:close(10))
        assert.is_true(batcher:close())
        local ok, message, code = batcher:add_values(1)
        assert.is_nil(ok)
        assert.equal("string", type(message))
        assert.equal("closed", code)
        local stats = conserved(batcher)
        assert.equal(3000, stats.stored)
        assert.equal("closed", stats.health)
        assert.equal(1, stats.rejected)
        assert.equal(3000, stats.latency.count)
        assert.is_nil(stats.last_error)
    end)

    it("raises for a timeout that is none, and for take", function()
        local batcher = batcher_of(writebehind.memory())
        for _, timeout in ipairs { -1, 0 / 0, "x", {} } do
            raises({}, batcher.flush, batcher, timeout)
            raises({}, batcher.close, batcher, timeout)
        end
        raises({ "threaded" }, batcher.take, batcher)
        assert.equal(0, batcher:poll())
    end)

    it("delivers what was added before it is collected", function()
        local store = writebehind.memory()
        local batcher = batcher_of(store, { interval = 60 })
        for n = 1, 10 do
            batcher:add_values(n)
        end
        batcher = nil -- luacheck: ignore
        collect()
        for _ = 1, 1000 do
            if store:count "t" == 10 then
                break
            end
            core.process.sleep(0.005)
        end
        assert.equal(10, store:count "t")
    end)

    it("calls hooks from flush, poll and close alone, and survives those that throw", function()
        local reports, lines = {}, {}
        local batcher = batcher_of(writebehind.memory(), {
            on_flush = function(report)
                reports[#reports + 1] = report
                error "thrown"
            end,
            log = function(level, message, fields)
                lines[#lines + 1] = { level, message, fields }
            end,
        })
        batcher:add_values(1)
        assert.is_true(batcher:flush(10))
        for _ = 1, 1000 do
            batcher:poll()
            if #reports > 0 then
                break
            end
            core.process.sleep(0.001)
        end
        assert.equal(1, #reports)
        assert.is_true(reports[1].ok)
        assert.equal(1, reports[1].rows)
        assert.equal("flush", reports[1].reason)
        assert.equal("error", lines[1][1])
        assert.truthy(lines[1][2]:find("thrown", 1, true))
        raises({ "binding_spec.lua" }, function()
            batcher:flush(-1)
        end)
        assert.is_true(batcher:close(10))
    end)
end)

describe("a batch", function()
    local clock, batcher
    before_each(function()
        clock = testing.clock(1000)
        batcher = batcher_of(testing.store(), { clock = clock, inline = false, batch_size = 10, log = function() end })
    end)

    local function taken(rows)
        for n = 1, rows do
            assert.is_true((batcher:add_values(n, n % 2 == 0 and "even" or nil)))
        end
        clock:advance(5)
        return assert(batcher:take())
    end

    it("reads by row, by column, as text and as a stream", function()
        local batch = taken(3)
        assert.equal(3, #batch)
        assert.equal(1, batch.attempt)
        assert.equal("age", batch.reason)
        assert.equal(36, #batch.id)
        local count = 0
        for row, index in batch:rows() do
            count = count + 1
            assert.equal(count, index)
            assert.equal(count, row.n)
            assert.same(row, batch:row(index))
        end
        assert.equal(3, count)
        assert.same({ 1, 2, 3 }, batch:column "n")
        local notes = batch:column "note"
        assert.equal("even", notes[2])
        assert.equal(require("cjson").null, notes[1])
        assert.equal(3, select(2, batch:ndjson():gsub("\n", "")))
        assert.equal("PGCOPY\n\255\r\n\0", batch:copy_binary():sub(1, 11))
        for _, index in ipairs { 0, 4, -1, 1.5, 0 / 0, math.huge } do
            raises({ "no such row" }, batch.row, batch, index)
        end
        raises({ '"x"' }, batch.column, batch, "x")
        batch:complete(true)
        assert.equal(3, conserved(batcher).stored)
    end)

    it("is completed exactly once", function()
        local batch = taken(2)
        raises({}, batch.complete, batch)
        raises({}, batch.complete, batch, "yes")
        raises({}, batch.complete, batch, nil, "err", "passing")
        raises({}, batch.complete, batch, nil, "err", "retry", 3)
        raises({}, batch.complete, batch, nil, "err", "retry", -1)
        raises({}, batch.complete, batch, nil, "err", "retry", 0.5)
        local rows = batch:rows()
        batch:complete(nil, "down", "retry", 1)
        raises({ "completed already" }, batch.complete, batch, true)
        raises({ "already completed" }, batch.row, batch, 1)
        raises({ "already completed" }, rows)
        assert.equal(2, #batch)
        assert.equal("age", batch.reason)
        local stats = conserved(batcher)
        assert.equal(1, stats.stored)
        assert.equal(1, stats.pending)
        assert.equal("retrying", stats.health)
        assert.truthy(stats.last_error:find("down", 1, true))
    end)

    it("that is collected counts as a failed try", function()
        local batch = taken(2) -- luacheck: ignore
        batch = nil -- luacheck: ignore
        collect()
        local stats = conserved(batcher)
        assert.equal(1, stats.failures)
        assert.equal(2, stats.pending)
        assert.truthy(stats.last_error:find("collected", 1, true))
        clock:advance(60)
        local again = batcher:take()
        assert.equal(2, again.attempt)
        again:complete(true)
        assert.equal(2, conserved(batcher).stored)
    end)

    it("outlives every reference to its batcher", function()
        local batch = taken(2)
        batcher = nil
        collect()
        assert.equal(2, #batch:column "n")
        batch:complete(true)
        batch = nil -- luacheck: ignore
        collect()
    end)

    it("and its batcher may be collected in one go", function()
        for _ = 1, 20 do
            local store = testing.store()
            local own = batcher_of(store, { clock = clock, inline = false, log = function() end })
            own:add_values(1)
            clock:advance(5)
            store.batch = own:take() -- a circle: batch, batcher, store
        end
        collect()
    end)
end)

describe("a store's answer", function()
    local function answering(...)
        local count, answers = select("#", ...), { ... }
        local clock = testing.clock(0)
        local store = { write = function()
            return (unpack or table.unpack)(answers, 1, count)
        end }
        local batcher = batcher_of(store, { clock = clock, batch_size = 4, log = function() end })
        for n = 1, 4 do
            batcher:add_values(n)
        end
        return batcher
    end

    it("that is none is a failed try that says what it was", function()
        local cases = {
            { {}, "nothing" },
            { { false }, "false" },
            { { "ok" }, "ok" },
            { { nil, "err", "never" }, "never" },
            { { nil, "err", "retry", 5 }, "5 of 4" },
            { { nil, "err", "retry", "all" }, "all of 4" },
        }
        for _, case in ipairs(cases) do
            local batcher = answering((unpack or table.unpack)(case[1], 1, 4))
            local stats = conserved(batcher)
            assert.equal(1, stats.failures)
            assert.equal(4, stats.pending)
            assert.truthy(stats.last_error:find(case[2], 1, true), stats.last_error)
            batcher:close(0)
        end
    end)

    it("may be an error with stored rows, of any type", function()
        local batcher = answering(nil, setmetatable({}, { __tostring = function()
            return "an object"
        end }), nil, 3)
        local stats = conserved(batcher)
        assert.equal(3, stats.stored)
        assert.truthy(stats.last_error:find("an object", 1, true))
        batcher:close(0)
    end)

    it("that is thrown is a failed try", function()
        local batcher = batcher_of({ write = function()
            error "no luck"
        end }, { clock = testing.clock(0), batch_size = 1, log = function() end })
        assert.is_true((batcher:add_values(1)))
        assert.truthy(conserved(batcher).last_error:find("no luck", 1, true))
        local ok, message, code = batcher:flush(5)
        assert.is_nil(ok)
        assert.truthy(message:find("1 rows are not settled", 1, true), message)
        assert.equal("timeout", code)
        batcher:close(0)
    end)
end)

describe("a driven batcher", function()
    it("raises at the line of the caller", function()
        local batcher = batcher_of(testing.store(), { clock = testing.clock(0) })
        for _, call in ipairs {
            function() batcher:add(5) end,
            function() batcher:add() end,
            function() batcher.add(5, {}) end,
            function() batcher.add_values() end,
            function() batcher:flush(-1) end,
            function() batcher.poll(nil) end,
        } do
            local line = debug.getinfo(call, "S").linedefined
            local message = raises({}, call)
            assert.truthy(message:find("binding_spec.lua:" .. line .. ":", 1, true), message)
        end
    end)

    it("guards against a store that adds, flushes and closes", function()
        local batcher, seen
        local store = { write = function(_, batch)
            seen = (seen or 0) + #batch
            if seen == 1 then
                assert(batcher:add_values(2))
                assert(not batcher:flush(5))
                assert(batcher:poll() == 0)
            end
            return true
        end }
        batcher = batcher_of(store, { clock = testing.clock(0), batch_size = 1 })
        assert.is_true((batcher:add_values(1)))
        assert.is_true(batcher:flush(5))
        assert.equal(2, seen)
        assert.equal(2, conserved(batcher).stored)
        assert.is_true(batcher:close())
    end)

    it("blocks by working until there is room, or the time is up", function()
        local clock, down = testing.clock(0), true
        local store = testing.store()
        local proxy = { write = function(_, batch)
            if down then
                return nil, "down"
            end
            return store:write(batch)
        end }
        local batcher = batcher_of(proxy, { clock = clock, overflow = "block", block_timeout = 3, batch_size = 100,
            max_pending_rows = 5, interval = 100, log = function() end })
        for n = 1, 5 do
            assert.is_true((batcher:add_values(n)))
        end
        local ok, _, code = batcher:add_values(6)
        assert.is_nil(ok)
        assert.equal("full", code)
        assert.is_true(clock:now() >= 3)
        assert.equal(1, conserved(batcher).rejected)
        down = false
        assert.is_true((batcher:add_values(6)))
        assert.equal(1, conserved(batcher).rejected)
        assert.is_true(batcher:close())
        assert.equal(6, #store.rows)
    end)

    it("lets a store yield, where Lua can", function()
        if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
            pending "Lua 5.1 can't yield across pcall"
        end
        local batcher
        local store = { write = function()
            coroutine.yield "writing"
            return true
        end }
        batcher = batcher_of(store, { batch_size = 1, log = function() end })
        local thread = coroutine.create(function()
            return batcher:add_values(1)
        end)
        assert.same({ true, "writing" }, { coroutine.resume(thread) })
        local ok, _, code = batcher:flush(60) -- the other coroutine delivers: nothing to wait for here
        assert.is_nil(ok)
        assert.equal("timeout", code)
        assert.same({ true, true }, { coroutine.resume(thread) })
        assert.is_true(batcher:flush(5))
        thread = coroutine.create(function()
            return batcher:add_values(2)
        end)
        coroutine.resume(thread)
        thread = nil -- luacheck: ignore
        collect()
        store.write = function()
            return true
        end
        assert.is_true(batcher:flush(5))
        assert.equal(2, conserved(batcher).stored)
    end)

    it("is drained when it is collected", function()
        local store = testing.store()
        local batcher = batcher_of(store, { clock = testing.clock(0) })
        batcher:add_values(1)
        batcher = nil -- luacheck: ignore
        collect()
        assert.equal(1, #store.rows)
        assert.equal("close", store.calls[1].reason)
    end)

    it("delivers hooks in order, inside add too, and stops a hook that makes events for ever", function()
        local order = {}
        local batcher
        batcher = batcher_of(testing.store(), { clock = testing.clock(0), batch_size = 1, on_flush = function(report)
            order[#order + 1] = report.rows
            if #order < 5 then
                batcher:add_values(#order)
            end
        end })
        batcher:add_values(0)
        assert.same({ 1, 1, 1, 1, 1 }, order)
    end)
end)

describe("a tracker", function()
    it("marks, flushes sorted, and refuses what is no id or no time", function()
        local store, clock = testing.store(), testing.clock(1000)
        local tracker = tracker_of(store, { clock = clock, precision = "exact" })
        assert.is_true((tracker:add(ids.uuid(2), 10.5)))
        assert.is_true((tracker:add(ids.uuid(1), "1970-01-01T00:00:20Z")))
        assert.is_true((tracker:add(ids.uuid(2), 5)))
        assert.is_true((tracker:add(ids.uuid(3))))
        for _, bad in ipairs { "x", 5, true, {}, ids.uuid(1) .. "0" } do
            local ok, message, code = tracker:add(bad)
            assert.is_nil(ok)
            assert.equal("invalid", code)
            assert.truthy(message:find("uuid", 1, true))
        end
        for _, bad in ipairs { "noon", 0 / 0, math.huge, true, 1e15 } do
            assert.equal("invalid", (select(3, tracker:add(ids.uuid(1), bad))))
        end
        assert.is_true(tracker:flush())
        assert.same({ ids.uuid(1), ids.uuid(2), ids.uuid(3) }, store.calls[1].ids)
        assert.same({ [ids.uuid(1)] = 20, [ids.uuid(2)] = 10.5, [ids.uuid(3)] = 1000 }, store.times)
        assert.equal(1000, store.calls[1].marked_at)
        local stats = tracker:stats()
        assert.equal(4, stats.marked)
        assert.equal(3, stats.unique)
        assert.equal(10, stats.rejected)
        assert.equal("ok", (tracker:health()))
        assert.is_true(tracker:close())
    end)

    it("takes how many times moved from a store that says", function()
        local tracker = tracker_of({ touch = function(_, marks)
            return true, #marks - 1, 1
        end }, { clock = testing.clock(0) })
        for n = 1, 4 do
            tracker:add(ids.uuid(n))
        end
        assert.is_true(tracker:flush())
        assert.equal(3, tracker:stats().updated)
        assert.equal(1, tracker:stats().unmatched)
    end)

    it("is threaded over a native store", function()
        local store = writebehind.memory()
        store:put("w", ids.uuid(1), 5)
        local tracker = tracker_of(store)
        assert.is_true((tracker:add(ids.uuid(1))))
        assert.is_true((tracker:add(ids.uuid(9))))
        assert.is_true(tracker:flush(10))
        assert.is_true(store:time("w", ids.uuid(1)) > 1e9)
        assert.is_nil(store:time("w", ids.uuid(9)))
        assert.equal(1, tracker:stats().updated)
        assert.equal(1, tracker:stats().unmatched)
        raises({ "threaded" }, tracker.take, tracker)
        assert.is_true(tracker:close(10))
    end)
end)

if _VERSION == "Lua 5.4" then
    describe("the end of a scope", function()
        it("closes batchers and trackers of every form", function()
            local run = assert(load [[
                local batcher, tracker, threaded, hooked = ...
                local a <close> = batcher
                local b <close> = tracker
                local c <close> = threaded
                local d <close> = hooked
                a:add_values(1) b:add("00000000-0000-4000-8000-000000000001") c:add_values(1) d:add_values(1)
            ]])
            local store, memory, reports = testing.store(), writebehind.memory(), 0
            local objects = { batcher_of(store), tracker_of(store), batcher_of(memory), batcher_of(memory, {
                on_flush = function()
                    reports = reports + 1
                end }) }
            run(table.unpack(objects))
            for _, object in ipairs(objects) do
                assert.equal("closed", object:stats().health)
                assert.equal(1, object:stats().stored)
            end
            assert.equal(2, #store.calls)
            assert.equal(2, memory:count "t")
            assert.equal(1, reports)
        end)
    end)
end

-- ---- a thousand wrong calls on every function ----

-- What is right nowhere that it is put here.
local function junk(random)
    local values = { -1, 0.5, 0 / 0, -math.huge, "", "junk", ("x"):rep(300), "\0", true, false, print, io.stdout,
        coroutine.create(function() end), setmetatable({}, { __index = error }), {}, { {} }, { 1, 2 }, { a = 1 } }
    return values[random(#values)]
end

local function arguments(random)
    local count = random(5) - 1
    local list = {}
    for index = 1, count do
        list[index] = junk(random)
    end
    return list, count
end

-- Calls and says whether the answer keeps the convention: raised text, nil with text and code, or a value.
local function keeps_convention(call, ...)
    local answers = { pcall(call, ...) }
    if not answers[1] then
        return type(answers[2]) == "string" and answers[2] ~= ""
    elseif answers[2] == nil and answers[3] ~= nil then
        return type(answers[3]) == "string" and CODES[answers[4]] == true
    end
    return true
end

local ROUNDS = os.getenv "WRITEBEHIND_FEW_ROUNDS" and 100 or 1000

local function shake(call, seed, self)
    local random = ids.random(seed)
    for _ = 1, ROUNDS do
        local list, count = arguments(random)
        local own = random(2) == 1
        if self and own then
            assert.is_true(keeps_convention(call, self, (unpack or table.unpack)(list, 1, count)))
        else
            assert.is_true(keeps_convention(call, (unpack or table.unpack)(list, 1, count)))
        end
    end
end

describe("a thousand wrong calls", function()
    it("on each function of the module", function()
        for seed, name in ipairs { "schema", "memory", "batcher", "tracker", "postgres" } do
            shake(writebehind[name], seed)
        end
    end)

    it("on each method of each object", function()
        local clock = testing.clock(0)
        local memory = writebehind.memory()
        local silent = { clock = clock, inline = false, log = function() end }
        local batch_owner = batcher_of(testing.store(), silent)
        batch_owner:add_values(1)
        clock:advance(5)
        local mark_owner = tracker_of(testing.store(), silent)
        mark_owner:add(ids.uuid(1))
        clock:advance(100)
        local quiet = { log = function() end, interval = 1000 }
        local objects = {
            { SCHEMA, "columns", "ddl" },
            { memory, "schema", "execute", "rows", "count", "put", "time", "kind" },
            { clock, "now", "advance" },
            { batch_owner:take(), "rows", "row", "column", "ndjson", "copy_binary", "complete" },
            { mark_owner:take(), "ids", "times", "complete" },
            { batcher_of(memory), "add", "add_values", "flush", "poll", "stats", "fd", "next_due", "take", "close" },
            { batcher_of(memory, quiet), "add", "add_values", "flush", "poll", "stats", "close" },
            { batcher_of(testing.store(), quiet), "add", "add_values", "flush", "poll", "stats", "fd", "next_due",
                "take", "close" },
            { tracker_of(memory), "add", "flush", "poll", "stats", "health", "fd", "next_due", "take", "close" },
            { tracker_of(testing.store()), "add", "flush", "poll", "stats", "health", "take", "close" },
        }
        for seed, entry in ipairs(objects) do
            local object = entry[1]
            for index = 2, #entry do
                shake(object[entry[index]], seed * 100 + index, object)
            end
        end
        for index = 6, 8 do
            conserved(objects[index][1])
        end
    end)

    it("answers a refused row in one way", function()
        local batcher = batcher_of(writebehind.memory())
        local random = ids.random(7)
        for _ = 1, 1000 do
            local row = { n = junk(random), note = junk(random) }
            local ok, message, code = batcher:add(row)
            if type(row.n) ~= "number" or row.n % 1 ~= 0 then
                assert.is_nil(ok)
                assert.equal("invalid", code)
                assert.truthy(message:find('"n', 1, true), message)
            end
        end
        conserved(batcher)
        batcher:close(5)
    end)
end)
