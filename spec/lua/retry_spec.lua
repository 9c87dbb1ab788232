-- A failed write: kept, tried again after a random delay below a doubling ceiling, given up after `attempts`.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
local EPSILON = 1e-5 -- a delay is a whole number of microseconds

describe("a failed write of a batcher", function()
    local clock, store, batcher, lines

    local function make(options, ...)
        clock, lines = testing.clock(1700000000), {}
        store = scripted.store(...)
        local given = { store = store, schema = SCHEMA, table = "t", clock = clock, interval = 1,
            retry = { initial = 0.1, max = 1.6 }, log = function(level, message, fields)
                lines[#lines + 1] = { level = level, message = message, fields = fields }
            end }
        for key, value in pairs(options or {}) do
            given[key] = value
        end
        batcher = assert(writebehind.batcher(given))
    end

    -- One failed try after the other; answers the delays.
    local function delays_of(count)
        local delays = {}
        for i = 1, count do
            local calls = store.calls
            clock:advance(batcher:next_due())
            batcher:poll()
            assert.equal(calls + 1, store.calls)
            delays[i] = batcher:next_due()
        end
        return delays
    end

    it("is kept and tried again with the same id, rows and reason, and rising attempts", function()
        make({}, scripted.fails("first"), scripted.fails("second"), scripted.yes)
        for n = 1, 5 do
            assert(batcher:add { n = n })
        end
        clock:advance(1)
        for _ = 1, 3 do
            batcher:poll()
            scripted.conserved(batcher)
            clock:advance(10)
        end
        assert.equal(3, store.calls)
        for i = 1, 3 do
            assert.equal(store.batches[1].id, store.batches[i].id)
            assert.equal(i, store.batches[i].attempt)
            assert.equal(5, store.batches[i].rows)
            assert.equal("age", store.batches[i].reason)
        end
        assert.same(scripted.range(1, 5), store.numbers)
        local stats = scripted.conserved(batcher)
        assert.equal(1, stats.batches)
        assert.equal(1, stats.flushes)
        assert.equal(2, stats.retries)
        assert.equal(2, stats.failures)
    end)

    it("takes rows that were added meanwhile too", function()
        make({ batch_size = 4, flush_at = 1 }, scripted.fails(), scripted.yes)
        for n = 1, 4 do
            assert(batcher:add { n = n })
        end
        for n = 5, 6 do
            assert(batcher:add { n = n })
        end
        assert.equal(6, scripted.conserved(batcher).pending)
        assert(batcher:flush())
        assert.same(scripted.range(1, 6), scripted.sorted(store.numbers))
    end)

    it("is not tried again before it is due", function()
        make({ retry = { initial = 5, max = 60 } }, scripted.fails())
        assert(batcher:add { n = 1 })
        clock:advance(1)
        assert.equal(1, batcher:poll())
        local due = batcher:next_due()
        assert.is_true(due >= 0 and due <= 5 + EPSILON)
        if due > 0.001 then
            clock:advance(due / 2)
            assert.equal(0, batcher:poll())
            assert.equal(1, store.calls)
            clock:advance(due / 2 + EPSILON)
        end
        assert.equal(1, batcher:poll())
        assert.equal(2, store.calls)
    end)

    it("waits at random below a ceiling that doubles up to the greatest", function()
        make({}, scripted.fails())
        assert(batcher:add { n = 1 })
        local sum, distinct, count = 0, {}, 200
        for i, delay in ipairs(delays_of(count)) do
            local ceiling = math.min(1.6, 0.1 * 2 ^ (i - 1))
            assert.is_true(delay >= 0 and delay <= ceiling + EPSILON, ("try %d: %g s"):format(i, delay))
            sum = sum + delay / ceiling
            distinct[("%.6f"):format(delay)] = true
        end
        -- Uniform: the mean of 200 is 0.5 within 0.15, seven times its deviation.
        assert.near(0.5, sum / count, 0.15)
        local different = 0
        for _ in pairs(distinct) do
            different = different + 1
        end
        assert.is_true(different > count * 0.9)
    end)

    it("begins anew below the first ceiling after a success", function()
        make({}, scripted.fails(), scripted.fails(), scripted.fails(), scripted.fails(), scripted.fails(), scripted.yes,
            scripted.fails())
        assert(batcher:add { n = 1 })
        delays_of(5)
        clock:advance(batcher:next_due())
        batcher:poll()
        assert.equal(0, scripted.conserved(batcher).pending)
        assert(batcher:add { n = 2 })
        clock:advance(1)
        batcher:poll()
        assert.is_true(batcher:next_due() <= 0.1 + EPSILON)
        assert.equal(1, store.batches[store.calls].attempt)
    end)

    it("is given up after so many attempts: the rows are dead, and counted", function()
        make({ retry = { initial = 0.1, max = 1, attempts = 5 } }, scripted.fails("no luck"))
        for n = 1, 7 do
            assert(batcher:add { n = n })
        end
        clock:advance(1)
        for _ = 1, 20 do
            batcher:poll()
            scripted.conserved(batcher)
            clock:advance(2)
        end
        assert.equal(5, store.calls)
        local stats = scripted.conserved(batcher)
        assert.equal(7, stats.dead)
        assert.equal(0, stats.pending)
        assert.equal(0, stats.stored)
        assert.equal(4, stats.retries)
        assert.equal(5, stats.failures)
        local said = false
        for _, line in ipairs(lines) do
            said = said or (line.level == "error" and line.message:find("no luck", 1, true) ~= nil
                and line.fields.rows == 7)
        end
        assert.is_true(said, "no log line says that 7 rows are dead, and why")
        -- What comes after is written as ever.
        store.answers = { scripted.yes }
        assert(batcher:add { n = 8 })
        assert(batcher:flush())
        assert.same({ 8 }, store.numbers)
    end)

    it("counts up what fails in a row, and health says it", function()
        make({}, scripted.fails(), scripted.fails("a second time"), scripted.yes, scripted.fails("refused", "hold"),
            scripted.yes)
        assert.equal("ok", batcher:stats().health)
        assert(batcher:add { n = 1 })
        local expected = { { "retrying", 1 }, { "retrying", 2 }, { "ok", 0 } }
        for i = 1, 3 do
            clock:advance(10)
            batcher:poll()
            local stats = scripted.conserved(batcher)
            assert.equal(expected[i][1], stats.health)
            assert.equal(expected[i][2], stats.consecutive_failures)
        end
        assert.matches("a second time", batcher:stats().last_error, 1, true)
        assert(batcher:add { n = 2 })
        clock:advance(10)
        batcher:poll()
        local stats = scripted.conserved(batcher)
        assert.equal("holding", stats.health)
        assert.equal(1, stats.pending)
        assert.equal(0, stats.dead)
        assert.matches("refused", stats.last_error, 1, true)
        clock:advance(100)
        batcher:poll()
        assert.equal("ok", scripted.conserved(batcher).health)
        assert(batcher:close())
        assert.equal("closed", batcher:stats().health)
    end)

    it("that is held is never given up", function()
        make({ retry = { initial = 0.1, max = 1, attempts = 3 } }, scripted.fails("the table is gone", "hold"))
        assert(batcher:add { n = 1 })
        for _ = 1, 30 do
            clock:advance(60)
            batcher:poll()
        end
        assert.is_true(store.calls >= 10)
        local stats = scripted.conserved(batcher)
        assert.equal(1, stats.pending)
        assert.equal(0, stats.dead)
        assert.equal("holding", stats.health)
        store.answers = { scripted.yes }
        assert(batcher:flush(1000))
        assert.same({ 1 }, store.numbers)
    end)

    it("warns at first, then is an error with the count, and tells of the recovery", function()
        make({}, scripted.fails("first"), scripted.fails("second"), scripted.fails("third"), scripted.yes)
        assert(batcher:add { n = 1 })
        for _ = 1, 4 do
            clock:advance(60)
            batcher:poll()
        end
        assert.is_true(#lines >= 3)
        assert.matches("^warn", lines[1].level)
        assert.matches("first", lines[1].message, 1, true)
        assert.equal("error", lines[2].level)
        assert.matches("second", lines[2].message, 1, true)
        assert.matches("%f[%d]2%f[%D]", lines[2].message)
        assert.equal("info", lines[#lines].level)
    end)

    it("is told rarely, with the count of what was held back", function()
        make({ retry = { initial = 0.05, max = 0.05 } }, scripted.fails("away"))
        assert(batcher:add { n = 1 })
        clock:advance(1)
        local calls = 0
        for _ = 1, 4000 do
            clock:advance(0.01)
            calls = calls + batcher:poll()
        end
        assert.is_true(calls > 400)
        -- Forty seconds: a line at once, then one in ten.
        assert.is_true(#lines >= 2 and #lines <= 8, #lines .. " lines")
        local suppressed = 0
        for _, line in ipairs(lines) do
            suppressed = suppressed + tonumber(line.fields.suppressed)
        end
        assert.is_true(suppressed > 200)
        assert.is_true(suppressed + #lines <= calls)
    end)

    it("isolates the rows that the store rejects: the others are stored", function()
        make({ batch_size = 100, flush_at = 1 }, function(batch)
            for i = 1, #batch do
                local n = tonumber(batch:row(i).n)
                if n == 13 or n == 77 then
                    return nil, "row " .. n .. " is bad", "reject"
                end
            end
            return true
        end)
        for n = 1, 100 do
            assert(batcher:add { n = n })
        end
        for _ = 1, 100 do
            clock:advance(60)
            batcher:poll()
            scripted.conserved(batcher)
        end
        local stats = scripted.conserved(batcher)
        assert.equal(98, stats.stored)
        assert.equal(2, stats.dead)
        assert.equal(0, stats.pending)
        assert.equal(98, #store.numbers)
    end)

    it("of rows that are all rejected holds them: the store is wrong, not the rows", function()
        make({ batch_size = 100, flush_at = 1 }, scripted.fails("all are bad", "reject"))
        for n = 1, 100 do
            assert(batcher:add { n = n })
        end
        for _ = 1, 100 do
            clock:advance(60)
            batcher:poll()
            scripted.conserved(batcher)
        end
        local stats = scripted.conserved(batcher)
        assert.equal(0, stats.dead)
        assert.equal(100, stats.pending)
        assert.equal("holding", stats.health)
        store.answers = { scripted.yes }
        assert(batcher:flush(1000))
        assert.same(scripted.range(1, 100), scripted.sorted(store.numbers))
    end)
end)

describe("a failed touch of a tracker", function()
    it("merges its ids back, with newer marks, and loses none", function()
        local clock, lines = testing.clock(1700000000), {}
        local calls, fail = {}, true
        local tracker = assert(writebehind.tracker {
            store = {
                touch = function(_, marks)
                    calls[#calls + 1] = { ids = marks:ids(), times = marks:times(), at = marks.at, count = #marks }
                    if fail then
                        return nil, "away"
                    end
                    return true
                end,
            },
            table = "t", key = "id", column = "at", clock = clock, interval = 60, precision = "exact",
            retry = { initial = 0.1, max = 1 }, log = function(level, message)
                lines[#lines + 1] = { level, message }
            end,
        })
        local uuid = require("spec.support.ids").uuid
        assert(tracker:add(uuid(3), 100))
        assert(tracker:add(uuid(1), 200))
        clock:advance(60)
        assert.equal(1, tracker:poll())
        assert.equal("retrying", tracker:health())
        assert(tracker:add(uuid(3), 300))
        assert(tracker:add(uuid(1), 50))
        assert(tracker:add(uuid(2), 60))
        for _ = 1, 3 do
            clock:advance(60)
            tracker:poll()
            scripted.conserved(tracker)
        end
        fail = false
        assert(tracker:flush())
        local times = {}
        for _, call in ipairs(calls) do
            assert.equal(#call.ids, call.count)
            for i = 2, #call.ids do
                assert.is_true(call.ids[i - 1] < call.ids[i])
            end
        end
        local last = calls[#calls]
        for i, id in ipairs(last.ids) do
            times[id] = last.times[i]
        end
        assert.same({ [uuid(1)] = 200, [uuid(2)] = 60, [uuid(3)] = 300 }, times)
        assert.equal("ok", tracker:health())
        assert.matches("^warn", lines[1][1])
        assert.equal("error", lines[2][1])
        assert.equal("info", lines[#lines][1])
        assert(tracker:close())
        assert.equal(0, tracker:stats().pending)
    end)
end)

describe("a failed write of a threaded batcher", function()
    it("is given up after so many attempts too", function()
        local dir = process.dir()
        local batcher = assert(writebehind.batcher {
            store = writebehind.postgres { conninfo = "host=" .. dir .. "/none" }, schema = SCHEMA, table = "t",
            interval = 0.01, retry = { initial = 0.01, max = 0.02, attempts = 4 }, log = function() end,
        })
        for n = 1, 10 do
            assert(batcher:add { n = n })
        end
        assert(batcher:flush(process.PATIENCE)) -- dead is settled
        local stats = scripted.conserved(batcher)
        assert.equal(10, stats.dead)
        assert.equal(0, stats.stored)
        assert.is_true(stats.failures >= 4)
        assert(batcher:close(process.PATIENCE))
        process.remove(dir)
    end)
end)
