-- writebehind replay: what a dead-letter file holds goes into a table as it would have gone.

local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local UUID = "123e4567-e89b-12d3-a456-426614174000"
local COLUMNS = {
    { "id", "uuid", generate = "uuidv7" }, { "owner", "uuid" }, { "n", "int8" }, { "x", "float8" },
    { "raw", "bytea" }, { "at", "timestamptz" }, { "day", "date" }, { "doc", "jsonb" }, { "on", "bool" },
    { "note", "text", null = true },
}

local dir, database
before_each(function()
    dir = process.dir()
    database = dir .. "/x.db"
end)
after_each(function()
    process.remove(dir)
end)

-- Two rows, given up at their third attempt.
local function bury(path)
    local batcher = writebehind.batcher {
        store = { write = function() return nil, "the table is away" end }, clock = testing.clock(1715673600),
        schema = writebehind.schema(COLUMNS), table = "t", retry = { attempts = 3 }, dead_letter = path,
        log = function() end,
    }
    assert(batcher:add_values(UUID, -7, 0.1, "\0\1\255", 1715673600.123456, "2024-02-29", '{"a":[1,{"b":null}]}', true,
        'say "hi"\n\195\169'))
    assert(batcher:add_values(UUID, 2 ^ 53, math.huge, "", -1.5, "1969-12-31", "[]", false, nil))
    assert(batcher:close())
    assert.equal(2, batcher:stats().dead)
end

local function replay(path, ...)
    local words = { "writebehind", "replay", process.quote(path), "--store", process.quote("sqlite:" .. database),
        "--table", "t", ... }
    return process.run(table.concat(words, " "))
end

describe("replay", function()
    it("stores every column of the dead rows, ids included", function()
        sqlite.sql(database, writebehind.schema(COLUMNS):ddl("sqlite", "t"))
        bury(dir .. "/dead")
        local ids = {}
        for line in io.lines(dir .. "/dead") do
            ids[#ids + 1] = line:match '"id":"([^"]+)"'
        end
        local result = replay(dir .. "/dead")
        assert.equal(0, result.code, result.err)
        assert.truthy(result.out:find("stored 2 of 2 rows", 1, true), result.out)
        assert.equal(([[%s|%s|-7|0.1|0001FF|2024-05-14T08:00:00.123456Z|2024-02-29|{"a":[1,{"b":null}]}|1|say "hi"
\195\169
%s|%s|9007199254740992|Inf||1969-12-31T23:59:58.500000Z|1969-12-31|[]|0|]]):format(ids[1], UUID, ids[2], UUID)
            :gsub("\\(%d%d%d)", function(byte) return string.char(tonumber(byte)) end),
            sqlite.sql(database,
                'SELECT id, owner, n, x, hex(raw), "at", day, doc, "on", note FROM t ORDER BY "at" DESC;'))
    end)

    it("run twice stores nothing twice, and names the rows", function()
        sqlite.sql(database, writebehind.schema(COLUMNS):ddl("sqlite", "t"))
        bury(dir .. "/dead")
        assert.equal(0, replay(dir .. "/dead").code)
        local result = replay(dir .. "/dead", "--give-up", "0.5", "--rejects", dir .. "/rejects")
        assert.equal(1, result.code)
        assert.equal(2, sqlite.count(database, "t"))
        assert.truthy(process.read(dir .. "/rejects"):find('"line":2', 1, true))
    end)

    it("refuses a line that is none of a dead-letter file, by its number", function()
        sqlite.sql(database, "CREATE TABLE t (n int8);")
        process.write(dir .. "/dead", '{"row":{"n":1}}\n{"n":2}\n{"row":3}\n')
        local result = replay(dir .. "/dead", "--rejects", dir .. "/rejects")
        assert.equal(1, result.code)
        assert.equal(1, sqlite.count(database, "t"))
        local rejects = process.read(dir .. "/rejects")
        assert.truthy(rejects:find('"line":2', 1, true) and rejects:find('"line":3', 1, true))
    end)
end)
