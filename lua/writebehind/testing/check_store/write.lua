-- SPDX-License-Identifier: MIT
-- What `write` has to do: after each answer, exactly the right rows are stored, once and as given.

local raw = require("writebehind.core").raw
local rows = require "writebehind.testing.check_store.rows"

local show = rows.show_value
local MANY = 2 ^ 30
local TRIES = 20 -- of one batch: a store that fails at times takes it in the end

local writing = {}

-- ---- what is stored after an answer ----

local SAID = { [true] = "answered true", [false] = "failed" }

-- The rows of `must` that aren't there, and those that nobody gave.
function writing:judge_missing(found, answer)
    local first = found.missing[1]
    local changed = first and rows.difference(first, found.strange, self.columns)
    if changed then
        return self:fault("write %s and stored another row than it was given: %s", SAID[answer.taken], changed)
    elseif first and not answer.taken then
        return self:fault("write failed and said that %d rows are stored, but %d of what has to be there are "
            .. "not (the first: %s): they are lost", answer.stored, #found.missing, rows.show(first))
    elseif first then
        return self:fault("write answered true, but %d rows are not stored (the first: %s): they are lost",
            #found.missing, rows.show(first))
    elseif found.strange[1] then
        return self:fault("write stored %d rows that nobody gave it (the first: %s)", #found.strange,
            rows.show(found.strange[1]))
    end
    return true
end

-- must: what has to be there by now; flight: what was written and not confirmed. → is all well?
function writing:judge_rows(must, flight, answer)
    local list = self:reading("read")
    if not list then
        return true
    end
    local readable, actual = pcall(rows.actual, list, self.columns)
    if not readable then
        return self:fault("the rows of the store can't be read: %s", show(actual))
    end
    local found = rows.compare(actual, must, flight)
    if not self:judge_missing(found, answer) then
        return false
    elseif found.doubled[1] then
        return self:fault("write stored %d rows more than once (the first: %s)", #found.doubled,
            rows.show(found.doubled[1]))
    elseif found.early[1] and not self.options.idempotent then
        return self:fault("write failed and said that %d rows are stored, but %d are: they will be written again and "
            .. "stored twice", answer.stored, answer.stored + #found.early)
    end
    return true
end

-- ---- the engine's side ----

function writing:batcher()
    return self:engine("batcher", { schema = self.schema, batch_size = MANY, flush_at = 1, batch_bytes = MANY,
        max_pending_rows = MANY, max_pending_bytes = MANY })
end

local function move(from, to, count)
    for _ = 1, count do
        to[#to + 1] = table.remove(from, 1)
    end
end

-- The batch is completed by what the store says of each row. What it does not name moves to `stored`; what it
-- rejects is in the flight no more.
function writing:complete_by_row(batch, stored, flight, answer)
    local ok, message = pcall(batch.complete, batch, nil, "tried again", answer.named)
    if not ok then
        batch:complete(nil, "tried again")
        return self:fault("write answered a table of rows that can't be read: %s", show(message))
    end
    local again, rejected, waiting = {}, answer.named.reject or {}, {}
    for _, index in ipairs(answer.named.retry or {}) do
        again[index] = true
    end
    for index, row in ipairs(flight) do
        if again[index] then
            waiting[#waiting + 1] = row
        elseif not rejected[index] then
            stored[#stored + 1] = row
        end
        flight[index] = nil
    end
    move(waiting, flight, #waiting)
    local first = next(rejected)
    return not first or self:fault("write rejected a good row: %s", show(rejected[first]))
end

local function complete(self, batch, stored, flight, answer)
    if answer.named then
        return self:complete_by_row(batch, stored, flight, answer)
    elseif answer.taken then
        batch:complete(true)
    else
        batch:complete(nil, "tried again", "retry", answer.stored)
    end
    return true
end

-- One try. → whether the batch is stored; nil where no more may be asked of this store
function writing:try(batch, stored, flight, breaks_at)
    local answer = self:call("write", batch, breaks_at)
    move(flight, stored, answer.stored)
    local well = complete(self, batch, stored, flight, answer) and self:judge_rows(stored, flight, answer)
        and not answer.stuck and not answer.misread
    self.time:advance(1)
    self.why = answer.why
    if well then
        return answer.taken or #flight == 0
    end
end

-- Delivers the rows in one batch, as often as it takes. `breaks_at`: at the first try reading fails at that row.
-- `lost`: the first reply that it is stored gets lost.
function writing:deliver(batcher, stored, given, how)
    for _, row in ipairs(given) do
        self:add(batcher, "rows", row)
    end
    raw.seal(batcher, false)
    local flight
    for try = 1, TRIES do
        local batch = assert(batcher:take())
        flight = flight or rows.expected(batch, self.columns)
        local taken = self:try(batch, stored, flight, try == 1 and how and how.breaks_at)
        if taken ~= false then
            return taken
        end
    end
    self.stuck = true
    return self:fault("write did not take a batch of %d good rows in %d tries; the last error: %s", #given, TRIES,
        show(self.why))
end

-- Lends what waits until the store answers true, → the batch and the answer; or nil after too many tries.
function writing:write_until_taken(batcher)
    for _ = 1, TRIES do
        local batch = assert(batcher:take())
        local answer = self:call("write", batch)
        if answer.taken or answer.stuck then
            return batch, answer
        end
        batch:complete(nil, "tried again", "retry", 0)
        self.time:advance(1)
        self.why = answer.why
    end
end

-- A batch is stored and its reply is lost. It comes again, and must not be stored again.
function writing:deliver_lost(batcher, stored)
    for _, row in ipairs(self.given) do
        self:add(batcher, "rows", row)
    end
    raw.seal(batcher, false)
    local batch = self:write_until_taken(batcher)
    if not batch then
        return false -- the other scenarios say so
    end
    local flight = rows.expected(batch, self.columns)
    batch:complete(nil, "the reply was lost", "retry", 0)
    self.time:advance(1)
    local again, answer = self:write_until_taken(batcher)
    if not again then
        return self:fault("write never answers true to a batch that it stored before, and whose reply was lost; the "
            .. "last error: %s", show(self.why))
    end
    again:complete(true)
    move(flight, stored, #flight)
    return self:judge_rows(stored, {}, answer)
end

-- ---- scenarios ----

local WRITE = {}
writing.scenarios = WRITE

-- Every type; batches of one row between others.
function WRITE.values(check, batcher, stored)
    local one = { check.given[1] }
    return check:deliver(batcher, stored, check.given) and check:deliver(batcher, stored, one)
        and check:deliver(batcher, stored, check.given)
end

function WRITE.large(check, batcher, stored)
    local many = rows.many(check.options.rows, check.options.large or 2000)
    return check:deliver(batcher, stored, many) and check:deliver(batcher, stored, many)
end

function WRITE.unreadable(check, batcher, stored)
    local ten = rows.many(check.options.rows, 10)
    return check:deliver(batcher, stored, ten, { breaks_at = 6 }) and check:deliver(batcher, stored, ten)
end

function WRITE.lost(check, batcher, stored)
    return not check.options.idempotent or check:deliver_lost(batcher, stored)
end

function WRITE.failing(check, batcher, stored)
    if not check.options.fail then
        return
    end
    for _ = 1, 3 do
        check.options.fail(check.store)
        if not check:deliver(batcher, stored, rows.many(check.options.rows, 10)) then
            return
        end
    end
end

-- One more write, whose answer does not matter: a store that kept its last batch uses it now at the latest.
function writing:write_after(batcher)
    raw.seal(batcher, false)
    local batch = batcher:take()
    if batch then
        self:call("write", batch)
        batch:complete(true)
    end
    self:reading("read")
end

function writing:play_write(scenario)
    local batcher = self:batcher()
    scenario(self, batcher, {})
    if not self.stuck and batcher:add(self.given[1]) then
        self:write_after(batcher)
    end
    batcher:close()
end

return writing
