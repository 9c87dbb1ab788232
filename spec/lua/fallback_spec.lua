-- A store of two: what the first has refused for long the second takes, and nothing is stored by both.

local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int4" } }

local function ns(rows)
    local list = {}
    for index, row in ipairs(rows) do
        list[index] = tonumber(row.n)
    end
    table.sort(list)
    return list
end

describe("a fallback of scripted stores", function()
    local clock, first, second

    -- A store that answers what `says` gives for a batch.
    local function store_that(says)
        local store = { rows = {}, writes = {} }
        function store:write(batch)
            self.writes[#self.writes + 1] = batch.id
            local answer, err, class = says(batch)
            if answer then
                for row in batch:rows() do
                    self.rows[#self.rows + 1] = row
                end
            end
            return answer, err, class
        end
        return store
    end

    local function batcher_of(options)
        local given = {
            store = writebehind.fallback { first, second, after = 30, clock = clock }, clock = clock, schema = SCHEMA,
            table = "t", retry = { initial = 1, max = 1 }, log = function() end, interval = 0,
        }
        for name, value in pairs(options or {}) do
            given[name] = value
        end
        return writebehind.batcher(given)
    end

    before_each(function()
        clock = testing.clock(1700000000)
    end)

    it("goes to the second after the time, tries the first now and then, and goes back", function()
        local down = true
        first = store_that(function()
            if down then
                return nil, "down"
            end
            return true
        end)
        second = store_that(function() return true end)
        local batcher = batcher_of()
        batcher:add { n = 1 }
        for _ = 1, 29 do
            clock:advance(1)
            batcher:poll()
        end
        assert.same({}, second.rows)
        assert(batcher:flush(10))
        assert.same({ 1 }, ns(second.rows))
        assert.equal(first.writes[1], second.writes[1])
        local asked = #first.writes
        for n = 2, 20 do
            batcher:add { n = n }
            clock:advance(1)
            batcher:poll()
        end
        assert.equal(asked, #first.writes)
        assert.equal(20, #second.rows)
        clock:advance(30)
        batcher:add { n = 21 }
        assert.equal(asked + 1, #first.writes)
        assert(batcher:flush(10))
        assert.equal(21, #second.rows)
        down = false
        clock:advance(30)
        batcher:add { n = 22 }
        batcher:add { n = 23 }
        assert.same({ 22, 23 }, ns(first.rows))
        assert(batcher:close())
    end)

    it("goes to the second though tries are farther apart than the time", function()
        first = store_that(function() return nil, "down" end)
        second = store_that(function() return true end)
        local batcher = batcher_of { store = writebehind.fallback { first, second, after = 5, clock = clock },
            retry = { initial = 1000, max = 1000 } }
        batcher:add { n = 1 }
        assert(batcher:flush(1e5))
        assert.same({ 1 }, ns(second.rows))
        assert.is_true(#first.writes <= 30) -- a delay is from 0 to 1,000 s
    end)

    it("counts what throws as refused, and what takes some rows as well", function()
        first = { write = function(_, batch)
            if #batch == 1 then
                error "broken"
            end
            return nil, "all but one", { reject = { [1] = "bad" } }
        end }
        second = store_that(function() return true end)
        local batcher = batcher_of { interval = 1 }
        batcher:add { n = 1 }
        assert(batcher:flush(100))
        assert.same({ 1 }, ns(second.rows))
        clock:advance(60)
        batcher:add { n = 2 }
        batcher:add { n = 3 }
        assert(batcher:flush(100))
        batcher:add { n = 4 }
        batcher:add { n = 5 }
        assert(batcher:flush(100))
        assert.same({ 1 }, ns(second.rows))
        assert.same({ 2, 2 }, { batcher:stats().dead, batcher:stats().stored - 1 })
    end)

    it("is for each table apart", function()
        first = store_that(function(batch)
            if batch.table == "bad" then
                return nil, "no such table", "hold"
            end
            return true
        end)
        second = store_that(function() return true end)
        local batcher = batcher_of { policy = { route = function(row) return row.n % 2 == 0 and "bad" or nil end } }
        for n = 1, 10 do
            batcher:add { n = n }
            clock:advance(10)
            batcher:poll()
        end
        assert(batcher:flush(100))
        assert.same({ 1, 3, 5, 7, 9 }, ns(first.rows))
        assert.same({ 2, 4, 6, 8, 10 }, ns(second.rows))
    end)

    it("marks what was used, too", function()
        local touched = {}
        local tracker = writebehind.tracker {
            store = writebehind.fallback {
                { touch = function() return nil, "down" end },
                { touch = function(_, marks) touched[#touched + 1] = marks:ids()[1] return true end },
                after = 5, clock = clock,
            },
            clock = clock, log = function() end,
        }
        assert(tracker:add "018bcfe5-6be8-7000-ba42-55942e14460b")
        assert(tracker:flush(100))
        assert.same({ "018bcfe5-6be8-7000-ba42-55942e14460b" }, touched)
    end)

    it("is refused where it is given wrongly", function()
        local scripted, native = { write = function() end }, writebehind.memory()
        for message, given in pairs {
            ['option "1": expected a store, got nothing'] = {},
            ['option "2": expected a store, got nothing'] = { native },
            ["make a worker of it (writebehind.worker)"] = { scripted, native }, ['"clock"'] = { native, native,
                clock = testing.clock() }, ['option "after"'] = { native, native, after = 0 },
            ["unknown option"] = { native, native, native },
            ['unknown option "later"'] = { native, native, later = 1 },
        } do
            local ok, told = pcall(writebehind.fallback, given)
            assert.is_false(ok)
            assert.truthy(told:find(message, 1, true), told)
        end
    end)
end)

describe("a fallback of native stores", function()
    local dir
    setup(function()
        dir = process.dir()
    end)
    teardown(function()
        process.remove(dir)
    end)

    it("stores each row once, though the first comes and goes", function()
        local path = dir .. "/first.db"
        local first, second = writebehind.sqlite { path = path }, writebehind.memory()
        local store = writebehind.fallback { first, second, after = 0.05 }
        assert.equal("fallback", store:kind())
        local batcher = writebehind.batcher { store = store, schema = SCHEMA, table = "t", interval = 0.001,
            log = function() end, retry = { initial = 0.01, max = 0.02 } }
        for n = 1, 100 do
            assert(batcher:add { n = n })
        end
        assert(batcher:flush(process.PATIENCE))
        assert.equal(100, second:count "t")
        sqlite.sql(path, "CREATE TABLE t (id uuid PRIMARY KEY, n int4);")
        local n = 100
        assert.truthy(process.wait(function()
            n = n + 1
            assert(batcher:add { n = n })
            assert(batcher:flush(process.PATIENCE))
            return sqlite.count(path, "t") > 20
        end, nil, 0.01))
        assert(batcher:close(process.PATIENCE))
        assert.equal(n, second:count "t" + sqlite.count(path, "t"))
        local seen = {}
        for _, row in ipairs(second:rows "t") do
            seen[tonumber(row.n)] = true
        end
        for value in sqlite.sql(path, "SELECT n FROM t;"):gmatch "%d+" do
            assert.is_nil(seen[tonumber(value)])
        end
    end)

    it("may have a worker, and tells the schema of the first", function()
        process.write(dir .. "/refusing.lua", [[return { write = function() return nil, "never" end }]])
        local path = package.path
        package.path = dir .. "/?.lua;" .. path
        local second = writebehind.memory()
        local batcher = writebehind.batcher {
            store = writebehind.fallback { writebehind.worker "refusing", second, after = 0.02 }, schema = SCHEMA,
            table = "t", log = function() end, retry = { initial = 0.01, max = 0.02 },
        }
        assert(batcher:add { n = 1 })
        assert(batcher:close(process.PATIENCE))
        package.path = path
        assert.equal(1, second:count "t")
        sqlite.sql(dir .. "/schema.db", "CREATE TABLE t (n int4);")
        local store = writebehind.fallback { writebehind.sqlite { path = dir .. "/schema.db" }, second }
        assert.equal("n", assert(store:schema "t"):columns()[1].name)
        assert.is_false(pcall(store.execute, store, "SELECT 1"))
    end)
end)
