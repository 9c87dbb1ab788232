-- SPDX-License-Identifier: MIT
-- One call of a store under check, and what its answer says.

local lend = require "writebehind.testing.check_store.lend"
local rows = require "writebehind.testing.check_store.rows"

local unpack = unpack or table.unpack
local show, text_of = rows.show_value, rows.text
local CLASSES = { retry = true, reject = true, hold = true }

local answering = {}

local function is_count(value, most)
    return type(value) == "number" and value >= 0 and value <= most and value % 1 == 0
end

-- Can somebody read it: is it text, or has it a __tostring?
local function is_readable(err)
    local meta = getmetatable(err)
    if type(err) == "table" or type(err) == "userdata" then
        local ok, text = pcall(tostring, err)
        return type(meta) == "table" and meta.__tostring and ok and type(text) == "string"
    end
    return type(err) == "string" or type(err) == "number"
end

-- The text of an error; one that has none is a fault.
function answering:error_text(entry, err)
    if is_readable(err) then
        return text_of(err)
    end
    self:fault("%s failed with an error that is a %s: nobody can read it; text, or a __tostring, is expected", entry,
        type(err))
    return "a " .. type(err)
end

local function failed(why, stored)
    return { taken = false, why = why, stored = stored or 0 }
end

function answering:judge_failure(entry, count, err, class, stored)
    if entry == "write" and type(class) == "table" then
        return { taken = false, why = self:error_text(entry, err), stored = 0, named = class }
    elseif class ~= nil and not CLASSES[class] then
        self:fault('%s answered the class %s: "retry", "reject" or "hold" is expected', entry, show(class))
    elseif stored ~= nil and not is_count(stored, count) then
        self:fault("%s answered that %s of %d rows are stored: a whole number from 0 to %d is expected", entry,
            show(stored), count, count)
        stored = nil
    end
    return failed(self:error_text(entry, err), stored)
end

-- again: { retry = indexes } of the ids that are to come again; nil: none.
function answering:judge_success(entry, count, again, updated, unmatched)
    local settled = count - (again and #again.retry or 0)
    if entry == "touch" and updated ~= nil and not is_count(updated, settled) then
        self:fault("touch answered that %s of %d ids moved forward", show(updated), settled)
        updated = nil
    end
    if entry == "touch" and unmatched ~= nil and not is_count(unmatched, settled - (updated or 0)) then
        self:fault("touch answered that %s of %d ids have no row, besides the %s that moved forward",
            show(unmatched), settled, show(updated))
        unmatched = nil
    end
    return { taken = true, stored = settled, updated = updated, unmatched = unmatched, again = again }
end

-- What a touch answered with { retry = { index, … } }, without wrong indexes. nil: it did not.
function answering:again_in(entry, count, answer)
    local list = entry == "touch" and type(answer) == "table" and rawget(answer, "retry")
    if type(list) ~= "table" then
        return nil
    end
    local indexes, seen = {}, {}
    for _, index in ipairs(list) do
        if not is_count(index, count) or index == 0 or seen[index] then
            self:fault("touch answered the index %s in retry: whole numbers from 1 to %d are expected, each once",
                show(index), count)
        else
            seen[index] = true
            indexes[#indexes + 1] = index
        end
    end
    return { retry = indexes }
end

function answering:judge(entry, count, answer, err, ...)
    local again = self:again_in(entry, count, answer)
    if again or answer == true then
        return self:judge_success(entry, count, again and again.retry[1] and again, err, ...)
    elseif answer ~= nil and (answer or err == nil) then
        self:fault("%s answered %s: true, or nil and an error, is expected", entry, show(answer))
    elseif err == nil then
        self:fault("%s answered nothing: true, or nil and an error, is expected", entry)
    else
        return self:judge_failure(entry, count, err, ...)
    end
    return failed("no answer")
end

-- What the watch and the clock saw of a call that ended.
function answering:judge_call(entry, watch, answer, stuck, seconds)
    if stuck then
        self.stuck = true
        self:fault("%s did not return: it was ended after %d steps; a write has to end, after %g seconds at the "
            .. "most", entry, self.steps, self.timeout)
    end
    if seconds > self.timeout then
        self:fault("%s took %g seconds of the clock: a write has to end, after %g seconds at the most", entry,
            seconds, self.timeout)
    end
    if watch.twice then
        self:fault("%s completed its claim twice: once is expected, or just an answer", entry)
    elseif watch.besides then
        self:fault("%s completed its claim and %s besides: that counts for nothing; one answer is expected", entry,
            watch.besides)
    end
    if watch.tripped and answer.taken then
        self:fault("%s answered true though it could not read what it was given: %s had failed", entry, watch.tripped)
        answer.misread = true
    end
end

-- What a call answered, as pcall has it, after its claim was completed → words; nil for nothing or true.
local function besides(ok, answer, err)
    if not ok then
        return "failed with " .. show(answer)
    elseif answer ~= true and (answer ~= nil or err ~= nil) then
        return "answered " .. show(answer == nil and err or answer)
    end
end

-- Lends the work to the store. → { taken, stored, why, updated, unmatched, stuck }
function answering:call(entry, work, breaks_at)
    local count = #work
    local object, watch = lend.stand_in(work, breaks_at)
    local began = self.clock and self.clock:now() or 0
    local results, stuck = lend.bounded(self.steps, self:method(entry), self.store, object)
    local seconds = self.clock and self.clock:now() - began or 0
    watch.over = true
    self.watches[#self.watches + 1] = { watch = watch, entry = entry }
    local answer
    if watch.answer then
        watch.besides = besides(unpack(results, 1, 3))
        answer = self:judge(entry, count, unpack(watch.answer, 1, watch.answer.n))
    elseif results[1] then
        answer = self:judge(entry, count, unpack(results, 2, results.n))
    else
        answer = failed(self:error_text(entry, results[2]))
    end
    self:judge_call(entry, watch, answer, stuck, seconds)
    answer.stuck = stuck
    return answer
end

function answering:look_for_late_reads()
    for _, call in ipairs(self.watches) do
        if call.watch.late then
            self:fault("%s keeps what it was lent beyond the call: it used %s after it had answered", call.entry,
                call.watch.late)
        end
    end
end

return answering
