-- The six tests of the reference's tracker, in virtual time on a scripted store, and the two replicas
-- against PostgreSQL.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local ids = require "spec.support.ids"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local START = 1700000000

describe("the reference's tracker tests", function()
    local clock, store, tracker

    before_each(function()
        clock = testing.clock(START)
        store = testing.store()
        tracker = writebehind.tracker {
            store = store, table = "workspaces", key = "id", column = "last_used_at", interval = 60, clock = clock,
        }
    end)

    after_each(function()
        assert(tracker:close())
    end)

    local function tick()
        clock:advance(60)
        return tracker:poll()
    end

    it("doesn't call the store where nothing was marked", function()
        assert.equal(0, tick())
        assert.equal(0, #store.calls)
        assert.equal(0, tracker:stats().marked)
    end)

    it("calls once for one id, with the tick's time", function()
        assert(tracker:add(ids.uuid(1)))
        assert.equal(0, tracker:poll())
        assert.equal(1, tick())
        assert.equal(1, #store.calls)
        assert.same({ ids.uuid(1) }, store.calls[1].ids)
        assert.equal(START + 60, store.calls[1].marked_at)
        assert.same({ [ids.uuid(1)] = START + 60 }, store.times)
    end)

    it("calls once for 32 ids, sorted", function()
        local expected = {}
        for _, n in ipairs(ids.shuffled(32, 7)) do
            -- Ids that differ in their first byte, in the middle of which hexadecimal letters begin.
            assert(tracker:add(("%02x000000-0000-4000-8000-000000000000"):format(n * 5)))
            assert(tracker:add(("%02x000000-0000-4000-8000-000000000000"):format(n * 5)))
        end
        for n = 1, 32 do
            expected[n] = ("%02x000000-0000-4000-8000-000000000000"):format(n * 5)
        end
        tick()
        assert.equal(1, #store.calls)
        assert.same(expected, store.calls[1].ids)
        local stats = tracker:stats()
        assert.equal(64, stats.marked)
        assert.equal(32, stats.unique)
    end)

    it("loses no id to adds between 32 ticks", function()
        local random, given = ids.random(3), {}
        for _ = 1, 32 do
            for _ = 1, random(50) do
                local n = random(40)
                assert(tracker:add(ids.uuid(n)))
                given[n] = clock:now()
            end
            tick()
        end
        local sum = 0
        for _, call in ipairs(store.calls) do
            sum = sum + #call.ids
        end
        assert.equal(sum, tracker:stats().unique)
        for n, at in pairs(given) do
            assert.equal(at + 60, store.times[ids.uuid(n)])
        end
    end)

    it("closes twice, and the first close flushes", function()
        assert(tracker:add(ids.uuid(1)))
        assert.is_true(tracker:close())
        assert.equal(1, #store.calls)
        assert.is_true(tracker:close())
        assert.equal(1, #store.calls)
        local ok, message, code = tracker:add(ids.uuid(2))
        assert.is_nil(ok)
        assert.is_string(message)
        assert.equal("closed", code)
    end)

    it("leaves each id of two replicas at the later time", function()
        local other = writebehind.tracker {
            store = store, table = "workspaces", key = "id", column = "last_used_at", interval = 60, clock = clock,
        }
        for n = 1, 20 do
            assert(tracker:add(ids.uuid(n)))
        end
        clock:advance(60)
        tracker:poll()
        for n = 11, 30 do
            assert(other:add(ids.uuid(n)))
        end
        clock:advance(60)
        other:poll()
        for n = 1, 30 do
            assert.equal(START + (n <= 10 and 60 or 120), store.times[ids.uuid(n)])
        end
        assert(other:close())
    end)
end)

describe("two replicas on PostgreSQL", function()
    local name

    before_each(function()
        name = postgres.name()
        postgres.sql(([[
            CREATE TABLE %s (id uuid PRIMARY KEY, last_used_at timestamptz NOT NULL);
            INSERT INTO %s SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'epoch'
            FROM generate_series(1, 400) n;]]):format(name, name))
    end)

    after_each(postgres.drop_all)

    local function replica(options)
        local given = {
            store = writebehind.postgres { conninfo = postgres.conninfo() }, table = name, key = "id",
            column = "last_used_at", interval = 3600,
        }
        for key, value in pairs(options or {}) do
            given[key] = value
        end
        return writebehind.tracker(given)
    end

    local function seconds_of(n)
        return postgres.number(("SELECT extract(epoch FROM last_used_at) FROM %s WHERE id = '%s'"):format(name,
            ids.uuid(n)))
    end

    it("leave each id at the later time", function()
        local one, two = replica(), replica()
        for n = 1, 20 do
            assert(one:add(ids.uuid(n)))
        end
        assert(one:flush(process.PATIENCE))
        local between = postgres.number("SELECT extract(epoch FROM clock_timestamp())")
        process.sleep(0.01)
        for n = 11, 30 do
            assert(two:add(ids.uuid(n)))
        end
        assert(two:flush(process.PATIENCE))
        assert.equal(0, postgres.number(("SELECT count(*) FROM %s WHERE id <= '%s' AND last_used_at > to_timestamp(%f)")
            :format(name, ids.uuid(10), between)))
        assert.equal(20, postgres.number(("SELECT count(*) FROM %s WHERE last_used_at > to_timestamp(%f)"):format(name,
            between)))
        assert.equal(370, postgres.number(("SELECT count(*) FROM %s WHERE last_used_at = 'epoch'"):format(name)))
        assert.equal(20, one:stats().updated)
        assert.equal(20, two:stats().updated)
        assert(one:close(process.PATIENCE))
        assert(two:close(process.PATIENCE))
    end)

    it("end at the later of the exact times, whichever comes last", function()
        local one, two = replica { precision = "exact" }, replica { precision = "exact" }
        assert(one:add(ids.uuid(1), 2000.5))
        assert(one:add(ids.uuid(2), 1000))
        assert(one:flush(process.PATIENCE))
        assert(two:add(ids.uuid(1), 1500))
        assert(two:add(ids.uuid(2), 3000.25))
        assert(two:flush(process.PATIENCE))
        assert.equal(2000.5, seconds_of(1))
        assert.equal(3000.25, seconds_of(2))
        assert(one:close(process.PATIENCE))
        assert(two:close(process.PATIENCE))
    end)

    it("don't deadlock when they race over the same rows", function()
        local replicas = { replica { interval = 0.005 }, replica { interval = 0.005 }, replica { interval = 0.005 } }
        for round = 1, 60 do
            for _, tracker in ipairs(replicas) do
                for _, n in ipairs(ids.shuffled(400, round)) do
                    assert(tracker:add(ids.uuid(n)))
                end
            end
            process.sleep(0.005)
        end
        for _, tracker in ipairs(replicas) do
            assert(tracker:close(process.PATIENCE))
            local stats = tracker:stats()
            assert.equal(0, stats.failures)
            assert.equal("", stats.last_error or "")
            assert.equal(0, stats.pending)
            assert.equal(60 * 400, stats.marked)
        end
        assert.equal(0, postgres.number(("SELECT count(*) FROM %s WHERE last_used_at = 'epoch'"):format(name)))
    end)
end)
