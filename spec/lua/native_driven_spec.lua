-- A native store with a clock of the caller's: no thread, the store is written to inside add, poll, flush and
-- close, on the clock's time.

local ids = require "spec.support.ids"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

describe("a native store driven on a clock", function()
    local dir, clock, store, batcher
    before_each(function()
        dir, clock = process.dir(), testing.clock(1715673600)
        store = writebehind.sqlite { path = dir .. "/x.db", create = true }
        batcher = writebehind.batcher {
            store = store, schema = writebehind.schema { { "n", "int8" } }, table = "t", clock = clock,
            log = function() end,
        }
    end)
    after_each(function()
        batcher:close(0)
        process.remove(dir)
    end)

    it("writes at the interval and early, in the caller's thread", function()
        assert(batcher:add_values(1))
        assert.equal(0, batcher:poll())
        assert.equal(1, batcher:next_due())
        clock:advance(1)
        assert.equal(1, batcher:poll())
        assert.equal(1, sqlite.count(dir .. "/x.db", "t"))
        for n = 2, 821 do
            assert(batcher:add_values(n))
        end
        assert.equal(821, sqlite.count(dir .. "/x.db", "t"))
    end)

    it("retries on the clock's time, and drains at close", function()
        sqlite.sql(dir .. "/x.db", "CREATE TABLE t (n text NOT NULL);")
        assert(batcher:add_values(1))
        clock:advance(1)
        assert.equal(1, batcher:poll())
        local stats = batcher:stats()
        assert.equal("holding", stats.health)
        assert.equal(1, stats.pending)
        assert.truthy(stats.last_error:find('column "n"', 1, true))
        sqlite.sql(dir .. "/x.db", "DROP TABLE t;")
        assert(batcher:close())
        assert.equal(1, sqlite.count(dir .. "/x.db", "t"))
    end)

    it("does the same for a tracker", function()
        local tracker = writebehind.tracker {
            store = store, table = "used", key = "id", column = "at", clock = clock, log = function() end,
        }
        assert(tracker:add(ids.uuid(1)))
        clock:advance(60)
        assert.equal(1, tracker:poll())
        local stats = tracker:stats()
        assert.equal(1, stats.unmatched)
        assert.equal(1, stats.stored)
        assert(tracker:close())
    end)
end)
