-- SPDX-License-Identifier: MIT
-- What the drivers of event loops share. A pump takes an object's due work, up to a bound in flight, and runs
-- each delivery in a coroutine of the loop, so that a store may yield there (under PUC Lua 5.1 it can't:
-- pcall ends a yield). Nothing here blocks: a pump only waits as its loop does.
--
-- A loop gives a table of functions of the pump: spawn(pump, task), wait(pump, fd or nil, seconds) – in a
-- coroutine, until the descriptor is readable, the time is over or the pump was signalled – signal(pump),
-- which ends every wait, and finish(pump), when it stops watching the descriptor.

local core = require "writebehind.core"
local driven = require "writebehind.driven"
local hooks = require "writebehind.hooks"

local raw, now = core.raw, core.process.now

local pump = {}
local methods = {}

local huge = math.huge
local MOST_A_TURN = 64 -- deliveries, so that a store which never yields leaves the loop its turn
local PLAIN = { batcher = core.variant("batcher").__index, tracker = core.variant("tracker").__index }

local function is_settled(self)
    return raw.settled(self.object, self.mark)
end

-- ---- delivering ----

local function deliver(self, work)
    driven.deliver(self.peer, work)
    self.flying = self.flying - 1
    self.loop.signal(self)
end

local function take_due(self)
    for _ = 1, MOST_A_TURN do
        local work = self.flying < self.most and not self.stopped and self.peer.take(self.object)
        if not work then
            break
        end
        self.flying = self.flying + 1
        self.loop.spawn(self, function()
            deliver(self, work)
        end)
    end
end

local function work(self)
    while not self.stopped do
        take_due(self)
        hooks.deliver(self.object, self.peer)
        if not self.stopped then
            self.loop.wait(self, self.flying < self.most and self.fd or nil, huge)
        end
    end
    self.loop.finish(self)
    self.working = false
end

local function start(self)
    self.stopped = false
    if not self.working then
        self.working = true
        self.loop.spawn(self, function()
            work(self)
        end)
    end
end

-- ---- flush and close ----

local function pending_message(self, what)
    local stats, message, code = self.object:stats()
    if not stats then
        return nil, message, code
    end
    local why = stats.consecutive_failures > 0 and ": " .. stats.last_error or ""
    return nil, ("%s: %d rows are not settled yet%s"):format(what, stats.pending, why), "timeout"
end

-- Waits, as the loop does, until all up to the mark is settled.
local function drain(self, mark, timeout, what)
    local deadline = now() + (timeout or raw.close_timeout(self.object))
    self.loop.signal(self)
    while not raw.settled(self.object, mark) do
        local left = deadline - now()
        if left <= 0 then
            return pending_message(self, what)
        end
        self.loop.wait(self, nil, left)
    end
    return true
end

local function check_call(self, name, timeout)
    if getmetatable(self) ~= pump then
        error(("driver:%s: expected a driver as self (methods are called with a colon)"):format(name), 3)
    end
    hooks.check_timeout(timeout, "driver", name, 4)
    local thread, is_main = coroutine.running()
    if is_main or not thread then
        error(("driver:%s: waits as the loop does: call it in a coroutine of the loop"):format(name), 3)
    end
end
