-- SPDX-License-Identifier: MIT
-- Turns: of several coroutines one at a time does a thing. Who has the turn is kept weakly, so that a coroutine
-- that died or was dropped in the middle holds nobody up.

local turn = {}

local WEAK = { __mode = "v" }

-- A turn of the running coroutine; whoever takes it keeps it where the others look, and forgets it at the end.
function turn.take()
    local thread, is_main = coroutine.running()
    return setmetatable({ thread = thread, main = is_main or thread == nil }, WEAK)
end

-- Is a turn, or nil, still somebody's?
function turn.is_taken(holder)
    if not holder then
        return false
    elseif holder.main then
        return true
    end
    local thread = holder.thread
    return thread ~= nil and coroutine.status(thread) ~= "dead"
end

-- Does its coroutine wait in a yield?
function turn.is_suspended(holder)
    return holder ~= nil and not holder.main and holder.thread ~= nil
        and coroutine.status(holder.thread) == "suspended"
end

return turn
