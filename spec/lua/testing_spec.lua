local writebehind = require "writebehind"
local testing = require "writebehind.testing"
local ids = require "spec.support.ids"

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local function batcher_on(store, clock, options)
    options = options or {}
    return writebehind.batcher { store = store, clock = clock, schema = schema, table = "t", log = function() end,
        batch_size = options.batch_size, retry = options.retry }
end

local function add_numbers(batcher, from, to)
    for n = from, to do
        assert(batcher:add { n = n })
    end
end

local function numbers(store)
    local list = {}
    for index, row in ipairs(store.rows) do
        list[index] = row.n
    end
    return list
end

local function answers(store)
    local list = {}
    for index, call in ipairs(store.calls) do
        list[index] = call.answer
    end
    return table.concat(list, " ")
end

describe("testing.clock", function()
    it("stands still until it is advanced", function()
        local clock = testing.clock(1700000000)
        assert.equal(1700000000, clock:now())
        clock:advance(0.5)
        assert.equal(1700000000.5, clock:now())
        assert.equal(0, testing.clock():now())
    end)

    it("makes a batcher wait for it", function()
        local clock, store = testing.clock(10), testing.store()
        local batcher = batcher_on(store, clock)
        add_numbers(batcher, 1, 2)
        clock:advance(0.99)
        assert.equal(0, batcher:poll())
        clock:advance(0.02)
        assert.equal(1, batcher:poll())
        assert.same({ 1, 2 }, numbers(store))
        assert.equal("age", store.calls[1].reason)
    end)
end)

