-- SPDX-License-Identifier: MIT
-- The driver of batchers and trackers whose store is scripted: due work runs inside add, flush, close or
-- poll, in the caller's coroutine, so that a store may yield. C lends the work (take) and hears how it ended
-- (complete); it never calls the store.
--
-- Invariant: an object has one delivery at a time. While a store is at work, an add, flush or close from inside it
-- or from another coroutine finds the object busy, and leaves the work to that delivery.

local answer = require "writebehind.forms.answer"
local core = require "writebehind.core"
local finalizer = require "writebehind.forms.finalizer"
local hooks = require "writebehind.forms.hooks"
local turn = require "writebehind.forms.turn"

local raw = core.raw

local driven = {}

local floor, huge, min = math.floor, math.huge, math.min
local MOST_AT_ONCE = 1000 -- batches a poll, so that a store which adds can't keep its caller for ever

-- ---- one delivery at a time ----

local function is_busy(options)
    return turn.is_taken(options.holder)
end

-- ---- all that is due ----

local function deliver_due(self, options, take)
    local worked = 0
    while worked < MOST_AT_ONCE do
        local work = take(self)
        if not work then
            break
        end
        worked = worked + 1
        answer.deliver(self, options, work)
    end
    return worked
end

-- → batches worked on
local function drive(self, options)
    local ok, worked = true, 0
    if not is_busy(options) then
        options.holder = turn.take()
        ok, worked = pcall(deliver_due, self, options, options.take)
        options.holder = nil
    end
    hooks.deliver(self, options)
    if not ok then
        error(worked, 0)
    end
    return worked
end

-- So many seconds from now, in the object's time: whole µs, since its clock knows no others.
local function deadline_in(self, seconds)
    return floor(raw.now(self) + seconds * 1e6)
end

-- ---- add ----

-- Makes room for one more row: delivers what waits, now and whenever it is due, until there is room or the time is
-- up. → as add
local function add_blocked(self, options, add, ...)
    local deadline = deadline_in(self, raw.block_timeout(self))
    while true do
        raw.seal(self, false)
        drive(self, options)
        raw.forgive(self)
        local ok, due, code = add(self, ...)
        local now = raw.now(self)
        local till = min(raw.due(self), deadline)
        if code ~= "full" or now >= deadline or till == huge or is_busy(options) then
            return ok, due, code
        end
        raw.wait_until(self, till)
    end
end

-- The rest of an add that was refused or made work due.
local function after_add(self, add, ok, due, code, ...)
    local options = raw.options(self)
    if code == "full" and options.block and not is_busy(options) then
        ok, due, code = add_blocked(self, options, options.again or add, ...)
    end
    options.again = nil
    if not ok then
        hooks.deliver(self, options)
        return nil, due, code
    end
    if due and options.inline ~= false then
        drive(self, options)
    end
    return true
end

-- Raises at the method's caller what C would raise here.
local function check_add(self, noun, name, row)
    local kind = raw.kind(self)
    if kind ~= noun then
        error(("%s:%s: expected a %s as self, got %s (methods are called with a colon)"):format(noun, name, noun,
            kind or type(self)), 3)
    end
    error(("bad argument #1 to '%s:%s' (table expected, got %s)"):format(noun, name,
        row == nil and "nothing" or type(row)), 3)
end

local function wrap_add(methods, noun, name)
    local add = methods[name]
    local takes_row = noun == "batcher" and name ~= "add_values" and name ~= "add_read"
    local class = "writebehind." .. noun
    methods[name] = function(self, ...)
        if getmetatable(self) ~= class or takes_row and type((...)) ~= "table" then
            check_add(self, noun, name, (...))
        end
        local ok, due, code = add(self, ...)
        if ok and not due then
            return true
        end
        return after_add(self, add, ok, due, code, ...)
    end
end

-- ---- flush and close ----

function driven.in_coroutine()
    local thread, is_main = coroutine.running()
    return thread ~= nil and not is_main
end

-- The loop's driver, where there is one and the caller is a coroutine: its flush and close wait as the loop does.
local function driver_of(options)
    return driven.in_coroutine() and options.driver
end

function driven.pending_message(self, what)
    local stats, message, code = self:stats()
    if not stats then
        return nil, message, code
    end
    local why = stats.consecutive_failures > 0 and stats.last_error
    return nil, ("%s: %d rows are not settled yet%s"):format(what, stats.pending, why and ": " .. why or ""),
        "timeout"
end

-- Is another delivery under way? At close, a delivery whose coroutine was dropped in a yield is collected first.
local function is_held(options, what)
    if what == "close" and turn.is_suspended(options.holder) then
        collectgarbage()
    end
    return is_busy(options)
end

-- Will nothing settle what is left? A claim that was dropped comes back when it is collected.
local function is_stuck(self, options)
    if raw.due(self) ~= huge then
        return false
    end
    if not is_busy(options) then
        collectgarbage()
    end
    return raw.due(self) == huge
end

-- Delivers until all that the ticket stands for is settled.
local function drain(self, options, ticket, timeout, what)
    local deadline = deadline_in(self, timeout)
    while true do
        drive(self, options)
        if raw.settled(self, ticket) then
            return true
        end
        if raw.now(self) >= deadline or is_held(options, what) or is_stuck(self, options) then
            return driven.pending_message(self, what)
        end
        raw.wait_until(self, min(raw.due(self), deadline))
    end
end

local function wrap_flush(methods, noun, inner)
    function methods.flush(self, timeout)
        local options = hooks.options_of(self, noun, "flush")
        hooks.check_timeout(timeout, noun, "flush")
        local driver = driver_of(options)
        if driver then
            return driver:flush(timeout)
        end
        local ok, message, code = inner(self, 0) -- seals
        if ok or code ~= "timeout" then
            hooks.deliver(self, options)
            return ok, message, code
        end
        return drain(self, options, raw.seal(self, false), timeout or raw.close_timeout(self), "flush")
    end
end

local function wrap_close(methods, noun, inner)
    function methods.close(self, timeout)
        local options = hooks.options_of(self, noun, "close")
        hooks.check_timeout(timeout, noun, "close")
        options.closed = true
        local driver = driver_of(options)
        if driver then
            return driver:close(timeout)
        end
        local ok, message, code = inner(self, 0) -- refuses new rows, seals
        if code == "timeout" then
            ok, message, code = drain(self, options, raw.seal(self, true), timeout or raw.close_timeout(self), "close")
        end
        if ok then
            ok, message, code = inner(self, 0)
        end
        hooks.deliver(self, options)
        return ok, message, code
    end
end

local function wrap_poll(methods, noun)
    function methods.poll(self)
        return drive(self, hooks.options_of(self, noun, "poll"))
    end
end

-- ---- the metatable ----

-- The metatable of driven objects of a kind; `adds` are its methods that take rows, `policy` wraps those first.
function driven.variant(noun, adds, policy)
    local meta = core.variant(noun)
    local methods = meta.__index
    if policy then
        policy.wrap_adds(methods)
    end
    for _, name in ipairs(adds) do
        wrap_add(methods, noun, name)
    end
    wrap_flush(methods, noun, methods.flush)
    wrap_close(methods, noun, methods.close)
    wrap_poll(methods, noun)
    if policy then
        policy.wrap_poll(methods)
    end
    finalizer.wrap(meta)
    return meta
end

return driven
