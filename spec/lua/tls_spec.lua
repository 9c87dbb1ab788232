-- A process that ends while its rows go out by TLS. OpenSSL has an exit handler of its own, after which it can't be
-- used: it must not run before the rows are out, at whatever moment the process ends.

local process = require "spec.support.process"
local tls = require "spec.support.tls"

local RUNS = 16 -- ends at as many moments of the first connection

describe("a process that ends while it writes by TLS", function()
    local dir, conninfo

    local function sql(text)
        local result = process.run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(process.quote(conninfo),
            process.quote(text)))
        assert.equal(0, result.code, result.err)
        return (result.out:gsub("\n$", ""))
    end

    -- Runs a child that adds rows, does as `body` says, and ends without closing.
    local function run(rows, options, body)
        return process.lua(([[
            local writebehind = require "writebehind"
            local options = { %s }
            options.store = writebehind.postgres { conninfo = %q }
            options.schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
            options.table, options.close_timeout, options.max_pending_rows = "t", 60, 200000
            batcher = assert(writebehind.batcher(options))
            for n = 1, %d do
                assert(batcher:add_values(n))
            end
            %s]]):format(options, conninfo, rows, body), {}, 120)
    end

    local function assert_all_stored(rows, result)
        assert.equal("", result.err)
        assert.equal(0, result.code)
        assert.equal(tostring(rows), sql("SELECT count(*) FROM t"))
    end

    setup(function()
        dir = process.dir()
        conninfo = tls.start(dir, [[-c "CREATE TABLE t (id uuid PRIMARY KEY, n int8)"]]) .. " sslmode=require"
        -- The server takes the new settings in its own time.
        assert(process.wait(function()
            return process.run("psql -X -d " .. process.quote(conninfo) .. " -c 'SELECT 1'").code == 0
        end), "no TLS")
    end)

    teardown(function()
        tls.stop(dir)
        process.remove(dir)
    end)

    before_each(function()
        sql("TRUNCATE t")
    end)

    it("stores 100,000 rows", function()
        assert_all_stored(100000, run(100000, "", ""))
    end)

    it("stores the rows of a first connection that is made at the very end", function()
        assert_all_stored(100, run(100, "interval = 3600", ""))
    end)

    it("stores the rows of a first write that is under way at the end", function()
        process.start(("psql -X -q -d %s -c 'BEGIN' -c 'LOCK TABLE t' -c 'SELECT pg_sleep(1)' -c 'COMMIT'"):format(
            process.quote(conninfo)))
        assert(process.wait(function()
            return sql("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock'")
                == "1"
        end))
        local result = run(100, "interval = 0.001", 'require "system".sleep(0.3)')
        assert_all_stored(100, result)
    end)

    it("stores the rows of a first connection that is being made at the end", function()
        for i = 1, RUNS do
            local body = ('require "system".sleep(%g)'):format(i / 1000)
            assert_all_stored(10 * i, run(10, "interval = 0.0005", body))
        end
    end)
end)
