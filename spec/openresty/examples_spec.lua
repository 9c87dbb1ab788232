-- The examples for nginx, each started by its one command: the rows are the requests, and the times those of use.

local http = require "socket.http"
local ltn12 = require "ltn12"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local socket = require "socket"

local ROOT = os.getenv("WRITEBEHIND_ROOT") or "."

describe("the example for nginx", function()
    local dir, schema, database, running

    before_each(function()
        dir, schema = process.dir(), postgres.name()
        postgres.sql("CREATE SCHEMA " .. schema)
        database = postgres.conninfo() .. " options=-csearch_path=" .. schema
    end)

    after_each(function()
        if running then
            running:finish()
        end
        postgres.sql("SET client_min_messages = error; DROP SCHEMA " .. schema .. " CASCADE")
        process.remove(dir)
    end)

    local function command(name, ...)
        local words = { process.quote(ROOT .. "/examples/openresty/" .. name .. "/run") }
        for _, word in ipairs { ... } do
            words[#words + 1] = process.quote(word)
        end
        return table.concat(words, " ")
    end

    -- Runs it to its end. → what it printed
    local function run(name, ...)
        local result = process.run("timeout 120 " .. command(name, ...))
        assert.equal("", result.err)
        assert.equal(0, result.code, result.out)
        return result.out
    end

    local function output()
        return process.exists(dir .. "/out") and process.read(dir .. "/out") or ""
    end

    local example = {}
    example.__index = example

    -- Ends it, as Ctrl-C does. (A shell's background job hears no INT.) → its exit status
    function example:finish()
        assert.truthy(nginx.kill(self.pid, "TERM"))
        running = nil
        assert.truthy(process.wait(function()
            return process.exists(dir .. "/code")
        end), output())
        return tonumber(process.read(dir .. "/code"))
    end

    -- nginx's master process, which is its child.
    function example:master()
        local pids = process.run(("grep -l '^PPid:[[:space:]]%d$' /proc/[0-9]*/status"):format(self.pid)).out
        for pid in pids:gmatch("/proc/(%d+)/status") do
            if process.run(("tr '\\0' ' ' </proc/%s/cmdline"):format(pid)).out:match("^nginx: master") then
                return tonumber(pid)
            end
        end
    end

    -- Starts it, to go on until `finish`.
    local function stay(name)
        os.remove(dir .. "/out")
        os.remove(dir .. "/code")
        process.start(table.concat({
            "cd " .. dir,
            ("sh -c 'echo $$ >pid; exec \"$@\"' sh %s >out 2>&1"):format(command(name, "--stay", database)),
            "echo $? >code.new",
            "mv code.new code",
        }, "\n"))
        assert.truthy(process.wait(function()
            return output():match("Ctrl%-C ends it\n") or process.exists(dir .. "/code")
        end), output())
        assert.falsy(process.exists(dir .. "/code"), output())
        running = setmetatable({ pid = tonumber(process.read(dir .. "/pid")) }, example)
        running.port = assert(tonumber(output():match("http://127%.0%.0%.1:(%d+)")), output())
        return running
    end

    local function request(path, options)
        options = options or {}
        options.url = ("http://127.0.0.1:%d%s"):format(running.port, path)
        options.sink = ltn12.sink.table {}
        http.TIMEOUT = process.PATIENCE
        local ok, status = http.request(options)
        assert.truthy(ok, status)
        return status
    end

    -- Any bytes. → the answer's first line
    local function send(bytes)
        local client = assert(socket.connect("127.0.0.1", running.port))
        client:settimeout(process.PATIENCE)
        assert(client:send(bytes))
        local line = client:receive("*l")
        client:close()
        return line
    end

    local function lines(query)
        return postgres.lines(("SET search_path = %s; %s"):format(schema, query))
    end

    local function clock()
        return postgres.sql("SELECT clock_timestamp()")
    end

    describe("ingest", function()
        it("starts by one command and shows the rows of what was posted", function()
            local out = run("ingest")
            assert.matches('"accepted":10000', out, 1, true)
            assert.matches('"column \\"at\\" (timestamptz) can\'t hold', out, 1, true)
            assert.matches("10001 rows are new; 10001 measurements were posted here\n$", out)
        end)

        it("takes a body in pieces, cut anywhere, and keeps an id that is given", function()
            local server = stay "ingest"
            local id = "018bcfe5-6be8-7000-ba42-000000000001"
            local body = ('{"id":"%s","at":0.5,"device":"é","celsius":1e1}\n{"at":1.5,"device":"x","celsius":-2}')
                :format(id)
            for _ = 1, 2 do
                local client = assert(socket.connect("127.0.0.1", server.port))
                client:settimeout(process.PATIENCE)
                assert(client:send(("POST /measurements HTTP/1.0\r\nContent-Length: %d\r\n\r\n"):format(#body)))
                for at = 1, #body, 9 do
                    assert(client:send(body:sub(at, at + 8)))
                    process.sleep(0.001)
                end
                local answer = assert(client:receive("*a"))
                client:close()
                assert.matches('"accepted":2', answer, 1, true)
            end
            assert.equal(0, server:finish(), output())
            assert.same({ "é|1|10", "x|2|-2" }, lines [[SELECT device, count(*), max(celsius) FROM measurements
                WHERE celsius IN (10, -2) GROUP BY 1 ORDER BY count(*)]])
        end)
    end)

    describe("access_log", function()
        it("starts by one command and shows the rows that its requests became", function()
            local out = run("access_log")
            assert.matches("starting a private PostgreSQL", out)
            assert.matches("GET +| +200 +| +300 ", out)
            assert.matches("POST +| +200 +| +50 ", out)
            assert.matches("GET +| +404 +| +20 ", out)
            assert.matches("370 rows are new; 370 requests were made here\n$", out)
        end)

        it("stores each request as it was, over a reload, into a database that is given", function()
            local server = stay "access_log"
            local began = clock()
            for n = 1, 40 do
                assert.equal(200, request("/n/" .. n, { headers = { ["user-agent"] = "spec" } }))
                if n == 20 then
                    assert.truthy(nginx.kill(server:master(), "HUP"))
                end
            end
            assert.equal(404, request("/missing/1", { headers = { ["user-agent"] = "spec" }, method = "PUT" }))
            assert.equal(0, server:finish(), output())
            local ended = clock()

            assert.same({ "41|41|41" }, lines(([[SELECT count(*), count(DISTINCT uri),
                count(*) FILTER (WHERE at BETWEEN '%s'::timestamptz - interval '1 second' AND '%s')
                FROM requests WHERE user_agent = 'spec']]):format(began, ended)))
            assert.same({ "GET|200|40", "PUT|404|1" }, lines([[SELECT method, status, count(*) FROM requests
                WHERE user_agent = 'spec' AND remote_addr = '127.0.0.1' AND bytes_sent > 100
                AND request_time >= 0 AND referer IS NULL GROUP BY 1, 2 ORDER BY 1]]))
        end)

        it("takes whatever a client sends", function()
            local server = stay "access_log"
            assert.matches(" 400 ", send("NONSENSE\r\n\r\n"))
            assert.matches(" 400 ", send("\22\3\1\0\255\r\n\r\n"))
            assert.matches(" 200 ", send("GET /caf\233 HTTP/1.0\r\nUser-Agent: \255a\\b\tc\"d\r\n\r\n"))
            assert.equal(0, server:finish(), output())
            assert.same({ "2" }, lines "SELECT count(*) FROM requests WHERE status = 400 AND method IS NULL")
            assert.same({ [[/caf\xE9|\xFFa\x5Cb\x09c"d]] },
                lines "SELECT uri, user_agent FROM requests WHERE uri LIKE '/caf%'")
            assert.is_nil(output():match("not in the access log"))
        end)

        it("has the table that its schema asks for", function()
            local script = [[
                package.preload["writebehind.resty"] = function()
                    return { batcher = function() return {} end }
                end
                package.path = arg[1] .. "/?.lua;" .. package.path
                io.write(require "access_log".schema:ddl("postgresql", "requests"))
            ]]
            local folder = ROOT .. "/examples/openresty/access_log"
            local ddl = process.lua(script, { folder }).out
            assert.matches("^CREATE TABLE", ddl)
            assert.truthy(process.read(folder .. "/table.sql"):find(ddl, 1, true))
        end)
    end)

    describe("last_used", function()
        local function key(n)
            return ("00000000-0000-4000-8000-%012d"):format(n)
        end

        local function call(n)
            return request("/api/", { headers = { ["x-api-key"] = n and key(n) } })
        end

        it("starts by one command and shows the keys that its requests used", function()
            local out = run("last_used", database)
            assert.is_nil(out:match("private"))
            assert.matches("without a key: 401", out)
            assert.matches("0001 | Ada +| %d%d%d%d%-", out)
            assert.matches("0002 | Grace +| %d%d%d%d%-", out)
            assert.matches("0003 | nobody yet | *\n", out)
            assert.matches("2 keys have a new time; 2 were used here\n$", out)
        end)

        it("moves the times of the keys that were used to that of their last use", function()
            local first = stay "last_used"
            assert.equal(200, call(3))
            assert.equal(0, first:finish(), output())
            assert.same({ "1|t", "2|t", "3|t" },
                lines "SELECT right(id::text, 1), last_used_at < clock_timestamp() FROM api_keys ORDER BY id")
            local before = lines "SELECT last_used_at FROM api_keys ORDER BY id"

            local second = stay "last_used" -- which uses 1 and 2 itself
            local began = clock()
            for _ = 1, 30 do
                assert.equal(200, call(2))
            end
            local between = clock()
            assert.equal(200, call(1))
            assert.equal(0, second:finish(), output())
            local ended = clock()

            local moved = "SELECT right(id::text, 1) FROM api_keys WHERE last_used_at BETWEEN '%s' AND '%s'"
            assert.same({ "2" }, lines(moved:format(began, between)))
            assert.same({ "1" }, lines(moved:format(between, ended)))
            assert.equal(before[3], lines("SELECT last_used_at FROM api_keys ORDER BY id")[3])
        end)

        it("turns away what is no key, and makes no row for one that it does not know", function()
            local server = stay "last_used"
            assert.equal(401, call(nil))
            assert.equal(401, request("/api/", { headers = { ["x-api-key"] = "not a uuid" } }))
            assert.equal(200, call(77))
            assert.equal(0, server:finish(), output())
            assert.same({ "3" }, lines "SELECT count(*) FROM api_keys")
        end)
    end)

    describe("api_meter", function()
        it("starts by one command and shows what its requests come to", function()
            local out = run("api_meter")
            assert.matches("ada +| %d%d%d%d%-.-| +%d+ | +%d+\n", out)
            assert.matches("1500 requests were counted; 1500 were made here\n$", out)
        end)

        -- Requests with a key, all at once. → the bytes of their answers
        local function ask_at_once(count, key, workers)
            local clients, bytes = {}, 0
            for n = 1, count do
                clients[n] = assert(socket.connect("127.0.0.1", running.port))
                clients[n]:settimeout(process.PATIENCE)
            end
            for n = 1, count do
                assert(clients[n]:send(("GET /%d HTTP/1.0\r\nX-Api-Key: %s\r\n\r\n"):format(n, key)))
            end
            for n = 1, count do
                local answer = assert(clients[n]:receive "*a")
                clients[n]:close()
                bytes = bytes + #answer
                workers[assert(answer:match "worker (%d+)\n$", answer)] = true
            end
            return bytes
        end

        it("adds up exactly what several workers count, over a reload and lost connections", function()
            database = database .. " application_name=" .. schema
            local server = stay "api_meter"
            assert.truthy(process.wait(function() -- what it asked itself
                return lines "SELECT sum(requests) FROM api_usage"[1] == "1500"
            end))
            lines "TRUNCATE api_usage"

            local keys = { ada = "key-of-ada", grace = "key-of-grace", nobody = "made up" }
            local requests, bytes, workers = { ada = 0, grace = 0, nobody = 0 }, { ada = 0, grace = 0, nobody = 0 }, {}
            for turn = 1, 9 do
                for name, key in pairs(keys) do
                    local count = name == "ada" and 20 or 10
                    bytes[name] = bytes[name] + ask_at_once(count, key, workers)
                    requests[name] = requests[name] + count
                end
                if turn == 3 then
                    assert.truthy(#postgres.lines(("SELECT pg_terminate_backend(pid) FROM pg_stat_activity " ..
                        "WHERE application_name = '%s'"):format(schema)) > 0)
                elseif turn == 6 then
                    assert.truthy(nginx.kill(server:master(), "HUP"))
                end
            end
            assert.equal(0, server:finish(), output())

            local seen = 0
            for _ in pairs(workers) do
                seen = seen + 1
            end
            assert.truthy(seen >= 2, seen)
            assert.same({
                ("ada|%d|%d"):format(requests.ada, bytes.ada),
                ("grace|%d|%d"):format(requests.grace, bytes.grace),
                ("nobody|%d|%d"):format(requests.nobody, bytes.nobody),
            }, lines "SELECT api_key, sum(requests), sum(bytes) FROM api_usage GROUP BY 1 ORDER BY 1")
            assert.same({ "t" }, lines [[SELECT bool_and(date_trunc('minute', minute) = minute
                AND minute > now() - interval '10 minutes') FROM api_usage]])
        end)
    end)

    it("says what is wrong with its arguments", function()
        local result = process.run(command("last_used", "--wrong"))
        assert.equal(1, result.code)
        assert.equal("last_used: unknown option '--wrong' (--stay, and a database's URL or conninfo)\n", result.err)
    end)
end)
