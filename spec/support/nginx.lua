-- nginx servers for the specs, with the Lua module: each with a folder, a configuration and a port of its own.
-- `nginx.start` answers one that serves requests; `nginx.finish` ends those still running and removes the folders.
-- Only processes started here are ever signalled, by their ids.

local http = require "socket.http"
local ltn12 = require "ltn12"
local process = require "spec.support.process"
local socket = require "socket"

local nginx = {}
local started = {}

local server = {}
server.__index = server

local MODULES = { "ndk_http_module.so", "ngx_http_lua_module.so" }
local MODULE_FOLDERS = { "/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules" }

-- ---- the configuration ----

-- What is not found is taken to be built in, as OpenResty's own nginx has it.
local function load_modules()
    local lines = {}
    for _, module in ipairs(MODULES) do
        for _, folder in ipairs(MODULE_FOLDERS) do
            local path = folder .. "/" .. module
            if process.exists(path) then
                lines[#lines + 1] = ("load_module %s;"):format(path)
                break
            end
        end
    end
    return table.concat(lines, "\n")
end

local function search_path(name)
    local value = os.getenv(name)
    if os.getenv("WRITEBEHIND_LUA") ~= "luajit" or not value then
        error("nginx runs LuaJIT: eval \"$(make -s env LUA=luajit)\" first", 0)
    end
    return value
end

local function temporary_folders()
    local lines = {}
    for _, use in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
        lines[#lines + 1] = ("    %s_temp_path temp_%s;"):format(use, use)
    end
    return table.concat(lines, "\n")
end

-- The second server of the same port answers the harness: which generation of the configuration serves. Nothing
-- that a spec hooks into its own requests runs there.
local TEMPLATE = [[
$modules
$user
daemon off;
worker_processes $workers;
pid nginx.pid;
lock_file nginx.lock;
error_log error.log $log_level;
$main
events {
    worker_connections 512;
}
http {
$temporary
    access_log off;
    lua_package_path "$lua_path";
    lua_package_cpath "$lua_cpath";
    lua_code_cache $code_cache;
$http
    server {
        listen 127.0.0.1:$port default_server;
        server_name spec;
$server
    }
    server {
        listen 127.0.0.1:$port;
        server_name $probe;
        rewrite_by_lua_block { return }
        access_by_lua_block { return }
        log_by_lua_block { return }
        location / {
            default_type text/plain;
            return 200 "$probe $generation";
        }
    }
}
]]

local function write_configuration(self)
    local options = self.options
    local values = {
        modules = load_modules(),
        user = process.run("id -u").out:match("^0\n") and "user root;" or "",
        workers = options.workers or 1,
        log_level = options.log_level or "notice",
        main = options.main or "",
        temporary = temporary_folders(),
        lua_path = search_path("LUA_PATH"),
        lua_cpath = search_path("LUA_CPATH"),
        code_cache = options.code_cache == false and "off" or "on",
        http = options.http or "",
        server = options.server or "",
        port = self.port,
        probe = self.probe,
        generation = self.generation,
    }
    process.write(self.prefix .. "/nginx.conf", (TEMPLATE:gsub("%$([%a_]+)", function(name)
        return values[name] and tostring(values[name])
    end)))
end

-- ---- requests ----

-- A request by table { method, path, body, headers } → status, body, headers; or nil and what failed.
function server:request(options)
    local chunks = {}
    local headers = { connection = "close" }
    for name, value in pairs(options.headers or {}) do
        headers[name:lower()] = value
    end
    if options.body then
        headers["content-length"] = #options.body
    end
    http.TIMEOUT = process.PATIENCE
    local ok, status, answered = http.request {
        url = self.url .. (options.path or "/"),
        method = options.method or (options.body and "POST" or "GET"),
        headers = headers,
        source = options.body and ltn12.source.string(options.body),
        sink = ltn12.sink.table(chunks),
        redirect = false,
    }
    if not ok then
        return nil, status
    end
    return status, table.concat(chunks), answered
end

function server:get(path)
    return self:request { path = path }
end

-- ---- processes ----

-- The state of a process ("R", "S", "Z", …) and its parent, or nil.
local function look_up(pid)
    local file = io.open(("/proc/%d/status"):format(pid), "r")
    local text = file and file:read("*a")
    if file then
        file:close()
    end
    if not text then
        return nil
    end
    return text:match("\nState:%s*(%a)"), tonumber(text:match("\nPPid:%s*(%d+)"))
end

function nginx.alive(pid)
    local state = look_up(pid)
    return state ~= nil and state ~= "Z"
end

function nginx.kill(pid, name)
    return process.run(("kill -s %s %d"):format(name, pid)).code == 0
end

local function all_gone(pids)
    return process.wait(function()
        for _, pid in ipairs(pids) do
            if nginx.alive(pid) then
                return false
            end
        end
        return true
    end)
end

-- The ids of the running workers, those that are shutting down included.
function server:workers()
    local list = process.run(("grep -l '^PPid:[[:space:]]%d$' /proc/[0-9]*/status"):format(self.pid)).out
    local pids = {}
    for pid in list:gmatch("/proc/(%d+)/status") do
        pid = tonumber(pid)
        if nginx.alive(pid) then
            pids[#pids + 1] = pid
        end
    end
    return pids
end

function server:signal(name)
    assert(nginx.kill(self.pid, name), "nginx: the master process is gone")
end

function server:log()
    return process.exists(self.prefix .. "/error.log") and process.read(self.prefix .. "/error.log") or ""
end

-- The exit status of the master process, or nil while it runs.
local function exit_status(self)
    if self.options.upgradable and self.pid and not nginx.alive(self.pid) then
        return 0
    end
    local path = self.prefix .. "/status"
    return process.exists(path) and tonumber(process.read(path)) or nil
end

-- Waits until the master process and its workers are gone → the exit status.
function server:wait()
    local pids = self:workers()
    local status = process.wait(function()
        return exit_status(self)
    end)
    assert(status, "nginx did not end:\n" .. self:log())
    assert(all_gone(pids), "workers of nginx outlived it:\n" .. self:log())
    self.pid = nil
    return status
end

local function finish_by(self, name)
    self:signal(name)
    return self:wait()
end

-- Graceful: requests in hand are answered. Waits as above.
function server:quit()
    return finish_by(self, "QUIT")
end

function server:stop()
    return finish_by(self, "TERM")
end

-- Which generation answers: nil while none does.
local function serving(self)
    local status, body = self:request { headers = { host = self.probe } }
    local probe, generation = tostring(body):match("^(%S+) (%d+)$")
    return status == 200 and probe == self.probe and tonumber(generation) or nil
end

-- It has closed its listening sockets: new connections go to others.
local function accepts_no_more(pid)
    local file = io.open(("/proc/%d/cmdline"):format(pid), "rb")
    local title = file and file:read("*a") or ""
    if file then
        file:close()
    end
    return not nginx.alive(pid) or title:match("shutting down") ~= nil
end

-- Loads the configuration anew. When it returns, new connections go to new workers; with `drained` the old
-- ones are gone too.
function server:reload(options)
    local old = self:workers()
    self.generation = self.generation + 1
    write_configuration(self)
    self:signal("HUP")
    local renewed = process.wait(function()
        for _, pid in ipairs(old) do
            if not accepts_no_more(pid) then
                return false
            end
        end
        return serving(self) == self.generation
    end)
    assert(renewed, "nginx did not reload:\n" .. self:log())
    if options and options.drained then
        assert(all_gone(old), "old workers of nginx go on:\n" .. self:log())
    end
end

local function pid_in(path)
    return process.exists(path) and tonumber(process.read(path)) or nil
end

-- A new master process, with workers of its own, serves the port too. Answers the old one, which goes on until it is
-- told to end.
function server:upgrade()
    local old = self.pid
    self.old = old
    self.generation = self.generation + 1
    write_configuration(self)
    self:signal("USR2")
    local pid
    assert(process.wait(function()
        pid = pid_in(self.prefix .. "/nginx.pid")
        return pid and pid ~= old and serving(self) == self.generation
    end), "nginx was not upgraded:\n" .. self:log())
    self.pid = pid
    return old
end

-- ---- starting ----

local function free_port()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    return tonumber(port)
end

local RUN = [[
    nginx -p ./ -e error.log -c nginx.conf >stdout 2>&1
    echo $? >status.new
    mv status.new status
]]

-- nginx takes no upgrade while the process that started it lives, and needs its program's path for it. So this one ends
-- once nginx runs, and nobody knows how that ends: that it is gone counts as 0.
local RUN_AS_ORPHAN = [[
    "$(command -v nginx)" -p ./ -e error.log -c nginx.conf >stdout 2>&1 &
    until [ -s nginx.pid ]; do
        if grep -q '^State:.Z' /proc/$!/status; then
            wait $!
            echo $? >status
            exit
        fi
        sleep 0.02
    done
]]

local function launch(self)
    self.port = self.options.port or free_port()
    self.url = "http://127.0.0.1:" .. self.port
    write_configuration(self)
    os.remove(self.prefix .. "/status")
    os.remove(self.prefix .. "/nginx.pid")
    process.start(table.concat({
        "cd " .. process.quote(self.prefix),
        "PATH=$PATH:/usr/sbin",
        self.options.upgradable and RUN_AS_ORPHAN or RUN,
    }, "\n"))
    return process.wait(function()
        return exit_status(self) or serving(self) == self.generation
    end)
end

local function what_it_said(self)
    return process.read(self.prefix .. "/stdout") .. self:log()
end

-- Another may take the port between our look and nginx's bind.
local function launch_somewhere(self)
    for _ = 1, 5 do
        local answer = launch(self)
        if answer == true then
            self.pid = assert(tonumber(process.read(self.prefix .. "/nginx.pid")))
            return self
        end
        local said = what_it_said(self)
        if not (answer and said:match("Address already in use")) or self.options.port then
            error("nginx does not start:\n" .. said, 0)
        end
    end
    error("nginx finds no free port", 0)
end

-- options: main, http, server (text of those blocks), workers (1), code_cache (true), log_level ("notice"),
-- port (a free one), upgradable.
function nginx.start(options)
    local prefix = process.dir()
    local self = setmetatable({
        options = options,
        prefix = prefix,
        probe = "probe-" .. process.unique(),
        generation = 1,
    }, server)
    started[#started + 1] = self
    return launch_somewhere(self)
end

-- Starts it again, on the same port, after it has ended.
function server:start()
    assert(not self.pid, "nginx runs")
    self.options.port = self.port
    self.generation = self.generation + 1
    return launch_somewhere(self)
end

-- By force where a worker hangs: a spec that failed must leave nothing behind.
local function end_by_force(self)
    local pids = self:workers()
    if self.old and nginx.alive(self.old) then
        nginx.kill(self.old, "TERM")
    end
    self:signal("TERM")
    if not process.wait(function()
        return exit_status(self)
    end, 20) then
        nginx.kill(self.pid, "KILL")
    end
    for _, pid in ipairs(pids) do
        if nginx.alive(pid) then
            nginx.kill(pid, "KILL")
        end
    end
end

function nginx.finish()
    for _, self in ipairs(started) do
        if self.pid and not exit_status(self) then
            end_by_force(self)
        end
        process.remove(self.prefix)
    end
    started = {}
end

return nginx
