-- What a binding must stand: finalizers at the worst moment, odd errors, odd times, dropped coroutines, strings
-- that look like its own marks. Whatever happens, no memory is read that is another's, rows are conserved, and
-- wrong use raises at the line of the caller.

local writebehind = require "writebehind"
local scripted = require "spec.support.scripted"

local testing, agent_stats, json = writebehind.testing, writebehind.agent_stats, writebehind.json
local unpack = rawget(_G, "unpack") or table.unpack -- luacheck: ignore

local PLAIN_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
local UUID = "00000000-0000-4000-8000-000000000001"

local function quiet()
end

local function accept()
    return true
end

local function schema()
    return writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "t", "text", null = true } }
end

local function batcher_of(store, options)
    local given = { store = store, schema = schema(), table = "t", log = quiet, close_timeout = 1,
        retry = { initial = 0.001, max = 0.001 } }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    return assert(writebehind.batcher(given))
end

local function by_hand(rows)
    return batcher_of({ write = accept },
        { inline = false, batch_size = rows, flush_at = 1, max_pending_rows = 2 ^ 20 })
end

local function collect()
    collectgarbage()
    collectgarbage()
end

-- Calls it when the garbage that it is on is collected.
local function at_collection(finalizer)
    if rawget(_G, "newproxy") then
        getmetatable(newproxy(true)).__gc = finalizer -- luacheck: globals newproxy
    else
        setmetatable({}, { __gc = finalizer })
    end
end

-- The call raises, with the position of this file.
local function assert_caller_raises(call, part)
    local ok, message = pcall(call)
    assert.is_false(ok)
    assert.truthy(message:find("robustness_spec.lua:%d+: "), message)
    if part then
        assert.truthy(message:find(part, 1, true), message)
    end
end

describe("a finalizer that completes what is being read", function()
    local ROWS = 20000

    local function text_of(n)
        return ("x"):rep(60) .. n .. ("y"):rep(n % 2 * 600)
    end

    -- The batch is completed, and its memory given to other rows, in the middle of reading.
    local function completed_amid(read)
        local batcher = by_hand(ROWS)
        for n = 1, ROWS do
            assert(batcher:add_values(n, text_of(n)))
        end
        local batch = assert(batcher:take())
        local done = false
        collect()
        at_collection(function()
            batch:complete(true)
            done = true
            for n = 1, ROWS do
                batcher:add_values(n, ("z"):rep(600))
            end
        end)
        local ok, message = pcall(read, batch, function()
            return done
        end)
        assert.is_true(done)
        scripted.conserved(batcher)
        return ok, message
    end

    it("ends the reading of a column", function()
        local ok, message = completed_amid(function(batch)
            return batch:column("t")
        end)
        assert.is_false(ok)
        assert.truthy(message:find("completed", 1, true), message)
    end)

    it("ends the reading of rows, each of which was whole", function()
        local ok, message = completed_amid(function(batch)
            local n = 0
            for row in batch:rows() do
                n = n + 1
                assert(row.t == text_of(n))
            end
        end)
        assert.is_false(ok)
        assert.truthy(message:find("completed", 1, true), message)
    end)

    it("ends the reading of streams, or comes after it", function()
        for _, read in ipairs { "ndjson", "copy_binary" } do
            completed_amid(function(batch, is_done)
                for _ = 1, 500 do
                    if batch[read](batch) == nil or is_done() then
                        break
                    end
                end
            end)
        end
    end)
end)

