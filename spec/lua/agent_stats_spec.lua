local writebehind = require "writebehind"
local agent_stats = require "writebehind.agent_stats"
local ids = require "spec.support.ids"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"

local START = 1715673600
local AGENT, TEMPLATE, USER, WORKSPACE = ids.uuid(1), ids.uuid(2), ids.uuid(3), ids.uuid(4)

local FULL = {
    connections_by_proto = { ssh = 1 }, connection_count = 2, rx_packets = 3, rx_bytes = 4, tx_packets = 5,
    tx_bytes = 6, session_count_vscode = 7, session_count_jetbrains = 8, session_count_reconnecting_pty = 9,
    session_count_ssh = 10, connection_median_latency_ms = 11.5, usage = true,
}

local clock, store, stats
before_each(function()
    clock = testing.clock(START)
    store = testing.store { clock = clock }
    stats = agent_stats.batcher { store = store, clock = clock }
end)

local function stored_row()
    assert(stats:flush())
    return store.rows[#store.rows]
end

describe("agent_stats.batcher", function()
    it("puts each field into its column", function()
        assert.is_true(stats:add(START + 0.25, AGENT, TEMPLATE, USER, WORKSPACE, FULL))
        local row = stored_row()
        assert.equal(START + 0.25, row.created_at)
        assert.same({ AGENT, TEMPLATE, USER, WORKSPACE },
            { row.agent_id, row.template_id, row.user_id, row.workspace_id })
        assert.equal('{"ssh":1}', row.connections_by_proto)
        for name, value in pairs(FULL) do
            if name ~= "connections_by_proto" then
                assert.equal(value, row[name], name)
            end
        end
        assert.truthy(row.id:find("^%x+%-%x+%-7%x+%-"))
    end)

    it("takes JSON text, RFC 3339, and the defaults for what is absent", function()
        assert.is_true(stats:add("2024-05-14T08:00:00.115245Z", AGENT, TEMPLATE, USER, WORKSPACE,
            { connections_by_proto = '{"tcp": 12345678901234567}' }))
        assert.equal('{"tcp": 12345678901234567}', stored_row().connections_by_proto)
        assert.is_true(stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, {}))
        local row = stored_row()
        assert.same({ "{}", 0, -1, false },
            { row.connections_by_proto, row.rx_bytes, row.connection_median_latency_ms, row.usage })
    end)

    it("refuses an unknown field and a bad value, naming them", function()
        local ok, message, code = stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, { rx_byte = 1 })
        assert.same({ nil, "invalid" }, { ok, code })
        assert.truthy(message:find('"rx_byte"', 1, true), message)
        ok, message, code = stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, { rx_bytes = 1.5 })
        assert.same({ nil, "invalid" }, { ok, code })
        assert.truthy(message:find("rx_bytes", 1, true), message)
        ok, message, code = stats:add(START, "nobody", TEMPLATE, USER, WORKSPACE, {})
        assert.same({ nil, "invalid" }, { ok, code })
        assert.truthy(message:find("agent_id", 1, true), message)
        assert.equal(0, stats:stats().accepted)
    end)

    it("raises for wrong use", function()
        assert.has_error(function()
            stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE)
        end, "agent stats: a table of fields expected, got nil")
        assert.has_error(function()
            agent_stats.batcher { store = store, schema = agent_stats.schema }
        end)
        local ok, message = pcall(agent_stats.batcher, { store = store, batchsize = 1 })
        assert.is_false(ok)
        assert.truthy(tostring(message):find("batchsize", 1, true), message)
    end)

    it("flushes early at 80 % of a batch, the rest with time", function()
        for _ = 1, 1024 do
            assert.is_true(stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, FULL))
        end
        assert.equal(1, #store.calls)
        assert.truthy(store.calls[1].rows > 819 and store.calls[1].rows <= 1024)
        clock:advance(1)
        stats:poll()
        assert.equal(2, #store.calls)
        assert.equal(1024, #store.rows)
        clock:advance(1)
        assert.equal(0, stats:poll())
    end)

    it("passes the batcher's other methods on, and closes", function()
        stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, FULL)
        assert.is_number(stats:next_due())
        assert.is_true(stats:close())
        assert.equal(1, stats:stats().stored)
        local ok, _, code = stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, FULL)
        assert.is_nil(ok)
        assert.equal("closed", code)
    end)

    it("closes with its scope where the language can", function()
        if _VERSION ~= "Lua 5.4" then
            return
        end
        local scoped = assert(load "local stats, add = ...; local scope <close> = stats; add(scope)")
        scoped(stats, function(scope)
            scope:add(START, AGENT, TEMPLATE, USER, WORKSPACE, FULL)
        end)
        assert.equal(1, #store.rows)
        assert.equal("closed", stats:stats().health)
    end)
end)

