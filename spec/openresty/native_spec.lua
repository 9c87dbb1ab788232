-- Batchers with native stores in nginx: wherever they are made and from whatever phase a row is added, each
-- worker delivers by a thread and a connection of its own, and the rows stored are the requests answered.

local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local requests = require "spec.support.requests"
local sqlite = require "spec.support.sqlite"

local EACH = 20 -- requests for each phase

-- How many threads of a process are flushers.
local function flushers(pid)
    local names = process.run(("cat /proc/%d/task/*/comm"):format(pid)).out
    local _, count = names:gsub("writebehind\n", "")
    return count
end

local function ask_all_phases(server)
    for _ = 1, EACH do
        for _, phase in ipairs(requests.PHASES) do
            assert.equal(200, (server:get("/" .. phase)))
        end
    end
end

local function phases_wanted()
    local lines = {}
    for _, phase in ipairs(requests.PHASES) do
        lines[#lines + 1] = phase .. "|" .. EACH
    end
    table.sort(lines)
    return lines
end

local COUNT_PHASES = "SELECT phase, count(*) FROM %s GROUP BY phase ORDER BY phase"

describe("a batcher in nginx", function()
    local dir

    before_each(function()
        dir = requests.begin()
    end)

    after_each(requests.finish)

    for _, made in ipairs { "init", "worker", "use" } do
        local where = ({ init = "in init_by_lua", worker = "in init_worker_by_lua", use = "on first use" })[made]

        it("made " .. where .. " stores a row in PostgreSQL for each request", function()
            local name = requests.table()
            local server = requests.start { workers = 2, made = made, store = requests.postgres(), table = name }
            ask_all_phases(server)
            local pids = server:workers()
            assert.equal(0, server:quit())
            assert.same(requests.answered(server), requests.stored(name))
            assert.same(phases_wanted(), postgres.lines(COUNT_PHASES:format(name)))
            local of_others = postgres.number(("SELECT count(*) FROM %s WHERE worker NOT IN (%s)"):format(name,
                table.concat(pids, ", ")))
            assert.equal(0, of_others)
            assert.is_nil(server:log():match("%[error%].*"))
        end)

        it("made " .. where .. " stores a row in SQLite for each request", function()
            local path = dir .. "/rows.db"
            local server = requests.start {
                workers = 2,
                made = made,
                store = ("writebehind.sqlite { path = %q, create = true }"):format(path),
                table = "rows",
            }
            ask_all_phases(server)
            assert.equal(0, server:quit())
            assert.same(requests.answered(server), sqlite.lines(path, "SELECT request FROM rows ORDER BY request"))
            assert.same(phases_wanted(), sqlite.lines(path, COUNT_PHASES:format("rows")))
            assert.is_nil(server:log():match("%[error%].*"))
        end)
    end

    it("has a thread and a connection in each worker, and none in the master process", function()
        local name = requests.table()
        local gate = postgres.gate(dir)
        gate:open()
        local server = requests.start {
            workers = 3,
            made = "init",
            store = requests.postgres(gate.conninfo),
            table = name,
            worker = [[ assert(ngx.timer.at(0, function() require "app".add("worker", "start") end)) ]],
        }
        assert.truthy(process.wait(function()
            return postgres.count(name) == 3
        end))
        local pids = server:workers()
        table.sort(pids)
        assert.equal(3, #pids)
        assert.same(pids, cjson.decode(postgres.sql("SELECT json_agg(worker ORDER BY worker) FROM " .. name)))
        for _, pid in ipairs(pids) do
            assert.equal(1, flushers(pid))
        end
        assert.equal(0, flushers(server.pid))
        assert.equal(3, postgres.number(("SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'"):format(
            gate.application)))
    end)

    for _, way in ipairs { "quit", "stop" } do
        it("has a script of its own on the thread, which " .. way .. " drains", function()
            process.write(dir .. "/sink.lua", [[
                return function(args)
                    return { write = function(_, batch)
                        os.execute "sleep 0.3" -- it may block
                        local file = assert(io.open(args.path, "a"))
                        for row in batch:rows() do file:write(row.request, "\n") end
                        file:close()
                        return true
                    end }
                end]])
            local script = [[(function()
                package.path = %q .. package.path
                return writebehind.worker("sink", { path = %q })
            end)()]]
            local server = requests.start {
                workers = 2,
                made = "init",
                store = script:format(dir .. "/?.lua;", dir .. "/rows"),
                table = "rows",
                options = "close_timeout = 90, ",
            }
            ask_all_phases(server)
            server:reload()
            ask_all_phases(server)
            assert.equal(0, server[way](server))
            local answered = requests.answered(server)
            assert.equal(2 * EACH * #requests.PHASES, #answered)
            local extra
            assert.truthy(process.wait(function()
                local missing, more = requests.difference(answered, requests.lines(dir .. "/rows"))
                extra = more
                return missing == 0
            end))
            -- A child process that goes on repeats the write under way.
            assert.is_true(extra == 0 or server:log():match("goes on with it") ~= nil)
        end)
    end

    it("takes what is added when its worker exits", function()
        local name = requests.table()
        local server = requests.start { made = "init", store = requests.postgres(), table = name,
            http = 'exit_worker_by_lua_block { require "app".add("the last", "exit") }' }
        assert.equal(200, (server:get("/log")))
        assert.equal(0, server:quit())
        assert.same({ "exit", "log" }, postgres.lines("SELECT phase FROM " .. name .. " ORDER BY phase"))
    end)

    it("that init_by_lua itself used belongs to the master process, which stores what it was given", function()
        local name = requests.table()
        local server = requests.start {
            made = "init",
            store = requests.postgres(),
            table = name,
            init = [[ assert(require "app".make():add_values("master", ngx.worker.pid(), "init")) ]],
            server = [[
                location /try {
                    access_log off;
                    content_by_lua_block {
                        local _, message, code = require "app".batcher:add_values("worker", 0, "content")
                        ngx.print(code, ": ", message)
                    }
                }]],
        }
        local _, body = server:get("/try")
        assert.match("^fork: .*used before fork", body)
        assert.equal(0, server:quit())
        assert.same({ "master" }, requests.stored(name))
    end)

    it("takes the schema from the live table in init_by_lua, and ngx.null as NULL", function()
        local name = postgres.name()
        postgres.sql(("CREATE TABLE %s (n int8 NOT NULL, note text DEFAULT 'none')"):format(name))
        local server = nginx.start {
            http = ([[
                init_by_lua_block {
                    local writebehind = require "writebehind"
                    local store = %s
                    local schema = assert(store:schema(%q))
                    batcher = assert(writebehind.batcher { store = store, schema = schema, table = %q })
                }]]):format(requests.postgres(), name, name),
            server = [[
                location / {
                    content_by_lua_block {
                        assert(batcher:add { n = 1, note = ngx.null })
                        assert(batcher:add { n = 2, note = ngx.var.arg_note })
                        assert(batcher:add_values(3, ngx.null))
                        assert(batcher:add_values(4, ngx.var.arg_note))
                        ngx.say("done")
                    }
                }]],
        }
        assert.equal(200, (server:get("/?note=here")))
        assert.equal(0, server:quit())
        assert.same({ "1|", "2|here", "3|", "4|here" }, postgres.lines("SELECT n, note FROM " .. name .. " ORDER BY n"))
    end)

    it("shows its figures to requests", function()
        local name = requests.table()
        local server = requests.start { made = "worker", store = requests.postgres(), table = name }
        for _ = 1, EACH do
            server:get("/log")
        end
        local stats
        assert.truthy(process.wait(function()
            local _, body = server:get("/stats")
            stats = cjson.decode(body)
            return stats.stored == EACH
        end))
        assert.equal(EACH, stats.accepted)
        assert.equal("ok", stats.health)
    end)

    it("refuses what is wrong in the request that is wrong", function()
        local server = requests.start {
            made = "worker",
            store = requests.postgres(),
            table = requests.table(),
            server = [[
                location /wrong {
                    content_by_lua_block {
                        local _, message, code = require "app".make():add { request = "r", worker = 2.5, phase = "p" }
                        ngx.print(code, ": ", message)
                    }
                }]],
        }
        local _, body = server:get("/wrong")
        assert.match("^invalid: .*worker.*2%.5", body)
    end)
end)

describe("a batcher in nginx that coalesces", function()
    after_each(requests.finish)

    local KEYS, REQUESTS, ADDS = 7, 70, 20

    -- Each request adds `ADDS` rows of one key, in log_by_lua.
    local function serve(name, options)
        local server = nginx.start {
            workers = 2,
            http = ([[
                init_by_lua_block {
                    local writebehind = require "writebehind"
                    local words = { key = { "key" }, merge = { total = "sum", times = "sum" } }
                    batcher = assert(writebehind.batcher {
                        store = %s, table = %q, coalesce = words, dedupe = "ledger", %s
                        schema = writebehind.schema { { "key", "int4", lenient = true },
                            { "total", "int8", lenient = true }, { "times", "int4" } },
                    })
                }]]):format(requests.postgres(), name, options),
            server = ([[
                location / {
                    return 204;
                    log_by_lua_block {
                        for _ = 1, %d do
                            assert(batcher:add_values(ngx.var.arg_key, ngx.var.arg_n, 1))
                        end
                    }
                }]]):format(ADDS),
        }
        for n = 1, REQUESTS do
            assert.equal(204, (server:get(("/?key=%d&n=%d"):format(n % KEYS, n))))
        end
        assert.equal(0, server:quit())
        assert.is_nil(server:log():match("%[error%].*"))
    end

    local function assert_sums(name)
        local expected = {}
        for key = 0, KEYS - 1 do
            local total, times = 0, 0
            for n = 1, REQUESTS do
                if n % KEYS == key then
                    total, times = total + n * ADDS, times + ADDS
                end
            end
            expected[key + 1] = ("%d|%d|%d"):format(key, total, times)
        end
        assert.same(expected, postgres.lines(
            ("SELECT key, sum(total), sum(times) FROM %s GROUP BY key ORDER BY key"):format(name)))
    end

    it("has a row of each key in each worker, and the sums of all requests", function()
        local name = postgres.name()
        postgres.sql(("CREATE TABLE %s (key int4, total int8, times int4)"):format(name))
        serve(name, "interval = 1000,")
        assert_sums(name)
        assert.is_true(postgres.count(name) <= 2 * KEYS)
    end)

    it("has one row of each key with an upsert, however often it writes", function()
        local name = postgres.name()
        postgres.sql(("CREATE TABLE %s (key int4 PRIMARY KEY, total int8, times int4)"):format(name))
        serve(name, "interval = 0.001, upsert = words,")
        assert_sums(name)
        assert.equal(KEYS, postgres.count(name))
    end)
end)

describe("a tracker in nginx", function()
    local name

    before_each(function()
        name = postgres.name()
        postgres.sql(("CREATE TABLE %s (id uuid PRIMARY KEY, last_used_at timestamptz DEFAULT 'epoch')"):format(name))
        postgres.sql(("INSERT INTO %s SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid "
            .. "FROM generate_series(1, 50) n"):format(name))
    end)

    after_each(requests.finish)

    it("marks the keys that requests used, and no others", function()
        local server = nginx.start {
            workers = 2,
            http = ([[
                init_by_lua_block {
                    local writebehind = require "writebehind"
                    tracker = writebehind.tracker {
                        store = %s, table = %q, key = "id", column = "last_used_at", interval = 0.05,
                    }
                }]]):format(requests.postgres(), name),
            server = [[
                location / {
                    return 204;
                    log_by_lua_block { assert(tracker:add(ngx.var.arg_key)) }
                }]],
        }
        for n = 1, 60 do
            assert.equal(204, (server:get(("/?key=00000000-0000-4000-8000-%012d"):format(n % 30 + 1))))
        end
        assert.equal(0, server:quit())
        local used = "SELECT count(*) FROM %s WHERE last_used_at > now() - interval '1 hour'"
        assert.equal(30, postgres.number(used:format(name)))
        assert.is_nil(server:log():match("%[error%].*"))
    end)
end)
