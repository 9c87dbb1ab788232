-- SPDX-License-Identifier: MIT
-- A driver on cqueues: batchers and trackers driven on a controller, whose coroutines a store may yield to (a
-- cqueues socket, cqueues.sleep, a condition).
--
--     local driver = require("writebehind.drivers.cqueues").run(batcher, cqueues.new(), { in_flight = 4 })

local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local pump = require "writebehind.drivers.pump"

local driver = {}
local calls = {}

local huge = math.huge

function calls.spawn(self, task)
    self.handle:wrap(task)
end

function calls.wait(self, fd, seconds)
    self.condition = self.condition or condition.new()
    local readable = fd and { pollfd = fd, events = "r" } or nil
    local timeout = seconds < huge and seconds or nil
    if readable then
        cqueues.poll(readable, self.condition, timeout)
    else
        cqueues.poll(self.condition, timeout)
    end
end

function calls.signal(self)
    if self.condition then
        self.condition:signal()
    end
end

-- The controller forgets the descriptor before the object closes it.
function calls.finish(self)
    self.handle:cancel(self.fd)
end

-- run(batcher or tracker [, controller [, options]]) → driver: see writebehind.drivers.pump. Where none runs, the
-- controller must be given.
function driver.run(object, handle, given)
    handle = handle or cqueues.running()
    if cqueues.type(handle) ~= "controller" then
        error("run: expected a cqueues controller as the loop", 2)
    end
    local made, message, code = pump.run(object, calls, handle, given)
    return made, message, code
end

return driver
