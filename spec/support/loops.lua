-- The event loops that drivers are for, each behind the same few functions, and a server on loopback that stores
-- of the specs talk to, in a process of its own.

local process = require "spec.support.process"

local loops = {}

-- A kit: run(task) runs a task in a coroutine of the loop until the loop has nothing left to do, and raises its
-- error; spawn, sleep; request(port, line) → the reply's line, or nil and why not; driver and loop.
local makers = {}

function makers.plain()
    local socket = require "socket"
    local plain = require "writebehind.drivers.plain"
    local loop = plain.loop()
    local kit = { driver = plain, loop = loop }

    function kit.spawn(task)
        loop:spawn(task)
    end

    function kit.sleep(seconds)
        loop:sleep(seconds)
    end

    function kit.run(task)
        loop:spawn(task)
        loop:run()
    end

    local function receive(client)
        client:settimeout(0)
        local line, err, part = client:receive("*l")
        while err == "timeout" do
            loop:wait(client:getfd(), "r")
            line, err, part = client:receive("*l", part)
        end
        return line, err
    end

    function kit.request(port, line)
        local client = assert(socket.connect("127.0.0.1", port))
        assert(client:send(line .. "\n"))
        local reply, err = receive(client)
        client:close()
        return reply, err
    end
    return kit
end

function makers.cqueues()
    local cqueues = require "cqueues"
    local socket = require "cqueues.socket"
    local loop = cqueues.new()
    local kit = { driver = require "writebehind.drivers.cqueues", loop = loop, sleep = cqueues.sleep }

    function kit.spawn(task)
        loop:wrap(task)
    end

    function kit.run(task)
        loop:wrap(task)
        assert(loop:loop())
    end

    function kit.request(port, line)
        local client = socket.connect("127.0.0.1", port)
        client:write(line, "\n")
        client:flush()
        local reply, err = client:read("*l")
        client:close()
        return reply, err
    end
    return kit
end

function makers.luv()
    local uv = require "luv"
    local kit = { driver = require "writebehind.drivers.luv", loop = uv }

    local function resume(thread, ...)
        local ok, err = coroutine.resume(thread, ...)
        if not ok then
            kit.failed = kit.failed or debug.traceback(thread, tostring(err))
            uv.stop()
        end
    end

    function kit.spawn(task)
        resume(coroutine.create(task))
    end

    function kit.sleep(seconds)
        local thread, timer = coroutine.running(), uv.new_timer()
        timer:start(math.ceil(seconds * 1000), 0, function()
            timer:close()
            resume(thread)
        end)
        coroutine.yield()
    end

    function kit.run(task)
        kit.spawn(task)
        uv.run()
        if kit.failed then
            error(kit.failed, 0)
        end
    end

    function kit.request(port, line)
        local thread, client = coroutine.running(), uv.new_tcp()
        client:connect("127.0.0.1", port, function()
            client:write(line .. "\n")
            client:read_start(function(err, text)
                client:close()
                resume(thread, text and text:match("^[^\n]*"), err)
            end)
        end)
        return coroutine.yield()
    end
    return kit
end

-- The kit of a loop, or nil and what is missing here.
function loops.kit(name)
    if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
        return nil, "a store can't yield under Lua 5.1, whose pcall ends a yield"
    end
    for _, module in ipairs { "socket", name ~= "plain" and name or nil } do
        local found, err = pcall(require, module)
        if not found then
            return nil, ("no module %s for %s: %s"):format(module, process.interpreter(), tostring(err):match("[^\n]*"))
        end
    end
    return makers[name]()
end

-- Keeps every line it gets in the file `rows` before it answers; answers when so many requests wait.
local SERVER = [[
local socket = require "socket"
local folder, wanted = arg[1], tonumber(arg[2])
local server = assert(socket.bind("127.0.0.1", 0))
local _, port = server:getsockname()
local rows = assert(io.open(folder .. "/rows", "a"))
local file = assert(io.open(folder .. "/port.new", "w"))
file:write(port, "\n")
file:close()
os.rename(folder .. "/port.new", folder .. "/port")
local open, asked, till = { server }, {}, socket.gettime() + 120

local function serve(client)
    local line = client:receive()
    if line then
        rows:write(line, "\n")
        rows:flush()
        asked[#asked + 1] = client
        return
    end
    client:close()
    for i, other in ipairs(open) do
        if other == client then
            table.remove(open, i)
        end
    end
end

while socket.gettime() < till do
    for _, ready in ipairs((socket.select(open, nil, 1))) do
        if ready == server then
            open[#open + 1] = server:accept()
        else
            serve(ready)
        end
    end
    if #asked >= wanted then
        for _, client in ipairs(asked) do
            client:send("stored\n")
        end
        asked = {}
    end
end
]]

local server = {}
server.__index = server

-- Starts the server; it answers when `wanted` requests wait.
function loops.server(wanted)
    local dir = process.dir()
    process.write(dir .. "/server.lua", SERVER)
    process.write(dir .. "/rows", "")
    local pipe = assert(io.popen(("%s %s/server.lua %s %d >%s/err 2>&1 </dev/null & echo $!"):format(
        process.quote(process.interpreter()), dir, dir, wanted, dir)))
    local pid = assert(tonumber(pipe:read("*l")))
    pipe:close()
    assert(process.wait(function()
        return process.exists(dir .. "/port")
    end), "no server: " .. process.read(dir .. "/err"))
    return setmetatable({ dir = dir, pid = pid, port = tonumber(process.read(dir .. "/port")) }, server)
end

-- Stops the server's process for so many seconds, from now on; it is started again whatever the caller does.
function server:freeze(seconds)
    os.execute(("kill -STOP %d; ( sleep %d; kill -CONT %d ) >/dev/null 2>&1 </dev/null &"):format(self.pid, seconds,
        self.pid))
end

-- Every number that the lines it got hold, in their order.
function server:numbers()
    local numbers = {}
    for digits in process.read(self.dir .. "/rows"):gmatch("%d+") do
        numbers[#numbers + 1] = tonumber(digits)
    end
    return numbers
end

function server:stop()
    os.execute(("kill -CONT %d 2>/dev/null; kill -KILL %d 2>/dev/null"):format(self.pid, self.pid))
    process.remove(self.dir)
end

return loops
