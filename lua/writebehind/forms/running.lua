-- SPDX-License-Identifier: MIT
-- What is done to a batcher of any form while it runs: purge, configure, sync. Who delivers in a loop is told, since
-- what it waits for may be settled, or due, by now.

local core = require "writebehind.core"
local hooks = require "writebehind.forms.hooks"
local options = require "writebehind.options"

local raw = core.raw

local running = {}

local function tell_driver(own)
    if own.driver then
        own.driver.loop.signal(own.driver)
    end
end

local function purge(self)
    local own = hooks.options_of(self, "batcher", "purge")
    local rows, message, code = raw.purge(self)
    tell_driver(own)
    return rows, message, code
end

-- The option table of the object says what counts now, for those who look there.
local function configure(self, changes)
    local own = hooks.options_of(self, "batcher", "configure")
    local flat, message = options.changes(own, changes)
    if not flat then
        error(message, 2)
    end
    local ok, text, code = raw.configure(self, flat)
    if code == "misuse" then
        error(options.refused("batcher:configure", text), 2)
    elseif ok then
        for name, value in pairs(flat) do
            own[name] = value
        end
        tell_driver(own)
    end
    return ok, text, code
end

-- Waits until all that was accepted outlives what spool.durability says.
local function sync_of(noun)
    return function(self, timeout)
        hooks.options_of(self, noun, "sync")
        local ok, message, code = raw.sync(self, timeout)
        if code == "misuse" then
            error(("%s:sync: the %s has no spool"):format(noun, noun), 2)
        end
        return ok, message, code
    end
end

-- Puts them among the methods of all batchers, and sync among those of all trackers.
function running.set(methods, of_trackers)
    methods.purge, methods.configure, methods.sync = purge, configure, sync_of "batcher"
    of_trackers.sync = sync_of "tracker"
end

return running
