-- A database whose file is moved away, replaced or removed while it is open, as a rotation does: what was stored stays
-- in the file that had it, and no other file is touched by it.

local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
local TABLE = "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER);"

describe("an SQLite file", function()
    local dir, path, batcher
    before_each(function()
        dir = process.dir()
        path = dir .. "/here.db"
        batcher = assert(writebehind.batcher { store = writebehind.sqlite { path = path, create = true }, table = "t",
            schema = schema, interval = 60, retry = { initial = 0.01, max = 0.02 }, log = function() end })
    end)
    after_each(function()
        process.remove(dir)
    end)

    local function store(first, last)
        for n = first, last do
            assert(batcher:add { n = n })
        end
        assert(batcher:flush(process.PATIENCE))
    end

    local function numbers(file)
        return table.concat(sqlite.lines(file, "SELECT count(*), min(n), max(n) FROM t"), " ")
    end

    it("that is renamed keeps what was stored in it, and a new one has the rest", function()
        store(1, 1000)
        assert(os.rename(path, dir .. "/old.db"))
        store(1001, 1010)
        assert(batcher:close(process.PATIENCE))
        assert.equal("1000|1|1000", numbers(dir .. "/old.db"))
        assert.equal("10|1001|1010", numbers(path))
    end)

    it("that is renamed before the batcher ends keeps what was stored in it", function()
        store(1, 500)
        assert(os.rename(path, dir .. "/old.db"))
        assert(batcher:close(process.PATIENCE))
        sqlite.sql(path, TABLE) -- whatever has its name next
        assert.equal("500|1|500", numbers(dir .. "/old.db"))
        assert.equal("0||", numbers(path))
    end)

    it("that takes its name is not overwritten by the log of the one before", function()
        store(1, 700)
        sqlite.sql(dir .. "/other.db", TABLE .. "INSERT INTO t VALUES ('x', -5); CREATE TABLE mine (v TEXT);")
        assert(os.rename(path, dir .. "/old.db"))
        assert(os.rename(dir .. "/other.db", path))
        store(701, 702)
        assert(batcher:close(process.PATIENCE))
        assert.equal("700|1|700", numbers(dir .. "/old.db"))
        assert.equal("3|-5|702", numbers(path))
        assert.equal("ok", sqlite.lines(path, "PRAGMA integrity_check")[1])
        assert.equal("1", sqlite.lines(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'mine'")[1])
    end)

    it("that two objects have open is left by each in its turn", function()
        local other = assert(writebehind.batcher { store = writebehind.sqlite { path = path }, table = "t",
            schema = schema, interval = 60, log = function() end })
        store(1, 100)
        assert(other:add { n = 101 } and other:flush(process.PATIENCE))
        assert(os.rename(path, dir .. "/old.db"))
        store(201, 300)
        assert(other:add { n = 301 } and other:flush(process.PATIENCE))
        store(302, 303)
        assert(other:close(process.PATIENCE) and batcher:close(process.PATIENCE))
        assert.equal("101|1|101", numbers(dir .. "/old.db"))
        assert.equal("103|201|303", numbers(path))
        assert.equal("ok", sqlite.lines(dir .. "/old.db", "PRAGMA integrity_check")[1])
        assert.equal("ok", sqlite.lines(path, "PRAGMA integrity_check")[1])
    end)

    it("that is rotated again and again has each row in one of them", function()
        for turn = 1, 5 do
            store(turn * 100, turn * 100 + 49)
            assert(os.rename(path, ("%s/%d.db"):format(dir, turn)))
        end
        assert(batcher:close(process.PATIENCE))
        for turn = 1, 5 do
            assert.equal(("50|%d|%d"):format(turn * 100, turn * 100 + 49), numbers(("%s/%d.db"):format(dir, turn)))
        end
    end)
end)
