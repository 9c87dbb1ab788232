-- SPDX-License-Identifier: MIT
-- What `touch` has to do: store the times of the marks, and move them only forward.

local raw = require("writebehind.core").raw
local show = require("writebehind.testing.check_store.rows").show_value

local START = 1700000000
local TRIES = 20

local touching = {}

-- The n-th id of each type: all distinct, in no order, and such that a store which reads them otherwise mixes them up.
local ID_OF = {}

function ID_OF.uuid(n)
    return ("%08x-0000-4000-8000-%012x"):format(n * 2654435761 % 2 ^ 32, n)
end

function ID_OF.int4(n)
    return (n % 2 == 0 and 1 or -1) * (n * 69621 % 2147483647)
end

function ID_OF.int8(n)
    return ID_OF.int4(n) * 4194304 + n % 2
end

local TEXTS = { "Id %d", "id %d", "%d", "%d'; --", '\\%d"', "%%%d", "\195\188%d", " %d", "%d " }

function ID_OF.text(n)
    return TEXTS[n % #TEXTS + 1]:format(math.floor(n / #TEXTS))
end

function touching:id(n)
    return ID_OF[self.options.key or "uuid"](n)
end

-- Of several answers, the sum of what each says; nil where one does not say.
local function sum(total, more)
    return total and more and total + more
end

-- Marks each of the ids at its time, and lends the marks until they are taken, all of them. → the answer, or nil
function touching:touch(tracker, ids, at, breaks_at)
    for index, id in ipairs(ids) do
        self:add(tracker, "ids", id, at + index)
    end
    local updated, unmatched = 0, 0
    for try = 1, TRIES do
        raw.seal(tracker, false)
        local marks = assert(tracker:take())
        local answer = self:call("touch", marks, try == 1 and breaks_at or nil)
        marks:complete(answer.again or answer.taken or nil, not answer.taken and "tried again" or nil)
        self.time:advance(1)
        if answer.taken then
            updated, unmatched = sum(updated, answer.updated), sum(unmatched, answer.unmatched)
        end
        if answer.taken and not answer.again or answer.stuck then
            answer.updated, answer.unmatched = updated, unmatched
            return not answer.stuck and not answer.misread and answer or nil
        end
        self.why = answer.why or "some are to be marked again"
    end
    self.stuck = true
    self:fault("touch did not take %d ids in %d tries; the last error: %s", #ids, TRIES, show(self.why))
end

-- Each id at its time: `at` and its index.
function touching:judge_times(ids, at, text)
    local times = self:reading("times")
    for index, id in ipairs(times and ids or {}) do
        local expected = at + index
        if not times[id] then
            return self:fault("touch answered true, but the id %s has no time", id)
        elseif type(times[id]) ~= "number" or math.abs(times[id] - expected) > 1e-6 then
            return self:fault(text, id, expected, show(times[id]))
        end
    end
    return true
end

local ELSE = "touch stored another time than the id %s was marked at: expected %.6f, got %s"
local BACK = "touch moved the time of the id %s back: a later mark with an earlier time came, expected %.6f, got %s"

local TOUCH = {}
touching.scenarios = TOUCH

-- Times move forward, and stay where an older one comes.
function TOUCH.forward(check, tracker, ids)
    local first = check:touch(tracker, ids, START + 0.25)
    if not first or not check:judge_times(ids, START + 0.25, ELSE) then
        return
    end
    local second = check:touch(tracker, ids, START + 1000.5)
    if not second or not check:judge_times(ids, START + 1000.5, ELSE) then
        return
    end
    local third = check:touch(tracker, ids, START + 500)
    if third and check:judge_times(ids, START + 1000.5, BACK) and (third.updated or 0) > 0 then
        check:fault("touch answered that %d ids moved forward where none did: all their times were later",
            third.updated)
    end
end

-- Ids without a row are no error, get no row, and stop no other.
function TOUCH.unknown(check, tracker, ids)
    local all = {}
    for index, id in ipairs(ids) do
        all[#all + 1] = id
        all[#all + 1] = check.options.ids and check:id(1000000 + index) or nil
    end
    local answer = check:touch(tracker, all, START)
    local unknown = #all - #ids
    if answer and check.options.ids and answer.unmatched and answer.unmatched ~= unknown then
        check:fault("touch answered that %d ids have no row, where %d have none", answer.unmatched, unknown)
    end
    local times = answer and check.options.ids and check:reading("times")
    for index, id in ipairs(times and all or {}) do
        if index % 2 == 0 and times[id] then
            return check:fault("touch made a row for the id %s, which had none", id)
        elseif index % 2 == 1 and not times[id] then
            return check:fault("touch left out the id %s, which came with others that have no row", id)
        end
    end
end

function TOUCH.unreadable(check, tracker, ids)
    return check:touch(tracker, ids, START, 2) and check:judge_times(ids, START, ELSE)
end

function TOUCH.failing(check, tracker, ids)
    if check.options.fail then
        check.options.fail(check.store)
        return check:touch(tracker, ids, START) and check:judge_times(ids, START, ELSE)
    end
end

function touching:play_touch(scenario)
    local ids = self.options.ids
    for n = 1, ids and 0 or 50 do
        ids = ids or {}
        ids[n] = self:id(n)
    end
    local key = { "id", self.options.key or "uuid" }
    local tracker = self:engine("tracker", { key = key, precision = "exact", chunk = 1e6 })
    scenario(self, tracker, ids)
    tracker:close()
end

return touching
