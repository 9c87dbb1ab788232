-- An nginx in which each request adds a row, by its id, and writes the same id to an access log: what was
-- answered and what was stored can be compared exactly.

local load = require "spec.support.load"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"

local requests = {}
local folder

-- Before each test: a folder of its own. `requests.finish` ends what a test started and removes what it made.
function requests.begin()
    folder = process.dir()
    return folder
end

function requests.finish()
    load.finish()
    nginx.finish()
    postgres.drop_all()
    if folder then
        process.remove(folder)
        folder = nil
    end
end

-- The application: in `init`, `worker` or on first `use` it makes the batcher.
local APPLICATION = [[
    init_by_lua_block {
        package.preload.app = function()
            local writebehind = require "writebehind"
            local app = {}

            local function batcher()
                return writebehind.batcher {
                    store = $store,
                    schema = writebehind.schema {
                        { "id", "uuid", generate = "uuidv7" },
                        { "request", "text" }, { "worker", "int4" }, { "phase", "text" },
                    },
                    table = "$table", interval = 0.05, $options
                }
            end

            function app.make()
                app.batcher = app.batcher or batcher()
                return app.batcher
            end

            function app.add(request, phase)
                local ok, message = app.make():add_values(request, ngx.worker.pid(), phase)
                if not ok then
                    ngx.log(ngx.ERR, "add failed: ", message)
                end
            end

            return app
        end
        $init
    }
    init_worker_by_lua_block {
        $worker
    }
    log_format requests "$request_id";
]]

local SERVER = [[
    access_log requests.log requests;
    location /log {
        return 200 "$request_id";
        log_by_lua_block { require "app".add(ngx.var.request_id, "log") }
    }
    location /access {
        access_by_lua_block { require "app".add(ngx.var.request_id, "access") }
        content_by_lua_block { ngx.print(ngx.var.request_id) }
    }
    location /content {
        content_by_lua_block {
            require "app".add(ngx.var.request_id, "content")
            ngx.print(ngx.var.request_id)
        }
    }
    location /filter {
        return 200 "$request_id";
        header_filter_by_lua_block { require "app".add(ngx.var.request_id, "filter") }
    }
    location /timer {
        content_by_lua_block {
            assert(ngx.timer.at(0, function(_, request)
                require "app".add(request, "timer")
            end, ngx.var.request_id))
            ngx.print(ngx.var.request_id)
        }
    }
    location /stats {
        access_log off;
        content_by_lua_block { ngx.print(require "cjson".encode(require "app".make():stats())) }
    }
]]

requests.PHASES = { "log", "access", "content", "filter", "timer" }

function requests.fill(text, values)
    return (text:gsub("%$(%a+)", function(name)
        return values[name]
    end))
end

-- options: store (Lua text), table, options (Lua text of further options of the batcher), made ("init", "worker"
-- or "use"), init and worker (more Lua text for init_by_lua and init_worker_by_lua), http and server (more of
-- those blocks), and those of nginx.start.
function requests.start(options)
    local make = 'require "app".make()\n'
    local http = requests.fill(APPLICATION, {
        store = options.store,
        table = options.table,
        options = options.options or "",
        init = (options.made == "init" and make or "") .. (options.init or ""),
        worker = (options.made == "worker" and make or "") .. (options.worker or ""),
    })
    return nginx.start {
        workers = options.workers,
        code_cache = options.code_cache,
        main = options.main,
        upgradable = options.upgradable,
        http = http .. (options.http or ""),
        server = SERVER .. (options.server or ""),
    }
end

-- The Lua text of a store on PostgreSQL.
function requests.postgres(conninfo)
    return ("writebehind.postgres { conninfo = %q }"):format(conninfo or postgres.conninfo())
end

-- A new table on the test cluster; gone with postgres.drop_all.
function requests.table()
    local name = postgres.name()
    postgres.sql(("CREATE TABLE %s (id uuid PRIMARY KEY, request text, worker int4, phase text)"):format(name))
    return name
end

local function sorted(lines)
    table.sort(lines)
    return lines
end

-- The lines of a file, sorted; none where there is no file.
function requests.lines(path)
    local lines = {}
    for line in (process.exists(path) and process.read(path) or ""):gmatch("[^\n]+") do
        lines[#lines + 1] = line
    end
    return sorted(lines)
end

-- The ids of the requests that were answered, sorted: one a request, written by nginx when it is through with it.
function requests.answered(server)
    return requests.lines(server.prefix .. "/requests.log")
end

function requests.stored(name)
    return sorted(postgres.lines("SELECT request FROM " .. name))
end

-- How many of the one list the other lacks, and how often the other has one that the first lacks.
function requests.difference(wanted, found)
    local count, missing, extra = {}, 0, 0
    for _, id in ipairs(wanted) do
        count[id] = (count[id] or 0) + 1
    end
    for _, id in ipairs(found) do
        count[id] = (count[id] or 0) - 1
    end
    for _, n in pairs(count) do
        missing = missing + math.max(n, 0)
        extra = extra + math.max(-n, 0)
    end
    return missing, extra
end

return requests
