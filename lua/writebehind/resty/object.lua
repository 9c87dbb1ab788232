-- SPDX-License-Identifier: MIT
-- Batchers and trackers for an nginx worker: add works in every phase and wakes the worker's coroutine where needed;
-- flush and close wait as nginx does, and not at all in phases that can't wait. They are the library's own objects
-- with other methods.

local core = require "writebehind.core"
local driven = require "writebehind.forms.driven"
local hooks = require "writebehind.forms.hooks"
local log = require "writebehind.resty.log"
local member = require "writebehind.resty.member"
local keeper = require "writebehind.resty.keeper"
local phases = require "writebehind.resty.phases"
local pump = require "writebehind.drivers.pump"
local writebehind = require "writebehind"

local raw = core.raw

local object = {}

local ADDS = { batcher = { "add", "add_values", "add_mixed", "add_read", "add_some" }, tracker = { "add" } }
local members = setmetatable({}, { __mode = "k" }) -- by object

-- ---- add ----

local function member_of(self, noun, name)
    local own = members[self]
    if not own then
        error(("%s:%s: expected a named %s as self, got %s (methods are called with a colon)"):format(noun, name, noun,
            raw.kind(self) or type(self)), 3)
    end
    return own
end

-- Raises in the master process: it delivers nothing, and its threads do not live on in the workers.
local function check_process(own, noun, name)
    if phases.now() == "init" then
        error(("%s:%s: %s is used in init_by_lua: make it there, and add in the workers"):format(noun, name,
            own.title), 3)
    end
    own.in_master = false
end

local function after_add(own, ok, due, code)
    if not ok then
        own.refused = true
        return nil, due, code
    end
    if own.alert or due and not own.full then
        keeper.wake(own)
    end
    return true
end

local function wrap_add(methods, noun, name)
    local add = methods[name]
    local takes_row = noun == "batcher" and name == "add"
    methods[name] = function(self, ...)
        local own = members[self] or member_of(self, noun, name)
        if own.in_master then
            check_process(own, noun, name)
        end
        if takes_row and type((...)) ~= "table" then
            error(("bad argument #1 to 'batcher:add' (table expected, got %s)"):format(
                (...) == nil and "nothing" or type((...))), 2)
        end
        return after_add(own, add(self, ...))
    end
end

-- ---- flush and close ----

-- Waits until all that the ticket stands for is settled, where this phase can wait.
local function wait_for(own, self, ticket, timeout, what)
    if phases.can_wait() then
        return own:drain(ticket, timeout, what)
    end
    if not own.threaded then
        keeper.wake(own)
    end
    if raw.settled(self, ticket) then
        return true
    end
    return driven.pending_message(self, what)
end

local function wrap_flush(methods, noun, inner)
    function methods.flush(self, timeout)
        local own = member_of(self, noun, "flush")
        hooks.check_timeout(timeout, noun, "flush")
        if own.threaded and phases.may_block() then
            return inner(self, timeout)
        end
        local ok, message, code = inner(self, 0) -- seals
        if code == "timeout" then
            ok, message, code = wait_for(own, self, raw.seal(self, false), timeout, "flush")
        end
        if phases.can_wait() then
            hooks.deliver(self, own.options)
        end
        return ok, message, code
    end
end

-- It is closed and drained.
local function finish(own, self)
    if not own.closed then
        own:let_go()
        own.on_closed(self)
    end
end

local function wrap_close(methods, noun, inner)
    function methods.close(self, timeout)
        local own = member_of(self, noun, "close")
        hooks.check_timeout(timeout, noun, "close")
        own.closing = inner
        local now = timeout
        if not (own.threaded and phases.may_block()) then
            now = 0
        end
        local ok, message, code = inner(self, now) -- refuses new rows, seals
        if code == "timeout" and now == 0 then
            ok, message, code = wait_for(own, self, raw.seal(self, true), timeout, "close")
        end
        if phases.can_wait() then
            hooks.deliver(self, own.options)
        end
        if ok then
            finish(own, self)
        end
        return ok, message, code
    end
