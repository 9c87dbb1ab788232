-- SPDX-License-Identifier: MIT
-- What an nginx's requests pay for a batcher: two servers under the same load at the same time. In log_by_lua the
-- one reads the variables of a row and drops them, the other adds them into PostgreSQL. So both meet whatever else
-- the machine does. CPU is that of the worker's process, threads included, and that of all of the database's, beside
-- a \copy of the same rows into the same table. Once with the database at work, once with it frozen (SIGSTOP) for
-- ten of the twelve seconds; under wrk at a rate of some thousands a second and at one that fills max_pending_rows
-- while the database is frozen. Interleaved rounds, medians; one worker each. After each window the rows in the
-- table are compared with those that were accepted.
-- Usage: make bench-openresty [ARGS=rounds]

local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local rows = require "bench.rows"

local ROUNDS = tonumber(arg[1]) or 5
local SECONDS, FROZEN_SECONDS = 12, 10
local LOADS = {
    { name = "steady load", connections = 16, pause_ms = 5 },
    { name = "busy load", connections = 48, pause_ms = 5 },
}
local ROOT = arg[0]:match("^(.*)/bench/[^/]*$") or "."

local HTTP_WITHOUT = [[
    init_worker_by_lua_block { function drop() end }
]]

local HTTP_WITH = [[
    init_worker_by_lua_block {
        local writebehind = require "writebehind"
        batcher = writebehind.batcher {
            store = writebehind.postgres { conninfo = %q }, table = "requests",
            schema = writebehind.schema {
                { "id", "uuid", generate = "uuidv7" }, { "at", "timestamptz" }, { "method", "text" },
                { "uri", "text" }, { "args", "text", null = true }, { "status", "int4" }, { "bytes", "int8" },
                { "duration", "float8" }, { "remote", "text" }, { "agent", "text", null = true },
            },
        }
    }
]]

local LOCATION = [[
    location / {
        content_by_lua_block { ngx.say("hello") }
        log_by_lua_block {
            local var = ngx.var
            %s(ngx.now(), var.request_method, var.uri, var.args, ngx.status,
                tonumber(var.bytes_sent), tonumber(var.request_time), var.remote_addr, var.http_user_agent)
        }
    }
]]

local WITHOUT = LOCATION:format "drop"

local WITH = LOCATION:format "batcher:add_values" .. [[
    location /drain {
        content_by_lua_block {
            assert(batcher:flush(60))
            ngx.print(require "cjson".encode(batcher:stats()))
        }
    }
]]

local WRK = [[
    function done(summary, latency)
        local errors = summary.errors
        print(("latency %%d %%d %%d %%d requests %%d failed %%d"):format(latency:percentile(50), latency:percentile(99),
            latency:percentile(99.9), latency.max, summary.requests,
            errors.connect + errors.read + errors.write + errors.status + errors.timeout))
    end
    function delay() return %d end
]]

-- ---- CPU ----

-- Seconds that a process has used, threads included, and the children that it has waited for; see proc(5).
local function cpu(pid)
    local file = io.open(("/proc/%d/stat"):format(pid), "r")
    if not file then
        return 0, 0 -- it has just ended
    end
    local user, system, of_children, in_children = file:read("*a")
        :match "^.*%)%s%S+%s%S+%s%S+%s%S+%s%S+%s%S+%s%S+%s%S+%s%S+%s%S+%s%S+%s(%d+) (%d+) (%d+) (%d+)"
    file:close()
    return (user + system) / 100, (of_children + in_children) / 100
end

local function worker_cpu(server)
    return (cpu(server:workers()[1]))
end

-- ---- the database ----

local database = { dir = process.dir() }

function database.start()
    process.run("chmod 755 " .. database.dir) -- the server's user passes through
    local result = process.run(("%s/scripts/postgres start %s/pg"):format(ROOT, database.dir))
    assert(result.code == 0, result.err)
    database.conninfo = result.out:gsub("%s+$", "")
    database.pid = tonumber((process.read(database.dir .. "/pg/pid"):match "%d+"))
end

function database.sql(sql)
    local result = process.run(("psql -qXAt -v ON_ERROR_STOP=1 '%s' -c %s"):format(database.conninfo,
        process.quote(sql)))
    assert(result.code == 0, result.err)
    return (result.out:gsub("%s+$", ""))
end

-- Seconds of all its processes, those that have ended too.
function database.cpu()
    local own, ended = cpu(database.pid)
    local sum = own + ended
    for pid in process.run("pgrep -P " .. database.pid).out:gmatch "%d+" do
        sum = sum + cpu(pid)
    end
    return sum
end

function database.empty()
    database.sql "TRUNCATE requests"
    database.sql "CHECKPOINT"
end

-- The server's processes: the postmaster, and those it has started.
local function signal_all(name)
    if not database.pid then
        return
    end
    process.run(("kill -s %s %d $(pgrep -P %d)"):format(name, database.pid, database.pid))
end

function database.freeze()
    signal_all "STOP"
end

function database.thaw()
    signal_all "CONT"
end

function database.stop()
    database.thaw()
    process.run(("%s/scripts/postgres stop %s/pg"):format(ROOT, database.dir))
    process.remove(database.dir)
end

-- ---- one window ----

