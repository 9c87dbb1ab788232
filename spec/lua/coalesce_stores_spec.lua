-- Rows of one key are one (the option `coalesce`) before stores that write on a thread of their own: with an upsert of
-- the same words the table is what an oracle says, without one it adds up; workers, and policies in workers.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local COLUMNS = {
    { "key", "text" }, { "total", "numeric", null = true }, { "times", "int4" }, { "low", "int8" }, { "high", "int8" },
    { "born", "text", null = true }, { "seen", "text", null = true }, { "plain", "int8" },
}
local WORDS = { total = "sum", times = "sum", low = "min", high = "max", born = "first", seen = "last" }
local TABLE = [[CREATE TABLE %s (key text PRIMARY KEY, total numeric%s, times int4, low int8, high int8, born text,
    seen text, plain int8)]]
local ADDS, KEYS = 6000, 40

local function quiet()
end

-- A random row; `oracle` has what the rows of each key are together.
local function next_row(oracle, n)
    local row = {
        key = ("key %02d"):format(math.random(KEYS)), times = 1, plain = n, low = math.random(1000000),
        high = math.random(1000000), total = math.random(4) > 1 and math.random(1000) or nil,
        born = math.random(3) > 1 and "b" .. n or nil, seen = math.random(3) > 1 and "s" .. n or nil,
    }
    local sum = oracle[row.key] or { times = 0, low = math.huge, high = 0 }
    oracle[row.key] = sum
    sum.total = (row.total or sum.total) and (sum.total or 0) + (row.total or 0)
    sum.times, sum.plain = sum.times + 1, n
    sum.low, sum.high = math.min(sum.low, row.low), math.max(sum.high, row.high)
    sum.born, sum.seen = sum.born or row.born, row.seen or sum.seen
    return row
end

