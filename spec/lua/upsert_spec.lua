-- Upserts and the ledger through Lua, with both stores that have them: options, what becomes of two rows of a key, and
-- the examples. What the stores do in every case is in spec/core/stores.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local ROOT = assert(os.getenv "WRITEBEHIND_ROOT")
local SCHEMA = writebehind.schema {
    { "key", "text" }, { "n", "int8", null = true }, { "at", "int8", null = true },
    { "id", "uuid", generate = "uuidv7" },
}

local function example(name)
    return dofile(("%s/examples/upserts/%s.lua"):format(ROOT, name))
end

local function message_of(options)
    options.schema, options.table = options.schema or SCHEMA, "t"
    options.store = options.store or writebehind.postgres { conninfo = postgres.conninfo() }
    local ok, message = pcall(writebehind.batcher, options)
    assert.is_false(ok)
    return message
end

describe("the option upsert", function()
    local function refused(upsert, words, more)
        more = more or {}
        more.upsert = upsert
        local message = message_of(more)
        assert.truthy(message:find(words, 1, true), message)
    end

    it("names what is wrong with it", function()
        refused({}, 'option "upsert"')
        refused({ key = "key" }, 'expected a table')
        refused({ key = {} }, "key: names no column")
        refused({ key = { "nope" } }, 'key: no column "nope"')
        refused({ key = { name = "key" } }, "key: expected a list of columns")
        refused({ key = { "n" } }, 'key: column "n" may be NULL')
        refused({ key = { "key", "key" } }, 'key: column "key" is named twice')
        refused({ key = { "key" }, newest = "nope" }, 'newest: no column "nope"')
        refused({ key = { "key" }, newest = "key" }, 'column "key" is of the key')
        refused({ key = { "key" }, merge = { n = "total" } }, 'merge: column "n": expected "sum", "min"')
        refused({ key = { "key" }, merge = { id = "sum" } }, 'a sum is of numbers or intervals')
        refused({ key = { "key" }, columns = { "nope" } }, 'columns: no column "nope"')
        refused({ key = { "key" }, columns = { n = 3 } }, 'columns: column "n": expected an expression')
        refused({ key = { "key" }, columns = { n = "1" }, merge = { n = "min" } }, 'has an expression already')
        refused({ key = { "key" }, columns = { "key" } }, 'column "key" is of the key')
        refused({ key = { "key" }, on_conflict = "ignore" }, 'on_conflict')
        refused({ key = { "key" }, on_conflict = "nothing", newest = "at" }, "nothing is updated then")
        refused({ key = { "key" }, newer = "at" }, '"newer"')
    end)

    it("wants a ledger for what must not be done twice, or that nobody cares", function()
        refused({ key = { "key" }, merge = { n = "sum" } }, 'dedupe = "ledger", or "none"')
        refused({ key = { "key" }, columns = { n = "t.n + 1" } }, 'dedupe = "ledger", or "none"')
        refused({ key = { "key" } }, "known by its key", { dedupe = "id" })
        for _, dedupe in ipairs { "ledger", "none" } do
            assert(writebehind.batcher { store = writebehind.postgres { conninfo = postgres.conninfo() }, table = "t",
                schema = SCHEMA, dedupe = dedupe, upsert = { key = { "key" }, merge = { n = "sum" } } })
        end
    end)

    it("is for stores that can", function()
        refused({ key = { "key" } }, "a scripted store decides itself", { store = { write = function() end } })
        refused({ key = { "key" } }, "a store of the kind memory makes none", { store = writebehind.memory {} })
        assert.truthy(message_of({ dedupe = "ledger", store = writebehind.memory {} }):find("keeps no ledger", 1, true))
        assert.truthy(message_of({ dedupe = "ledger", store = { write = function() end } }):find("batch.id", 1, true))
    end)
end)

local peers = {
    PostgreSQL = function()
        return writebehind.postgres { conninfo = postgres.conninfo() }, postgres.sql
    end,
    SQLite = function()
        local path = process.dir() .. "/upsert.db"
        return writebehind.sqlite { path = path, create = true }, function(text)
            return (sqlite.sql(path, text):gsub("\n$", ""))
        end
    end,
}

