-- SPDX-License-Identifier: MIT
-- A driver on libuv: batchers and trackers driven on luv's loop (or luvit's uv, Neovim's vim.uv). A store yields
-- its coroutine, and a callback of luv resumes that.
--
--     local driver = require("writebehind.drivers.luv").run(batcher, require "luv", { in_flight = 4 })

local pump = require "writebehind.drivers.pump"

local driver, calls = {}, {}
local huge = math.huge

local function resume(thread, ...)
    local ok, message = coroutine.resume(thread, ...)
    if not ok then
        error(debug.traceback(thread, tostring(message)), 0)
    end
end

-- Begins in the loop's next turn: the caller may be in the middle of something.
function calls.spawn(self, task)
    local timer = self.handle.new_timer()
    timer:start(0, 0, function()
        timer:close()
        resume(coroutine.create(task))
    end)
end

-- A wait ends once, by whatever comes first.
local function wake(self, thread)
    return function()
        if self.waits[thread] then
            self.waits[thread] = nil
            resume(thread)
        end
    end
end

function calls.wait(self, fd, seconds)
    local thread = coroutine.running()
    local timer = self.handle.new_timer()
    self.waits[thread] = timer
    if fd then
        self.poll = self.poll or assert(self.handle.new_poll(fd))
        assert(self.poll:start("r", wake(self, thread)))
    end
    if seconds < huge then
        timer:start(math.ceil(seconds * 1000), 0, wake(self, thread))
    end
    coroutine.yield()
    timer:close()
    if fd then
        self.poll:stop()
    end
end

function calls.signal(self)
    for thread, timer in pairs(self.waits) do
        timer:start(0, 0, wake(self, thread))
    end
end

function calls.finish(self)
    if self.poll then
        self.poll:close()
        self.poll = nil
    end
end

-- run(batcher or tracker [, luv [, options]]) → driver: see writebehind.drivers.pump. luv's loop is the state's.
function driver.run(object, handle, given)
    handle = handle or require "luv"
    if type(handle) ~= "table" or type(handle.new_poll) ~= "function" then
        error("run: expected luv's module as the loop", 2)
    end
    local made, message, code = pump.run(object, calls, handle, given)
    return made, message, code
end

return driver
