-- Scripted stores on cosockets in nginx's workers: what a worker accepted is delivered by its one coroutine, whatever
-- the store, its peer, the timers or the worker's end do to it; and the event loop goes on.

local cjson = require "cjson"
local load = require "spec.support.load"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

-- What the stores post to: it appends rows to a file before it answers. /together answers when `wanted` requests wait,
-- /slow after a second.
local COLLECTOR = [[
    client_max_body_size 64m;
    client_body_buffer_size 16m;
    location / {
        content_by_lua_block {
            ngx.req.read_body()
            local body = ngx.req.get_body_data()
            if ngx.var.uri == "/together" then
                local waiting = ngx.shared.waiting
                local turn = waiting:incr("all", 1, 0)
                while math.ceil(turn / 3) * 3 > waiting:get "all" do
                    ngx.sleep(0.01)
                end
            elseif ngx.var.uri == "/slow" then
                ngx.sleep(1)
            end
            local file = assert(io.open("rows", "ab"))
            file:write(body)
            file:close()
            ngx.exit(204)
        }
    }
]]

local APPLICATION = [[
    lua_shared_dict counts 1m;
    init_by_lua_block {
        package.preload.app = function()
            local resty = require "writebehind.resty"
            local writebehind = require "writebehind"
            local app, calls, counts = {}, 0, ngx.shared.counts

            function app.post(batch, path)
                local socket = ngx.socket.tcp()
                socket:settimeouts(5000, 30000, 30000)
                assert(socket:connect("127.0.0.1", $port))
                local body = batch:ndjson()
                assert(socket:send { "POST ", path or "/", " HTTP/1.0\r\nContent-Length: ", tostring(#body),
                    "\r\n\r\n", body })
                local status = assert(socket:receive "*l")
                socket:close()
                return status:find(" 204 ", 1, true) and true or nil, status
            end

            local function write(_, batch)
                calls = calls + 1
                counts:incr("calls", 1, 0)
                local call = calls
                $write
                return app.post(batch)
            end

            function app.batcher()
                return resty.batcher("requests", function()
                    return {
                        store = { write = write }, table = "t", interval = 0.05,
                        retry = { initial = 0.01, max = 0.1 },
                        schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "text" } },
                        $options
                    }
                end)
            end

            function app.add(n)
                local ok, message, code = app.batcher():add { n = n or ngx.var.request_id }
                if not ok then
                    ngx.log(ngx.ERR, "refused: ", code, " ", message)
                end
            end

            return app
        end
        $init
    }
    log_format requests "$request_id";
]]

local SERVER = [[
    location /log {
        access_log requests.log requests;
        content_by_lua_block { ngx.sleep(0.01) }
        log_by_lua_block { require "app".add() }
    }
    location /add {
        content_by_lua_block {
            for n = tonumber(ngx.var.arg_from), tonumber(ngx.var.arg_to) do
                require "app".add(tostring(n))
            end
        }
    }
    location /flush {
        content_by_lua_block {
            ngx.say(tostring(require "app".batcher():flush(tonumber(ngx.var.arg_timeout or 80))))
        }
    }
    location /close {
        content_by_lua_block {
            local ok, message, code = require "app".batcher():close(tonumber(ngx.var.arg_timeout or 80))
            ngx.say(tostring(ok), " ", tostring(message), " ", tostring(code))
        }
    }
    location /stats {
        content_by_lua_block { ngx.print(require "cjson".encode(require "app".batcher():stats())) }
    }
    location /calls {
        content_by_lua_block { ngx.print(ngx.shared.counts:get "calls" or 0) }
    }
    location /timers {
        content_by_lua_block { ngx.print(ngx.timer.running_count(), " ", ngx.timer.pending_count()) }
    }
]]

local function fill(text, values)
    return (text:gsub("%$(%a+)", function(name)
        return values[name]
    end))
end

