-- SPDX-License-Identifier: MIT
-- A scripted store of two: the second takes what the first has refused for some time, table by table; meanwhile the
-- first is tried once in that time, and takes all again from its first success on. (core/stores/fallback.c is the same
-- for stores that C knows.)

local core = require "writebehind.core"

local raw = core.raw

local fallback = {}

local Fallback = {}

-- Did the store take some of it? What it completed itself it took, as far as anybody knows.
local function took(work, answer, _, class, stored)
    if answer == true or type(answer) == "table" or raw.is_completed(work) then
        return true
    elseif type(class) ~= "table" then
        return type(stored) == "number" and stored > 0
    end
    local named = 0
    for _, list in pairs(class) do
        for _ in pairs(type(list) == "table" and list or {}) do
            named = named + 1
        end
    end
    return named < #work
end

local function finish(self, name, work, ...)
    if took(work, ...) then
        self.failing[name] = nil
    end
    return ...
end

-- The first, unless it has refused for long; then that once a while, and the second between, however late it comes. It
-- fails until it succeeds: it may throw.
local function deliver(self, entry, work)
    local name, now = work.table or "", self.now()
    local state = self.failing[name] or { since = now, try_first = 0 }
    local long = now - state.since >= self.after
    if long and (state.second_next or now < state.try_first) then
        state.second_next = false
        return self.second[entry](self.second, work)
    end
    self.failing[name] = state
    state.try_first, state.second_next = long and now + self.after or 0, long
    return finish(self, name, work, self.first[entry](self.first, work))
end

function Fallback.write(self, batch)
    return deliver(self, "write", batch)
end

function Fallback.touch(self, marks)
    return deliver(self, "touch", marks)
end

-- A store with the methods that both have. `clock`: nil, or a testing.clock.
function fallback.of(first, second, after, clock)
    local store = { first = first, second = second, after = after, failing = {} }
    store.now = clock and function() return clock:now() end or core.process.now
    for entry, method in pairs(Fallback) do
        store[entry] = type(first[entry]) == "function" and type(second[entry]) == "function" and method or nil
    end
    return store
end

return fallback