describe("a driven batcher", function()
    it("takes a store for failed whose metatable throws", function()
        local broken = false
        local store = setmetatable({}, { __index = function(_, name)
            if broken then
                error("no field " .. name)
            end
            return accept
        end })
        local batcher = batcher_of(store, { batch_size = 2, flush_at = 1, retry = { initial = 60, max = 60 } })
        broken = true
        assert.is_true(batcher:add_values(1))
        assert.is_true(batcher:add_values(2))
        assert.truthy(batcher:stats().last_error:find("no field write", 1, true))
        broken = false
        assert.equal(2, scripted.conserved(batcher).pending)
    end)

    it("waits on a clock of any year", function()
        for _, start in ipairs { "0001-01-01T00:00:00Z", -5, 0, 1e10, "9999-12-31T00:00:00Z" } do
            local clock = testing.clock(start)
            local batcher = batcher_of({ write = scripted.fails "away" },
                { clock = clock, retry = { initial = 0.1, max = 1 } })
            assert.is_true(batcher:add_values(1))
            local before = clock:now()
            local ok, _, code = batcher:flush(5)
            assert.is_nil(ok)
            assert.equal("timeout", code)
            assert.near(before + 5, clock:now(), 0.001)
            assert.is_nil((batcher:flush(0.1234567)))
            assert.equal(1, scripted.conserved(batcher).pending)
        end
    end)

    it("finds at close what a dropped coroutine held", function()
        if PLAIN_51 then
            pending "Lua 5.1 can't yield across pcall"
        end
        local yields = true
        local batcher = batcher_of({ write = function()
            if yields then
                yields = false
                coroutine.yield()
            end
            return true
        end }, { batch_size = 1 })
        coroutine.wrap(function()
            batcher:add_values(1)
        end)()
        assert.is_true(batcher:close(5))
        assert.equal(1, scripted.conserved(batcher).stored)
    end)

    it("says why its store can't yield, where Lua can't", function()
        local batcher = batcher_of({ write = function()
            coroutine.yield()
            return true
        end }, { batch_size = 1, retry = { initial = 60, max = 60 } })
        local thread = coroutine.create(function()
            return batcher:add_values(1)
        end)
        assert.is_true((coroutine.resume(thread)))
        if PLAIN_51 then
            assert.truthy(batcher:stats().last_error:find("between take and complete", 1, true))
        else
            assert.equal("suspended", coroutine.status(thread))
            assert.is_true(select(2, coroutine.resume(thread)))
        end
        scripted.conserved(batcher)
    end)

    it("goes on though its store uses it in every way", function()
        local batcher
        local calls = 0
        local store = {}
        function store.write()
            calls = calls + 1
            assert(calls > 20 or batcher:add_values(calls))
            assert(select(3, batcher:flush(1)) == "timeout")
            assert(batcher:poll() == 0)
            assert(calls ~= 20 or select(3, batcher:close(1)) == "timeout")
            return true
        end
        batcher = batcher_of(store, { batch_size = 1 })
        assert.is_true(batcher:add_values(0))
        assert.is_true(batcher:close(5))
        local stats = scripted.conserved(batcher)
        assert.equal(0, stats.pending)
        assert.equal(0, stats.failures)
        assert.equal(21, stats.stored)
    end)

    it("raises at the caller for a self that is another object", function()
        local batcher = by_hand(10)
        local tracker = writebehind.tracker { store = { touch = accept }, table = "t", key = "id", column = "c" }
        for _, other in ipairs { io.stdout, schema(), tracker } do
            for _, method in ipairs { "add", "add_values" } do
                assert_caller_raises(function()
                    batcher[method](other, { n = 1 })
                end, "as self")
            end
        end
        assert_caller_raises(function()
            tracker.add(batcher, UUID)
        end, "as self")
    end)

    it("lends claims that live through any order of collection", function()
        for round = 1, 20 do
            local batcher = by_hand(2)
            for n = 1, 6 do
                assert(batcher:add_values(n))
            end
            local claims = { batcher:take(), batcher:take() }
            local first = claims[1]
            local rows = first:rows()
            if round % 2 == 0 then
                claims[2] = nil
            end
            batcher = nil -- luacheck: ignore
            collect()
            assert.equal(1, tonumber(rows().n))
            first:complete(true)
            assert.is_false((pcall(rows)))
        end
        collect()
    end)
end)

describe("a batch", function()
    it("knows its fields by their whole names", function()
        local batcher = by_hand(1)
        assert(batcher:add_values(1))
        local batch = batcher:take()
        assert.is_nil(batch["id\0x"])
        assert.is_nil(batch[1])
        assert.is_nil(batch[0 / 0])
        assert.is_string(batch.id)
    end)

    it("raises for rows and columns that are not there", function()
        local batcher = by_hand(3)
        for n = 1, 3 do
            assert(batcher:add_values(n))
        end
        local batch = batcher:take()
        for _, index in ipairs { 0, 4, -1, 1.5, 0 / 0, math.huge, -math.huge, 2 ^ 53, 2 ^ 64, {}, false } do
            assert_caller_raises(function()
                batch:row(index)
            end)
        end
        for _, name in ipairs { "", "t\0", ("x"):rep(100000), {}, false } do
            assert_caller_raises(function()
                batch:column(name)
            end)
        end
    end)
end)

describe("a row's value", function()
    it("that can't be encoded says so, whatever its metatable throws", function()
        local batcher = batcher_of({ write = accept }, { schema = writebehind.schema { { "j", "jsonb" } } })
        local thrower = setmetatable({}, setmetatable({}, { __index = function()
            error {}
        end }))
        local ok, message, code = batcher:add_values(thrower)
        assert.is_nil(ok)
        assert.truthy(message:find("can't be encoded", 1, true), message)
        assert.equal("invalid", code)
        assert.equal(1, scripted.conserved(batcher).rejected)
    end)
end)

