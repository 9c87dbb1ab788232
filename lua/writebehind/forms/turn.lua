-- SPDX-License-Identifier: MIT
-- Turns: one coroutine at a time does a thing. Who has the turn is kept weakly, so that a coroutine that died or was
-- dropped in the middle holds nobody up.

local turn = {}

local WEAK = { __mode = "v" }

-- nginx replaces coroutine's functions. Its own know only the coroutines of the running request, and refuse to
-- answer in log_by_lua. It keeps the true ones beside them.
local status = coroutine._status or coroutine.status -- luacheck: globals coroutine

local MAIN = { main = true } -- which never dies in the middle

-- A turn of the running coroutine. Its taker keeps it where the others look, and forgets it at the end.
function turn.take()
    local thread, is_main = coroutine.running()
    if is_main or thread == nil then
        return MAIN
    end
    return setmetatable({ thread = thread }, WEAK)
end

-- Is a turn (or nil) still somebody's?
function turn.is_taken(holder)
    if not holder then
        return false
    elseif holder.main then
        return true
    end
    local thread = holder.thread
    return thread ~= nil and status(thread) ~= "dead"
end

-- Does its coroutine wait in a yield?
function turn.is_suspended(holder)
    return holder ~= nil and not holder.main and holder.thread ~= nil
        and status(holder.thread) == "suspended"
end

return turn
