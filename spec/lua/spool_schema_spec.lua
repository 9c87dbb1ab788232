-- Rows that a process left whose schema was another one go out with their own.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local spooled = require "spec.support.spooled"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local STORES = {
    postgres = {
        store = function() return writebehind.postgres { conninfo = postgres.conninfo() } end,
        make = function() return postgres.sql "DROP TABLE IF EXISTS t; CREATE TABLE t (a text, n int8, note text)" end,
        lines = function(text) return postgres.lines(text) end,
        drop = function() return postgres.sql "DROP TABLE t" end,
    },
    sqlite = {
        store = function(dir) return writebehind.sqlite { path = dir .. "/t.db" } end,
        make = function(dir) return sqlite.sql(dir .. "/t.db", "CREATE TABLE t (a text, n int8, note text)") end,
        lines = function(text, dir) return sqlite.lines(dir .. "/t.db", text) end,
        drop = function() end,
    },
}

describe("a write in doubt of an earlier schema", function()
    it("is one write, whatever files it is in", function()
        local dir = process.dir()
        spooled.killed(dir, [[
            local object = batcher { store = { write = die }, interval = 60, batch_bytes = 2 ^ 26 }
            add(object, 1, 8, ("x"):rep(1500000))
            object:flush(60)]])
        assert.is_true(#spooled.find(dir, "-name '*.seg'") > 2)
        local writes = {}
        local batcher = spooled.open(dir, {
            schema = writebehind.schema { { "n", "int8" } },
            store = { write = function(_, batch)
                writes[#writes + 1] = ("%d of %s"):format(#batch, table.concat(batch:columns(), ","))
                return true
            end },
        })
        spooled.adopts(batcher, 8)
        spooled.settles(batcher)
        assert.same({ "8 of n,note" }, writes)
        assert.is_true(batcher:close())
        process.remove(dir)
    end)
end)

for name, kind in pairs(STORES) do
    describe("rows of an earlier schema, in " .. name, function()
        local dir
        before_each(function()
            dir = process.dir()
            kind.make(dir)
        end)
        after_each(function()
            kind.drop()
            process.remove(dir)
        end)

        local function count(where)
            return tonumber(kind.lines("SELECT count(*) FROM t WHERE " .. where, dir)[1])
        end

        -- The rows of a process with the columns n and note, and then some of this one.
        local function inherit(columns, first)
            spooled.killed(dir, [[add(batcher(), 1, 500, "old")]])
            local batcher = spooled.open(dir, { store = kind.store(dir), schema = writebehind.schema(columns) })
            assert(batcher:add(first))
            spooled.adopts(batcher, 500)
            assert(batcher:add(first))
            assert(batcher:flush(process.PATIENCE))
            return batcher
        end

        it("go where the new ones have a column more", function()
            local batcher = inherit({ { "a", "text" }, { "n", "int8" }, { "note", "text", null = true } },
                { a = "new", n = 1000, note = "new" })
            assert.equal(500, count "n BETWEEN 1 AND 500 AND note = 'old' AND a IS NULL")
            assert.equal(2, count "a = 'new' AND n = 1000 AND note = 'new'")
            assert.is_true(batcher:close())
        end)

        it("go where they have the same in another order", function()
            local batcher = inherit({ { "note", "text", null = true }, { "n", "int8" } }, { n = 1000, note = "new" })
            assert.equal(500, count "n BETWEEN 1 AND 500 AND note = 'old'")
            assert.equal(2, count "n = 1000 AND note = 'new'")
            assert.is_true(batcher:close())
        end)

        it("go where they have a column less", function()
            local batcher = inherit({ { "n", "int8" } }, { n = 1000 })
            assert.equal(500, count "n BETWEEN 1 AND 500 AND note = 'old'")
            assert.equal(2, count "n = 1000 AND note IS NULL")
            assert.is_true(batcher:close())
        end)
    end)
end
