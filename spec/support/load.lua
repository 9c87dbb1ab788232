-- Load by wrk, in the background: keeps a few connections busy until it is stopped, and notes the body of each
-- response that it received. `load.finish` ends what still runs.

local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

local load = {}
load.__index = load
local started = {}

-- One thread, so that what it counts is one number. Its main thread sleeps on when the other has stopped.
local SCRIPT = [[
    local received = assert(io.open(%q, "w"))
    local count = 0
    function delay()
        return %d
    end
    function response(status, _, body)
        if status == 200 then
            received:write(body, "\n")
        else
            received:write("status ", status, "\n")
        end
        received:flush()
        count = count + 1
        if count == %d then
            wrk.thread:stop()
        end
    end
]]

-- options: url, connections (8), delay (milliseconds between two requests of a connection; 5), most (requests at
-- the most; 8000).
function load.start(options)
    local dir = process.dir()
    local self = setmetatable({ dir = dir, most = options.most or 8000 }, load)
    local script = process.write(dir .. "/script.lua",
        SCRIPT:format(dir .. "/received", options.delay or 5, self.most))
    local command = ("echo $$ >%s/pid; exec wrk -t 1 -c %d -d 600s --timeout 120s -s %s %s"):format(dir,
        options.connections or 8, script, options.url)
    process.start(("exec sh -c %s"):format(process.quote(command)))
    assert(process.wait(function()
        return process.exists(dir .. "/received")
    end), "wrk does not start")
    self.pid = tonumber(process.read(dir .. "/pid"))
    started[#started + 1] = self
    return self
end

-- The bodies received so far.
function load:received()
    local list = {}
    for line in process.read(self.dir .. "/received"):gmatch("([^\n]*)\n") do
        list[#list + 1] = line
    end
    return list
end

local function count(self)
    return select(2, process.read(self.dir .. "/received"):gsub("\n", ""))
end

-- Waits for that many more responses.
function load:wait(more)
    local enough = math.min(count(self) + more, self.most)
    assert(process.wait(function()
        return count(self) >= enough
    end), "no answers any more")
end

-- Waits until all requests are answered.
function load:wait_all()
    self:wait(self.most)
end

local function interrupt(self)
    nginx.kill(self.pid, "INT")
    local ended = process.wait(function()
        return not nginx.alive(self.pid)
    end)
    self.pid = nil
    assert(ended, "wrk does not end")
end

-- Ends wrk; → the bodies received.
function load:stop()
    interrupt(self)
    return self:received()
end

function load.finish()
    for _, self in ipairs(started) do
        if self.pid then
            interrupt(self)
        end
        process.remove(self.dir)
    end
    started = {}
end

return load
