-- No accepted row is lost to the end of a process, of a batcher or of a fork.

local kits = require "spec.support.kits"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local COLUMNS = '{ { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text" } }'
local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text" } }
local ROWS = 100000
local has_ffi = pcall(require, "ffi")

local function open_text(kind, place)
    return kind == "postgres"
            and ("writebehind.postgres { conninfo = %q }"):format(os.getenv("WRITEBEHIND_TEST_POSTGRES"))
        or place.open_text
end

-- The head of every child's script: batcher, for a table of the place; ends as `ending` says.
local function script_of(kind, place, name, body)
    return ([[
        local writebehind = require "writebehind"
        local schema = writebehind.schema %s
        local function make()
            return assert(writebehind.batcher { store = %s, schema = schema, table = %q, close_timeout = 120,
                max_pending_rows = 200000, retry = { initial = 0.05, max = 0.5 } })
        end
        local function add(batcher, first, last)
            for n = first, last do
                assert(batcher:add_values(n, "row " .. n))
            end
        end
        %s]]):format(COLUMNS, open_text(kind, place), name, body)
end

local ENDINGS = {
    { "the end of the script", "", 0 },
    { "os.exit(0)", "os.exit(0)", 0 },
    { "os.exit(0, true)", "os.exit(0, true)", 0 },
    { "os.exit(3)", "os.exit(3)", 3 },
    { "an error", 'error("on purpose")', 1 },
    { "a batcher that nobody holds", "b = nil batcher = nil collectgarbage()", 0 },
}

