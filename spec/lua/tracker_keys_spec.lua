-- Trackers whose ids are no uuids: what add takes and refuses, what a store is given, in every store.

local writebehind = require "writebehind"
local check_store = require("writebehind.testing").check_store
local kits = require "spec.support.kits"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local testing = require "writebehind.testing"

local PATIENCE = process.PATIENCE
local has_ffi, ffi = pcall(require, "ffi")
local is_jit = has_ffi and type(jit) == "table" -- luacheck: globals jit
local has_integers = math.type ~= nil

local function tracker_of(key, store, more)
    local options = { store = store, key = key, precision = "exact", log = function() end }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return assert(writebehind.tracker(options))
end

-- What add answers to each of the ids, and the ids and times that a store is given.
local function delivered(key, adds)
    local ids, times
    local tracker = tracker_of(key, { touch = function(_, marks)
        ids, times = marks:ids(), marks:times()
        return true
    end })
    for _, each in ipairs(adds) do
        assert(tracker:add(each[1], each[2]))
    end
    assert(tracker:flush())
    assert(tracker:close())
    return ids, times
end

local function refused(key, id, words)
    local tracker = tracker_of(key, testing.store())
    local ok, message, code = tracker:add(id)
    assert.is_nil(ok)
    assert.equal("invalid", code)
    assert.truthy(message:find(words, 1, true), message)
    assert.equal(1, tracker:stats().rejected)
    assert.equal(0, tracker:stats().accepted)
    assert(tracker:close())
end

describe("a tracker's options", function()
    it("take a key's type beside its name, or by name", function()
        for _, kind in ipairs { "uuid", "int4", "int8", "text" } do
            assert(tracker_of({ "n", kind }, testing.store()):close())
            assert(tracker_of({ name = "n", type = kind }, testing.store()):close())
        end
    end)

    it("may leave out the key and the column, and the table of a scripted store", function()
        assert(writebehind.tracker({ store = testing.store() }):close())
        local store = writebehind.memory()
        store:put("w", "018bcfe5-6be8-7000-ba42-55942e14460b")
        local tracker = writebehind.tracker { store = store, table = "w" }
        assert(tracker:add "018bcfe5-6be8-7000-ba42-55942e14460b")
        assert(tracker:flush(PATIENCE))
        assert.equal(1, tracker:stats().updated)
        assert(tracker:close(PATIENCE))
        for _, native in ipairs { store, writebehind.postgres { conninfo = "host=/nowhere" } } do
            local ok, message = pcall(writebehind.tracker, { store = native })
            assert.is_false(ok)
            assert.truthy(message:find('option "table": expected a name', 1, true), message)
        end
        assert(writebehind.tracker({ store = writebehind.worker "nothing.of.the.kind" }):close(PATIENCE))
    end)

    it("that are no column raise, with the option's name", function()
        for _, wrong in ipairs { {}, { "id" }, { "id", "int2" }, { "id", "json" }, { "", "int8" }, { 1, "int8" },
            { "id", "int8", null = true }, { "id", "int8", 3 }, { name = "id" } } do
            local ok, message = pcall(writebehind.tracker, { store = testing.store(), key = wrong })
            assert.is_false(ok)
            assert.truthy(message:find('option "key"', 1, true), message)
        end
    end)
end)

