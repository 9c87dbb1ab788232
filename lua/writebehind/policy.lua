-- SPDX-License-Identifier: MIT
-- The scripted decisions of a batcher in its owner's state: route, on_full and should_flush inside add (and the
-- last in poll), retry_delay where a failed batch is completed. A decision that throws, or is none, is counted
-- and logged, and the built-in rule decides; so does it while a policy is being asked, for what it adds itself.

local core = require "writebehind.core"
local hooks = require "writebehind.hooks"
local turn = require "writebehind.turn"

local raw, text_of = core.raw, hooks.text_of

local policy = {}

local huge, max = math.huge, math.max
local SHORTEST = 0.001 -- seconds; a delay of 0 would try for ever without letting time pass
local OVERFLOW = { reject = 0, block = 1, drop_oldest = 2, drop_newest = 3 }
local ASK = 4
local OWN_TABLE = 0

-- ---- the view ----

local function refuse_change(_, name)
    error(("a policy's view is read-only: %s was to be changed"):format(tostring(name)), 2)
end

-- What a policy sees: `own`, and the statistics that `read_stats` answers, read when first asked for.
function policy.view(own, read_stats)
    local stats
    return setmetatable({}, {
        __index = function(_, name)
            if own[name] ~= nil then
                return own[name]
            end
            stats = stats or read_stats() or {}
            return stats[name]
        end,
        __newindex = refuse_change,
        __metatable = "writebehind.view",
    })
end

-- Of a batch that failed, as `more` says besides, or of the open one.
local function view_of(batcher, batch, more)
    local own = more or {}
    own.rows, own.bytes, own.age, own.attempt = raw.view(batcher, batch)
    return policy.view(own, function() return (batcher:stats()) end)
end

-- ---- asking ----

local function is_asked(peer)
    return turn.is_taken(peer.deciding)
end

-- What a policy answered is not what it may.
function policy.wrong(answer, expected)
    return ("it answered %s; expected %s"):format(type(answer) == "string" and ("%q"):format(answer) or
        text_of(answer), expected)
end

-- → whether it answered, its answer
local function ask(batcher, peer, decision, argument, more)
    peer.deciding = turn.take()
    local ok, answer = pcall(peer.policy[decision], argument, more)
    peer.deciding = nil
    if not ok then
        raw.undecided(batcher, decision, text_of(answer))
    end
    return ok, answer
end

-- ---- route ----

-- The number of the table for a row.
local function route_of(batcher, peer, row)
    local ok, name = ask(batcher, peer, "route", row)
    if not ok or name == nil then
        return OWN_TABLE
    end
    local known = peer.routes[name]
    if known then
        return known
    elseif type(name) ~= "string" or name:find("\0", 1, true) then
        raw.undecided(batcher, "route", policy.wrong(name, "the name of a table"))
        return OWN_TABLE
    end
    local number, message = raw.route(batcher, name)
    if not number then
        raw.undecided(batcher, "route", message)
        return OWN_TABLE
    end
    peer.routes[name] = number
    return number
end

-- The row of add_values, by column name; the peer's list has the names.
local function named_row(peer, ...)
    local row = {}
    for index = 1, select("#", ...) do
        local name = peer[index]
        if name then
            row[name] = (select(index, ...))
        end
    end
    return row
end

-- ---- on_full ----

local function mode_when_full(batcher, peer)
    local ok, name = ask(batcher, peer, "on_full", view_of(batcher))
    if not ok then
        return peer.overflow
    end
    local mode = OVERFLOW[name]
    if not mode then
        raw.undecided(batcher, "on_full",
            policy.wrong(name, '"reject", "block", "drop_oldest" or "drop_newest"'))
    end
    return mode or peer.overflow
end

-- ---- should_flush ----

-- `row`: the one just added, if any.
local function asks_flush(batcher, peer, row)
    if not peer.policy.should_flush or is_asked(peer) or raw.view(batcher) == 0 then
        return false
    end
    local ok, reason = ask(batcher, peer, "should_flush", view_of(batcher, nil, { row = row }))
    if ok and reason then
        raw.flush_open(batcher)
    end
    return ok and reason
end

-- ---- retry_delay ----

-- What retry_delay sees: this failure is among those that are counted.
local function failure_view(batcher, batch, err, class)
    local stats = batcher:stats()
    return view_of(batcher, batch, {
        class = class, table = batch.table, last_error = err, failures = stats.failures + 1,
        consecutive_failures = stats.consecutive_failures + 1,
    })
end

-- Seconds until a batch that failed is tried again; false: never, its rows are dead; nil: the built-in rule.
function policy.retry(batcher, batch, err, class)
    local peer = raw.peer(batcher)
    if not peer or is_asked(peer) then
        return nil
    end
    local ok, delay = ask(batcher, peer, "retry_delay", failure_view(batcher, batch, err, class), err)
    if not ok then
        return nil
    end
    local answer, wrong = policy.delay(delay)
    if wrong then
        raw.undecided(batcher, "retry_delay", wrong)
    end
    return answer
end

-- What the answer of a retry_delay means, as above; and what is wrong with it.
function policy.delay(delay)
    if delay == nil then
        return false
    elseif type(delay) == "number" and delay >= 0 and delay < huge then
        return max(delay, SHORTEST)
    end
    return nil, policy.wrong(delay, "seconds, or nil to give up")
end

-- ---- the methods ----

-- An add whose table and mode are decided.
local function add_as(add, batcher, peer, row, route, mode, ...)
    local ok, due, code = add(batcher, route, mode, ...)
    if ok and asks_flush(batcher, peer, row) then
        due = true
    end
    return ok, due, code
end

-- What waits for room in a driven batcher is added again as it was decided, without asking again: by peer.again.
local function wait_for_room(add, peer, row, route, mode)
    peer.block = mode == OVERFLOW.block and peer.inline ~= false and peer.take ~= nil
    peer.again = peer.block and function(batcher, ...)
        return add_as(add, batcher, peer, row, route, mode, ...)
    end or nil
end

local function add_decided(add, batcher, peer, row, ...)
    local decides = not is_asked(peer)
    local route = decides and peer.policy.route and route_of(batcher, peer, row) or OWN_TABLE
    local asks = decides and peer.policy.on_full ~= nil
    local mode = asks and ASK or peer.overflow
    local ok, due, code = add_as(add, batcher, peer, row, route, mode, ...)
    if asks and code == "full" then
        mode = mode_when_full(batcher, peer)
        ok, due, code = add_as(add, batcher, peer, row, route, mode, ...)
    end
    if code == "full" then
        wait_for_room(add, peer, row, route, mode)
    end
    return ok, due, code
end

local function check_row(row)
    if type(row) ~= "table" then
        error(("bad argument #1 to 'batcher:add' (table expected, got %s)"):format(
            row == nil and "nothing" or type(row)), 3)
    end
end

-- The adds answer as C's do: true and whether work is due, or nil, message, code.
function policy.wrap_adds(methods)
    function methods.add(self, row)
        local peer = hooks.peer_of(self, "batcher", "add")
        check_row(row)
        return add_decided(raw.add, self, peer, row, row)
    end
    function methods.add_values(self, ...)
        local peer = hooks.peer_of(self, "batcher", "add_values")
        local wanted = peer.policy.route or peer.policy.should_flush
        return add_decided(raw.add_values, self, peer, wanted and named_row(peer, ...), ...)
    end
end

function policy.wrap_poll(methods)
    local poll = methods.poll
    function methods.poll(self)
        asks_flush(self, hooks.peer_of(self, "batcher", "poll"))
        return poll(self)
    end
end

return policy