describe("a tracker beside it", function()
    local tracker
    before_each(function()
        tracker = writebehind.tracker { store = store, clock = clock, table = "workspaces", key = "id",
            column = "last_used_at", precision = "exact" }
        stats = agent_stats.batcher { store = store, clock = clock, tracker = tracker }
    end)

    it("is marked for every accepted row, with the row's time", function()
        stats:add(START + 5, AGENT, TEMPLATE, USER, WORKSPACE, FULL)
        stats:add(START + 3, AGENT, TEMPLATE, USER, WORKSPACE, FULL)
        stats:add("2024-05-14T09:00:00Z", AGENT, TEMPLATE, USER, ids.uuid(5), FULL)
        assert(tracker:flush())
        assert.same({ [WORKSPACE] = START + 5, [ids.uuid(5)] = START + 3600 }, store.times)
    end)

    it("is not marked for a refused one", function()
        stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, { rx_bytes = "many" })
        stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, { nonsense = 1 })
        assert.equal(0, tracker:stats().marked)
    end)

    it("does not undo an accepted row by refusing", function()
        tracker:close()
        local ok, message, code = stats:add(START, AGENT, TEMPLATE, USER, WORKSPACE, FULL)
        assert.is_true(ok)
        assert.is_string(message)
        assert.equal("closed", code)
        assert.equal(1, stats:stats().accepted)
    end)
end)

describe("agent_stats.ddl", function()
    local NAMES = "idx_agent_stats_created_at idx_agent_stats_user_id "
        .. "workspace_agent_stats_template_id_created_at_user_id_idx"

    it("makes in SQLite the table that the schema describes, twice over", function()
        local dir = process.dir()
        local path = dir .. "/stats.db"
        sqlite.sql(path, agent_stats.ddl.sqlite .. agent_stats.ddl.sqlite)
        assert.same(agent_stats.schema:columns(), assert(writebehind.sqlite { path = path }
            :schema("workspace_agent_stats")):columns())
        assert.equal(NAMES:gsub(" ", "\n"), sqlite.sql(path,
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name;"))
        process.remove(dir)
    end)

    it("makes it in PostgreSQL too", function()
        local space = "wb_spec_" .. process.unique()
        finally(function()
            postgres.sql("DROP SCHEMA " .. space .. " CASCADE")
        end)
        postgres.sql(("CREATE SCHEMA %s; SET search_path = %s; %s %s"):format(space, space,
            agent_stats.ddl.postgresql, agent_stats.ddl.postgresql))
        local columns = assert(writebehind.postgres { conninfo = postgres.conninfo() }
            :schema(space .. ".workspace_agent_stats")):columns()
        for index, column in ipairs(agent_stats.schema:columns()) do
            assert.same({ column.name, column.type, column.null },
                { columns[index].name, columns[index].type, columns[index].null })
        end
        assert.equal("uuid|id", postgres.sql(([[SELECT t.typname, a.attname FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            JOIN pg_type t ON t.oid = a.atttypid
            WHERE i.indisprimary AND i.indrelid = '%s.workspace_agent_stats'::regclass]]):format(space)))
        assert.equal(NAMES:gsub(" ", "\n"), postgres.sql(("SELECT indexname FROM pg_indexes WHERE schemaname = '%s' "
            .. "AND indexname NOT LIKE '%%pkey' ORDER BY 1"):format(space)))
        local partial = postgres.sql(("SELECT indexdef FROM pg_indexes WHERE schemaname = '%s' "
            .. "AND indexname LIKE '%%template%%'"):format(space))
        assert.truthy(partial:find("INCLUDE %(session_count_vscode.*connection_count > 0"), partial)
    end)
end)
