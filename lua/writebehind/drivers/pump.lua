-- SPDX-License-Identifier: MIT
-- What the drivers of event loops share. A pump takes an object's due work, up to a bound in flight, and runs
-- each delivery in a coroutine of the loop, so that a store may yield there (not under PUC Lua 5.1, whose pcall
-- ends a yield). Nothing here blocks: a pump waits only as its loop does.
--
-- A loop gives a table of functions:
--   spawn(pump, task)               runs the task in a coroutine, from the loop's next turn on, so that a store
--                                   which never yields leaves the others their turns
--   wait(pump, fd or nil, seconds)  in a coroutine: until the descriptor is readable, the time is over, or a signal
--   signal(pump)                    ends every wait
--   finish(pump)                    stops watching the descriptor

local answer = require "writebehind.forms.answer"
local core = require "writebehind.core"
local driven = require "writebehind.forms.driven"
local hooks = require "writebehind.forms.hooks"

local raw, now = core.raw, core.process.now

local pump = {}
local methods = {}
local WEAK = { __mode = "k" }

local huge, min = math.huge, math.min
local LOOK_AGAIN = 1 -- seconds, where all places are taken: a claim that is collected frees one and signals nothing
local PLAIN = { batcher = core.variant("batcher").__index, tracker = core.variant("tracker").__index }

-- ---- delivering ----

-- Claims under way are kept weakly, so that one whose coroutine was dropped holds no place.
local function has_room(self)
    local flying = 0
    for work in pairs(self.flying) do
        flying = flying + (raw.is_completed(work) and 0 or 1)
    end
    return flying < self.most
end

local function deliver(self, work)
    answer.deliver(self.object, self.options, work)
    self.flying[work] = nil
    self.loop.signal(self)
end

-- Takes what is due, as far as there is room.
local function take_due(self)
    local work = has_room(self) and self.options.take(self.object)
    while work do
        local claim = work
        self.flying[claim] = true
        self.loop.spawn(self, function()
            deliver(self, claim)
        end)
        work = has_room(self) and self.options.take(self.object)
    end
end

local function work_on(self)
    while not self.stopped do
        take_due(self)
        hooks.deliver(self.object, self.options)
        if not self.stopped then
            local room = has_room(self)
            self.loop.wait(self, room and self.fd or nil, room and huge or LOOK_AGAIN)
        end
    end
    self.loop.finish(self)
end

-- ---- flush and close ----

-- Waits, as the loop does, until all that the ticket stands for is settled. It takes what is due itself, since its
-- caller may be a hook, for which the pump waits.
local function drain(self, ticket, timeout, what)
    local deadline = now() + (timeout or raw.close_timeout(self.object))
    while not raw.settled(self.object, ticket) do
        take_due(self)
        local left = deadline - now()
        if left <= 0 then
            return driven.pending_message(self.object, what)
        end
        self.loop.wait(self, nil, min(left, has_room(self) and self.object:next_due() or huge))
    end
    return true
end

local function check_call(self, name)
    if getmetatable(self) ~= pump then
        error(("driver:%s: expected a driver as self (methods are called with a colon)"):format(name), 3)
    elseif not driven.in_coroutine() then
        error(("driver:%s waits as the loop does: call it in a coroutine of the loop"):format(name), 3)
    end
end

-- As the object's flush. Other coroutines go on.
function methods.flush(self, timeout)
    check_call(self, "flush")
    hooks.check_timeout(timeout, "driver", "flush")
    local ok, message, code = drain(self, raw.seal(self.object, false), timeout, "flush")
    hooks.deliver(self.object, self.options)
    return ok, message, code
end

-- Refuses new rows, drains until the deadline, and stops. A delivery that is under way then still ends. Another call
-- after a timeout goes on with what is left.
function methods.close(self, timeout)
    check_call(self, "close")
    hooks.check_timeout(timeout, "driver", "close")
    local ok, message, code = PLAIN[self.noun].close(self.object, 0) -- refuses, seals
    if code == "timeout" then
        ok, message, code = drain(self, raw.seal(self.object, true), timeout, "close")
    end
    self.stopped, self.options.driver = true, nil
    self.loop.signal(self)
    hooks.deliver(self.object, self.options)
    return ok, message, code
end

-- ---- making one ----

local function problem(object, given)
    local noun = raw.kind(object)
    local options = raw.options(object)
    if not options then
        return ("expected a living batcher or tracker, got a %s"):format(noun or type(object))
    elseif options.clock then
        return ("this %s has a clock of its own, and loops wait in real time"):format(noun)
    elseif options.native and options.driven then
        return ("policy.retry_delay makes this %s driven, and its native store would stop the loop"):format(noun)
    elseif options.native then
        return ("this %s is threaded: its own thread delivers"):format(noun)
    elseif options.block then
        return 'overflow = "block" would stop the loop: nobody else could make room'
    elseif options.driver then
        return ("this %s has a driver already"):format(noun)
    elseif given ~= nil and type(given) ~= "table" then
        return ("expected a table of options, got a %s"):format(type(given))
    end
    for name, value in pairs(given or {}) do
        if name ~= "in_flight" then
            return ("unknown option %q"):format(tostring(name))
        elseif type(value) ~= "number" or value < 1 or value % 1 ~= 0 then
            return ('option "in_flight": expected a whole number of at least 1, got %s'):format(tostring(value))
        end
    end
end

pump.__index = methods

-- For loops that watch no descriptor: they take turns themselves, and wait by next_due.
pump.has_room, pump.take_due, pump.drain, pump.problem = has_room, take_due, drain, problem

-- Are deliveries under way?
function pump.is_flying(self)
    return next(self.flying) ~= nil
end

-- A pump of an object that has no `problem`; the loop takes its turns.
function pump.new(object, loop, handle, given)
    local options = raw.options(object)
    local self = setmetatable({ object = object, options = options, noun = raw.kind(object), loop = loop,
        handle = handle, most = given and given.in_flight or 1, flying = setmetatable({}, WEAK), waits = {} }, pump)
    options.driver, options.inline = self, false
    return self
end

-- Drives an object on a loop until it is closed: what run of every driver does. `loop` is the table above; its
-- functions find `handle` as a field of the pump. in_flight: deliveries at once, by default 1, since a
-- store's single connection can't serve more. → a driver with flush and close, or nil, message, code
function pump.run(object, loop, handle, given)
    local wrong = problem(object, given)
    if wrong then
        error("run: " .. wrong, 3)
    end
    local fd, message, code = object:fd()
    if not fd then
        return nil, message, code
    end
    local self = pump.new(object, loop, handle, given)
    self.fd = fd
    self.loop.spawn(self, function()
        work_on(self)
    end)
    return self
end

return pump
