-- A PostgreSQL that is killed, with all its processes, in the middle of writes, again and again. In the end each
-- table has exactly what was added: rows without an id once, by the ledger; sums to the last unit, by the ledger, also
-- of rows that were one while they waited; of each key the newest, without one.

local process = require "spec.support.process"
local writebehind = require "writebehind"

local ROUNDS = os.getenv "CI_LONG" and 50 or 6
local ROWS, KEYS, METERS = 3000, 40, 997

local function run(script)
    local result = process.run("set -e\n" .. script)
    assert(result.code == 0, result.err)
    return (result.out:gsub("\n$", ""))
end

describe("a server that is killed in the middle of writes", function()
    local dir, conninfo

    local function sql(text)
        return run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(process.quote(conninfo),
            process.quote(text)))
    end

    local function server(words)
        return run(('"$WRITEBEHIND_ROOT/scripts/postgres" %s'):format(words))
    end

    setup(function()
        dir = process.dir()
        conninfo = server("start " .. dir)
        sql [[CREATE TABLE plain (n int8);
CREATE TABLE sums (key text PRIMARY KEY, total int8, times int4);
CREATE TABLE meters (key int4 PRIMARY KEY, total int8, times int4);
CREATE TABLE newest (key text PRIMARY KEY, n int8)]]
    end)

    teardown(function()
        process.run('"$WRITEBEHIND_ROOT/scripts/postgres" stop ' .. dir .. " fast")
        process.remove(dir)
    end)

    local function batcher(options)
        options.store = writebehind.postgres { conninfo = conninfo }
        options.batch_size, options.interval = options.batch_size or 100, 0.005
        options.merge_rows = options.batch_size
        options.max_pending_rows, options.retry = 1000000, { initial = 0.01, max = 0.1 }
        options.log = function() end
        return assert(writebehind.batcher(options))
    end

    it("has each row once, and each sum exactly", function()
        local plain = batcher { table = "plain", dedupe = "ledger", schema = writebehind.schema { { "n", "int8" } } }
        local sums = batcher {
            table = "sums", dedupe = "ledger",
            schema = writebehind.schema { { "key", "text" }, { "total", "int8" }, { "times", "int4" } },
            upsert = { key = { "key" }, merge = { total = "sum", times = "sum" } },
        }
        local words = { key = { "key" }, merge = { total = "sum", times = "sum" } }
        local meters = batcher {
            table = "meters", dedupe = "ledger", batch_size = 10, upsert = words, coalesce = words,
            schema = writebehind.schema { { "key", "int4" }, { "total", "int8" }, { "times", "int4" } },
        }
        local newest = batcher {
            table = "newest", schema = writebehind.schema { { "key", "text" }, { "n", "int8" } },
            upsert = { key = { "key" }, newest = "n" },
        }
        local total, times, last, n = {}, {}, {}, 0
        for _ = 1, ROUNDS do
            for _ = 1, ROWS do
                n = n + 1
                local key = ("key %02d"):format(math.random(KEYS))
                assert(plain:add { n = n })
                assert(sums:add { key = key, total = n, times = 1 })
                assert(meters:add { key = n % METERS, total = n, times = 1 })
                assert(newest:add { key = key, n = n })
                total[key], times[key], last[key] = (total[key] or 0) + n, (times[key] or 0) + 1, n
            end
            server(("stop %s kill"):format(dir))
            server("start " .. dir)
        end
        for _, each in ipairs { plain, sums, meters, newest } do
            assert(each:flush(process.PATIENCE))
            local stats = each:stats()
            assert.equal(ROUNDS * ROWS, tonumber(stats.stored))
            assert.same({ 0, 0 }, { tonumber(stats.dead), tonumber(stats.pending_rows) })
            assert(each:close(process.PATIENCE))
        end
        assert.equal(("%d|%d"):format(n, n), sql "SELECT count(*), count(DISTINCT n) FROM plain")
        local expected = {}
        for key in pairs(total) do
            expected[#expected + 1] = ("%s|%d|%d|%d"):format(key, total[key], times[key], last[key])
        end
        table.sort(expected)
        assert.equal(table.concat(expected, "\n"), sql([[SELECT key, total, times, n FROM sums JOIN newest USING (key)
ORDER BY key COLLATE "C"]]))
        assert.equal(("%d|0"):format(METERS), sql(([[SELECT count(*), count(*) - count(expected.key) FROM meters
LEFT JOIN (SELECT n %% %d AS key, sum(n) AS total, count(*) AS times FROM generate_series(1, %d) n GROUP BY 1) expected
USING (key, total, times)]]):format(METERS, n)))
        assert.truthy(tonumber(sql "SELECT count(*) FROM writebehind_ledger WHERE rows > 0") > 2 * ROUNDS)
    end)
end)