for _, kind in ipairs { "sqlite", "postgres" } do
    describe("a process on " .. kind, function()
        local place, name

        before_each(function()
            place = kits[kind]()
            name = place.name()
            place.create(name, SCHEMA)
        end)

        after_each(function()
            place.finish()
        end)

        local function run(body, timeout)
            return process.lua(script_of(kind, place, name, body), {}, timeout)
        end

        for _, ending in ipairs(ENDINGS) do
            it("stores all 100,000 rows after " .. ending[1], function()
                local result = run(("batcher = make() add(batcher, 1, %d) %s"):format(ROWS, ending[2]))
                assert.equal(ending[3], result.code, result.err)
                assert.equal(ROWS, place.count(name))
            end)
        end

        it("stores the rows of several batchers, some collected, some not", function()
            local result = run([[
                local kept = make()
                add(kept, 1, 1000)
                for round = 1, 4 do
                    local batcher = make()
                    add(batcher, round * 1000 + 1, round * 1000 + 1000)
                    batcher = nil
                    collectgarbage()
                end
                os.exit(0)]])
            assert.equal(0, result.code, result.err)
            assert.equal(5000, place.count(name))
        end)

        it("keeps the rows of a batcher that was collected while it goes on", function()
            local batcher = assert(writebehind.batcher { store = place.store, schema = SCHEMA, table = name,
                interval = 3600 })
            for n = 1, 500 do
                assert(batcher:add { n = n, note = "x" })
            end
            batcher = nil -- luacheck: ignore
            collectgarbage()
            collectgarbage()
            assert.is_truthy(process.wait(function()
                return place.count(name) == 500
            end))
        end)

        it("ends although the store never comes, after close_timeout", function()
            local script = ([[
                local writebehind = require "writebehind"
                local schema = writebehind.schema %s
                local store = %s
                batcher = assert(writebehind.batcher { store = store, schema = schema, table = "no_such_table",
                    close_timeout = 0.5, interval = 0.01 })
                assert(batcher:add_values(1, "x"))
                os.exit(0)]]):format(COLUMNS, open_text(kind, place))
            local before = process.now()
            local result = process.lua(script, {}, 120)
            assert.equal(0, result.code, result.err)
            assert.is_true(process.now() - before < 60)
            assert.is_true(#result.err > 0) -- it says what was not stored
        end)

        it("forks: a batcher that was not used yet works on both sides", function()
            if not has_ffi then
                return -- plain Lua has no fork
            end
            local result = run([[
                local ffi = require "ffi"
                ffi.cdef "int fork(void); int waitpid(int, int *, int);"
                local batcher = make()
                local pid = ffi.C.fork()
                if pid == 0 then
                    add(batcher, 1, 1000)
                    assert(batcher:close())
                    os.exit(0)
                end
                add(batcher, 1001, 3000)
                assert(batcher:close())
                local status = ffi.new "int[1]"
                assert(ffi.C.waitpid(pid, status, 0) == pid)
                assert(status[0] == 0, "the child's status is " .. status[0])]], 120)
            assert.equal(0, result.code, result.err)
            assert.equal(3000, place.count(name))
        end)

        it("forks: a batcher that was not used yet is drained at the exit of both sides", function()
            if not has_ffi then
                return
            end
            local result = run([[
                local ffi = require "ffi"
                ffi.cdef "int fork(void); int waitpid(int, int *, int);"
                batcher = make()
                local pid = ffi.C.fork()
                if pid == 0 then
                    add(batcher, 1, 1000)
                    os.exit(0)
                end
                add(batcher, 1001, 3000)
                local status = ffi.new "int[1]"
                assert(ffi.C.waitpid(pid, status, 0) == pid)
                assert(status[0] == 0, "the child's status is " .. status[0])
                os.exit(0)]], 120)
            assert.equal(0, result.code, result.err)
            assert.equal(3000, place.count(name))
        end)

        it("forks: a batcher in use says so in the child, and the parent goes on", function()
            if not has_ffi then
                return
            end
            -- A new one works there, but on a file of SQLite's that the parent has open.
            local shared = kind == "sqlite"
            local result = run(([[
                local ffi = require "ffi"
                ffi.cdef "int fork(void); int waitpid(int, int *, int); void _exit(int);"
                local batcher = make()
                add(batcher, 1, 1000)
                assert(batcher:flush(100))
                add(batcher, 1001, 1500)
                local pid = ffi.C.fork()
                if pid == 0 then
                    local function refused(ok, message, code)
                        assert(ok == nil and type(message) == "string" and code == "fork", tostring(code))
                    end
                    refused(batcher:add_values(5000, "from the child"))
                    refused(batcher:add { n = 5001, note = "from the child" })
                    refused(batcher:flush(5))
                    local own = make()
                    add(own, 10001, 10100)
                    local ok, message = own:close(%s)
                    assert(ok or message:find("was forked", 1, true), message)
                    ffi.C._exit(0)
                end
                add(batcher, 1501, 3000)
                local status = ffi.new "int[1]"
                assert(ffi.C.waitpid(pid, status, 0) == pid)
                assert(status[0] == 0, "the child's status is " .. status[0])
                add(batcher, 3001, 4000)
                assert(batcher:close())]]):format(shared and 1 or 100), 120)
            assert.equal(0, result.code, result.err)
            assert.equal(shared and 4000 or 4100, place.count(name))
        end)

        it("forks: the exit of a child that touches nothing neither hangs nor writes", function()
            if not has_ffi then
                return
            end
            for _, exit in ipairs { "os.exit(0)", "os.exit(0, true)", "batcher = nil collectgarbage() os.exit(0)" } do
                local before = place.count(name)
                local result = run(([[
                    local ffi = require "ffi"
                    ffi.cdef "int fork(void); int waitpid(int, int *, int);"
                    batcher = make()
                    add(batcher, 1, 500)
                    local pid = ffi.C.fork()
                    if pid == 0 then
                        %s
                    end
                    local status = ffi.new "int[1]"
                    assert(ffi.C.waitpid(pid, status, 0) == pid)
                    assert(status[0] == 0, "the child's status is " .. status[0])
                    add(batcher, 501, 1000)
                    assert(batcher:close())]]):format(exit), 100)
                assert.equal(0, result.code, result.err)
                assert.equal(before + 1000, place.count(name))
            end
        end)
    end)
end

describe("close", function()
    local function makers()
        local memory, scripted_store = writebehind.memory(), scripted.store(scripted.yes)
        return {
            threaded = writebehind.batcher { store = memory, schema = SCHEMA, table = "t" },
            driven = writebehind.batcher { store = scripted_store, schema = SCHEMA, table = "t",
                clock = testing.clock(0) },
        }
    end

    it("drains, is idempotent, and refuses what comes after", function()
        for _, batcher in pairs(makers()) do
            for n = 1, 10 do
                assert(batcher:add { n = n, note = "x" })
            end
            assert.is_true(batcher:close())
            assert.is_true(batcher:close())
            assert.is_true(batcher:close(0))
            local stats = scripted.conserved(batcher)
            assert.equal(10, stats.stored)
            assert.equal("closed", stats.health)
            for _, try in ipairs { "add", "add_values" } do
                local ok, message, code = batcher[try](batcher, try == "add" and { n = 1, note = "x" } or 1, "x")
                assert.is_nil(ok)
                assert.is_string(message)
                assert.equal("closed", code)
            end
            assert.equal(10, scripted.conserved(batcher).accepted)
            assert.is_true(batcher:flush())
        end
    end)

    it("of a batcher without rows is true at once", function()
        for _, batcher in pairs(makers()) do
            assert.is_true(batcher:close(0))
        end
    end)

    it("may be asked again after a timeout", function()
        local place = kits.sqlite_away()
        local name = place.name()
        place.create(name, SCHEMA)
        local batcher = assert(writebehind.batcher { store = place.store, schema = SCHEMA, table = name,
            retry = { initial = 0.02, max = 0.1 }, interval = 0.02, log = function() end })
        assert(batcher:add { n = 1, note = "x" })
        local ok, message, code = batcher:close(0.2)
        assert.is_nil(ok)
        assert.is_string(message)
        assert.equal("timeout", code)
        assert.equal(1, scripted.conserved(batcher).pending)
        local _, _, refused = batcher:add { n = 2, note = "x" }
        assert.equal("closed", refused)
        place.appear()
        assert.is_true(batcher:close(process.PATIENCE))
        assert.equal(1, place.count(name))
        place.finish()
    end)

    it("drains a driven batcher until the deadline in its own time", function()
        local clock, store = testing.clock(0), scripted.store(scripted.fails("away"))
        local batcher = assert(writebehind.batcher { store = store, schema = SCHEMA, table = "t", clock = clock,
            retry = { initial = 0.1, max = 1 }, log = function() end })
        assert(batcher:add { n = 1, note = "x" })
        local ok, _, code = batcher:close(20)
        assert.is_nil(ok)
        assert.equal("timeout", code)
        assert.near(20, clock:now(), 1e-3)
        assert.is_true(store.calls > 5)
        store.answers = { scripted.yes }
        assert.is_true(batcher:close())
        assert.same({ 1 }, store.numbers)
    end)

    -- `<close>` is syntax of 5.4 alone.
    local to_be_closed = (loadstring or load)[[
        local make, use = ...
        do
            local object <close> = make()
            use(object)
        end
    ]]

    it("happens at the end of a <close> variable's block", function()
        if not to_be_closed then
            return
        end
        for kind in pairs(makers()) do
            local batcher
            to_be_closed(function()
                batcher = makers()[kind]
                return batcher
            end, function(object)
                for n = 1, 10 do
                    assert(object:add { n = n, note = "x" })
                end
            end)
            assert.equal(10, scripted.conserved(batcher).stored)
            assert.equal("closed", batcher:stats().health)
        end
        local store, tracker = testing.store(), nil
        to_be_closed(function()
            tracker = writebehind.tracker { store = store, table = "t", key = "id", column = "at",
                clock = testing.clock(0) }
            return tracker
        end, function(object)
            assert(object:add("00000000-0000-4000-8000-000000000001"))
        end)
        assert.equal(1, #store.calls)
        store = testing.store()
        to_be_closed(function()
            return writebehind.agent_stats.batcher { store = store, clock = testing.clock(0) }
        end, function(object)
            local id = "00000000-0000-4000-8000-000000000001"
            assert(object:add(0, id, id, id, id, {}))
        end)
        assert.equal(1, #store.rows)
    end)
end)

describe("a driven batcher", function()
    local SCRIPT = [[
        local writebehind = require "writebehind"
        local batcher = writebehind.batcher {
            store = { write = function() io.write "written" return true end }, table = "t",
            schema = writebehind.schema { { "n", "int8" } },
        }
        for n = 1, 5 do
            assert(batcher:add_values(n))
        end
        if arg[1] == "exit" then
            os.exit(0)
        end
    ]]

    it("says what os.exit loses, for nobody can call its store any more", function()
        local result = process.lua(SCRIPT, { "exit" }, 60)
        assert.equal(0, result.code)
        assert.truthy(result.err:find("5 accepted rows were not stored", 1, true), result.err)
    end)

    it("says so where it has a log hook too, for nobody can call that either", function()
        local hooked = SCRIPT:gsub('table = "t"', '%0, log = function() end')
        local result = process.lua(hooked, { "exit" }, 60)
        assert.equal(0, result.code)
        assert.truthy(result.err:find("5 accepted rows were not stored", 1, true), result.err)
    end)

    it("drains at the end of the script", function()
        local result = process.lua(SCRIPT, { "end" }, 60)
        assert.equal(0, result.code)
        assert.equal("written", result.out)
        assert.equal("", result.err)
    end)
end)

describe("the finalizer of a driven object", function()
    -- Its store writes a line for each row, after a yield where it can.
    local SUSPENDED = [[
        local writebehind = require "writebehind"
        local noun = arg[1]
        local function deliver(_, work)
            if first then
                first = false
                coroutine.yield()
            end
            for _, item in ipairs(noun == "batcher" and work:column "n" or work:ids()) do
                print(item)
            end
            return true
        end
        local object = assert(writebehind[noun] { store = { write = deliver, touch = deliver }, table = "t",
            schema = noun == "batcher" and writebehind.schema { { "n", "int8" } } or nil,
            key = noun == "tracker" and "id" or nil, column = noun == "tracker" and "at" or nil,
            interval = 60, close_timeout = 20, retry = { initial = 0.01, max = 0.02 }, log = function() end })
        local function add(n)
            assert(object:add(noun == "batcher" and { n = n } or ("00000000-0000-0000-0000-%012d"):format(n)))
        end
        add(1)
        first = true
        suspended = coroutine.create(function() return object:flush() end) -- a global: it lives to the end
        assert(coroutine.resume(suspended))
        assert(coroutine.status(suspended) == "suspended")
        add(2)
        add(3)
        if arg[2] == "collected" then
            suspended, object = nil, nil
            collectgarbage()
            print "collected"
        elseif arg[2] == "exit" then
            os.exit(0, true)
        end
    ]]

    it("drains it though a coroutine is suspended in its store", function()
        if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
            return -- a store can't yield there
        end
        for _, noun in ipairs { "batcher", "tracker" } do
            for _, ending in ipairs { "end", "exit", "collected" } do
                local result = process.lua(SUSPENDED, { noun, ending }, 60)
                assert.equal(0, result.code, result.err)
                for n = 1, 3 do
                    assert.truthy(result.out:find(("%d\n"):format(n), 1, true), noun .. " " .. ending .. result.err)
                end
            end
        end
    end)

    local AWAY = [[
        local writebehind = require "writebehind"
        local clock = require("writebehind.core").process.now
        local tries, closed = {}, arg[1] == "closed"
        local objects = {}
        for i = 1, 3 do
            tries[i] = 0
            objects[i] = writebehind.batcher { table = "t" .. i, schema = writebehind.schema { { "n", "int8" } },
                store = { write = function() tries[i] = tries[i] + 1 return nil, "away" end },
                close_timeout = 3, retry = { initial = 0.01, max = 0.02 }, log = function() end }
            assert(objects[i]:add { n = i })
            if closed then
                objects[i]:close(0)
                tries[i] = 0
            end
        end
        local began = clock()
        objects = nil
        collectgarbage()
        collectgarbage()
        print(clock() - began, table.concat(tries, " "))
    ]]

    it("tries once after an explicit close", function()
        local result = process.lua(AWAY, { "closed" }, 60)
        assert.equal(0, result.code, result.err)
        local seconds, tries = result.out:match("^(%S+)%s+([%d ]+)")
        assert.equal("1 1 1", tries)
        assert.truthy(tonumber(seconds) < 3, result.out)
        assert.truthy(result.err:find("1 accepted rows were not stored", 1, true), result.err)
    end)

    it("waits no longer for several than for one, and tries each", function()
        local result = process.lua(AWAY, { "open" }, 60)
        assert.equal(0, result.code, result.err)
        local seconds, tries = result.out:match("^(%S+)%s+([%d ]+)")
        assert.truthy(tonumber(seconds) >= 3 and tonumber(seconds) < 8, result.out)
        for count in tries:gmatch("%d+") do
            assert.truthy(tonumber(count) >= 1, result.out)
        end
    end)
end)

describe("a threaded batcher whose store is away", function()
    it("says what the end of the process loses, with and without a log hook", function()
        for _, hook in ipairs { "nil", "function() end" } do
            local result = process.lua(([[
                local writebehind = require "writebehind"
                local batcher = writebehind.batcher {
                    store = writebehind.sqlite { path = "/nowhere/at/all.db" }, table = "t", close_timeout = 0.2,
                    schema = writebehind.schema { { "n", "int8" } }, log = %s,
                }
                assert(batcher:add_values(1))
                os.exit(0)
            ]]):format(hook), {}, 60)
            assert.equal(0, result.code)
            assert.truthy(result.err:find("1 accepted rows were not stored", 1, true), result.err)
        end
    end)
end)
