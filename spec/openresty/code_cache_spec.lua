-- lua_code_cache off, for development: each request has a Lua state of its own, closed when it is answered. So
-- each has a batcher, a thread and a connection of its own; none is left behind, and no row is lost.

local load = require "spec.support.load"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local requests = require "spec.support.requests"
local sqlite = require "spec.support.sqlite"

local function count_of(path)
    return tonumber(process.run("ls " .. path .. " | wc -l").out)
end

local function threads(pid)
    return count_of(("/proc/%d/task"):format(pid))
end

local function descriptors(pid)
    return count_of(("/proc/%d/fd"):format(pid))
end

describe("nginx without a cache of Lua code", function()
    local dir

    before_each(function()
        dir = requests.begin()
    end)

    after_each(requests.finish)

    local function start(store, name)
        return requests.start {
            made = "use",
            code_cache = false,
            store = store,
            table = name,
            options = "close_timeout = 90, retry = { initial = 0.05, max = 0.5 }, ",
        }
    end

    -- → what the worker had after the first request, and its id.
    local function warm_up(server, is_stored)
        assert.equal(200, (server:get("/log")))
        assert.truthy(process.wait(is_stored))
        local pid = server:workers()[1]
        assert.truthy(process.wait(function()
            return threads(pid) == 1
        end))
        return pid, descriptors(pid)
    end

    local function answer(count, server)
        local flow = load.start { url = server.url .. "/log", most = count, connections = 4, delay = 1 }
        flow:wait_all()
        flow:stop()
    end

    local function assert_as_before(server, pid, before)
        assert.truthy(process.wait(function()
            return threads(pid) == 1
        end), "threads are left")
        assert.truthy(process.wait(function()
            return descriptors(pid) <= before
        end), "descriptors are left")
        assert.same({ pid }, server:workers()) -- the same one: none crashed
        assert.equal(0, server:quit())
        assert.is_nil(server:log():match("exited on signal %d+"))
        assert.is_nil(server:log():match("add failed: [^\n]*"))
    end

    it("leaves no thread and no connection to PostgreSQL behind after 1,000 requests", function()
        local name = requests.table()
        local server = start(requests.postgres(), name)
        local pid, before = warm_up(server, function()
            return postgres.count(name) == 1
        end)
        answer(1000, server)
        assert_as_before(server, pid, before)
        assert.is_true(#requests.answered(server) > 1000)
        assert.same(requests.answered(server), requests.stored(name))
    end)

    it("leaves no thread and no SQLite file open", function()
        local path = dir .. "/rows.db"
        sqlite.sql(path, "CREATE TABLE rows (id BLOB PRIMARY KEY, request TEXT, worker INT, phase TEXT);")
        local server = start(("writebehind.sqlite { path = %q }"):format(path), "rows")
        local pid, before = warm_up(server, function()
            return sqlite.count(path, "rows") == 1
        end)
        answer(300, server)
        assert_as_before(server, pid, before)
        assert.same(requests.answered(server), sqlite.lines(path, "SELECT request FROM rows ORDER BY request"))
    end)
end)
