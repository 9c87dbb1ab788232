-- The six tests of the reference's batcher, in virtual time on a scripted store, and the largest of them
-- against PostgreSQL.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local ids = require "spec.support.ids"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local SIZE = 1024
local EARLY = 819 -- four fifths of it

local function report(count)
    return {
        connections_by_proto = { ssh = count }, connection_count = 1, rx_packets = count, rx_bytes = count * 100,
        tx_packets = count, tx_bytes = count * 100, session_count_vscode = 1, session_count_jetbrains = 0,
        session_count_reconnecting_pty = 0, session_count_ssh = 1, connection_median_latency_ms = 5.5,
        usage = false,
    }
end

-- Adds rows that belong to two workspaces in turn; `each` is called after every one.
local function add_rows(batcher, now, count, each)
    for n = 1, count do
        assert(batcher:add(now, ids.uuid(1), ids.uuid(2), ids.uuid(3), ids.uuid(100 + n % 2), report(n)))
        if each then
            each()
        end
    end
end

describe("the reference's batcher tests", function()
    local clock, store, batcher

    before_each(function()
        clock = testing.clock(1700000000)
        store = testing.store()
        batcher = writebehind.agent_stats.batcher { store = store, clock = clock }
    end)

    after_each(function()
        assert(batcher:close())
    end)

    local function tick()
        clock:advance(1)
        return batcher:poll()
    end

    it("flushes nothing, without a write, where nothing was added", function()
        assert.equal(0, tick())
        assert.equal(0, #store.calls)
        local stats = scripted.conserved(batcher)
        assert.equal(0, stats.accepted)
        assert.equal(0, stats.flushes)
    end)

    it("flushes one row at the tick, not before", function()
        add_rows(batcher, clock:now(), 1)
        assert.equal(0, batcher:poll())
        assert.equal(0, #store.calls)
        assert.equal(1, tick())
        assert.equal(1, #store.calls)
        assert.equal(1, store.calls[1].rows)
        assert.equal("age", store.calls[1].reason)
        assert.equal(1, #store.rows)
    end)

    it("keeps what was reported", function()
        add_rows(batcher, clock:now() + 0.1152454, 1)
        tick()
        local row = store.rows[1]
        assert.matches("^%x+%-%x+%-7%x+%-[89ab]%x+%-%x+$", row.id)
        assert.near(1700000000.115245, row.created_at, 4e-7)
        assert.equal(ids.uuid(1), row.agent_id)
        assert.equal(ids.uuid(2), row.template_id)
        assert.equal(ids.uuid(3), row.user_id)
        assert.equal(ids.uuid(101), row.workspace_id)
        assert.equal(100, tonumber(row.rx_bytes))
        assert.equal(5.5, row.connection_median_latency_ms)
        assert.is_false(row.usage)
    end)

    it("flushes 1024 rows over two workspaces once, early, with more than 819", function()
        add_rows(batcher, clock:now(), SIZE, function()
            assert.is_true(scripted.conserved(batcher).pending <= SIZE)
        end)
        assert.equal(1, #store.calls)
        assert.is_true(store.calls[1].rows > EARLY)
        assert.is_true(store.calls[1].rows <= SIZE)
        assert.equal("size", store.calls[1].reason)
    end)

    it("flushes exactly the rest at the next tick", function()
        add_rows(batcher, clock:now(), SIZE)
        local early = store.calls[1].rows
        assert.is_true(early < SIZE)
        assert.equal(1, tick())
        assert.equal(2, #store.calls)
        assert.equal(SIZE - early, store.calls[2].rows)
        assert.equal(SIZE, #store.rows)
    end)

    it("flushes nothing at the tick after that", function()
        add_rows(batcher, clock:now(), SIZE)
        tick()
        local calls = #store.calls
        assert.equal(0, tick())
        assert.equal(calls, #store.calls)
        local stats = scripted.conserved(batcher)
        assert.equal(SIZE, stats.stored)
        assert.equal(0, stats.pending)
        assert.equal(2, stats.flushes)
    end)

    it("never holds more than a batch while the store keeps up", function()
        add_rows(batcher, clock:now(), 5 * SIZE, function()
            assert.is_true(batcher:stats().pending <= SIZE)
        end)
        for _, call in ipairs(store.calls) do
            assert.is_true(call.rows <= SIZE)
        end
    end)
end)

describe("the reference's 1024 rows on PostgreSQL", function()
    local name

    setup(function()
        name = postgres.name()
        local ddl = writebehind.agent_stats.schema:ddl("postgresql", name)
        postgres.sql(ddl)
    end)

    teardown(postgres.drop_all)

    it("go in one early flush of more than 819, then exactly the rest", function()
        local batcher = writebehind.agent_stats.batcher {
            store = writebehind.postgres { conninfo = postgres.conninfo() }, table = name, interval = 3600,
        }
        add_rows(batcher, 1700000000, SIZE)
        assert.is_truthy(process.wait(function()
            return scripted.conserved(batcher).stored > 0
        end))
        local stats = batcher:stats()
        assert.is_true(stats.stored > EARLY and stats.stored <= SIZE)
        assert.equal(1, stats.flushes)
        assert.equal(stats.stored, postgres.count(name))

        assert(batcher:flush(process.PATIENCE))
        assert.equal(SIZE, postgres.count(name))
        assert.equal("512|512", postgres.sql(([[
            SELECT count(*) FILTER (WHERE workspace_id = '%s'), count(*) FILTER (WHERE workspace_id = '%s')
            FROM %s]]):format(ids.uuid(100), ids.uuid(101), name)))
        assert.equal(SIZE * (SIZE + 1) / 2,
            postgres.number("SELECT sum((connections_by_proto->>'ssh')::int) FROM " .. name))

        local flushes = batcher:stats().flushes
        assert(batcher:flush(process.PATIENCE))
        assert.equal(flushes, batcher:stats().flushes)
        assert(batcher:close(process.PATIENCE))
    end)
end)