describe("a table's name", function()
    it("holds no NUL", function()
        local store = writebehind.memory()
        for _, call in ipairs { "schema", "rows", "count", "put", "time" } do
            assert_caller_raises(function()
                store[call](store, "t\0x", UUID)
            end, "NUL")
        end
    end)
end)

describe("JSON", function()
    it("keeps text that looks like a mark of its own, escaped too", function()
        local decoded = json.decode [[{"a":"wb0\u00231","b":"wb1\u0023x","wb2\u0023":1,"n":1234567890123456}]]
        assert.equal("wb0#1", decoded.a)
        assert.equal("wb1#x", decoded.b)
        assert.equal(1, tonumber(decoded["wb2#"]))
        assert.equal(1234567890123456, tonumber(decoded.n))
    end)

    it("does not take for JSON what only its marks make so", function()
        for _, text in ipairs { "{123456789012345678:1}", '{"a":00000000000000000012}' } do
            local value, message = json.decode(text)
            assert.is_nil(value)
            assert.truthy(message:find("^not JSON: "), message)
        end
    end)

    it("has integers from the text of integers alone", function()
        for _, text in ipairs { "1e300", "x", "", "12.0", "0x10" } do
            assert.is_nil(json.integer(text))
        end
        assert.equal(2 ^ 53, tonumber(json.integer "9007199254740992"))
        assert_caller_raises(function()
            json.decode {}
        end)
    end)
end)

describe("agent statistics", function()
    it("check their tracker, their self and their timeouts", function()
        assert_caller_raises(function()
            agent_stats.batcher { store = { write = accept }, tracker = 5 }
        end, "tracker")
        local stats = agent_stats.batcher { store = { write = accept } }
        assert_caller_raises(function()
            stats:flush "soon"
        end, "seconds")
        assert_caller_raises(function()
            stats.flush(5)
        end, "as self")
        assert_caller_raises(function()
            stats.add(stats, 0, UUID, UUID, UUID, UUID)
        end, "a table of fields")
    end)

    it("count a report as rejected whose field is unknown", function()
        local stats = agent_stats.batcher { store = { write = accept } }
        for _, fields in ipairs { { speed = 1 }, { [false] = 1 }, { 1 } } do
            local ok, _, code = stats:add(0, UUID, UUID, UUID, UUID, fields)
            assert.is_nil(ok)
            assert.equal("invalid", code)
        end
        assert.equal(3, stats:stats().rejected)
        assert.equal(0, stats:stats().accepted)
    end)
end)

describe("the testing kit", function()
    it("checks its options at the caller", function()
        local cases = { { fail_rate = "x" }, { fail_rate = 2 }, { seed = 0 / 0 }, { script = "fail" }, { ids = 1 },
            { clock = {} }, { unique = 1 }, { stall = -1 } }
        for _, options in ipairs(cases) do
            assert_caller_raises(function()
                testing.store(options)
            end, (next(options)))
        end
        assert_caller_raises(function()
            testing.store(5)
        end)
        assert_caller_raises(function()
            testing.clock {}
        end)
    end)

    it("has a clock that ends before its numbers do", function()
        local clock = testing.clock "9999-12-31T23:59:59Z"
        clock:advance(1)
        assert_caller_raises(function()
            clock:advance(1)
        end)
    end)
end)

describe("add_values", function()
    it("takes any number of arguments for what they are", function()
        local batcher = by_hand(10)
        for _, count in ipairs { 3, 100, 200 } do
            local ok, _, code = batcher:add_values(unpack({}, 1, count))
            assert.is_nil(ok)
            assert.equal("invalid", code)
            local values = {}
            for n = 1, count do
                values[n] = n
            end
            ok, _, code = batcher:add_values(unpack(values))
            assert.is_nil(ok)
            assert.equal("invalid", code)
        end
        assert.is_true(batcher:add_values(1, nil, nil, nil))
        assert.equal(6, scripted.conserved(batcher).rejected)
    end)

    it("fills the widest schema", function()
        local columns, values, row = {}, {}, {}
        for n = 1, 1600 do
            columns[n], values[n], row["c" .. n] = { "c" .. n, "int8" }, n, n
        end
        local batcher = batcher_of({ write = function(_, batch)
            for given in batch:rows() do
                assert(tonumber(given.c1600) == 1600)
            end
            return true
        end }, { schema = writebehind.schema(columns) })
        assert.is_true(batcher:add(row))
        assert.is_true(batcher:add_values(unpack(values)))
        assert.is_true(batcher:close(5))
        assert.equal(2, scripted.conserved(batcher).stored)
    end)
end)