local function lines_of(oracle)
    local lines = {}
    for key, sum in pairs(oracle) do
        local words = { key }
        for place = 2, #COLUMNS do
            local value = sum[COLUMNS[place][1]]
            words[place] = type(value) == "number" and ("%d"):format(value) or value or ""
        end
        lines[#lines + 1] = table.concat(words, "|")
    end
    table.sort(lines)
    return lines
end

local peers = {
    PostgreSQL = function()
        return writebehind.postgres { conninfo = postgres.conninfo() }, postgres.lines, ""
    end,
    SQLite = function(dir)
        return writebehind.sqlite { path = dir .. "/coalesce.db", create = true }, function(text)
            return sqlite.lines(dir .. "/coalesce.db", text .. ";")
        end, " TEXT"
    end,
}

for peer, open in pairs(peers) do
    describe("rows of one key, in " .. peer, function()
        local dir, store, lines, name, exact

        before_each(function()
            dir = process.dir()
            store, lines, exact = open(dir)
            name = postgres.name()
        end)

        after_each(function()
            postgres.drop_all()
            process.remove(dir)
        end)

        local function batcher_of(options)
            local given = { store = store, table = name, interval = 0.005, log = quiet }
            for key, value in pairs(options) do
                given[key] = value
            end
            return assert(writebehind.batcher(given))
        end

        for _, size in ipairs { 7, 1024 } do
            it(("are in the table what they are one by one, %d rows in a batch"):format(size), function()
                lines(TABLE:format(name, exact))
                local same = { key = { "key" }, merge = WORDS }
                local batcher = batcher_of { schema = writebehind.schema(COLUMNS), coalesce = same, upsert = same,
                    dedupe = "ledger", batch_size = size, merge_rows = size }
                local oracle = {}
                for n = 1, ADDS do
                    assert(batcher:add(next_row(oracle, n)))
                    if n % 100 == 0 then
                        local stats = scripted.conserved(batcher)
                        assert.is_true(stats.pending_rows <= stats.pending)
                        process.sleep(0.001)
                    end
                end
                assert(batcher:close(process.PATIENCE))
                assert.same(lines_of(oracle), lines(("SELECT * FROM %s ORDER BY key"):format(name)))
                local stats = scripted.conserved(batcher)
                assert.same({ ADDS, 0, 0, 0 }, { tonumber(stats.stored), tonumber(stats.pending_rows),
                    tonumber(stats.pending_bytes), tonumber(stats.dead) })
                assert.is_true(stats.flushes > 1 and stats.coalesced > 0)
            end)
        end

        it("are the newest, with an upsert that takes the newest", function()
            lines(("CREATE TABLE %s (key text PRIMARY KEY, at int8, n int8)"):format(name))
            local same = { key = { "key" }, newest = "at" }
            local batcher = batcher_of { schema = writebehind.schema { { "key", "text" }, { "at", "int8" },
                { "n", "int8" } }, coalesce = same, upsert = same }
            local newest, expected = {}, {}
            for n = 1, ADDS do
                local key, at = ("key %02d"):format(math.random(KEYS)), math.random(500)
                assert(batcher:add { key = key, at = at, n = n })
                if not newest[key] or at >= newest[key][1] then
                    newest[key] = { at, n }
                end
                if n % 500 == 0 then
                    process.sleep(0.005)
                end
            end
            assert(batcher:close(process.PATIENCE))
            for key, row in pairs(newest) do
                expected[#expected + 1] = ("%s|%d|%d"):format(key, row[1], row[2])
            end
            table.sort(expected)
            assert.same(expected, lines(("SELECT key, at, n FROM %s ORDER BY key"):format(name)))
        end)

        it("are a row for each write without an upsert, and add up", function()
            lines(("CREATE TABLE %s (key text, n int8)"):format(name))
            local batcher = batcher_of { schema = writebehind.schema { { "key", "text" }, { "n", "int8" } },
                coalesce = { key = { "key" }, merge = { n = "sum" } }, dedupe = "ledger", interval = 1000 }
            for round = 1, 3 do
                for n = 1, 1000 do
                    assert(batcher:add { key = "k" .. n % 10, n = n })
                end
                assert.equal(10, tonumber(batcher:stats().pending_rows))
                assert(batcher:flush(process.PATIENCE))
                assert.same({ ("%d|%d"):format(10 * round, 500500 * round) },
                    lines(("SELECT count(*), sum(n) FROM %s"):format(name)))
            end
            assert(batcher:close(process.PATIENCE))
        end)

        it("are dead together where the table refuses them", function()
            lines(("CREATE TABLE %s (key text PRIMARY KEY, n int8 CHECK (n <> 13))"):format(name))
            local dead = {}
            local same = { key = { "key" }, merge = { n = "sum" } }
            local batcher = batcher_of { schema = writebehind.schema { { "key", "text" }, { "n", "int8" } },
                coalesce = same, upsert = same, dedupe = "ledger", interval = 1000,
                dead_letter = function(row)
                    dead[#dead + 1] = row.key .. " " .. tostring(row.n):match("%d+")
                end }
            for n = 1, 40 do
                assert(batcher:add { key = "k" .. n, n = n == 7 and 6 or 100 })
                assert(batcher:add { key = "k" .. n, n = 7 })
            end
            assert(batcher:close(process.PATIENCE))
            local stats = scripted.conserved(batcher)
            assert.same({ 78, 2 }, { tonumber(stats.stored), tonumber(stats.dead) })
            assert.same({ "k7 13" }, dead)
            assert.same({ "39|4173" }, lines(("SELECT count(*), sum(n) FROM %s"):format(name)))
        end)

        it("are found again where the table comes late", function()
            local same = { key = { "key" }, merge = { n = "sum" } }
            local other = peer == "PostgreSQL" and store or
                writebehind.sqlite { path = dir .. "/coalesce.db", create = false }
            lines "SELECT 1" -- the database is there
            local batcher = batcher_of { store = other, schema = writebehind.schema { { "key", "text" },
                { "n", "int8" } }, coalesce = same, upsert = same, dedupe = "ledger", batch_size = 2,
                retry = { initial = 0.01, max = 0.02 } }
            local n = 0
            assert.is_truthy(process.wait(function()
                for _ = 1, 100 do
                    n = n + 1
                    assert(batcher:add { key = "k" .. n % 10, n = n })
                end
                return batcher:stats().failures >= 5
            end))
            assert.is_truthy(process.wait(function()
                return tonumber(batcher:stats().pending_rows) == 10
            end))
            lines(("CREATE TABLE %s (key text PRIMARY KEY, n int8)"):format(name))
            assert(batcher:close(process.PATIENCE))
            assert.same({ ("10|%d"):format(n * (n + 1) / 2) }, lines(("SELECT count(*), sum(n) FROM %s"):format(name)))
        end)
    end)
end

describe("rows of one key, with a worker", function()
    local dir, path

    before_each(function()
        dir, path = process.dir(), package.path
        package.path = ("%s/?.lua;%s/?.lua;%s"):format(dir, os.getenv "WRITEBEHIND_ROOT" or ".", path)
    end)

    after_each(function()
        package.path = path
        process.remove(dir)
    end)

    it("as a store add up, though it fails", function()
        process.write(dir .. "/sums.lua", [[
            return function(args)
                local calls = 0
                return { write = function(_, batch)
                    calls = calls + 1
                    if calls % 3 == 1 then
                        return nil, "not now"
                    end
                    local file, seen = assert(io.open(args.path, "a")), {}
                    for row in batch:rows() do
                        assert(not seen[row.key], "a key is there twice")
                        seen[row.key] = true
                        file:write(("%s %d\n"):format(row.key, tonumber(row.n)))
                    end
                    file:close()
                    return true
                end }
            end]])
        local batcher = assert(writebehind.batcher { store = writebehind.worker("sums", { path = dir .. "/rows" }),
            table = "t", schema = writebehind.schema { { "key", "text" }, { "n", "int8" } }, batch_size = 4,
            interval = 0.001, retry = { initial = 0.001, max = 0.002 }, log = quiet,
            coalesce = { key = { "key" }, merge = { n = "sum" } } })
        local expected, found = {}, {}
        for n = 1, ADDS do
            local key = "k" .. math.random(10)
            expected[key] = (expected[key] or 0) + n
            assert(batcher:add { key = key, n = n })
        end
        assert(batcher:close(process.PATIENCE))
        for key, n in process.read(dir .. "/rows"):gmatch "(%S+) (%d+)" do
            found[key] = (found[key] or 0) + tonumber(n)
        end
        assert.same(expected, found)
        assert.equal(ADDS, tonumber(scripted.conserved(batcher).stored))
    end)

    -- A batcher on SQLite whose rows go where their notes say.
    local function routed(key, options)
        local given = {
            store = writebehind.sqlite { path = dir .. "/x.db", create = true }, table = "t", log = quiet,
            schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "key", "text" }, { "n", "int8" },
                { "note", "text" } },
            coalesce = { key = key, merge = { n = "sum" } },
            policy = writebehind.worker("spec.support.policies.diary", { diary = dir .. "/diary",
                tables = { a = "left", b = "right" }, refuses = { bad = "no such note" } }),
        }
        for name, value in pairs(options) do
            given[name] = value
        end
        return assert(writebehind.batcher(given))
    end

    local function assert_table(name, expected)
        assert.equal(expected, sqlite.sql(dir .. "/x.db",
            ("SELECT sum(n), group_concat(DISTINCT note) FROM %s;"):format(name)))
    end

    it("that routes are rows of each table; what it refuses is dead with its adds", function()
        local notes, sum = { "a", "b", "c", "bad" }, 0
        local batcher = routed({ "key", "note" }, { interval = 0.001, dead_letter = function(row)
            sum = sum + tonumber(row.n)
        end })
        for n = 1, 2000 do
            assert(batcher:add { key = "k" .. n % 5, n = 1, note = notes[n % 4 + 1] })
        end
        assert(batcher:close(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.same({ 1500, 500, 0, 0 }, { tonumber(stats.stored), tonumber(stats.dead), tonumber(stats.pending_rows),
            tonumber(stats.policy_errors) })
        for name, note in pairs { left = "a", right = "b", t = "c" } do
            assert_table(name, "500|" .. note)
        end
        assert.equal(500, sum)
    end)

    it("that routes go where the row as it is by then does", function()
        local batcher = routed({ "key" }, { interval = 1000 })
        for n, note in ipairs { "a", "b", "a", "b", "a" } do
            assert(batcher:add { key = n < 3 and "x" or "y", n = n, note = note })
        end
        assert(batcher:close(process.PATIENCE))
        assert_table("right", "3|b")
        assert_table("left", "12|a")
    end)
end)