describe("add of a tracker", function()
    it("takes whole numbers in the range of an int4", function()
        local ids, times = delivered({ "id", "int4" }, { { 7, 1 }, { -2147483648, 2 }, { 2147483647, 3 }, { 7.0, 9 },
            { 7, 4 }, { -1, 5 }, { 0, 6 } })
        assert.same({ -2147483648, -1, 0, 7, 2147483647 }, ids)
        assert.same({ 2, 5, 6, 9, 3 }, times)
        assert.is_true(not has_integers or math.type(ids[4]) == "integer")
    end)

    it("takes whole numbers in the range of an int8, each as exact as Lua has it", function()
        assert.same({ -2 ^ 53, 0, 2 ^ 53 }, (delivered({ "id", "int8" }, { { 2 ^ 53, 1 }, { 0, 1 }, { -2 ^ 53, 1 } })))
        if has_integers then
            assert.same({ math.mininteger, math.maxinteger }, (delivered({ "id", "int8" },
                { { math.maxinteger, 1 }, { math.mininteger, 1 } })))
        else
            refused({ "id", "int8" }, 2 ^ 54, 'column "id" (int8)')
        end
        if is_jit then
            local least, most = ffi.cast("int64_t", 2 ^ 62) * -2, ffi.cast("int64_t", 2 ^ 62) * 2 - 1
            local ids = delivered({ "id", "int8" }, { { most, 1 }, { ffi.cast("int64_t", 5), 1 }, { least, 1 } })
            assert.equal(3, #ids)
            assert.is_true(ids[1] == least and ids[2] == 5 and ids[3] == most)
        end
    end)

    it("refuses other numbers and things, by the key's name and type", function()
        refused({ "n", "int4" }, 2 ^ 31, 'column "n" (int4) can\'t hold 2147483648: not within')
        refused({ "n", "int4" }, -2 ^ 31 - 1, 'column "n" (int4)')
        refused({ "n", "int8" }, 2.5, 'column "n" (int8) can\'t hold 2.5: not a whole number')
        refused({ "n", "int8" }, 2 ^ 63, 'column "n" (int8)')
        refused({ "n", "int8" }, 1 / 0, 'column "n" (int8)')
        refused({ "n", "int8" }, "12", 'column "n" (int8) can\'t hold "12": not a number')
        refused({ "n", "int8" }, true, 'column "n" (int8)')
        refused({ "n", "int8" }, nil, 'column "n" (int8) is required')
        refused({ "n", "int8" }, {}, "expected an id, a whole number, got a table")
        refused({ "n", "text" }, print, "expected an id, a string, got a function")
    end)

    it("takes text of up to 1,024 bytes, which goes to the store by its bytes", function()
        local long = ("x"):rep(1024)
        local ids, times = delivered({ "name", "text" }, { { "b", 1 }, { "a", 2 }, { "", 3 }, { "B", 4 }, { long, 5 },
            { "ü", 6 }, { "a", 8 }, { "aa", 7 }, { "018bcfe5-6be8-7000-ba42-55942e14460b", 9 } })
        assert.same({ "", "018bcfe5-6be8-7000-ba42-55942e14460b", "B", "a", "aa", "b", long, "ü" }, ids)
        assert.same({ 3, 9, 4, 8, 7, 1, 5, 6 }, times)
        refused({ "name", "text" }, long .. "x", 'column "name" (text) can\'t hold')
        refused({ "name", "text" }, "a\0b", "it holds a NUL")
        refused({ "name", "text" }, "\255", "not UTF-8")
        refused({ "name", "text" }, 12, 'column "name" (text) can\'t hold 12: not text')
        refused({ "name", "text" }, {}, "expected an id, a string, got a table")
    end)

    it("keeps many texts apart, in chunks and after failures", function()
        local seen, failed = {}, 0
        local tracker = tracker_of({ "id", "text" }, { touch = function(_, marks)
            if failed < 3 then
                failed = failed + 1
                return nil, "down"
            end
            for index, id in ipairs(marks:ids()) do
                assert(not seen[id])
                seen[id] = marks:times()[index]
            end
            return true
        end }, { chunk = 700, retry = { initial = 0.001, max = 0.001 } })
        for n = 1, 5000 do
            assert(tracker:add(("a name that is shared by many: %d"):format(n), n))
        end
        assert(tracker:flush(PATIENCE))
        for n = 1, 5000 do
            assert.equal(n, seen[("a name that is shared by many: %d"):format(n)])
        end
        assert(tracker:close(PATIENCE))
    end)
end)

local SAMPLES = {
    int4 = { 7, 8, -2147483648 }, int8 = { 7, 8, 2 ^ 53 }, text = { "it's \"me\"", "ü☃", "" },
    uuid = { "018bcfe5-6be8-7000-ba42-55942e14460b", "018bcfe5-6be8-7000-ba42-55942e14460c",
        "00000000-0000-0000-0000-000000000000" },
}

for kind, ids in pairs(SAMPLES) do
    describe("a tracker of a " .. kind, function()
        it("works with the memory store", function()
            local store = writebehind.memory()
            store:put("w", ids[1], 5, kind)
            store:put("w", ids[2], 50, kind)
            assert.equal(5, store:time("w", ids[1], kind))
            local tracker = tracker_of({ "id", kind }, store, { table = "w" })
            for index, id in ipairs(ids) do
                assert(tracker:add(id, 10 * index))
            end
            assert(tracker:flush(PATIENCE))
            assert.equal(10, store:time("w", ids[1], kind))
            assert.equal(50, store:time("w", ids[2], kind))
            assert.is_nil(store:time("w", ids[3], kind))
            assert.equal(1, tracker:stats().unmatched)
            assert(tracker:close(PATIENCE))
        end)

        it("works with testing.store", function()
            local store = testing.store { ids = { ids[1], ids[2] } }
            local tracker = tracker_of({ "id", kind }, store)
            for index, id in ipairs(ids) do
                assert(tracker:add(id, 10 * index))
            end
            assert(tracker:flush(PATIENCE))
            assert.same({ [ids[1]] = 10, [ids[2]] = 20 }, store.times)
            assert.equal(1, store.unmatched)
            assert(tracker:close(PATIENCE))
        end)

        it("works with a worker", function()
            local dir, path = process.dir(), package.path
            process.write(dir .. "/keys_worker.lua", [[
                return function(args)
                    return { touch = function(_, marks)
                        local file = assert(io.open(args.path, "w"))
                        for _, id in ipairs(marks:ids()) do
                            file:write(type(id), " ", ("%q"):format(id), "\n")
                        end
                        file:close()
                        return true
                    end }
                end]])
            package.path = dir .. "/?.lua;" .. path
            local tracker = tracker_of({ "id", kind }, writebehind.worker("keys_worker", { path = dir .. "/out" }))
            package.path = path
            for _, id in ipairs(ids) do
                assert(tracker:add(id))
            end
            assert(tracker:flush(PATIENCE))
            assert(tracker:close(PATIENCE))
            local out = process.read(dir .. "/out")
            local _, lines = out:gsub("\n", "")
            assert.equal(3, lines)
            assert.truthy(out:find(type(ids[1]) .. " " .. ("%q"):format(ids[1]), 1, true), out)
            process.remove(dir)
        end)

        it("has a store that keeps the contract", function()
            local well, faults = check_store(function()
                return testing.store()
            end, { key = kind })
            assert.is_true(well, faults and table.concat(faults, "\n"))
            well, faults = check_store(function()
                return testing.store { ids = ids }
            end, { key = kind, ids = ids })
            assert.is_true(well, faults and table.concat(faults, "\n"))
        end)
    end)
end

describe("check_store", function()
    it("finds a store that confuses ids of a type", function()
        local function lower(store)
            return { touch = function(_, marks)
                local ids = marks:ids()
                for index, id in ipairs(ids) do
                    store[id:lower()] = marks:times()[index]
                end
                return true
            end, times = store }
        end
        local well, faults = check_store(function()
            return lower {}
        end, { key = "text" })
        assert.is_nil(well)
        assert.truthy(table.concat(faults, "\n"):find("has no time", 1, true))
    end)

    it("takes a key's type alone as `key`", function()
        for _, wrong in ipairs { "int2", "", 5, true } do
            local ok, message = pcall(check_store, function() return testing.store() end, { key = wrong })
            assert.is_false(ok)
            assert.truthy(message:find("`key`", 1, true))
        end
    end)
end)

describe("a tracker of a text or a number on a database", function()
    local DECLARED = { postgres = { int4 = "int4", int8 = "int8", text = "text", uuid = "uuid" },
        sqlite = { int4 = "int4", int8 = "INTEGER", text = "TEXT", uuid = "uuid TEXT" } }

    local function literal(id)
        return type(id) == "number" and ("(%d)"):format(id) or "'" .. id:gsub("'", "''") .. "'"
    end

    for _, name in ipairs { "postgres", "sqlite" } do
        for kind, ids in pairs(SAMPLES) do
            it(("moves the rows of a %s in %s"):format(kind, name), function()
                local place = kits[name]()
                local tables = place.name()
                place.sql(("CREATE TABLE %s (id %s PRIMARY KEY, last_used_at %s)"):format(tables,
                    DECLARED[name][kind], name == "sqlite" and "timestamptz TEXT" or "timestamptz"))
                place.sql(("INSERT INTO %s (id) VALUES (%s), (%s)"):format(tables, literal(ids[1]), literal(ids[3])))
                local tracker = tracker_of({ "id", kind }, place.store, { table = tables })
                for index, id in ipairs(ids) do
                    assert(tracker:add(id, 1000 * index))
                end
                assert(tracker:flush(PATIENCE))
                local stats = tracker:stats()
                assert.equal(2, stats.updated)
                assert.equal(1, stats.unmatched)
                assert(tracker:close(PATIENCE))
                place.finish()
            end)
        end
    end

    it("is held where PostgreSQL's column is another integer, which the error names", function()
        local name = postgres.name()
        postgres.sql(("CREATE TABLE %s (id int4 PRIMARY KEY, last_used_at timestamptz)"):format(name))
        local tracker = tracker_of({ "id", "int8" }, writebehind.postgres { conninfo = postgres.conninfo() },
            { table = name })
        assert(tracker:add(5))
        local ok, message = tracker:flush(0.5)
        assert.is_nil(ok)
        assert.truthy(message:find('column "id" is int4 in the database, int8 in the tracker', 1, true), message)
        postgres.sql(("ALTER TABLE %s ALTER id TYPE int8"):format(name))
        assert(tracker:flush(PATIENCE))
        assert.equal(1, tracker:stats().unmatched)
        assert(tracker:close(PATIENCE))
        postgres.drop_all()
    end)
end)
