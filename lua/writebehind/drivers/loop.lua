-- SPDX-License-Identifier: MIT
-- A small loop of coroutines on poll(2), for programs that have no event loop.
-- Invariant: a coroutine of the loop is in exactly one list, waiting or due, or it is the one that runs.

local process = require("writebehind.core").process

local loop = {}
loop.__index = loop

local huge, max = math.huge, math.max

-- The running coroutine waits as this entry: until its `fd` is ready or the time is `at`, which others may change.
-- → whether the descriptor is ready
function loop:pause(entry, seconds)
    entry.thread, entry.at = coroutine.running(), process.now() + (seconds or huge)
    self.waiting[#self.waiting + 1] = entry
    return coroutine.yield()
end

-- Runs the task in a coroutine of its own, from the next turn on.
function loop:spawn(task)
    self.waiting[#self.waiting + 1] = { thread = coroutine.create(task), at = 0 }
end

-- Waits until the descriptor is ready ("r" or "w", by default "r") → true, or the seconds are over → false.
function loop:wait(fd, mode, seconds)
    return self:pause({ fd = fd, mode = mode }, seconds)
end

function loop:sleep(seconds)
    self:pause({}, seconds)
end

local function turn(self)
    local first, waiting = huge, self.waiting
    for _, entry in ipairs(waiting) do
        first = entry.at < first and entry.at or first
    end
    process.poll(waiting, max(0, first - process.now()))
    local now = process.now()
    self.waiting = {}
    for _, entry in ipairs(waiting) do
        local list = (entry.ready or entry.at <= now) and self.due or self.waiting
        list[#list + 1] = entry
    end
end

-- Goes on until every task has ended. An error in a task is raised here; run goes on with the others.
function loop:run()
    while #self.waiting + #self.due > 0 do
        local entry = table.remove(self.due, 1) or turn(self)
        if entry then
            local ok, message = coroutine.resume(entry.thread, entry.ready == true)
            if not ok then
                error(debug.traceback(entry.thread, tostring(message)), 0)
            end
        end
    end
end

function loop.new()
    return setmetatable({ waiting = {}, due = {} }, loop)
end

return loop
