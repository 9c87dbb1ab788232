-- writebehind spool, of what a process left that was killed.

local json = require "writebehind.json"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"

local dir, spool, db
before_each(function()
    dir = process.dir()
    spool, db = dir .. "/spool", dir .. "/t.db"
    sqlite.sql(db, [[CREATE TABLE hits (id "uuid TEXT" PRIMARY KEY, n int8, words "json TEXT");
        CREATE TABLE other (id "uuid TEXT" PRIMARY KEY, n int8, words "json TEXT")]])
end)
after_each(function()
    process.remove(dir)
end)

local LEAVE = [[
local writebehind = require "writebehind"
local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" },
    { "words", "text[]", null = true } }
local batcher = writebehind.batcher { store = writebehind.memory(), schema = schema, table = "hits",
    interval = 3600, spool = { path = arg[1] }, policy = { route = function(row)
        return row.n %% 2 == 0 and "other" or "hits"
    end } }
for n = 1, %d do
    assert(batcher:add { n = n, words = { "a", "b " .. n } })
end
local stat = io.open "/proc/self/stat"
os.execute("kill -9 " .. stat:read "*n")
]]

local function leave(rows)
    local program = process.write(dir .. "/leave.lua", LEAVE:format(rows))
    process.run(("%s %s %s"):format(process.interpreter(), process.quote(program), process.quote(spool)))
end

local function command(words)
    return process.run(("%s bin/writebehind spool %s"):format(process.interpreter(), words))
end

describe("writebehind spool", function()
    it("says what there is, and that it is whole", function()
        leave(100)
        local listed, checked = command("ls " .. spool), command("check " .. spool)
        assert.equal(0, listed.code, listed.err)
        assert.truthy(listed.out:match "batcher hits +no +100 +0 +%d+ +%d%d%d%d%-", listed.out)
        assert.same({ 0, "1 files, 0 damaged, 100 rows wait\n" }, { checked.code, checked.out })
    end)

    it("exports the rows that wait, for replay", function()
        leave(3)
        local exported = command("export " .. spool)
        local rows = {}
        for line in exported.out:gmatch "[^\n]+" do
            local entry = json.decode(line)
            rows[#rows + 1] = { entry.table, entry.row.n, entry.row.words[2] }
        end
        assert.same({ { "hits", 1, "b 1" }, { "other", 2, "b 2" }, { "hits", 3, "b 3" } }, rows)
        local file = process.write(dir .. "/rows", exported.out)
        local replayed = process.run(("%s bin/writebehind replay %s --store sqlite:%s --table hits -q")
            :format(process.interpreter(), file, db))
        assert.equal(0, replayed.code, replayed.err)
        assert.equal(3, sqlite.count(db, "hits"))
    end)

    it("stores what nobody has, each row in its table, and leaves nothing", function()
        leave(1000)
        local drained = command(("drain %s --store sqlite:%s"):format(spool, db))
        assert.same({ 0, "hits: 1000 rows stored\n" }, { drained.code, drained.out })
        assert.same({ 500, 500 }, { sqlite.count(db, "hits"), sqlite.count(db, "other") })
        assert.equal("0 files, 0 damaged, 0 rows wait\n", command("check " .. spool).out)
        assert.equal("nothing is left\n", command(("drain %s --store sqlite:%s"):format(spool, db)).out)
    end)

    it("keeps what it can't store", function()
        leave(10)
        sqlite.sql(db, "DROP TABLE other")
        local drained = command(("drain %s --store sqlite:%s --give-up 1"):format(spool, db))
        assert.equal(1, drained.code)
        assert.truthy(drained.out:find("hits: 5 rows stored, not all: ", 1, true), drained.out)
        assert.truthy(command("check " .. spool).out:find("5 rows wait", 1, true))
    end)

    it("says what is damaged, and answers 1", function()
        leave(10)
        local file = process.run("ls " .. spool .. "/*/*.seg").out:match "[^\n]+"
        local bytes = process.read(file)
        process.write(file, bytes:sub(1, 20) .. "?" .. bytes:sub(22))
        local checked = command("check " .. spool)
        assert.equal(1, checked.code)
        assert.truthy(checked.out:find("its header is damaged", 1, true), checked.out)
        assert.truthy(command("ls " .. spool).out:find("its header is damaged", 1, true))
    end)

    it("refuses what is no folder, and wants a store to drain to", function()
        local missing = command("ls " .. dir .. "/none")
        assert.same({ 1, "" }, { missing.code, missing.out })
        assert.truthy(missing.err:find("none: No such file or directory", 1, true), missing.err)
        assert.equal(2, command("drain " .. spool).code)
        assert.equal(2, command("eat " .. spool).code)
    end)
end)