describe("testing.store", function()
    local clock
    before_each(function()
        clock = testing.clock(1700000000)
    end)

    it("keeps rows and calls", function()
        local store = testing.store { clock = clock }
        local batcher = batcher_on(store, clock)
        add_numbers(batcher, 1, 3)
        assert(batcher:flush())
        assert.same({ 1, 2, 3 }, numbers(store))
        local call = store.calls[1]
        assert.same({ "write", 3, "flush", 1, 1700000000, "ok" },
            { call.op, call.rows, call.reason, call.attempt, call.at, call.answer })
    end)

    it("follows its script, answer by answer", function()
        local store = testing.store { clock = clock,
            script = { "fail", { "partial", 2 }, "throw", { "stall", 5 }, { "fail", "hold", "full disk" } } }
        local batcher = batcher_on(store, clock)
        add_numbers(batcher, 1, 5)
        assert(batcher:flush(1000))
        assert.equal("fail partial throw stall", answers(store))
        assert.same({ 1, 2, 3, 4, 5 }, numbers(store))
        assert.same({ 5, 5, 3, 3 }, { store.calls[1].rows, store.calls[2].rows, store.calls[3].rows,
            store.calls[4].rows })
        assert.truthy(clock:now() >= 1700000005)
        add_numbers(batcher, 6, 6)
        assert.is_nil(batcher:flush(0))
        local stats = batcher:stats()
        assert.same({ "full disk", "holding", 1 }, { stats.last_error, stats.health, stats.pending })
        assert(batcher:flush(1000))
        assert.equal(6, #store.rows)
    end)

    it("can lose a reply, and recognise the repeated rows as a unique index does", function()
        local twice = testing.store { script = { "lose" } }
        local batcher = batcher_on(twice, clock)
        add_numbers(batcher, 1, 2)
        assert(batcher:flush(1000))
        assert.same({ 1, 2, 1, 2 }, numbers(twice))
        assert.equal(twice.rows[1].id, twice.rows[3].id)
        assert.equal(twice.calls[1].id, twice.calls[2].id)
        local once = testing.store { script = { "lose" }, unique = "id" }
        batcher = batcher_on(once, clock)
        add_numbers(batcher, 1, 2)
        assert(batcher:flush(1000))
        assert.same({ 1, 2 }, numbers(once))
        assert.equal(2, once.duplicates)
    end)

    local function play(seed)
        local time = testing.clock(0)
        local store = testing.store { seed = seed, clock = time, unique = "id", fail_rate = 0.2, throw_rate = 0.1,
            partial_rate = 0.2, lose_rate = 0.1, stall_rate = 0.1, stall = 2 }
        local batcher = batcher_on(store, time, { batch_size = 10 })
        for n = 1, 500 do
            assert(batcher:add { n = n })
            local stats = batcher:stats()
            assert.equal(stats.accepted, stats.stored + stats.pending + stats.dead + stats.dropped)
            time:advance(0.01)
        end
        assert(batcher:close(100000))
        return store, answers(store)
    end

    it("fails at random, the same with the same seed, and no row is lost", function()
        local store, sequence = play(7)
        local found = numbers(store)
        table.sort(found)
        assert.equal(500, #found)
        assert.same({ 1, 250, 500 }, { found[1], found[250], found[500] })
        for _, name in ipairs { "ok", "fail", "throw", "partial", "lose", "stall" } do
            assert.truthy(sequence:find(name, 1, true), name)
        end
        assert.truthy(store.duplicates > 0)
        assert.not_equal(sequence, (select(2, play(8))))
    end)

    it("answers the same on every Lua", function()
        local store = testing.store { seed = 42, fail_rate = 0.5 }
        local fake = setmetatable({}, { __index = { reason = "size", attempt = 1 } })
        function fake.row() end
        local sequence = {}
        for index = 1, 24 do
            sequence[index] = store:write(fake) and "." or "x"
        end
        assert.equal("xxxx.xx..xx...xxx..x.xx.", table.concat(sequence))
    end)

    it("keeps the times of marks, which only move forward", function()
        local store = testing.store { ids = { ids.uuid(1), ids.uuid(2) }, script = { "lose" } }
        local tracker = writebehind.tracker { store = store, clock = clock, table = "t", key = "id", column = "at",
            precision = "exact", log = function() end }
        tracker:add(ids.uuid(1), 100)
        tracker:add(ids.uuid(2), 50)
        tracker:add(ids.uuid(9), 70)
        assert(tracker:flush(1000))
        assert.same({ [ids.uuid(1)] = 100, [ids.uuid(2)] = 50 }, store.times)
        assert.equal(2, #store.calls)
        assert.same({ ids.uuid(1), ids.uuid(2), ids.uuid(9) }, store.calls[2].ids)
        assert.equal(2, store.updated)
        assert.equal(1, tracker:stats().unmatched)
        tracker:add(ids.uuid(1), 90)
        assert(tracker:flush(1000))
        assert.equal(100, store.times[ids.uuid(1)])
        assert.equal("touch", store.calls[3].op)
    end)

    it("raises for an option or an answer it does not know", function()
        local cases = {
            { { sed = 1 }, "unknown option `sed`" }, { { script = { "ok", "fial" } }, "script[2] is fial" },
            { { script = { { "stall", 1 } } }, "needs the option `clock`" },
            { { stall_rate = 1 }, "needs the option `clock`" },
            { { script = { { "partial", -1 } } }, "script[1] is {partial, -1}: how many rows expected" },
            { { script = { { "partial", 2.5 } } }, "script[1] is {partial, 2.5}: how many rows expected" },
            { { script = { "ok", { "fail", "maybe" } } },
                "script[2] is {fail, maybe}: a class: retry, reject or hold expected" },
            { { script = { { "stall", -1 } }, clock = testing.clock() }, "script[1] is {stall, -1}: seconds expected" },
            { { fail_rate = 0.6, lose_rate = 0.5 }, "the chances of failures are 1.1 in sum: at most 1 is expected" },
        }
        for _, case in ipairs(cases) do
            local ok, message = pcall(testing.store, case[1])
            assert.is_false(ok)
            assert.truthy(message:find(case[2], 1, true), message)
        end
    end)
end)