end

-- poll wakes the worker's coroutine, which does what is due.
local function wrap_poll(methods, noun)
    function methods.poll(self)
        keeper.wake(member_of(self, noun, "poll"))
        return 0
    end
end

-- ---- the end ----

-- The Lua state ends, and nothing of nginx can be used any more: the rows that are lost can only be told.
local function wrap_collect(meta, noun, collect)
    function meta.__gc(self)
        local own = members[self]
        local stats = own and not own.threaded and core.variant(noun).__index.stats(self)
        if stats and stats.pending > 0 then
            io.stderr:write(("writebehind: %s: the worker ended with %s rows that were not stored\n"):format(
                core.process.shown(own.title), tostring(stats.pending):match("%d+")))
        end
        collect(self)
    end
end

-- ---- making one ----

local function copy_of(given)
    local copy = {}
    for key, value in pairs(given) do
        copy[key] = value
    end
    return copy
end

local function wrap(meta, noun)
    local plain = core.variant(noun)
    local methods = meta.__index
    for _, name in ipairs(ADDS[noun]) do
        wrap_add(methods, noun, name)
    end
    wrap_flush(methods, noun, plain.__index.flush)
    wrap_close(methods, noun, plain.__index.close)
    wrap_collect(meta, noun, plain.__gc)
    return meta
end

local function scripted_meta(noun, policy)
    local meta = wrap(driven.variant(noun, {}, policy), noun)
    wrap_poll(meta.__index, noun)
    if policy then
        policy.wrap_poll(meta.__index)
    end
    return meta
end

local function threaded_meta(noun, self)
    local meta = copy_of(debug.getmetatable(self))
    meta.__index = copy_of(meta.__index)
    return wrap(meta, noun)
end

local made = {}

-- The metatable of such objects, made once. Those of scripted ones have the core's own adds, which say whether
-- work is due.
local function meta_of(noun, options, self)
    local key = noun .. (options.native and " threaded" or "") .. (options.policy and " policy" or "")
    made[key] = made[key] or options.native and threaded_meta(noun, self) or
        scripted_meta(noun, options.policy and require "writebehind.forms.policy")
    return made[key]
end

local function problem(self, options, in_flight)
    if options.native and not options.clock and not options.driven then
        return in_flight and 'option "in_flight": its store is native, whose own thread delivers'
    end
    return pump.problem(self, { in_flight = in_flight })
end

local function refuse(title, noun, message, level)
    error(("%s: %s"):format(title, tostring(message):gsub("^" .. noun .. ": ", "")), level + 1)
end

-- The options that the library takes, and those that are this module's.
local function split(name, title, given)
    local copy = copy_of(given)
    copy.name, copy.log, copy.in_flight = copy.name or name, copy.log or log.hook(title), nil
    return copy, given.in_flight
end

-- make(noun, name, title, options, level, on_closed) → the object, or nil, message, code. Raises as the constructors
-- do. on_closed(object) is called once, when it is closed and drained.
function object.make(noun, name, title, given, level, on_closed)
    local copy, in_flight = split(name, title, given)
    local called, self, message, code = pcall(writebehind[noun], copy)
    if not called then
        refuse(title, noun, self, level)
    elseif not self then
        return nil, message, code
    end
    local options = raw.options(self)
    local wrong = problem(self, options, in_flight)
    if wrong then
        refuse(title, noun, wrong, level)
    end
    debug.setmetatable(self, meta_of(noun, options, self))
    local own = options.native and member.threaded(self, title) or member.scripted(self, title, in_flight)
    own.in_master, own.on_closed = phases.now() == "init", on_closed
    members[self] = own
    return self
end

-- Is it closed and drained? Where nobody waited for its last rows, this finds it out.
function object.is_closed(self)
    local own = members[self]
    if own.closing and not own.closed and own.closing(self, 0) then
        finish(own, self)
    end
    return own.closed == true
end

return object
