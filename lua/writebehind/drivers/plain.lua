-- SPDX-License-Identifier: MIT
-- A driver for programs without an event loop: a small loop of coroutines on poll(2), and batchers and
-- trackers driven on it.
--
--     local loop = plain.loop()
--     local driver = plain.run(batcher, loop, { in_flight = 4 })
--     loop:spawn(function() … driver:close() end)
--     loop:run()

local loop = require "writebehind.drivers.loop"
local pump = require "writebehind.drivers.pump"

local plain = { loop = loop.new }
local calls = {}

function calls.spawn(self, task)
    self.handle:spawn(task)
end

function calls.wait(self, fd, seconds)
    local entry = { fd = fd }
    self.waits[entry] = true
    self.handle:pause(entry, seconds)
    self.waits[entry] = nil
end

function calls.signal(self)
    for entry in pairs(self.waits) do
        entry.at = 0
    end
end

function calls.finish() end

-- run(batcher or tracker, loop [, options]) → driver: see writebehind.drivers.pump.
function plain.run(object, handle, given)
    if getmetatable(handle) ~= loop then
        error("run: expected a loop made by loop() of writebehind.drivers.plain", 2)
    end
    local driver, message, code = pump.run(object, calls, handle, given)
    return driver, message, code
end

return plain