-- Starts the load on a server → a function that waits for its end and answers p50, p99, p99.9, max (ms) and
-- requests a second.
local function start_load(server, load)
    local out = server.prefix .. "/wrk.out"
    local script = process.write(server.prefix .. "/wrk.lua", WRK:format(load.pause_ms))
    os.remove(out)
    process.start(("wrk -t 1 -c %d -d %ds -s %s '%s/path?x=1' >%s.new; mv %s.new %s"):format(load.connections,
        SECONDS, script, server.url, out, out, out))
    return function()
        assert(process.wait(function() return process.exists(out) end), "wrk did not end")
        local text = process.read(out)
        local p50, p99, p999, most, requests, failed =
            text:match "latency (%d+) (%d+) (%d+) (%d+) requests (%d+) failed (%d+)"
        assert(failed == "0", text)
        return { p50 = p50 / 1e3, p99 = p99 / 1e3, p999 = p999 / 1e3, max = most / 1e3, rate = requests / SECONDS }
    end
end

local function freeze_meanwhile()
    process.sleep((SECONDS - FROZEN_SECONDS) / 2)
    database.freeze()
    process.sleep(FROZEN_SECONDS)
    database.thaw()
end

local before = { accepted = 0, rejected = 0 }

-- Every accepted row is in the table; an empty one for the next window. → rows refused
local function settle(server)
    local _, body = server:get "/drain"
    local stats = cjson.decode(body)
    local accepted, refused = stats.accepted - before.accepted, stats.rejected - before.rejected
    before = stats
    local stored = tonumber(database.sql "SELECT count(*) FROM requests")
    assert(stored == accepted, ("%d rows stored, %d accepted"):format(stored, accepted))
    return refused, stored
end

-- The same rows by psql's \copy → the server's CPU, s. An empty table for the next window.
local function copy_again()
    local file = database.dir .. "/rows"
    database.sql(("\\copy requests TO %s (FORMAT binary)"):format(file))
    database.empty()
    local began = database.cpu()
    database.sql(("\\copy requests FROM %s (FORMAT binary)"):format(file))
    local spent = database.cpu() - began
    database.empty()
    return spent
end

local function window(servers, load, frozen)
    local began = { without = worker_cpu(servers.without), with = worker_cpu(servers.with), database = database.cpu() }
    local without, with = start_load(servers.without, load), start_load(servers.with, load)
    if frozen then
        freeze_meanwhile()
    end
    local result = { without = without(), with = with() }
    local stored
    result.with.refused, stored = settle(servers.with)
    result.with.database_us = (database.cpu() - began.database) * 1e6 / stored
    result.copy = { database_us = copy_again() * 1e6 / stored }
    for _, name in ipairs { "without", "with" } do
        local requests = result[name].rate * SECONDS
        result[name].cpu_us = (worker_cpu(servers[name]) - began[name]) * 1e6 / requests
    end
    return result
end

-- ---- the report ----

local function median(windows, server, name)
    local list = {}
    for index, result in ipairs(windows) do
        list[index] = result[server][name] or 0
    end
    return rows.median(list)
end

local function median_ratio(windows, name, with, without)
    local ratios, more = {}, {}
    for index, result in ipairs(windows) do
        ratios[index] = result[with][name] / result[without][name]
        more[index] = result[with][name] - result[without][name]
    end
    return rows.median(ratios), rows.median(more)
end

local function report(title, windows)
    for _, line in ipairs {
        { "p99.9 of a request", "p999", "without", "%+.2f ms   aim: <= 1" },
        { "the worker's CPU a request", "cpu_us", "without", "%+.2f us   aim: <= 1.05" },
        { "the database's CPU a row / \\copy's", "database_us", "copy", "%+.2f us   aim: <= 1" },
    } do
        local what, name, other, aim = unpack(line)
        local ratio, more = median_ratio(windows, name, "with", other)
        rows.ratio(title .. ": " .. what, ratio, aim:format(more))
    end
    for _, server in ipairs { "without", "with" } do
        local function of(name)
            return median(windows, server, name)
        end
        print(("  %s, %-7s  p50 %7.3f  p99 %7.3f  p99.9 %7.3f  max %7.1f ms"):format(title, server, of "p50",
            of "p99", of "p999", of "max"))
        print(("    %6.0f requests/s  %5.1f us CPU a request  %d rows refused"):format(of "rate", of "cpu_us",
            of "refused"))
    end
end

local function measure(servers, load)
    local at_work, frozen = {}, {}
    for round = 1, ROUNDS do
        at_work[round] = window(servers, load, false)
        frozen[round] = window(servers, load, true)
    end
    report(load.name .. ", database at work", at_work)
    report(load.name .. ", database frozen", frozen)
end

local function main()
    database.start()
    database.sql [[CREATE TABLE requests (id uuid PRIMARY KEY, at timestamptz, method text, uri text, args text,
        status int4, bytes int8, duration float8, remote text, agent text)]]
    local servers = {
        without = nginx.start { http = HTTP_WITHOUT, server = WITHOUT },
        with = nginx.start { http = HTTP_WITH:format(database.conninfo), server = WITH },
    }
    for _, load in ipairs(LOADS) do
        measure(servers, load)
    end
end

local ok, message = xpcall(main, debug.traceback)
database.thaw()
nginx.finish()
database.stop()
assert(ok, message)
