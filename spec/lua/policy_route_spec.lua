-- route: one batcher, several tables; each batch has rows of one, in their order.

local policy = require "spec.support.policy"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local function by_rest(divisor)
    return function(row)
        return "t" .. row.n % divisor
    end
end

describe("route", function()
    it("names the table of each row; a batch has rows of one table, in their order", function()
        local play = policy.play({ route = by_rest(3) }, { batch_size = 30, interval = 5 })
        play:add(1, 100)
        play:pass(5)
        local stats = play:close()
        assert.equal(100, stats.stored)
        for rest = 0, 2 do
            local expected = {}
            for n = 1, 100 do
                if n % 3 == rest then
                    expected[#expected + 1] = n
                end
            end
            assert.same(expected, play.store.tables["t" .. rest])
        end
        for _, call in ipairs(play.store.calls) do
            assert.is_true(#call.numbers >= 1)
            for _, n in ipairs(call.numbers) do
                assert.equal("t" .. n % 3, call.table)
            end
        end
        assert.equal(0, stats.policy_errors)
    end)

    it("that answers nil leaves a row to the batcher's own table", function()
        local play = policy.play {
            route = function(row)
                return row.n == 2 and "side" or nil
            end,
        }
        play:add(1, 3)
        play:close()
        assert.same({ t = { 1, 3 }, side = { 2 } }, play.store.tables)
    end)

    it("is what the report of a write names", function()
        local told = {}
        local play = policy.play({
            route = function(row)
                return row.n == 2 and "side" or nil
            end,
        }, { on_flush = function(report)
            told[#told + 1] = ("%d to %s"):format(report.rows, report.table)
        end })
        play:add(1, 3)
        play:close()
        assert.same({ "1 to side", "2 to t" }, scripted.sorted(told))
    end)

    it("is given the very table that add was given, once", function()
        local seen = {}
        local play = policy.play {
            route = function(row)
                seen[#seen + 1] = row
            end,
        }
        local given = { { n = 1, note = "one" }, setmetatable({ n = 2 }, { __index = { secret = true } }) }
        for _, row in ipairs(given) do
            assert(play.batcher:add(row))
        end
        assert.equal(2, #seen)
        for index, row in ipairs(given) do
            assert.is_true(rawequal(row, seen[index]))
        end
        play:close()
        assert.equal(2, #seen)
    end)

    it("is given the values of add_values by column name", function()
        local seen = {}
        local play = policy.play {
            route = function(row)
                seen[#seen + 1] = row
                return row.note
            end,
        }
        assert(play.batcher:add_values(1, "left"))
        assert(play.batcher:add_values(2, nil))
        assert(play.batcher:add_values(3, "right"))
        play:close()
        assert.same({ { n = 1, note = "left" }, { n = 2 }, { n = 3, note = "right" } }, seen)
        assert.same({ left = { 1 }, t = { 2 }, right = { 3 } }, play.store.tables)
    end)

    it("keeps the order within a table while batches of it fail", function()
        local play = policy.play({ route = by_rest(2), retry_delay = policy.always(1) }, {
            batch_size = 4,
            answer = function(_, call)
                return call.table == "t1" or call.attempt > 2 or nil, "even tables are slow"
            end,
        })
        play:add(1, 8)
        play:pass(1)
        play:pass(1)
        play:close()
        assert.same({ 1, 3, 5, 7 }, play.store.tables.t1)
        assert.same({ 2, 4, 6, 8 }, scripted.sorted(play.store.tables.t0))
        for _, call in ipairs(play.store.calls) do
            assert.same(scripted.sorted(call.numbers), call.numbers)
        end
    end)

    it("keeps the order of rows that the store rejected, all of them, and takes later", function()
        local well = false
        local play = policy.play({ route = policy.always "side" }, {
            batch_size = 4,
            answer = function()
                return well or nil, "none of them", "reject"
            end,
        })
        play:add(1, 4)
        assert.equal("holding", scripted.conserved(play.batcher).health)
        well = true
        play:close()
        assert.same({ 1, 2, 3, 4 }, play.store.tables.side)
    end)

    it("does not let a table that waits for its next try hold up the others", function()
        local play = policy.play({
            route = by_rest(2), retry_delay = policy.always(3600), should_flush = policy.always(true),
        }, {
            answer = function(_, call)
                return call.table == "t1" or nil, "there is no such table", "hold"
            end,
        })
        play:add(2)
        for n = 1, 199, 2 do
            play:add(n)
            play:pass(1)
        end
        assert.is_true(#play.store.tables.t1 >= 90) -- its last may wait for a moment
        assert.equal(1, play.store.calls[1].attempt)
        play.store.answer = nil
        assert.equal(101, play:close().stored)
    end)

    it("tells apart as many tables as there are", function()
        local play = policy.play {
            route = function(row)
                return "table " .. row.n % 500
            end,
        }
        play:add(1, 2000)
        play:close()
        for rest = 0, 499 do
            local kept = play.store.tables["table " .. rest]
            assert.equal(4, #kept)
            for index = 2, 4 do
                assert.equal(kept[index - 1] + 500, kept[index])
            end
        end
    end)

    it("shows in a batch that is lent", function()
        local tables = {}
        local play = policy.play({ route = by_rest(2) }, { inline = false, batch_size = 1 })
        play:add(1, 2)
        for _ = 1, 2 do
            local batch = assert(play.batcher:take())
            tables[batch.table] = tonumber(batch:row(1).n)
            batch:complete(true)
        end
        assert.is_nil(play.batcher:take())
        assert.same({ t1 = 1, t0 = 2 }, tables)
        play:close()
    end)

    it("takes dead rows along: dead_letter is told their table", function()
        local play = policy.play({ route = by_rest(2) }, {
            batch_size = 8,
            answer = function(_, call)
                for _, n in ipairs(call.numbers) do
                    if n == 3 or n == 6 then
                        return nil, n .. " is bad", "reject"
                    end
                end
                return true
            end,
        })
        play:add(1, 8)
        local stats = play:close()
        assert.same({ 6, 2 }, { stats.stored, stats.dead })
        table.sort(play.dead, function(a, b)
            return a.n < b.n
        end)
        assert.same({ 3, "t1" }, { play.dead[1].n, play.dead[1].table })
        assert.same({ 6, "t0" }, { play.dead[2].n, play.dead[2].table })
        assert.same({ t1 = { 1, 5, 7 }, t0 = { 2, 4, 8 } }, play.store.tables)
    end)

    it("writes the table of a dead row to the file of dead letters", function()
        local dir = process.dir()
        local play = policy.play({ route = by_rest(2), retry_delay = policy.always(false) }, {
            dead_letter = dir .. "/dead.ndjson", answer = policy.always(nil),
        })
        play:add(1, 4)
        play:close()
        local tables = {}
        for line in io.lines(dir .. "/dead.ndjson") do
            tables[tonumber(line:match '"n":(%d+)')] = line:match '"table":"(.-)"'
        end
        assert.same({ "t1", "t0", "t1", "t0" }, tables)
        process.remove(dir)
    end)

    it("lets each table fill by itself: twenty thousand rows of a hundred tables are a hundred writes", function()
        local play = policy.play({ route = by_rest(100) }, { batch_size = 200, max_pending_rows = 1e6 })
        for n = 1, 20000 do
            assert(play.batcher:add { n = n })
        end
        assert.equal(100, #play.store.calls)
        for index, call in ipairs(play.store.calls) do
            assert.same({ 200, "size" }, { #call.numbers, call.reason })
            assert.equal("t" .. index % 100, call.table)
        end
        assert.equal(20000, play:close().stored)
    end)

    it("counts flush_at, batch_bytes and interval for each table", function()
        local play = policy.play({ route = by_rest(2) }, { batch_size = 10, flush_at = 0.5, interval = 3 })
        play:add(1, 8)
        assert.same({}, play.store:told())
        play:add(9)
        play:pass(1)
        play:add(11)
        play:pass(2)
        play:pass(1)
        assert.same({ "5 size", "4 age", "1 age" }, play.store:told())
        play:close()
        play = policy.play({ route = by_rest(10) }, { batch_bytes = 400 })
        play:add(1, 60)
        assert.same({}, play.store:told())
        for n = 1, 100, 10 do
            play:add(n)
        end
        assert.equal(1, #play.store.calls)
        assert.same({ "t1", "bytes" }, { play.store.calls[1].table, play.store.calls[1].reason })
        assert.equal(70, play:close().stored)
    end)

    it("counts the limits in total", function()
        local play = policy.play({ route = by_rest(10) }, { max_pending_rows = 25, inline = false })
        play:add(1, 25)
        local ok, message, code = play.batcher:add { n = 26 }
        assert.same({ nil, "full" }, { ok, code })
        assert.truthy(message:find("25 rows are pending", 1, true))
        assert.equal(25, play:close().stored)
    end)

    it("gives each table its own retry: one that fails holds up no other, and stats() tell which", function()
        local play = policy.play({ route = by_rest(4) }, {
            batch_size = 5, interval = 1,
            answer = function(_, call)
                return call.table ~= "t3" or nil, "no such table", "hold"
            end,
        })
        for n = 1, 400 do
            play:add(n)
            play:pass(0.25)
            local seen = play.batcher:stats().tables
            for name, told in pairs(seen) do
                assert.is_true(name == "t3" or told.pending <= 2, name)
            end
        end
        play:pass(1)
        local stats = scripted.conserved(play.batcher)
        assert.same({ 300, 100, "retrying" }, { stats.stored, stats.pending, stats.health })
        assert.same({ "t3" }, (function(names)
            for name in pairs(stats.tables) do
                names[#names + 1] = name
            end
            return names
        end) {})
        assert.equal(100, stats.tables.t3.pending)
        assert.is_true(stats.tables.t3.consecutive_failures > 3)
        assert.truthy(stats.tables.t3.last_error:find("no such table", 1, true))
        play.store.answer = nil
        stats = play:close()
        assert.same({ 400, {} }, { stats.stored, stats.tables })
        for rest = 0, 3 do
            assert.equal(100, #play.store.tables["t" .. rest])
        end
        assert.is_nil(policy.play({ should_flush = policy.always(false) }).batcher:stats().tables)
    end)

    it("does not try a store that is down once for each table", function()
        local play = policy.play({ route = by_rest(1000) }, { interval = 1, answer = policy.always(nil) })
        play:add(1, 1000)
        play:pass(1)
        assert.is_true(#play.store.calls >= 3 and #play.store.calls < 20)
        play.store.answer = nil
        play:pass(60)
        assert.equal(1000, play:close().stored)
    end)

    local WRONG = { number = 7, boolean = true, table = {}, ["empty text"] = "", ["text with NUL"] = "a\0b" }
    for name, wrong in pairs(WRONG) do
        it("that answers with " .. name .. " leaves the row to the batcher's own table", function()
            local play = policy.play { route = policy.always(wrong) }
            play:add(1, 2)
            local stats = play:close()
            assert.same({ t = { 1, 2 } }, play.store.tables)
            assert.equal(2, stats.policy_errors)
            assert.is_true(#play:errors "route" >= 1)
        end)
    end

    it("that throws loses no row", function()
        local play = policy.play {
            route = function(row)
                if row.n % 2 == 0 then
                    error { code = row.n }
                end
                return "odd"
            end,
        }
        play:add(1, 6)
        assert.equal(3, play:close().policy_errors)
        assert.same({ t = { 2, 4, 6 }, odd = { 1, 3, 5 } }, play.store.tables)
    end)

    it("is not to change what becomes of a row that does not fit", function()
        local play = policy.play { route = by_rest(1) }
        local ok, message, code = play.batcher:add { n = 1.5 }
        assert.same({ nil, "invalid" }, { ok, code })
        assert.truthy(message:find("n", 1, true))
        assert.equal(0, play:close().accepted)
    end)
end)

describe("route to SQLite", function()
    it("fills a table for each name over one connection, and makes those that are missing", function()
        local dir = process.dir()
        local path = dir .. "/x.db"
        local batcher = assert(writebehind.batcher {
            store = writebehind.sqlite { path = path, create = true }, schema = policy.schema, table = "rest",
            interval = 0.01, batch_size = 50, log = function() end,
            policy = {
                route = function(row)
                    return row.n % 4 > 0 and ('it\'s "' .. row.n % 4 .. '"') or nil
                end,
            },
        })
        for n = 1, 1000 do
            assert(batcher:add { n = n, note = "row " .. n })
        end
        assert(batcher:close(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.same({ 1000, 0, 0 }, { stats.stored, stats.dead, stats.policy_errors })
        for rest = 0, 3 do
            local name = rest == 0 and "rest" or ('"it\'s ""%d"""'):format(rest)
            assert.equal(("250|250|%d|%d"):format(rest, rest), sqlite.sql(path,
                ("SELECT count(*), count(DISTINCT id), min(n %% 4), max(n %% 4) FROM %s;"):format(name)))
        end
        process.remove(dir)
    end)
end)

describe("route to PostgreSQL", function()
    after_each(postgres.drop_all)

    local SCHEMA = writebehind.schema {
        { "id", "uuid", generate = "uuidv7" }, { "at", "timestamptz" }, { "n", "int8" },
    }
    local DAY, MONDAY = 86400, 1715558400 -- 2024-05-13T00:00:00Z

    -- A partitioned table and its partitions of these days; the name of the table.
    local function partitioned(days)
        local name = postgres.name()
        local text = { ("CREATE TABLE %s (id uuid, at timestamptz NOT NULL, n int8 NOT NULL, "
            .. "PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"):format(name) }
        for day = 0, days - 1 do
            local from = MONDAY + day * DAY
            text[#text + 1] = ("CREATE TABLE %s_%s PARTITION OF %s FOR VALUES FROM (to_timestamp(%d)) TO "
                .. "(to_timestamp(%d));"):format(name, os.date("!%Y%m%d", from), name, from, from + DAY)
        end
        postgres.sql("SET timezone = 'UTC';" .. table.concat(text))
        return name
    end

    local function open(name, options)
        local all = {
            store = writebehind.postgres { conninfo = postgres.conninfo() }, schema = SCHEMA, table = name,
            interval = 0.01, batch_size = 64, dedupe = "none", retry = { initial = 0.01, max = 0.1 },
            log = function() end,
            policy = {
                route = function(row)
                    return name .. os.date("!_%Y%m%d", row.at)
                end,
            },
        }
        for key, value in pairs(options or {}) do
            all[key] = value
        end
        return assert(writebehind.batcher(all))
    end

    it("fills a partition a day", function()
        local name = partitioned(7)
        local batcher = open(name)
        for n = 0, 699 do
            assert(batcher:add { at = MONDAY + (n * 37 % 7) * DAY + n, n = n })
        end
        assert(batcher:close(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.same({ 700, 0, 0 }, { stats.stored, stats.dead, stats.policy_errors })
        assert.equal("700|700", postgres.sql("SELECT count(*), count(DISTINCT id) FROM " .. name))
        for day = 0, 6 do
            assert.equal(100, postgres.count(name .. os.date("!_%Y%m%d", MONDAY + day * DAY)))
        end
    end)

    it("keeps the rows of a table that is missing, while the others go on", function()
        local name = partitioned(2)
        local batcher = open(name)
        local third = MONDAY + 2 * DAY
        assert(batcher:add { at = third, n = 1 })
        for n = 2, 101 do
            assert(batcher:add { at = MONDAY + n % 2 * DAY, n = n })
        end
        assert.is_true(process.wait(function()
            local stats = scripted.conserved(batcher)
            return stats.stored == 100 and stats.failures > 0
        end))
        assert.equal(1, batcher:stats().pending)
        postgres.sql(("CREATE TABLE %s%s PARTITION OF %s FOR VALUES FROM (to_timestamp(%d)) TO (to_timestamp(%d))")
            :format(name, os.date("!_%Y%m%d", third), name, third, third + DAY))
        assert(batcher:close(process.PATIENCE))
        assert.equal(101, scripted.conserved(batcher).stored)
        assert.equal(101, postgres.count(name))
    end)

    it("gives dead rows their table, and stores the rest in theirs", function()
        local name, dead = partitioned(2), {}
        local second = name .. os.date("!_%Y%m%d", MONDAY + DAY)
        postgres.sql(("ALTER TABLE %s ADD CHECK (n <> 7)"):format(second))
        local batcher = open(name, {
            dead_letter = function(row, err, where)
                dead[#dead + 1] = { tonumber(row.n), err, where }
            end,
        })
        for n = 1, 20 do
            assert(batcher:add { at = MONDAY + n % 2 * DAY, n = n })
        end
        assert(batcher:close(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.same({ 19, 1 }, { stats.stored, stats.dead })
        assert.equal(1, #dead)
        assert.same({ 7, second }, { dead[1][1], dead[1][3] })
        assert.is_string(dead[1][2])
        assert.equal("10|9", postgres.sql(("SELECT (SELECT count(*) FROM %s WHERE n %% 2 = 0), "
            .. "(SELECT count(*) FROM %s)"):format(name, second)))
    end)
end)
