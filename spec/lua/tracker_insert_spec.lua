-- Trackers that make missing rows: which stores do, what is counted, and what a refused row does to the others.

local writebehind = require "writebehind"
local kits = require "spec.support.kits"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local testing = require "writebehind.testing"

local PATIENCE = process.PATIENCE

local function tracker_of(store, more)
    local options = { store = store, table = "w", key = { "id", "int8" }, precision = "exact", insert = true,
        retry = { initial = 0.01, max = 0.02 } }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return assert(writebehind.tracker(options))
end

describe("insert = true", function()
    it("is not for scripted stores and workers, which make their rows themselves", function()
        for _, store in ipairs { testing.store(), writebehind.worker "some.module" } do
            local ok, message = pcall(writebehind.tracker, { store = store, insert = true })
            assert.is_false(ok)
            assert.truthy(message:find('option "insert": a scripted store makes its rows itself', 1, true), message)
        end
    end)

    it("makes rows in the memory store, which count as updated", function()
        local store = writebehind.memory()
        store:put("w", 1, 500, "int8")
        local tracker = tracker_of(store)
        for id = 1, 3 do
            assert(tracker:add(id, 100))
        end
        assert(tracker:flush(PATIENCE))
        assert.equal(500, store:time("w", 1, "int8"))
        assert.equal(100, store:time("w", 2, "int8"))
        assert.equal(2, tracker:stats().updated)
        assert.equal(0, tracker:stats().unmatched)
        assert(tracker:close(PATIENCE))
    end)

    for _, kind in ipairs { "postgres", "sqlite" } do
        it("makes rows in " .. kind .. ", and counts those that the table refuses", function()
            local place = kits[kind]()
            local name, lines = place.name(), {}
            place.sql(("CREATE TABLE %s (id int8 PRIMARY KEY CHECK (id <> 3), last_used_at timestamptz, "
                .. "note text DEFAULT 'made')"):format(name))
            place.sql(("INSERT INTO %s VALUES (1, NULL, 'there')"):format(name))
            local tracker = tracker_of(place.store, { table = name, log = function(level, text)
                lines[#lines + 1] = level .. ": " .. text
            end })
            for id = 1, 5 do
                assert(tracker:add(id, 1000 + id))
            end
            assert(tracker:flush(PATIENCE))
            local stats = tracker:stats()
            assert.equal(4, stats.updated)
            assert.equal(1, stats.unmatched)
            assert.equal(5, stats.stored)
            assert.equal("ok", (tracker:health()))
            assert.equal(4, place.count(name))
            tracker:poll()
            assert.equal(1, #lines)
            assert.truthy(lines[1]:find("^warn: table .* refuses the rows of 1 ids: "), lines[1])
            for id = 1, 5 do
                assert(tracker:add(id, 2000))
            end
            assert(tracker:close(PATIENCE))
            assert.equal(8, tracker:stats().updated)
            place.finish()
        end)

        it("holds its ids in " .. kind .. " where a column needs a value, by name, until it does not", function()
            local place = kits[kind]()
            local name = place.name()
            place.sql(("CREATE TABLE %s (id int8 PRIMARY KEY, last_used_at timestamptz, owner text NOT NULL)")
                :format(name))
            local tracker = tracker_of(place.store, { table = name, log = function() end })
            assert(tracker:add(5))
            local ok, message = tracker:flush(0.3)
            assert.is_nil(ok)
            assert.truthy(message:find('column "owner"', 1, true), message)
            assert.truthy(message:find("NOT NULL without a default", 1, true), message)
            assert.equal("holding", (tracker:health()))
            place.sql(("DROP TABLE %s;"):format(name))
            place.sql(("CREATE TABLE %s (id int8 PRIMARY KEY, last_used_at timestamptz)"):format(name))
            assert(tracker:flush(PATIENCE))
            assert.equal(1, place.count(name))
            assert(tracker:close(PATIENCE))
            place.finish()
        end)
    end

    it("makes a table's first rows in SQLite, which it makes itself", function()
        local dir = process.dir()
        local store = writebehind.sqlite { path = dir .. "/made.db", create = true }
        local tracker = tracker_of(store, { key = { "name", "text" }, column = "seen" })
        assert(tracker:add "a name")
        assert(tracker:close(PATIENCE))
        local schema = assert(store:schema "w")
        assert.same({ "name", "seen" }, { schema:columns()[1].name, schema:columns()[2].name })
        assert.equal(1, tracker:stats().updated)
        process.remove(dir)
    end)

    it("loses no time of two processes' trackers that make the same rows", function()
        local name = postgres.name()
        postgres.sql(("CREATE TABLE %s (id int8 PRIMARY KEY, last_used_at timestamptz)"):format(name))
        local trackers = {}
        for n = 1, 3 do
            trackers[n] = tracker_of(writebehind.postgres { conninfo = postgres.conninfo() }, { table = name,
                interval = 0.002, retry = { initial = 0.001, max = 0.01 } })
        end
        for round = 1, 40 do
            for n, tracker in ipairs(trackers) do
                for id = round * 10, round * 10 + 50 do
                    assert(tracker:add(id, round * 10 + n))
                end
            end
            process.sleep(0.003)
        end
        for _, tracker in ipairs(trackers) do
            assert(tracker:close(PATIENCE))
            assert.equal(0, tracker:stats().failures)
            assert.equal(0, tracker:stats().unmatched)
        end
        assert.equal(441, postgres.count(name))
        assert.equal(0, postgres.number(("SELECT count(*) FROM %s WHERE extract(epoch FROM last_used_at) <> "
            .. "least(id / 10, 40) * 10 + 3"):format(name)))
        postgres.drop_all()
    end)
end)
