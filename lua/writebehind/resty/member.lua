-- SPDX-License-Identifier: MIT
-- What the worker's coroutine does for one object. A pump delivers for a scripted one. A worker that exits drains it:
-- what was accepted by then has close_timeout to be stored, without backoff. A threaded one delivers by itself and
-- needs only its hooks called. Hooks run in tasks of their own, since they may yield.

local core = require "writebehind.core"
local driven = require "writebehind.forms.driven"
local hooks = require "writebehind.forms.hooks"
local keeper = require "writebehind.resty.keeper"
local pump = require "writebehind.drivers.pump"
local semaphore = require "ngx.semaphore"

local raw = core.raw

local member = {}
local scripted, threaded = {}, {}
scripted.__index, threaded.__index = scripted, threaded
threaded.threaded = true

local huge, max, min = math.huge, math.max, math.min
local AGAIN = 1 -- seconds between two tries in a worker that exits

-- ---- hooks ----

local function tell(self)
    local object, options = self.object, self.options
    keeper.spawn(self, function()
        hooks.deliver(object, options)
    end)
end

-- At least every beat, sooner where a row was refused.
local function tell_in_time(self, at)
    if hooks.wanted(self.options) and (self.refused or at >= self.tell_at) then
        self.tell_at, self.refused = at + keeper.BEAT, false
        tell(self)
    end
end

-- ---- the loop that the pump sees ----

local calls = {}

function calls.spawn(self, task)
    local object, options = self.object, self.options
    keeper.spawn(self.handle, function()
        task()
        hooks.deliver(object, options)
    end)
end

-- Each waiter has a semaphore; that of a request that died is collected.
function calls.wait(self, _, seconds)
    local own = semaphore.new()
    self.waits[own] = true
    keeper.wake(self.handle)
    own:wait(max(keeper.BREATH, min(seconds, keeper.BEAT)))
    self.waits[own] = nil
end

function calls.signal(self)
    for waiting in pairs(self.waits) do
        waiting:post(1)
    end
    keeper.signal()
end

function calls.finish() end

-- ---- scripted ----

local function give_up(self)
    local stats = self.object:stats()
    local why = stats.last_error and ": " .. stats.last_error or ""
    ngx.log(ngx.ERR, "writebehind: ", self.title, ": the worker exits, close_timeout (",
        raw.close_timeout(self.object), " s) is over, and ", tostring(stats.pending):match("%d+"),
        " rows are not stored", why)
end

-- Before a turn in a worker that exits. → is it time to give up?
local function hurry(self, at)
    if not self.ticket or raw.settled(self.object, self.ticket) then
        self.deadline = at + raw.close_timeout(self.object)
        self.ticket, self.again = raw.seal(self.object, false), at + AGAIN
    elseif at >= self.deadline then
        return true
    elseif at >= self.again then
        raw.seal(self.object, false)
        self.again = at + AGAIN
    end
    return false
end

function scripted:turn(at)
    if self.closed then
        return nil
    elseif keeper.is_exiting() and hurry(self, at) then
        give_up(self)
        self.ticket = nil -- what is added later gets a deadline of its own
        return nil
    end
    if self.options.policy then
        self.object:poll() -- asks whether to flush
    end
    pump.take_due(self.pump)
    local due = self.object:next_due()
    if due == huge and not pump.is_flying(self.pump) then
        return nil
    end
    tell_in_time(self, at)
    self.full = not pump.has_room(self.pump)
    self.alert = due == huge -- nothing is open: the next row's age counts anew
    return self.full and huge or due
end

-- Waits in a coroutine until all that the ticket stands for is settled.
function scripted:drain(ticket, timeout, what)
    return pump.drain(self.pump, ticket, timeout, what)
end

-- ---- threaded ----

-- Its last events come a little after its last row. A worker that exits must not wait: the thread drains meanwhile.
function threaded:turn(at)
    if self.closed or not hooks.wanted(self.options) then
        return nil
    elseif keeper.is_exiting() then
        return tell(self)
    end
    tell_in_time(self, at)
    local stats = self.object:stats()
    local busy = stats ~= nil and stats.pending > 0
    local goes_on = busy or self.was_busy
    self.was_busy = busy
    return goes_on and keeper.BEAT or nil
end

-- Its own thread drains it.
function threaded:drain(ticket, timeout, what)
    local object = self.object -- another may close it meanwhile
    local deadline = core.process.now() + (timeout or raw.close_timeout(object))
    local nap = keeper.BREATH
    while not raw.settled(object, ticket) do
        local left = deadline - core.process.now()
        if left <= 0 then
            return driven.pending_message(object, what)
        end
        ngx.sleep(max(keeper.BREATH, min(nap, left)))
        nap = min(nap * 2, 0.05)
    end
    return true
end

-- ---- making one, and letting it go ----

-- It is closed and drained: nothing here holds it any more.
local function let_go(self)
    self.closed = true
    self.options.driver, self.object, self.pump = nil, nil, nil
end

scripted.let_go, threaded.let_go = let_go, let_go

local function new(class, object, title)
    return setmetatable({ object = object, options = raw.options(object), title = title, alert = true,
        tell_at = 0 }, class)
end

function member.threaded(object, title)
    return new(threaded, object, title)
end

function member.scripted(object, title, in_flight)
    local self = new(scripted, object, title)
    self.pump = pump.new(object, calls, self, { in_flight = in_flight })
    self.pump.waits = setmetatable({}, { __mode = "k" })
    return self
end

return member
