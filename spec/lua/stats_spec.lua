-- The shape of stats(), and that its figures are true, before and after close.

local ids = require "spec.support.ids"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local COUNTS = {
    "accepted", "stored", "pending", "dead", "dropped", "rejected", "batches", "flushes", "retries", "failures",
    "consecutive_failures", "pending_bytes",
}
local TRACKER_COUNTS = { "marked", "unique", "updated", "unmatched" }
local QUANTILES = { "p50", "p90", "p99", "p999", "max" }
local HEALTH = { ok = true, retrying = true, holding = true, closed = true }

local function assert_shape(stats, more)
    for _, list in ipairs { COUNTS, more or {} } do
        for _, name in ipairs(list) do
            local value = stats[name]
            assert.is_number(value, name)
            assert.is_true(value >= 0 and value % 1 == 0, name)
            assert.is_true(not math.type or math.type(value) == "integer", name)
        end
    end
    assert.is_true(HEALTH[stats.health])
    assert.is_true(stats.last_error == nil or type(stats.last_error) == "string")
    for _, name in ipairs { "latency", "write" } do
        local latency = stats[name]
        assert.is_table(latency)
        local last = 0
        for _, quantile in ipairs(QUANTILES) do
            assert.is_number(latency[quantile])
            assert.is_true(latency[quantile] >= last, name .. "." .. quantile)
            last = latency[quantile]
        end
        assert.is_number(latency.count)
    end
end

