-- nginx whose workers have a spool, killed with -9 under load, reloaded, stopped and replaced: each request that was
-- answered has its row in the table, once. What was answered is what wrk received.

local load = require "spec.support.load"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local numbers = require "spec.support.spool_store"
local requests = require "spec.support.requests"
local writebehind = require "writebehind"

local NUMBERED = { { "gen", "int4" }, { "n", "int8" } }
local KILLS = os.getenv "CI_LONG" and 1000 or 6

describe("nginx with a spool", function()
    local dir, name

    before_each(function()
        dir, name = requests.begin(), requests.table()
    end)

    after_each(requests.finish)

    local function start(options)
        options.workers = 2
        options.made = options.made or "init"
        options.store = options.store or requests.postgres(options.conninfo)
        options.table = name
        options.options = ("close_timeout = 90, retry = { initial = 0.02, max = 0.2 }, spool = { path = %q }, "):format(
            dir .. "/spool") .. (options.more or "")
        return requests.start(options)
    end

    local function start_load(server, place)
        local flow = load.start { url = server.url .. (place or "/content"), delay = 2, most = 100000 }
        flow:wait(200)
        return flow
    end

    -- nginx ends; what it left, as nobody looked any more, is taken over here.
    local function finish(server, options)
        assert.equal(0, server:quit())
        local all = {
            store = writebehind.postgres { conninfo = postgres.conninfo() }, table = name, log = function() end,
            schema = writebehind.schema {
                { "id", "uuid", generate = "uuidv7" },
                { "request", "text" }, { "worker", "int4" }, { "phase", "text" },
            },
            interval = 0.01, spool = { path = dir .. "/spool" },
        }
        for key, value in pairs(options or {}) do
            all[key] = value
        end
        local batcher = assert(writebehind.batcher(all))
        assert(process.wait(function()
            batcher:poll()
            local owners = process.run(("find %s/spool -name owner -size +0 | wc -l"):format(dir)).out
            return owners == "1\n" and tonumber(batcher:stats().pending) == 0
        end, nil, 0.1), "rows are left")
        assert.is_true(batcher:close(process.PATIENCE))
        assert.equal(0, tonumber(batcher:stats().dead))
    end

    -- Whoever received an answer finds its row, and no row is there twice.
    local function assert_once(server, received)
        local stored = requests.stored(name)
        assert.equal(0, (requests.difference(received, stored)))
        assert.equal(#stored, postgres.number("SELECT count(DISTINCT request) FROM " .. name))
        assert.is_nil(server:log():find("add failed", 1, true))
        return #received, #stored
    end

    -- The way to the database, open; a server on it; and its load.
    local function begin()
        local gate = postgres.gate(dir)
        gate:open()
        local server = start { conninfo = gate.conninfo }
        return gate, server, start_load(server)
    end

    local function all_is_there_once(server, flow)
        local received = flow:stop()
        finish(server)
        assert_once(server, received)
    end

    local function kill_one(server)
        local workers = server:workers()
        local pid = workers[math.random(#workers)]
        nginx.kill(pid, "KILL")
        assert(process.wait(function()
            return not nginx.alive(pid) and #server:workers() == 2
        end), "no new worker")
    end

    for _, made in ipairs { "init", "worker", "use" } do
        it("has its rows after workers were killed, the batcher being made in " .. made, function()
            local server = start { made = made }
            local flow = start_load(server)
            for _ = 1, KILLS do
                process.sleep(math.random() * 0.1)
                kill_one(server)
                flow:wait(50)
            end
            local received = flow:stop()
            finish(server)
            assert.is_true(assert_once(server, received) >= KILLS * 50)
        end)
    end

    it("has them although the database was away when they were killed", function()
        local gate, server, flow = begin()
        for _ = 1, 3 do
            gate:shut()
            flow:wait(200)
            kill_one(server)
            kill_one(server)
            gate:open()
            flow:wait(100)
        end
        all_is_there_once(server, flow)
        assert.matches("took over %d+ rows", server:log())
    end)

    it("has them although all were killed, the master too", function()
        local gate, server, flow = begin()
        gate:shut()
        flow:wait(300)
        local workers = server:workers()
        nginx.kill(server.pid, "KILL")
        for _, pid in ipairs(workers) do
            nginx.kill(pid, "KILL")
        end
        assert.is_true(server:wait() ~= 0)
        local received = flow:stop()
        gate:open()
        server:start()
        assert.equal(200, (server:get "/content"))
        finish(server)
        assert_once(server, received)
    end)

    it("has them after reloads, and a kill in the middle of each", function()
        local server = start {}
        local flow = start_load(server)
        for _ = 1, 4 do
            local old = server:workers()
            server:signal "HUP"
            nginx.kill(old[math.random(#old)], "KILL")
            flow:wait(100)
            server:reload { drained = true }
        end
        all_is_there_once(server, flow)
    end)

    -- Made in init, the batcher is made again while the master still has the one before. Who is killed after the reload
    -- has no successor of its own generation.
    it("has those of workers killed at one, two and three reloads stored by the next ones", function()
        local gate, server, flow = begin()
        for _ = 1, 3 do
            gate:shut()
            flow:wait(100)
            local old = server:workers()
            server:reload()
            for _, pid in ipairs(old) do
                nginx.kill(pid, "KILL")
            end
            gate:open()
            flow:wait(100)
            local received = flow:received()
            assert(process.wait(function()
                return requests.difference(received, requests.stored(name)) == 0
            end, nil, 0.2), "nobody takes over what is left")
        end
        all_is_there_once(server, flow)
    end)

    it("has them after upgrades of the program, and a kill in the middle of each", function()
        local gate = postgres.gate(dir)
        gate:open()
        local server = start { conninfo = gate.conninfo, upgradable = true }
        local flow = start_load(server)
        for _ = 1, 2 do
            gate:shut()
            flow:wait(100)
            local workers = server:workers()
            local old = server:upgrade()
            nginx.kill(workers[1], "KILL")
            nginx.kill(old, "WINCH")
            gate:open()
            nginx.kill(old, "QUIT")
            assert(process.wait(function()
                return not nginx.alive(old) and not nginx.alive(workers[1]) and not nginx.alive(workers[2])
            end), "the old nginx goes on")
            flow:wait(100)
            local received = flow:received()
            assert(process.wait(function()
                return requests.difference(received, requests.stored(name)) == 0
            end, nil, 0.2), "nobody takes over what is left")
        end
        all_is_there_once(server, flow)
        assert.matches("took over %d+ rows", server:log())
    end)

    it("has them after it was stopped, with the database away, by itself or who comes next", function()
        local gate, server, flow = begin()
        gate:shut()
        flow:wait(200)
        server:signal "TERM"
        server:wait()
        local received = flow:stop()
        local heirs = {}
        for heir in server:log():gmatch "process (%d+) goes on with it" do
            heirs[#heirs + 1] = tonumber(heir)
            nginx.kill(tonumber(heir), "KILL")
        end
        server:start()
        gate:open()
        assert.equal(200, (server:get "/content"))
        finish(server)
        assert_once(server, received)
        for _, heir in ipairs(heirs) do
            assert.is_false(nginx.alive(heir))
        end
    end)

    local function drives(made)
        local answers = dir .. "/answers"
        local server = nginx.start {
            workers = 2,
            http = ([[
                init_by_lua_block {
                    package.preload.app = function()
                        local writebehind = require "writebehind"
                        local store = dofile(%q) { dir = %q }
                        return assert(require "writebehind.resty".batcher("app", {
                            store = store, table = "t", interval = 0.05, spool = { path = %q },
                            schema = writebehind.schema { { "gen", "int4" }, { "n", "int8" } },
                        }))
                    end
                    %s
                }
                init_worker_by_lua_block { require "app" }
                lua_shared_dict numbers 1m;
            ]]):format(os.getenv "WRITEBEHIND_ROOT" .. "/spec/support/spool_store.lua", answers, dir .. "/spool",
                made == "init" and 'require "app"' or ""),
            server = [[
                location /content { content_by_lua_block {
                    local n = ngx.shared.numbers:incr("n", 1, 0)
                    local app = require "app"
                    app:poll()
                    ngx.sleep(0.001)
                    assert(app:add { gen = 1, n = n })
                    ngx.print(n)
                } }
            ]],
        }
        assert.equal(0, process.run("mkdir " .. answers).code)
        local flow = start_load(server)
        for _ = 1, KILLS do
            process.sleep(math.random() * 0.1)
            kill_one(server)
            flow:wait(50)
        end
        local received = flow:stop()
        finish(server, {
            name = "app", table = "t", schema = writebehind.schema(NUMBERED), store = numbers { dir = answers },
        })
        assert.is_nil(server:log():find("exited on signal 11", 1, true))
        local text = process.run(("cat %s/*"):format(answers)).out
        local stored, times = {}, {}
        for n in text:gmatch "1|(%d+)\n" do
            stored[#stored + 1], times[n] = n, (times[n] or 0) + 1
        end
        assert.equal(0, (requests.difference(received, stored)))
        for n, count in pairs(times) do
            assert.equal(1, count, n)
        end
    end

    -- What is made in init is asked for work, by poll, before it had a row in that worker.
    for _, made in ipairs { "init", "worker" } do
        it("has them with a scripted store that the workers drive, being made in " .. made, function()
            drives(made)
        end)
    end
end)