for peer, open in pairs(peers) do
    describe("an upsert in " .. peer, function()
        local store, sql, name

        before_each(function()
            store, sql = open()
            name = postgres.name()
            sql(("CREATE TABLE %s (key text PRIMARY KEY, n int8, at int8, id uuid)"):format(name))
        end)

        teardown(function()
            postgres.drop_all()
        end)

        -- Adds rows { key, n, at }, in writes that end where a row is false → the statistics.
        local function write(upsert, rows, dedupe)
            local batcher = assert(writebehind.batcher { store = store, table = name, schema = SCHEMA, interval = 60,
                upsert = upsert, dedupe = dedupe })
            for _, row in ipairs(rows) do
                if row then
                    assert(batcher:add { key = row[1], n = row[2], at = row[3] })
                else
                    assert(batcher:flush(process.PATIENCE))
                end
            end
            assert(batcher:close(process.PATIENCE))
            return batcher:stats()
        end

        local function assert_table(expected)
            local text = "SELECT key, coalesce(n, -1), coalesce(at, -1) FROM %s ORDER BY key"
            assert.equal(expected, sql(text:format(name)))
        end

        it("has the newest of each key", function()
            local stats = write({ key = { "key" }, newest = "at" }, {
                { "a", 1, 10 }, { "b", 2, 10 }, { "a", 3, 30 }, { "a", 4, 20 }, false, { "a", 5, 29 }, { "b", 6, 10 },
                { "c", 7, nil }, false, { "c", 8, nil }, { "a", nil, 31 } })
            assert_table "a|-1|31\nb|6|10\nc|8|-1"
            assert.equal(9, tonumber(stats.stored))
            assert.equal(3, tonumber(stats.superseded))
        end)

        it("has the later one where the table takes two keys for one", function()
            local postgresql = peer ~= "SQLite"
            local key = postgresql and "citext" or "text COLLATE NOCASE"
            if postgresql then
                sql "CREATE EXTENSION IF NOT EXISTS citext"
            end
            local function check(upsert, rows, expected, schema)
                sql(("DROP TABLE %s"):format(name))
                sql(("CREATE TABLE %s (key %s PRIMARY KEY, n int8, at int8 DEFAULT 7, id uuid)"):format(name, key))
                local batcher = assert(writebehind.batcher { store = store, table = name, schema = schema or SCHEMA,
                    interval = 60, upsert = upsert })
                for _, row in ipairs(rows) do
                    assert(batcher:add { key = row[1], n = row[2], at = row[3] })
                end
                assert(batcher:close(process.PATIENCE))
                assert.equal(expected, sql(("SELECT n, at FROM %s"):format(name)))
            end
            check({ key = { "key" } }, { { "a", 1, 1 }, { "A", 2, 2 } }, "2|2")
            check({ key = { "key" }, newest = "at" }, { { "A", 1, 5 }, { "a", 2, 5 }, { "A", 3, 5 } }, "3|5")
            check({ key = { "key" }, merge = { n = "last" } }, { { "A", 1, 1 }, { "a", 2, 2 }, { "A", 3, 3 } }, "3|3")
            check({ key = { "key" }, merge = { n = "first" } }, {
                { "A", nil, 1 }, { "a", 2, 2 }, { "A", 3, 3 } }, "2|3")
            check({ key = { "key" } }, { { "A", 1 }, { "A", 2 }, { "a", 3, 1 } }, "3|1", writebehind.schema {
                { "key", "text" }, { "n", "int8" }, { "at", "int8", server_default = true } })
        end)

        it("has the last of each key, in the order of the adds", function()
            local stats = write({ key = { "key" } }, { { "a", 1, 3 }, { "a", 2, 2 }, { "b", 3 }, false, { "a", 4, 1 } })
            assert_table "a|4|1\nb|3|-1"
            assert.equal(1, tonumber(stats.superseded))
        end)

        it("leaves the row that is there where it is told so", function()
            local stats = write({ key = { "key" }, on_conflict = "nothing" },
                { { "a", 1 }, { "a", 2 }, false, { "a", 3 } })
            assert_table "a|1|-1"
            assert.equal(2, tonumber(stats.superseded))
        end)

        it("merges by words and expressions", function()
            write({ key = { "key" }, merge = { n = "sum", at = "max" } }, {
                { "a", 1, 5 }, { "a", 2, 3 }, { "b", 7 }, false, { "a", 10, 4 }, { "b", nil, 1 } }, "ledger")
            assert_table "a|13|5\nb|7|1"
            write({ key = { "key" }, columns = { n = "t.n * 2 + excluded.n" } }, {
                { "a", 1, 99 }, { "a", 3, 98 }, false, { "a", 4 }, { "c", 1, 1 } }, "ledger")
            assert_table "a|118|5\nb|7|1\nc|1|1"
        end)

        it("keeps what was made for the row that is there", function()
            write({ key = { "key" } }, { { "a", 1 } })
            local id = sql("SELECT id FROM " .. name)
            write({ key = { "key" } }, { { "a", 2 } })
            assert.equal(id, sql("SELECT id FROM " .. name))
        end)

        it("finds a bad row among good ones", function()
            sql(("DROP TABLE %s"):format(name))
            sql(("CREATE TABLE %s (key text PRIMARY KEY, n int8 CHECK (n <> 13), at int8, id uuid)"):format(name))
            local stats
            for _, dedupe in ipairs { "none", "ledger" } do
                local rows = {}
                for n = 1, 40 do
                    rows[n] = { ("k%02d"):format(n), n, n }
                end
                stats = write({ key = { "key" }, newest = "at" }, rows, dedupe)
                assert.equal(39, tonumber(stats.stored))
                assert.equal(1, tonumber(stats.dead))
            end
            assert.equal("39", sql("SELECT count(*) FROM " .. name))
        end)

        it("is held where no index goes by its key", function()
            sql(("DROP TABLE %s"):format(name))
            sql(("CREATE TABLE %s (key text, n int8, at int8, id uuid)"):format(name))
            local batcher = assert(writebehind.batcher { store = store, table = name, schema = SCHEMA,
                upsert = { key = { "key" } }, log = function() end })
            assert(batcher:add { key = "a" })
            assert.is_nil(batcher:flush(0.5))
            assert.equal("holding", batcher:health())
            assert.truthy(batcher:stats().last_error:find("unique index", 1, true), batcher:stats().last_error)
            sql(("CREATE UNIQUE INDEX ON %s (key)"):format(name):gsub("INDEX ON", "INDEX " .. name .. "_key ON"))
            assert(batcher:close(process.PATIENCE))
            assert.equal("1", sql("SELECT count(*) FROM " .. name))
        end)
    end)

    describe("the examples of upserts, in " .. peer, function()
        local store, sql
        local AGENT = "00000000-0000-4000-8000-000000000001"

        before_each(function()
            store, sql = open()
        end)

        teardown(function()
            postgres.drop_all()
        end)

        it("keep the newest metadata of each agent", function()
            local name = postgres.name()
            sql(("CREATE TABLE %s (agent_id uuid, name text, value text, collected_at timestamptz NOT NULL, " ..
                "PRIMARY KEY (agent_id, name))"):format(name))
            local batcher = example "agent_metadata" (store, { table = name })
            for i, value in ipairs { "first", "third", "second" } do
                assert(batcher:add { agent_id = AGENT, name = "version", value = value,
                    collected_at = 1700000000 + ({ 1, 3, 2 })[i] })
                assert(batcher:flush(process.PATIENCE))
            end
            assert(batcher:add { agent_id = AGENT, name = "os", value = "linux", collected_at = 1700000000 })
            assert(batcher:close(process.PATIENCE))
            assert.equal("os|linux\nversion|third", sql(("SELECT name, value FROM %s ORDER BY name"):format(name)))
        end)

        it("keep each agent and name once in memory, before rows are counted", function()
            local name = postgres.name()
            sql(("CREATE TABLE %s (agent_id uuid, name text, value text, collected_at timestamptz NOT NULL, " ..
                "PRIMARY KEY (agent_id, name))"):format(name))
            local batcher = example "agent_metadata" (store, { table = name, interval = 60, max_pending_rows = 4 })
            local names, newest = { "memory", "load", "disk" }, {}
            for n = 1, 1000 do
                local key, at = n % 3 + 1, n * 607 % 331
                if not newest[key] or at >= newest[key].at then
                    newest[key] = { at = at, value = "value " .. n }
                end
                assert(batcher:add { agent_id = AGENT, name = names[key], value = "value " .. n,
                    collected_at = 1700000000 + at })
            end
            local stats = batcher:stats()
            assert.equal(3, stats.pending_rows)
            assert.equal(1000, stats.pending)
            assert.equal(997, stats.coalesced)
            assert(batcher:close(process.PATIENCE))
            assert.equal(1000, batcher:stats().stored)
            assert.equal(("disk|%s\nload|%s\nmemory|%s"):format(newest[3].value, newest[2].value, newest[1].value),
                sql(("SELECT name, value FROM %s ORDER BY name"):format(name)))
        end)

        it("keep one row of each connection, whichever end comes first", function()
            local name = postgres.name()
            sql(("CREATE TABLE %s (id uuid PRIMARY KEY, agent_id uuid NOT NULL, connected_at timestamptz NOT NULL, " ..
                "disconnected_at timestamptz, reason text)"):format(name))
            for turn = 1, 2 do
                local batcher = example "connection_log" (store, { table = name })
                local id = ("00000000-0000-4000-8000-00000000000%d"):format(turn)
                local connect = { id = id, agent_id = AGENT, connected_at = 1700000000 }
                local disconnect = { id = id, agent_id = AGENT, connected_at = 1700000005, disconnected_at = 1700000009,
                    reason = "bye" }
                assert(batcher:add(turn == 1 and connect or disconnect))
                assert(batcher:flush(process.PATIENCE))
                assert(batcher:add(turn == 1 and disconnect or connect))
                assert(batcher:flush(process.PATIENCE))
                assert(batcher:add { id = id, agent_id = AGENT, connected_at = 1700000007, disconnected_at = 1700000011,
                    reason = "late" })
                assert(batcher:close(process.PATIENCE))
                assert.equal(0, tonumber(batcher:stats().dead))
            end
            local seconds = peer == "SQLite" and "substr(%s, 18, 2)" or "to_char(%s AT TIME ZONE 'UTC', 'SS')"
            assert.equal("20|29|bye\n20|29|bye", sql(("SELECT %s, %s, reason FROM %s"):format(
                seconds:format "connected_at", seconds:format "disconnected_at", name)))
        end)
    end)
end