describe("stats of a batcher", function()
    it("are all there from the beginning, and nought", function()
        local batchers = {
            writebehind.batcher { store = scripted.store(scripted.yes), schema = SCHEMA, table = "t" },
            writebehind.batcher { store = writebehind.memory(), schema = SCHEMA, table = "t" },
        }
        for _, batcher in ipairs(batchers) do
            local stats = scripted.conserved(batcher)
            assert_shape(stats)
            for _, name in ipairs(COUNTS) do
                assert.equal(0, stats[name])
            end
            assert.equal("ok", stats.health)
            assert.equal(0, stats.latency.count)
            assert.equal(0, stats.write.count)
            assert(batcher:close())
            assert_shape(batcher:stats())
            assert.equal("closed", batcher:stats().health)
        end
    end)

    it("are a snapshot, the caller's own", function()
        local batcher = writebehind.batcher { store = scripted.store(scripted.yes), schema = SCHEMA, table = "t",
            clock = testing.clock(0) }
        local before = batcher:stats()
        assert(batcher:add { n = 1 })
        assert.equal(0, before.accepted)
        before.accepted = 99
        assert.equal(1, batcher:stats().accepted)
        assert(batcher:close())
    end)

    it("count what happened, in virtual time", function()
        local clock = testing.clock(1000)
        local store = scripted.store(scripted.fails("away"), scripted.yes)
        local batcher = writebehind.batcher { store = store, schema = SCHEMA, table = "t", clock = clock, interval = 2,
            retry = { initial = 0.1, max = 0.1 }, log = function() end, max_pending_rows = 10, inline = false }
        for n = 1, 10 do
            assert(batcher:add { n = n })
        end
        assert.is_nil((batcher:add { n = 11 }))
        assert.is_nil((batcher:add { n = "bad" }))
        local stats = scripted.conserved(batcher)
        assert_shape(stats)
        assert.equal(10, stats.accepted)
        assert.equal(10, stats.pending)
        assert.equal(2, stats.rejected)
        assert.is_true(stats.pending_bytes >= 10 * 24 and stats.pending_bytes < 10 * 500)

        clock:advance(2)
        batcher:poll()
        stats = scripted.conserved(batcher)
        assert.equal(1, stats.failures)
        assert.equal(1, stats.consecutive_failures)
        assert.equal(0, stats.flushes)
        assert.equal(1, stats.batches)
        assert.equal("away", stats.last_error:match("away"))
        assert.equal(0, stats.latency.count)

        clock:advance(2)
        batcher:poll()
        stats = scripted.conserved(batcher)
        assert_shape(stats)
        assert.equal(10, stats.stored)
        assert.equal(0, stats.pending)
        assert.equal(0, stats.pending_bytes)
        assert.equal(1, stats.flushes)
        assert.equal(1, stats.retries)
        assert.equal(1, stats.failures)
        assert.equal(0, stats.consecutive_failures)
        assert.equal(10, stats.latency.count)
        assert.near(4, stats.latency.max, 0.1)
        assert.near(4, stats.latency.p50, 0.3)
        assert.is_true(stats.write.count >= 1)

        assert(batcher:close())
        local after = scripted.conserved(batcher)
        assert_shape(after)
        assert.equal(10, after.stored)
        assert.equal("closed", after.health)
        assert.equal(10, after.latency.count)
    end)

    it("tell the spread of the latency", function()
        local clock = testing.clock(0)
        local batcher = writebehind.batcher { store = scripted.store(scripted.yes), schema = SCHEMA, table = "t",
            clock = clock, interval = 3600, batch_size = 10000 }
        for n = 1, 1000 do
            assert(batcher:add { n = n })
            clock:advance(0.01) -- the first row waits 10 s, the last 10 ms
        end
        assert(batcher:flush())
        local latency = batcher:stats().latency
        assert.equal(1000, latency.count)
        assert.near(5, latency.p50, 0.5)
        assert.near(9, latency.p90, 0.9)
        assert.near(9.9, latency.p99, 1)
        assert.near(10, latency.max, 0.1)
        assert(batcher:close())
    end)

    it("tell how long a write takes", function()
        local clock = testing.clock(0)
        local stalls = { { "stall", 3 }, { "stall", 1 }, { "stall", 1 } }
        local store = testing.store { clock = clock, script = stalls }
        local batcher = writebehind.batcher { store = store, schema = SCHEMA, table = "t", clock = clock }
        for n = 1, 3 do
            assert(batcher:add { n = n })
            assert(batcher:flush())
        end
        local write = batcher:stats().write
        assert.equal(3, write.count)
        assert.near(3, write.max, 0.05)
        assert.near(1, write.p50, 0.1)
        assert(batcher:close())
    end)

    it("of a thread are conserved whenever one looks", function()
        local batcher = writebehind.batcher { store = writebehind.memory { keep_rows = 1 }, schema = SCHEMA,
            table = "t", interval = 0.001, batch_size = 50 }
        for n = 1, 50000 do
            assert(batcher:add { n = n })
            if n % 7 == 0 then
                scripted.conserved(batcher)
            end
        end
        assert(batcher:close(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert_shape(stats)
        assert.equal(50000, stats.stored)
        assert.equal(50000, stats.latency.count)
        assert.is_true(stats.latency.max > 0)
        assert.equal(stats.flushes, stats.batches)
        assert.equal("closed", stats.health)
        assert.equal(0, stats.pending_bytes)
    end)
end)

describe("stats of a tracker", function()
    it("are all there, and true", function()
        local clock = testing.clock(1000)
        local store = testing.store { ids = { ids.uuid(1), ids.uuid(2) } }
        local tracker = writebehind.tracker { store = store, table = "t", key = "id", column = "at", clock = clock }
        assert_shape(tracker:stats(), TRACKER_COUNTS)
        assert.equal("ok", tracker:health())
        for _ = 1, 5 do
            for n = 1, 3 do
                assert(tracker:add(ids.uuid(n)))
            end
        end
        local stats = scripted.conserved(tracker)
        assert.equal(15, stats.marked)
        assert(tracker:flush())
        stats = scripted.conserved(tracker)
        assert_shape(stats, TRACKER_COUNTS)
        assert.equal(15, stats.marked)
        assert.equal(3, stats.unique)
        assert.equal(0, stats.pending)
        assert.equal(1, stats.flushes)
        assert(tracker:close())
        stats = scripted.conserved(tracker)
        assert_shape(stats, TRACKER_COUNTS)
        assert.equal(3, stats.unique)
        assert.equal("closed", stats.health)
        assert.equal("closed", tracker:health())
    end)
end)
