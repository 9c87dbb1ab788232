-- SPDX-License-Identifier: MIT
-- The driver of batchers and trackers whose store is scripted: due work runs inside add, flush, close or
-- poll, in the caller's coroutine, so that a store may yield. C lends the work (take) and hears how it ended
-- (complete); it never calls the store.
--
-- Invariant: an object has one delivery at a time. While a store is at work, an add, flush or close from inside it
-- or from another coroutine finds the object busy, and leaves the work to that delivery.

local core = require "writebehind.core"
local finalizer = require "writebehind.forms.finalizer"
local hooks = require "writebehind.forms.hooks"
local turn = require "writebehind.forms.turn"

local raw, text_of = core.raw, hooks.text_of

local driven = {}

local floor, huge, min = math.floor, math.huge, math.min
local MOST_AT_ONCE = 1000 -- batches a poll, so that a store which adds can't keep its caller for ever
local CLASSES = { retry = true, reject = true, hold = true }

-- ---- one delivery at a time ----

-- Lua 5.1 alone can't yield across pcall. (LuaJIT can. It isn't tried out: nginx's own coroutines can't yield while
-- a module is loaded.)
local PCALL_YIELDS = _VERSION ~= "Lua 5.1" or type(jit) == "table" -- luacheck: globals jit

local function is_busy(options)
    return turn.is_taken(options.holder)
end

-- ---- one batch ----

local function thrown_text(value)
    local text = text_of(value)
    if PCALL_YIELDS or not text:find("attempt to yield", 1, true) then
        return text
    end
    return text .. " (under this Lua a store can't yield inside the batcher: it can between take and complete)"
end

-- The store's answer is none of those it may give: a failed try, whose error says so.
local function complete_wrong(work, answer)
    work:complete(nil, ("the store answered %s; expected true, or nil, err [, class [, stored]]"):format(answer))
end

local function is_stored(stored, work)
    return stored == nil or type(stored) == "number" and stored >= 0 and stored <= #work and stored % 1 == 0
end

local function complete_failed(work, err, class, stored)
    if class ~= nil and not CLASSES[class] then
        complete_wrong(work, ("the class %s for the error %s"):format(text_of(class), text_of(err)))
    elseif not is_stored(stored, work) then
        complete_wrong(work, ("%s of %d rows stored"):format(text_of(stored), #work))
    else
        work:complete(nil, text_of(err), class, stored)
    end
end

local function is_count(value, most)
    return type(value) == "number" and value >= 0 and value <= most and value % 1 == 0
end

-- A touch may say how many times it moved forward, and how many ids have no row; of all ids, or of those that are not
-- to come again.
local function complete_stored(work, answer, again, updated, unmatched)
    local settled = #work - again
    if not is_count(updated, settled) then
        work:complete(answer)
    elseif not is_count(unmatched, settled - updated) then
        work:complete(answer, updated)
    else
        work:complete(answer, updated, unmatched)
    end
end

-- The indexes of the marks that come again. nil: the answer has none.
local function again_in(options, work, answer)
    local list = options.entry == "touch" and type(answer) == "table" and rawget(answer, "retry")
    if type(list) ~= "table" then
        return nil
    end
    local seen = {}
    for i = 1, #list do
        local index = rawget(list, i)
        if not is_count(index, #work) or index == 0 or seen[index] then
            return nil
        end
        seen[index] = true
    end
    return list
end

local function described(options, work, answer)
    if answer == nil then
        return "nothing"
    elseif options.entry == "touch" and type(answer) == "table" then
        return ("a table whose retry is no list of indexes from 1 to %d"):format(#work)
    end
    return text_of(answer)
end

local function complete(options, work, ok, answer, err, class, stored)
    if raw.is_completed(work) then -- by the store itself
        if not ok or answer ~= true and (answer ~= nil or err ~= nil) then
            hooks.late(options, ok, answer == nil and ok and err or answer)
        end
    elseif not ok then
        work:complete(nil, thrown_text(answer), "retry")
    elseif answer == true then
        complete_stored(work, true, 0, err, class)
    elseif again_in(options, work, answer) then
        complete_stored(work, answer, #answer.retry, err, class)
    elseif answer == nil and err ~= nil then
        complete_failed(work, err, class, stored)
    else
        complete_wrong(work, described(options, work, answer))
    end
end

local function call(store, entry, work)
    return store[entry](store, work)
end

-- Calls the store with one claim and completes it. Drivers of loops use it too: the store may yield. A metatable may
-- throw while the function is looked up or the answer is judged: that is a failed try as well.
function driven.deliver(options, work)
    local ok, message = pcall(complete, options, work, pcall(call, options.store, options.entry, work))
    if not ok then
        complete(options, work, false, message)
    end
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
        driven.deliver(options, work)
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
