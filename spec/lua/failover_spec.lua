-- Two servers and a conninfo that names both without target_session_attrs: where the one in use turns read-only, as a
-- primary that became a standby is, rows go to the other.

local process = require "spec.support.process"
local writebehind = require "writebehind"

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local function run(script)
    local result = process.run("set -e\n" .. script)
    assert(result.code == 0, result.err)
    return (result.out:gsub("\n$", ""))
end

describe("a server that turns read-only", function()
    local dirs, conninfos = {}, {}

    local function sql(server, text)
        return run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(process.quote(conninfos[server]),
            process.quote(text)))
    end

    local function set_read_only(server, value)
        local options = ("PGOPTIONS='-c default_transaction_read_only=off' psql -X -q -d %s"):format(
            process.quote(conninfos[server]))
        run(("%s -c 'ALTER SYSTEM SET default_transaction_read_only = %s' -c 'SELECT pg_reload_conf()'"):format(
            options, value))
        assert.is_true(process.wait(function()
            return sql(server, "SHOW default_transaction_read_only") == value
        end))
    end

    setup(function()
        for server = 1, 2 do
            dirs[server] = process.dir()
            conninfos[server] = run('"$WRITEBEHIND_ROOT/scripts/postgres" start ' .. dirs[server])
            sql(server, "CREATE TABLE t (id uuid PRIMARY KEY, n int8)")
        end
    end)

    teardown(function()
        for _, dir in ipairs(dirs) do
            process.run('"$WRITEBEHIND_ROOT/scripts/postgres" stop ' .. dir .. " fast")
            process.remove(dir)
        end
    end)

    it("is left for the next host at its first refusal, and is gone back to in the same way", function()
        local both = conninfos[1]:gsub("host=(%S+)", "host=%1," .. dirs[2])
        local batcher = assert(writebehind.batcher { store = writebehind.postgres { conninfo = both }, table = "t",
            schema = schema, interval = 60, retry = { initial = 0.01, max = 0.02 }, log = function() end })
        local function add_and_flush(n)
            assert(batcher:add { n = n })
            assert(batcher:flush(process.PATIENCE))
        end
        add_and_flush(1)
        assert.equal("1", sql(1, "SELECT count(*) FROM t"))
        for turn, server in ipairs { 1, 2 } do
            set_read_only(server, "on")
            local failures = batcher:stats().failures
            add_and_flush(10 * turn)
            assert.equal("1", sql(3 - server, ("SELECT count(*) FROM t WHERE n = %d"):format(10 * turn)))
            assert.truthy(batcher:stats().failures <= failures + 2)
            set_read_only(server, "off")
        end
        assert(batcher:close(process.PATIENCE))
    end)
end)
