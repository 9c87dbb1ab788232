-- SPDX-License-Identifier: MIT
-- Delivery of events to the hooks on_flush, log and dead_letter, in the owner's state and in order. A hook that
-- throws breaks nothing: its error goes to the log hook, and that of the log hook to stderr, once an object.

local core = require "writebehind.core"
local turn = require "writebehind.forms.turn"

local raw = core.raw
local pcall, tostring, type = pcall, tostring, type -- a worker's module may take them away

local hooks = {}

local MOST_AT_ONCE = 1024 -- so that a hook which makes events can't keep its caller for ever

-- Tells what is no answer to a call: by the log hook, or else on stderr, once an object.
local function tell(object, options, text, hook)
    text = core.process.shown(text)
    local fields = { rows = 0, suppressed = 0, name = raw.name(object), table = options.table }
    if hook ~= "log" and options.log and pcall(options.log, "error", text, fields) then
        return
    end
    if not options.complained then
        options.complained = true
        io.stderr:write("writebehind: ", text, "\n")
    end
end

-- The text of an error, whatever it is.
function hooks.text_of(value)
    local ok, text = pcall(tostring, value)
    return ok and type(text) == "string" and text or "an error that is a " .. type(value)
end

local function complain(object, options, hook, message)
    tell(object, options, ("the hook %s failed: %s"):format(hook, hooks.text_of(message)), hook)
end

-- A store answered, or failed, after its claim was completed: nobody takes the answer.
function hooks.late(object, options, ok, answer)
    tell(object, options, ("the store %s %s after its claim was completed: that counts for nothing"):format(
        ok and "answered" or "failed with", hooks.text_of(answer)))
end

local function call(object, options, hook, ...)
    local ok, message = pcall(options[hook], ...)
    if not ok then
        complain(object, options, hook, message)
    end
end

local function deliver_one(object, options, kind, first, message, fields)
    if kind == "log" and options.log then
        call(object, options, "log", first, message, fields)
    elseif kind == "flush" and options.on_flush then
        call(object, options, "on_flush", first)
    end
    return kind ~= nil
end

function hooks.wanted(options)
    return options.log ~= nil or options.on_flush ~= nil or options.dead_events == true
end

local function deliver_dead(object, options)
    if options.take_dead then
        return options.take_dead()
    end
    local rows, why, where = core.dead(object)
    for _, row in ipairs(rows or {}) do
        call(object, options, "dead_letter", row, why, where or options.table)
    end
    return rows ~= nil
end

local function deliver_all(object, options)
    for _ = 1, MOST_AT_ONCE do
        if not deliver_one(object, options, raw.event(object)) then
            break
        end
    end
    local more = options.dead_events
    while more do
        more = deliver_dead(object, options)
    end
end

-- Hands out what is waiting. Inside a hook it does nothing: whoever called the hook hands out the rest.
function hooks.deliver(object, options)
    if turn.is_taken(options.teller) or not hooks.wanted(options) then
        return
    end
    options.teller = turn.take()
    local ok, message = pcall(deliver_all, object, options)
    options.teller = nil
    if not ok then
        error(message, 0)
    end
end

-- The options of a method's self; raises at the method's caller (at `level`, by default the caller's caller)
-- where self is another thing.
function hooks.options_of(object, noun, method, level)
    local options = raw.options(object)
    if not options then
        error(("%s:%s: expected a living %s as self, got %s (methods are called with a colon)"):format(noun,
            method, noun, raw.kind(object) or type(object)), level or 3)
    end
    return options
end

-- Raises at the method's caller where a timeout is neither nil nor a number of at least 0.
function hooks.check_timeout(timeout, noun, method)
    if timeout == nil or (type(timeout) == "number" and timeout >= 0) then
        return
    end
    error(("bad argument #1 to '%s:%s' (expected seconds, 0 or more, got %s)"):format(noun, method,
        tostring(timeout)), 3)
end

-- Wraps flush, close and poll in the metatable of threaded objects, so that they hand out events. C alone delivers
-- rows.
function hooks.wrap(meta, noun)
    local methods = meta.__index
    local function wrap(method)
        local inner = methods[method]
        methods[method] = function(self, timeout)
            local options = hooks.options_of(self, noun, method)
            hooks.check_timeout(timeout, noun, method)
            local ok, message, code = inner(self, timeout)
            hooks.deliver(self, options)
            return ok, message, code
        end
    end
    wrap "flush"
    wrap "close"
    local poll = methods.poll
    function methods.poll(self)
        local options = hooks.options_of(self, noun, "poll")
        hooks.deliver(self, options)
        return poll(self)
    end
    function meta.__close(self)
        methods.close(self)
    end
end

return hooks
