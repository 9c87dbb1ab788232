-- Behind PgBouncer. In transaction mode each transaction may get another server connection, which another client had
-- before and a third has after; in session mode there may be fewer of them than objects.

local process = require "spec.support.process"
local writebehind = require "writebehind"

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local function run(script)
    local result = process.run("set -e\nPATH=$PATH:/usr/sbin\n" .. script)
    assert(result.code == 0, result.err)
    return (result.out:gsub("\n$", ""))
end

local function script(name)
    return '"$WRITEBEHIND_ROOT/scripts/' .. name .. '" '
end

describe("behind PgBouncer", function()
    local server, server_conninfo, pooler, conninfo

    local function sql(text, through)
        return run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(
            process.quote(through or server_conninfo), process.quote(text)))
    end

    local function start(mode, size)
        pooler = process.dir()
        conninfo = run(script "pgbouncer" .. ("start %s %s %s %d"):format(pooler, process.quote(server_conninfo),
            mode, size))
    end

    setup(function()
        server = process.dir()
        server_conninfo = run(script "postgres" .. "start " .. server)
    end)

    teardown(function()
        run(script "postgres" .. "stop " .. server .. " fast")
        process.remove(server)
    end)

    before_each(function()
        sql "DROP TABLE IF EXISTS t, used; CREATE TABLE t (id uuid PRIMARY KEY, n int8); "
        sql "CREATE TABLE used (id uuid PRIMARY KEY, at timestamptz)"
        sql "DROP TABLE IF EXISTS keyed; CREATE TABLE keyed (id uuid, n int8 PRIMARY KEY)"
    end)

    after_each(function()
        run(script "pgbouncer" .. "stop " .. pooler)
        process.remove(pooler)
    end)

    local function batcher_of(given)
        local batcher_options = { store = writebehind.postgres { conninfo = conninfo,
            idle_timeout = given.idle_timeout }, table = given.table or "t", schema = schema, interval = 60,
            upsert = given.upsert, dedupe = given.dedupe, retry = { initial = 0.01, max = 0.02 }, log = function() end }
        return assert(writebehind.batcher(batcher_options))
    end

    local function settings()
        return sql("SELECT name, setting FROM pg_settings WHERE name <> 'application_name' ORDER BY name", conninfo)
    end

    it("writes in transaction mode over one connection, and leaves no setting to others", function()
        start("transaction", 1)
        local id = "00000000-0000-0000-0000-000000000001"
        sql("INSERT INTO used VALUES ('" .. id .. "')")
        local before = settings()
        local store = writebehind.postgres { conninfo = conninfo }
        local described = assert(store:schema "t")
        assert.equal(2, #described:columns())
        assert(store:execute "CREATE TABLE IF NOT EXISTS other (n int8)")
        local upsert = { key = { "n" } }
        local batchers = { batcher_of {}, batcher_of {}, batcher_of { dedupe = "ledger" },
            batcher_of { table = "keyed", upsert = upsert },
            batcher_of { table = "keyed", upsert = upsert, dedupe = "ledger" } }
        local tracker = assert(writebehind.tracker { store = store, table = "used", key = "id", column = "at",
            interval = 60 })
        for round = 1, 20 do
            for _, batcher in ipairs(batchers) do
                assert(batcher:add { n = round })
                assert(batcher:flush(process.PATIENCE))
            end
            assert(tracker:add(id))
            assert(tracker:add "00000000-0000-0000-0000-000000000002")
            assert(tracker:flush(process.PATIENCE))
            if round % 5 == 0 then
                assert.equal(before, settings())
            end
        end
        for _, batcher in ipairs(batchers) do
            assert.equal(0, batcher:stats().failures)
            assert(batcher:close(process.PATIENCE))
        end
        assert.equal(20, tracker:stats().updated)
        assert(tracker:close(process.PATIENCE))
        assert.equal("60", sql "SELECT count(*) FROM t")
        assert.equal("20", sql "SELECT count(*) FROM keyed")
        assert.equal("40", sql "SELECT count(*) FROM writebehind_ledger")
        assert.equal(before, settings())
        assert.equal("1", sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
            .. "AND pid <> pg_backend_pid()"))
    end)

    it("holds a table that changes, by name, and has no setting of a failed write left", function()
        start("transaction", 1)
        local before = settings()
        local batcher = batcher_of {}
        assert(batcher:add { n = 1234 })
        assert(batcher:flush(process.PATIENCE))
        sql "ALTER TABLE t ALTER n TYPE float8"
        assert(batcher:add { n = 1234 })
        local done, _, code = batcher:flush(0.5)
        assert.is_nil(done)
        assert.equal("timeout", code)
        assert.truthy(batcher:stats().last_error:find('column "n" is float8 in the database, int8 in the schema', 1,
            true))
        assert.equal(before, settings())
        sql "ALTER TABLE t ALTER n TYPE int8"
        assert(batcher:flush(process.PATIENCE))
        assert.equal("2", sql "SELECT count(*) FROM t WHERE n = 1234")
        assert(batcher:close(process.PATIENCE))
    end)

    it("shares a session pool that is smaller than the number of objects, by idle_timeout", function()
        start("session", 1)
        local batchers = {}
        for i = 1, 4 do
            batchers[i] = batcher_of { idle_timeout = 0.05 }
        end
        for round = 1, 3 do
            for _, batcher in ipairs(batchers) do
                assert(batcher:add { n = round })
            end
            for _, batcher in ipairs(batchers) do
                assert(batcher:flush(process.PATIENCE))
            end
        end
        for _, batcher in ipairs(batchers) do
            assert(batcher:close(process.PATIENCE))
        end
        assert.equal("12", sql "SELECT count(*) FROM t")
    end)
end)

describe("idle_timeout", function()
    it("gives the connection back, and the next write opens another", function()
        local conninfo = assert(os.getenv "WRITEBEHIND_TEST_POSTGRES")
        local name = "idle" .. process.unique()
        local function sql(text)
            return run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(process.quote(conninfo),
                process.quote(text)))
        end
        local function connections()
            return sql(("SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'"):format(name))
        end
        sql(("CREATE TABLE %s (id uuid PRIMARY KEY, n int8)"):format(name))
        local own = conninfo .. " application_name=" .. name
        local idle = assert(writebehind.batcher { store = writebehind.postgres { conninfo = own, idle_timeout = 0.1 },
            table = name, schema = schema, interval = 60 })
        for round = 1, 2 do
            assert(idle:add { n = round })
            assert(idle:flush(process.PATIENCE))
            assert.is_true(process.wait(function()
                return connections() == "0"
            end))
        end
        assert(idle:close(process.PATIENCE))
        local stays = assert(writebehind.batcher { store = writebehind.postgres { conninfo = own }, table = name,
            schema = schema, interval = 60 })
        assert(stays:add { n = 3 })
        assert(stays:flush(process.PATIENCE))
        assert.equal("1", connections())
        assert(stays:close(process.PATIENCE))
        assert.equal("3", sql("SELECT count(*) FROM " .. name))
        sql("DROP TABLE " .. name)
    end)

    it("is a time above 0", function()
        for _, wrong in ipairs { 0, -1, "1", 0 / 0 } do
            local ok, message = pcall(writebehind.postgres, { conninfo = "", idle_timeout = wrong })
            assert.is_false(ok)
            assert.truthy(message:find('"idle_timeout"', 1, true), message)
        end
    end)
end)
