-- SPDX-License-Identifier: MIT
-- testing.check_store: plays an engine against a scripted store, and says in plain words where the store
-- breaks the contract. Each scenario has a fresh store and ends at the first row that went wrong; each kind
-- of fault is told once.

local writebehind = require "writebehind"
local core = require "writebehind.core"
local lend = require "writebehind.check_store.lend"
local rows = require "writebehind.check_store.rows"

local raw = core.raw
local unpack = unpack or table.unpack

local START = 1700000000
local MANY = 2 ^ 30
local TRIES = 20 -- of one batch: a store that fails at times takes it in the end
local CLASSES = { retry = true, reject = true, hold = true }
local USE = { table = "check", interval = 1e6, inline = false, retry = { initial = 0.001, max = 0.001 } }

local Check = {}
Check.__index = Check

-- ---- faults ----

-- Remembers a fault; `text` is its kind, told once. → false
function Check:fault(text, ...)
    if not self.told[text] then
        self.told[text] = true
        self.faults[#self.faults + 1] = text:format(...)
    end
    return false
end

local function show(value)
    local text = type(value) == "string" and ("%q"):format(value) or tostring(value)
    return #text <= 100 and text or text:sub(1, 97) .. "..."
end

-- ---- one call, and what its answer says ----

local function is_count(value, most)
    return type(value) == "number" and value >= 0 and value <= most and value % 1 == 0
end

-- The text of an error; one that has none is a fault.
function Check:error_text(entry, err)
    if type(err) == "string" or type(err) == "number" then
        return tostring(err)
    end
    local meta = getmetatable(err)
    local has_text = type(meta) == "table" and meta.__tostring
    if not has_text then
        self:fault("%s failed with an error that is a %s: nobody can read it; text, or a __tostring, is expected",
            entry, type(err))
    end
    return has_text and tostring(err) or "a " .. type(err)
end

local function failed(why, stored)
    return { taken = false, why = why, stored = stored or 0 }
end

function Check:judge_failure(entry, count, err, class, stored)
    if class ~= nil and not CLASSES[class] then
        self:fault('%s answered the class %s: "retry", "reject" or "hold" is expected', entry, show(class))
    elseif stored ~= nil and not is_count(stored, count) then
        self:fault("%s answered that %s of %d rows are stored: a whole number from 0 to %d is expected", entry,
            show(stored), count, count)
        stored = nil
    end
    return failed(self:error_text(entry, err), stored)
end

function Check:judge_success(entry, count, updated, unmatched)
    if entry == "touch" and updated ~= nil and not is_count(updated, count) then
        self:fault("touch answered that %s of %d ids moved forward", show(updated), count)
        updated = nil
    end
    if entry == "touch" and unmatched ~= nil and not is_count(unmatched, count - (updated or 0)) then
        self:fault("touch answered that %s of %d ids have no row, besides the %s that moved forward",
            show(unmatched), count, show(updated))
    end
    return { taken = true, stored = count, updated = updated, unmatched = unmatched }
end

function Check:judge(entry, count, answer, err, ...)
    if answer == true then
        return self:judge_success(entry, count, err, ...)
    elseif answer ~= nil then
        self:fault("%s answered %s: true, or nil and an error, is expected", entry, show(answer))
    elseif err == nil then
        self:fault("%s answered nothing: true, or nil and an error, is expected", entry)
    else
        return self:judge_failure(entry, count, err, ...)
    end
    return failed("no answer")
end

-- What the watch and the clock saw of a call that ended.
function Check:judge_call(entry, watch, answer, stuck, seconds)
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
    end
    if watch.tripped and answer.taken then
        self:fault("%s answered true though it could not read what it was given: %s had failed", entry, watch.tripped)
        answer.misread = true
    end
end

-- Lends the work to the store. → { taken, stored, why, updated, unmatched, stuck }
function Check:call(entry, work, breaks_at)
    local count = #work
    local object, watch = lend.stand_in(work, breaks_at)
    local began = self.clock and self.clock:now() or 0
    local results, stuck = lend.bounded(self.steps, self.store[entry], self.store, object)
    local seconds = self.clock and self.clock:now() - began or 0
    watch.over = true
    self.watches[#self.watches + 1] = { watch = watch, entry = entry }
    local answer
    if watch.answer then
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

function Check:look_for_late_reads()
    for _, call in ipairs(self.watches) do
        if call.watch.late then
            self:fault("%s keeps what it was lent beyond the call: it used %s after it had answered", call.entry,
                call.watch.late)
        end
    end
end

-- ---- a fresh store ----

local READERS = { read = "rows", times = "times" }

-- What the reader of that name answers, or nil where there is none: by default the store's own table.
function Check:reading(name)
    local reader, store = self.options[name], self.store
    local list = reader and reader(store)
    if not reader then
        list = store[READERS[name]]
        return type(list) == "table" and list or nil
    elseif type(list) ~= "table" then
        error(("check_store: `%s` answered %s, expected a table"):format(name, show(list)), 0)
    end
    return list
end

function Check:new_store()
    local ok, store = pcall(self.make)
    if not ok or type(store) ~= "table" then
        return self:fault(ok and "new_store() answered %s: a table is expected" or "new_store() failed: %s", show(store))
    end
    self.store = store
    local has_method = false
    for _, entry in ipairs { "write", "touch" } do
        has_method = has_method or type(store[entry]) == "function"
    end
    if not has_method then
        return self:fault("new_store() answered a table with neither a function `write` nor a function `touch`")
    end
    local found = self:reading("read")
    if found and #found > 0 then
        return self:fault("a new store holds %d rows already: it shares them with another", #found)
    end
    return true
end

-- ---- write: what is stored after an answer ----

local SAID = { [true] = "answered true", [false] = "failed" }

-- The rows of `must` that aren't there, and those that nobody gave.
function Check:judge_missing(found, answer)
    local first = found.missing[1]
    local changed = first and rows.difference(first, found.strange, self.columns)
    if changed then
        return self:fault("write %s and stored another row than it was given: %s", SAID[answer.taken], changed)
    elseif first and not answer.taken then
        return self:fault("write failed and said that %d leading rows are stored, but %d of what has to be there are "
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
function Check:judge_rows(must, flight, answer)
    local list = self:reading("read")
    if not list then
        return true
    end
    local found = rows.compare(rows.actual(list, self.columns), must, flight)
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

-- ---- write: the engine's side ----

-- A batcher that takes the rows and delivers nothing by itself.
function Check:engine(noun, options)
    for name, value in pairs(USE) do
        options[name] = value
    end
    self.time = core.clock(START)
    options.clock, options.log = self.time, function() end
    options.store = { write = function() return true end, touch = function() return true end }
    return assert(writebehind[noun](options))
end

function Check:batcher()
    return self:engine("batcher", { schema = self.schema, batch_size = MANY, flush_at = 1, batch_bytes = MANY,
        max_pending_rows = MANY, max_pending_bytes = MANY })
end

local function move(from, to, count)
    for _ = 1, count do
        to[#to + 1] = table.remove(from, 1)
    end
end

-- One try. → whether the batch is stored; nil where no more may be asked of this store
function Check:try(batch, stored, flight, breaks_at)
    local answer = self:call("write", batch, breaks_at)
    move(flight, stored, answer.stored)
    local well = self:judge_rows(stored, flight, answer) and not answer.stuck and not answer.misread
    if answer.taken then
        batch:complete(true)
    else
        batch:complete(nil, "tried again", "retry", answer.stored)
    end
    self.time:advance(1)
    self.why = answer.why
    if well then
        return answer.taken or #flight == 0
    end
end

-- Delivers the rows in one batch, as often as it takes. `breaks_at`: at the first try reading fails at that row.
-- `lost`: the first reply that it is stored gets lost.
function Check:deliver(batcher, stored, given, how)
    for _, row in ipairs(given) do
        assert(batcher:add(row))
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
    return self:fault("write did not take a batch of %d good rows in %d tries; the last error: %s", #given, TRIES,
        show(self.why))
end

-- The reply of a batch that was stored is lost: it comes again, and must not be stored again.
function Check:deliver_lost(batcher, stored)
    for _, row in ipairs(self.given) do
        assert(batcher:add(row))
    end
    raw.seal(batcher, false)
    local batch = assert(batcher:take())
    local flight = rows.expected(batch, self.columns)
    local answer = self:call("write", batch)
    batch:complete(nil, "the reply was lost", "retry", 0)
    self.time:advance(1)
    for _ = 1, answer.taken and TRIES or 0 do
        local again = assert(batcher:take())
        local answered = self:call("write", again)
        again:complete(answered.taken or nil, not answered.taken and "tried again" or nil)
        self.time:advance(1)
        if answered.taken then
            move(flight, stored, #flight)
            return self:judge_rows(stored, {}, answered)
        end
        self.why = answered.why
    end
    return not answer.taken or self:fault("write never answers true to a batch that it stored before, and whose reply "
        .. "was lost; the last error: %s", show(self.why))
end

-- ---- write: scenarios ----

local WRITE = {}

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

-- ---- touch ----

local function uuid(n)
    return ("%08x-0000-4000-8000-%012x"):format(n * 2654435761 % 2 ^ 32, n)
end

-- Marks each of the ids at its time, and lends the marks until they are taken. → the answer, or nil
function Check:touch(tracker, ids, at, breaks_at)
    for index, id in ipairs(ids) do
        assert(tracker:add(id, at + index))
    end
    raw.seal(tracker, false)
    for try = 1, TRIES do
        local marks = assert(tracker:take())
        local answer = self:call("touch", marks, try == 1 and breaks_at or nil)
        marks:complete(answer.taken or nil, not answer.taken and "tried again" or nil)
        self.time:advance(1)
        if answer.taken or answer.stuck then
            return not answer.stuck and not answer.misread and answer or nil
        end
        self.why = answer.why
    end
    self:fault("touch did not take %d ids in %d tries; the last error: %s", #ids, TRIES, show(self.why))
end

-- Each id at its time: `at` and its index.
function Check:judge_times(ids, at, text)
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

-- Ids without a row are no error, get none, and keep no other from being moved.
function TOUCH.unknown(check, tracker, ids)
    local all = {}
    for index, id in ipairs(ids) do
        all[#all + 1] = id
        all[#all + 1] = check.options.ids and uuid(1000000 + index) or nil
    end
    local answer = check:touch(tracker, all, START)
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

-- ---- all of it ----

-- One more write, of which nothing is asked: a store that kept its last batch uses it at the latest now.
function Check:write_after(batcher)
    raw.seal(batcher, false)
    local batch = batcher:take()
    if batch then
        self:call("write", batch)
        batch:complete(true)
    end
    self:reading("read")
end

function Check:play_write(scenario)
    local batcher = self:batcher()
    scenario(self, batcher, {})
    if not self.stuck and batcher:add(self.given[1]) then
        self:write_after(batcher)
    end
    batcher:close()
end

function Check:play_touch(scenario)
    local ids = self.options.ids
    for n = 1, ids and 0 or 50 do
        ids = ids or {}
        ids[n] = uuid(n)
    end
    local tracker = self:engine("tracker", { key = "id", column = "at", precision = "exact", chunk = 1e6 })
    scenario(self, tracker, ids)
    tracker:close()
end

local PLAYS = {
    { "write", WRITE, { "values", "large", "unreadable", "lost", "failing" } },
    { "touch", TOUCH, { "forward", "unknown", "unreadable", "failing" } },
}

function Check:play(entry, scenario)
    if not self:new_store() then
        return false
    end
    if type(self.store[entry]) == "function" then
        self["play_" .. entry](self, scenario)
    end
    return true
end

function Check:play_all()
    for _, play in ipairs(PLAYS) do
        for _, name in ipairs(play[3]) do
            if not self:play(play[1], play[2][name]) or self.stuck then
                return
            end
        end
    end
end

-- ---- the function ----

local OPTIONS = {
    read = "function", times = "function", fail = "function", idempotent = "boolean", clock = "userdata",
    timeout = "number", steps = "number", large = "number", rows = "table", ids = "table", schema = "userdata",
}

local function check_arguments(new_store, options)
    if type(new_store) ~= "function" then
        error(("check_store: expected a function that makes a store, got %s"):format(show(new_store)), 4)
    end
    for name, value in pairs(options) do
        if not OPTIONS[name] then
            error(("check_store: unknown option `%s`"):format(tostring(name)), 4)
        elseif type(value) ~= OPTIONS[name] then
            error(("check_store: option `%s`: expected a %s, got %s"):format(name, OPTIONS[name], show(value)), 4)
        end
    end
    if (options.schema == nil) ~= (options.rows == nil) then
        error("check_store: `schema` and `rows` go together", 4)
    end
end

-- Runs the contract on the stores that new_store() makes, each fresh and empty. → true, or nil and a list of
-- sentences. Options, each of which may be left out:
--   read(store)    the rows stored, for comparing: tables as batch:row gives them, or lines as batch:ndjson
--                  does; by default store.rows, where that is a table. Without it only answers are judged
--   times(store)   the times stored by touch, seconds by id; by default store.times
--   idempotent     the store claims that a batch written twice (same id, same generated uuids) is stored once
--   fail(store)    makes the next write or touch fail, as the store's own surroundings can
--   schema, rows   a schema and a list of rows for add; by default every type is tried
--   ids            for touch: uuids that have a row; by default a store has to take any
--   large          rows in the large batch, 2000
--   clock          the testing clock that the store tells its time by, and
--   timeout        the seconds on it that one call may take, 10
--   steps          the instructions of Lua that one call may run, 20 million
return function(new_store, options)
    options = options or {}
    check_arguments(new_store, options)
    local schema = options.schema or writebehind.schema(rows.columns())
    local check = setmetatable({
        make = new_store, options = options, told = {}, faults = {}, watches = {}, schema = schema,
        columns = schema:columns(), given = options.rows or rows.every_value(), clock = options.clock,
        timeout = options.timeout or 10, steps = options.steps or 2e7,
    }, Check)
    check:play_all()
    check:look_for_late_reads()
    if #check.faults == 0 then
        return true
    end
    return nil, check.faults
end