local function numbers_of(text)
    local numbers = {}
    for line in text:gmatch("[^\n]+") do
        numbers[#numbers + 1] = cjson.decode(line).n
    end
    table.sort(numbers)
    return numbers
end

local function range(first, last)
    local list = {}
    for n = first, last do
        list[#list + 1] = tostring(n)
    end
    table.sort(list)
    return list
end

describe("the example cosocket_sink", function()
    it("runs, and has every request's row", function()
        local root = os.getenv "WRITEBEHIND_ROOT" or "."
        local result = process.run("timeout 90 " .. process.quote(root .. "/examples/openresty/cosocket_sink/run"))
        assert.equal("", result.err)
        assert.matches("300 rows are with the collector", result.out)
        assert.equal(0, result.code)
    end)
end)

describe("writebehind.resty in nginx", function()
    local collector, server

    before_each(function()
        collector = nginx.start { server = COLLECTOR, http = "lua_shared_dict waiting 1m;" }
    end)

    after_each(function()
        load.finish()
        nginx.finish()
    end)

    -- given: write (Lua text before the post), options, init, server (more of those), and what nginx.start takes
    local function start(given)
        given = given or {}
        server = nginx.start {
            http = fill(APPLICATION, {
                port = collector.port, write = given.write or "", options = given.options or "",
                init = given.init or "",
            }) .. (given.http or ""),
            server = SERVER .. (given.server or ""),
            main = given.main, workers = given.workers, code_cache = given.code_cache, log_level = given.log_level,
        }
        return server
    end

    local function ask(path)
        local status, body = server:get(path)
        assert.equal(200, status, server:log())
        return body
    end

    local function add(first, last)
        ask(("/add?from=%d&to=%d"):format(first, last))
    end

    local function rows()
        local path = collector.prefix .. "/rows"
        return process.exists(path) and numbers_of(process.read(path)) or {}
    end

    -- The rows that arrived, once there are so many.
    local function rows_when(count)
        process.wait(function()
            return #rows() >= count
        end)
        return rows()
    end

    local function answered()
        local list = {}
        for id in process.read(server.prefix .. "/requests.log"):gmatch("[^\n]+") do
            list[#list + 1] = id
        end
        table.sort(list)
        return list
    end

    it("stores a row a request, from log_by_lua, through reloads and a quit under load", function()
        start { workers = 2, options = "in_flight = 3" }
        local flow = load.start { url = server.url .. "/log" }
        for _ = 1, 3 do
            flow:wait(100)
            server:reload()
        end
        flow:wait(100)
        assert.equal(0, server:quit())
        flow:stop()
        local wanted = answered()
        assert.is_true(#wanted >= 400)
        assert.same(wanted, rows())
        assert.is_nil(server:log():match("%[error%].*"))
    end)

    it("has as many batches under way as it is allowed", function()
        start { write = 'do return app.post(batch, "/together") end',
            options = "in_flight = 3, batch_size = 10, flush_at = 1" }
        add(1, 90)
        assert.equal("true\n", ask "/flush")
        assert.same(range(1, 90), rows())
        local stats = cjson.decode(ask "/stats")
        assert.equal(9, stats.batches)
        assert.equal(0, stats.failures)
    end)

    it("may be called in every phase", function()
        start { server = [[
            location /phases {
                set_by_lua_block $n { require "app".add "set" }
                rewrite_by_lua_block { require "app".add "rewrite" }
                access_by_lua_block { require "app".add "access" }
                content_by_lua_block {
                    require "app".add "content"
                    ngx.timer.at(0, function() require "app".add "timer" end)
                    ngx.print "x"
                }
                header_filter_by_lua_block { require "app".add "header" }
                body_filter_by_lua_block { if ngx.arg[2] then require "app".add "body" end }
                log_by_lua_block { require "app".add "log" }
            }]], http = 'init_worker_by_lua_block { require "app".add "worker" }' }
        ask "/phases"
        assert.same({ "access", "body", "content", "header", "log", "rewrite", "set", "timer", "worker" },
            rows_when(9))
    end)

    it("lets requests be answered while the store's peer is frozen", function()
        start { write = 'if call <= 2 then return app.post(batch, "/slow") end', options = "in_flight = 2" }
        nginx.kill(collector:workers()[1], "STOP")
        local worker = collector:workers()[1]
        add(1, 10)
        assert(process.wait(function()
            return ask "/calls" == "1"
        end))
        for _ = 1, 50 do
            add(0, 0)
        end
        assert.matches("^nil", ask "/flush?timeout=0.3")
        nginx.kill(worker, "CONT")
        assert.equal("true\n", ask "/flush")
        assert.equal(60, #rows())
    end)

    it("lets other requests go on while one of them flushes, and does not wait where nothing can", function()
        start { write = 'if call == 1 then return app.post(batch, "/slow") end', server = [[
            location /race {
                content_by_lua_block {
                    require "app".add "1"
                    local ticks, flushed = 0
                    local thread = ngx.thread.spawn(function() flushed = require "app".batcher():flush(60) end)
                    while flushed == nil do
                        ngx.sleep(0.01)
                        ticks = ticks + 1
                    end
                    ngx.print(tostring(flushed), " ", ticks > 10)
                }
            }
            location /late {
                return 200;
                log_by_lua_block {
                    require "app".add "2"
                    local began = ngx.now()
                    local ok, message, code = require "app".batcher():flush(60)
                    ngx.update_time()
                    ngx.log(ngx.WARN, "late flush: ", tostring(ok), " ", code, " ", ngx.now() - began < 5)
                }
            }]] }
        assert.equal("true true", ask "/race")
        ask "/late"
        assert.same({ "1", "2" }, rows_when(2))
        assert.matches("late flush: nil timeout true", server:log())
    end)

    it("tries again what a store that throws, answers nonsense or fails did not store, and says so", function()
        start { log_level = "info", write = [[
            ngx.sleep(0.001)
            if call == 1 then error "thrown" end
            if call == 2 then return "yes" end
            if call == 3 then return nil, "away" end
            if call == 4 then local ok = app.post(batch) return nil, "half", "retry", math.floor(#batch / 2) end
        ]] }
        add(1, 8)
        assert.equal("true\n", ask "/flush")
        local stats = cjson.decode(ask "/stats")
        assert.equal(8, stats.stored)
        assert.equal(4, stats.failures)
        assert.matches('%[warn%].-writebehind: batcher "requests": a write of 8 rows failed.-thrown', server:log())
        assert(process.wait(function()
            return server:log():match('%[info%][^\n]*batcher "requests": the store takes rows again')
        end))
    end)

    it("brings again the rows that a store names, and those alone that it rejects", function()
        start { write = [[
            ngx.sleep(0.001)
            if call == 1 then return false, "some", { reject = { [1] = "one" }, retry = { 2, 3, 4 } } end
        ]] }
        add(1, 4)
        assert.equal("true\n", ask "/flush")
        assert.same(range(1, 4), rows_when(4))
        local stats = cjson.decode(ask "/stats")
        assert.same({ 4, 0, 1 }, { stats.stored, stats.dead, stats.failures })
        assert.equal("3", ask "/calls") -- all, those that come again, and the one that was rejected
    end)

    it("goes on after a store ended the worker's coroutine, and loses nothing", function()
        start { write = "if call == 1 then ngx.exit(0) end" }
        add(1, 5)
        assert.same(range(1, 5), rows_when(5)) -- nobody adds or flushes: the watching timer finds out
        assert.matches("the coroutine of the worker has not come round", server:log())
        add(6, 10)
        assert.same(range(1, 10), rows_when(10))
    end)

    it("goes on after nginx dropped its timers", function()
        start { http = "lua_max_running_timers 1;", server = [[
            location /hog {
                content_by_lua_block { ngx.timer.at(0, function() ngx.sleep(3) end) ngx.sleep(0.01) }
            }]] }
        ask "/hog"
        add(1, 5)
        assert(process.wait(function()
            return server:log():match("lua_max_running_timers are not enough")
        end))
        assert(process.wait(function()
            add(0, 0) -- by now the timer that watches may have been dropped too
            return rows()[6]
        end, nil, 0.2))
        assert.equal("true\n", ask "/flush")
    end)

    it("takes a new timer now and then, one or two at a time, and none when it is idle", function()
        start { options = "batch_size = 1, flush_at = 1" }
        for n = 0, 1199, 100 do
            add(n, n + 99)
            local running, waiting = ask("/timers"):match("(%d+) (%d+)")
            assert.is_true(tonumber(running) <= 3 and tonumber(waiting) <= 3, running .. " " .. waiting)
        end
        assert.equal("true\n", ask "/flush")
        assert.equal(1200, #rows())
        assert(process.wait(function()
            return ask "/timers" == "0 0"
        end))
    end)

    it("runs hooks that yield, in order, and a hook may flush", function()
        start { options = [[
            batch_size = 5, flush_at = 1,
            on_flush = function(report)
                ngx.sleep(0.01)
                ngx.log(ngx.WARN, "flushed ", tonumber(report.rows), " ", report.reason)
                if report.reason == "size" and not app.again then
                    app.again = true
                    app.add "again"
                    ngx.log(ngx.WARN, "hook's flush: ", tostring(app.batcher():flush(60)))
                end
            end]] }
        add(1, 5)
        assert.equal(6, #rows_when(6))
        assert(process.wait(function()
            return server:log():match("flushed 5 size.*hook's flush: true.*flushed 1 flush")
        end), server:log())
    end)

    it("closes within its deadline, and drains what is left all the same", function()
        start { write = 'if call == 1 then ngx.sleep(1) end', options = "batch_size = 5, flush_at = 1" }
        add(1, 20)
        assert.matches("nil close: 20 rows are not settled yet timeout", ask "/close?timeout=0.1")
        add(21, 21)
        assert.matches("refused: closed", server:log())
        assert.same(range(1, 20), rows_when(20))
        assert.equal("true nil nil\n", ask "/close")
    end)

    it("delivers what was added right before a worker was told to quit", function()
        start { options = "interval = 3600" }
        add(1, 7)
        assert.equal(0, server:quit())
        assert.same(range(1, 7), rows())
    end)

    it("delivers what is added when its timer comes prematurely", function()
        start { server = [[
            location /end {
                content_by_lua_block {
                    require "app".add "1" -- its timer is due in the next turn of the event loop, after the signal
                    io.popen("kill -s QUIT " .. ngx.worker.pid()):close()
                }
            }]] }
        local worker = server:workers()[1]
        ask "/end"
        assert.same({ "1" }, rows_when(1))
        assert(process.wait(function()
            return not nginx.alive(worker)
        end))
    end)

    it("delivers what is added while a worker quits", function()
        start { options = "interval = 3600", server = [[
            location /long {
                content_by_lua_block {
                    ngx.print "begun"
                    ngx.flush(true)
                    repeat ngx.sleep(0.01) until ngx.worker.exiting()
                    ngx.sleep(0.5)
                    require "app".add "last"
                }
            }]] }
        add(1, 2)
        process.start("curl -sN " .. server.url .. "/long >" .. server.prefix .. "/answer")
        assert(process.wait(function()
            return process.exists(server.prefix .. "/answer") and process.read(server.prefix .. "/answer") == "begun"
        end))
        assert.equal(0, server:quit())
        assert.same({ "1", "2", "last" }, rows())
    end)

    it("gives a quitting worker close_timeout, retries at once, and names what is left", function()
        start { write = 'if true then return nil, "no peer" end',
            options = "close_timeout = 1.5, retry = { initial = 3000, max = 3600 }" }
        add(1, 9)
        assert(process.wait(function()
            return cjson.decode(ask "/stats").failures == 1
        end))
        assert.equal(0, server:quit())
        local log = server:log()
        assert.matches('batcher "requests": the worker exits, close_timeout %(1.5 s%) is over, and 9 rows', log)
        assert.matches('writebehind: batcher "requests": the worker ended with 9 rows that were not stored', log)
    end)

    it("ends deliveries that hang when a quitting worker's time is over", function()
        start { write = "ngx.sleep(3000)", options = "close_timeout = 0.5" }
        add(1, 3)
        assert(process.wait(function()
            return ask "/calls" == "1"
        end))
        assert.equal(0, server:quit())
        assert.matches("the worker ended with 3 rows that were not stored", server:log())
    end)

    it("names what is lost at TERM, where nginx runs no more Lua", function()
        start { write = "ngx.sleep(3000)", options = "batch_size = 3, flush_at = 1, interval = 3600" }
        add(1, 4)
        assert(process.wait(function()
            return ask "/calls" == "1"
        end))
        assert.equal(0, server:stop())
        assert.matches('batcher "requests": the worker ended with 4 rows that were not stored', server:log())
        assert.same({}, rows())
    end)

    it("works with lua_code_cache off, and lets each Lua state go", function()
        start { code_cache = false }
        for n = 1, 30 do
            add(n, n)
        end
        assert.same(range(1, 30), rows_when(30))
        assert(process.wait(function()
            return ask "/timers" == "0 0"
        end))
    end)

    it("says what is lost of what was added when a worker can do nothing any more", function()
        start { http = 'exit_worker_by_lua_block { require "app".add "too late" }' }
        assert.equal(0, server:quit())
        assert.matches('batcher "requests": the worker ended with 1 rows that were not stored', server:log())
    end)

    it("refuses an add in init_by_lua, where the master process would have it", function()
        assert.error_matches(function()
            start { init = 'require "app".add "lost"' }
        end, 'batcher:add: batcher "requests" is used in init_by_lua')
    end)
end)
