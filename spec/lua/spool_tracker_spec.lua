-- A tracker's ids outlive its process.

local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local dir, db, spool
before_each(function()
    dir = process.dir()
    db, spool = dir .. "/t.db", dir .. "/spool"
    sqlite.sql(db, [[CREATE TABLE w (id int8 PRIMARY KEY, seen int8 NOT NULL);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO w SELECT i, 0 FROM n]])
end)
after_each(function()
    process.remove(dir)
end)

local START = 1715673600

-- Marks ids with times of their own, flushes some, and is killed.
local MARK = [[
local writebehind = require "writebehind"
local tracker = writebehind.tracker { store = writebehind.sqlite { path = arg[1] }, table = "w", key = { "id", "int8" },
    column = { "seen", "int8" }, precision = "exact", interval = 3600, spool = { path = arg[2] } }
for id = 1, 3000 do
    assert(tracker:add(id, %d + id))
end
if arg[3] == "flush" then
    assert(tracker:flush())
    os.execute("while ls " .. arg[2] .. "/*/0000000000000001.seg >/dev/null 2>&1; do sleep 0.01; done")
    for id = 2001, 4000 do
        assert(tracker:add(id, %d + 10000 + id))
    end
end
for id = 1, 100 do
    assert(tracker:add(id, %d + 20000 + id)) -- again, and later
end
assert(tracker:sync())
local stat = io.open "/proc/self/stat"
os.execute("kill -9 " .. stat:read "*n")
]]

local function mark(mode)
    local program = process.write(dir .. "/mark.lua", MARK:format(START, START, START))
    process.run(("%s %s %s %s %s"):format(process.interpreter(), program, db, spool, mode))
end

local function heir(options)
    return writebehind.tracker {
        store = writebehind.sqlite { path = db }, table = "w", key = { "id", options.key or "int8" },
        column = { "seen", "int8" }, precision = "exact", interval = 3600, spool = { path = spool },
        log = options.log or function() end,
    }
end

-- Waits until so many marks were taken over.
local function await(tracker, marks)
    local deadline = os.time() + process.PATIENCE
    while tracker:stats().adopted < marks and os.time() < deadline do
        os.execute "sleep 0.05"
    end
    assert.is_true(tracker:stats().adopted >= marks)
end

local function count(where)
    return tonumber(sqlite.lines(db, "SELECT count(*) FROM w WHERE " .. where)[1])
end

describe("a tracker's spool", function()
    it("gives an heir each id with its last time", function()
        mark "kill"
        local tracker = heir {}
        await(tracker, 3100)
        assert.is_true(tracker:flush(process.PATIENCE))
        assert.equal(3000, count "seen > 0")
        assert.equal(100, count(("id <= 100 AND seen = %d + 20000 + id"):format(START)))
        assert.equal(2900, count(("id > 100 AND seen = %d + id"):format(START)))
        assert.is_true(tracker:close())
        assert.equal("", process.run("ls " .. spool).out)
    end)

    it("has let go of what was flushed", function()
        mark "flush"
        local tracker = heir {}
        await(tracker, 2100)
        assert.equal(2100, tonumber(tracker:stats().adopted))
        assert.is_true(tracker:flush(process.PATIENCE))
        assert.equal(2000, count(("seen = %d + 10000 + id"):format(START)))
        assert.is_true(tracker:close())
    end)

    it("leaves ids of another type, and says so", function()
        mark "kill"
        local said = {}
        local tracker = heir { key = "text", log = function(_, message) said[#said + 1] = message end }
        local deadline = os.time() + process.PATIENCE
        while #said == 0 and os.time() < deadline do
            tracker:poll()
            os.execute "sleep 0.05"
        end
        assert.truthy(said[1]:find("another column, or type", 1, true), said[1])
        assert.equal(0, tonumber(tracker:stats().adopted))
        tracker:close(0)
        assert.truthy(process.run("find " .. spool .. " -name '*.seg'").out:find "seg")
    end)

    it("is kept while the store fails, and flushed ids that come back stay in it", function()
        sqlite.sql(db, "ALTER TABLE w RENAME TO away")
        local tracker = heir {}
        for id = 1, 2000 do
            assert(tracker:add(id, START))
        end
        tracker:flush(0.2)
        assert.is_true(tracker:stats().failures > 0)
        assert.is_true(tracker:sync())
        sqlite.sql(db, "ALTER TABLE away RENAME TO w")
        assert.is_true(tracker:flush(process.PATIENCE))
        assert.equal(2000, count "seen > 0")
        assert.is_true(tracker:close())
        assert.equal("", process.run("ls " .. spool).out)
    end)

    it("is the only one that syncs", function()
        local tracker = writebehind.tracker { store = writebehind.memory(), table = "w" }
        assert.has_error(function() tracker:sync() end, "tracker:sync: the tracker has no spool")
        assert.is_true(tracker:close())
    end)
end)
