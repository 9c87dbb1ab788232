-- nginx reloads, ends or loses a worker under load: what it answered is what is stored. What it answered is read
-- from its own access log, by the id of each request; wrk's count at the end of its run is not exact.

local load = require "spec.support.load"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local requests = require "spec.support.requests"
local sqlite = require "spec.support.sqlite"

local RELOADS = 10

-- Rows stored are requests answered, and whoever received an answer finds its row.
local function assert_exact(server, name, received)
    local answered, stored = requests.answered(server), requests.stored(name)
    local missing, extra = requests.difference(answered, stored)
    assert.same({ answered = #answered, missing = 0, extra = 0 },
        { answered = #answered, missing = missing, extra = extra })
    assert.equal(0, (requests.difference(received or {}, stored)))
    return #answered
end

describe("nginx, stored rows being the requests answered,", function()
    local dir, name

    before_each(function()
        dir, name = requests.begin(), requests.table()
    end)

    after_each(requests.finish)

    local function start(options)
        options.workers = options.workers or 2
        options.made = "init"
        options.store = requests.postgres(options.conninfo)
        options.table = name
        options.options = "close_timeout = 90, " .. (options.options or "")
        return requests.start(options)
    end

    local function start_load(server)
        local flow = load.start { url = server.url .. "/log" }
        flow:wait(200)
        return flow
    end

    it("reloads ten times under load", function()
        local server = start {}
        local flow = start_load(server)
        for _ = 1, RELOADS do
            server:reload()
            flow:wait(200)
        end
        local received = flow:stop()
        assert.equal(0, server:quit())
        local answered = assert_exact(server, name, received)
        assert.is_true(answered >= RELOADS * 200)
        -- Rows came from workers of each generation.
        assert.is_true(postgres.number("SELECT count(DISTINCT worker) FROM " .. name) > RELOADS)
    end)

    for _, way in ipairs { "quit", "stop" } do
        it("ends by " .. way .. " under load", function()
            local server = start {}
            local flow = start_load(server)
            assert.equal(0, server[way](server))
            assert_exact(server, name, flow:stop())
        end)

        it("ends by " .. way .. " long before its rows are due", function()
            local server = start { options = "interval = 3600, " }
            for _ = 1, 50 do
                server:get("/log")
            end
            assert.equal(0, postgres.count(name))
            assert.equal(0, server[way](server))
            assert.equal(50, assert_exact(server, name))
        end)
    end

    it("reloads and ends under load with a SQLite file, which old and new workers share", function()
        local path = dir .. "/rows.db"
        local server = requests.start {
            workers = 2,
            made = "init",
            store = ("writebehind.sqlite { path = %q, create = true }"):format(path),
            table = "rows",
            options = "close_timeout = 90, ",
        }
        local flow = start_load(server)
        for _ = 1, 3 do
            server:reload()
            flow:wait(200)
        end
        assert.equal(0, server:stop())
        flow:stop()
        local stored = sqlite.lines(path, "SELECT request FROM rows")
        local missing, extra = requests.difference(requests.answered(server), stored)
        assert.same({ 0, 0 }, { missing, extra })
    end)

    it("reloads without leaving descriptors or threads in the master process", function()
        local server = start {}
        local function count(what)
            return tonumber(process.run(("ls /proc/%d/%s | wc -l"):format(server.pid, what)).out)
        end
        server:reload { drained = true }
        local before = count("fd")
        for _ = 1, 3 do
            server:get("/log")
            server:reload { drained = true }
        end
        -- It hears of the end of a worker in its own time.
        assert.truthy(process.wait(function()
            return count("fd") == before
        end))
        assert.equal(1, count("task"))
    end)

    it("reloads long before its rows are due", function()
        local server = start { options = "interval = 3600, " }
        for _ = 1, 50 do
            server:get("/log")
        end
        server:reload { drained = true }
        assert.equal(50, assert_exact(server, name))
    end)

    -- At the begin of a beat of the worker's coroutine, which it would else sleep to the end.
    it("quits as soon as there is nothing left", function()
        local fastest = math.huge
        for _ = 1, 5 do
            local server = nginx.start {
                http = [[init_by_lua_block {
                    package.preload.app = function()
                        local writebehind, resty = require "writebehind", require "writebehind.resty"
                        return assert(resty.batcher("app", { store = { write = function() return true end },
                            schema = writebehind.schema { { "n", "int8" } }, table = "t", interval = 3600 }))
                    end
                }]],
                server = "location / { content_by_lua_block { assert(require('app'):add { n = 1 }) ngx.print 'ok' } }",
            }
            assert.equal(200, (server:request { path = "/" }))
            process.sleep(0.05)
            local began = process.now()
            assert.equal(0, server:quit())
            fastest = math.min(fastest, process.now() - began)
        end
        assert.is_true(fastest < 0.7, tostring(fastest))
    end)

    describe("where the database is down,", function()
        local gate

        before_each(function()
            gate = postgres.gate(dir)
            gate:open()
        end)

        local function exiting(server)
            return server:log():match("%d+#%d+: exit\n") ~= nil
        end

        -- A server whose rows can't be stored, with its worker in its exit handlers.
        local function end_without_database(signal)
            local server = start {
                workers = 1, -- which is so sure to have rows
                conninfo = gate.conninfo,
                options = "retry = { initial = 0.05, max = 0.2 }, ",
            }
            local flow = start_load(server)
            -- Its session is there, to be ended: one that begins is not, and would get through.
            assert.truthy(process.wait(function()
                return postgres.count(name) > 0
            end))
            gate:shut()
            flow:wait(200)
            server:signal(signal)
            assert.truthy(process.wait(function()
                return exiting(server)
            end))
            return server, flow:stop()
        end

        it("quits, and it comes back in time", function()
            local server, received = end_without_database("QUIT")
            process.sleep(2) -- longer than nginx would wait for a worker that it stops
            assert.equal(1, #server:workers())
            gate:open()
            assert.equal(0, server:wait())
            assert_exact(server, name, received)
        end)

        local function wait_for_heir(server)
            local heir = tonumber(server:log():match("process (%d+) goes on with it"))
            assert.truthy(not heir or process.wait(function()
                return not nginx.alive(heir)
            end))
            return heir
        end

        it("stops, and it comes back in time", function()
            local server, received = end_without_database("TERM")
            gate:open()
            assert.equal(0, server:wait())
            wait_for_heir(server)
            assert_exact(server, name, received)
        end)

        -- The master process kills a worker that it stops and that takes longer. It does not have to.
        local function assert_exact_after_all(server, received)
            assert.equal(0, server:wait())
            assert.is_nil(server:log():find("exited on signal 9", 1, true))
            local heir = tonumber(server:log():match("process (%d+) goes on with it"))
            assert.is_true(nginx.alive(heir))
            server:start() -- nobody holds the port
            gate:open()
            wait_for_heir(server)
            assert.equal(0, server:quit())
            assert_exact(server, name, received)
        end

        it("stops, and it comes back when nginx has ended and started again", function()
            assert_exact_after_all(end_without_database("TERM"))
        end)

        it("quits, is stopped as that takes long, and it comes back when nginx has ended", function()
            local server, received = end_without_database("QUIT")
            server:signal("TERM")
            assert_exact_after_all(server, received)
        end)
    end)
end)

describe("a worker of nginx that is killed", function()
    local dir, name

    before_each(function()
        dir, name = requests.begin(), requests.table()
    end)

    after_each(requests.finish)

    it("loses what was pending in it at the most", function()
        local gate = postgres.gate(dir)
        gate:open()
        local server = requests.start {
            made = "init",
            store = requests.postgres(gate.conninfo),
            table = name,
            options = "retry = { initial = 0.05, max = 0.2 }, ",
        }
        local function ask(times)
            for _ = 1, times do
                assert.equal(200, (server:get("/log")))
            end
        end
        local function stored(count)
            return process.wait(function()
                return postgres.count(name) == count
            end)
        end

        ask(100)
        assert.truthy(stored(100))
        gate:shut()
        ask(30)
        local pid = server:workers()[1]
        nginx.kill(pid, "KILL")
        assert.truthy(process.wait(function()
            local pids = server:workers()
            return #pids == 1 and pids[1] ~= pid
        end))
        gate:open()
        ask(50)
        assert.equal(0, server:quit())
        local missing, extra = requests.difference(requests.answered(server), requests.stored(name))
        assert.same({ 30, 0 }, { missing, extra })
    end)
end)
