-- SPDX-License-Identifier: MIT
-- For tests of code that uses writebehind: a clock that is advanced by hand, and a scripted store that keeps
-- what it is given in memory and fails when told to. Both make a batcher or a tracker driven: nothing
-- happens but inside its own calls, in the same order every time.
--
--     local clock = testing.clock(1700000000)
--     local store = testing.store { clock = clock, script = { "fail", { "partial", 3 }, "lose" } }
--     local batcher = writebehind.batcher { store = store, clock = clock, schema = schema, table = "t" }

local core = require "writebehind.core"
local random_of = require "writebehind.random"

local testing = {}

-- A clock at `start`, seconds since 1970 (0 where none is given), for the option `clock` of a batcher or
-- tracker. clock:advance(seconds) moves it, clock:now() reads it; it never moves by itself.
function testing.clock(start)
    local ok, clock = pcall(core.clock, start or 0)
    if not ok then
        error(("testing.clock: expected a start in seconds or RFC 3339 text, got %s"):format(tostring(start)), 2)
    end
    return clock
end

local Store = {}
Store.__index = Store

-- An id as the key of a table: LuaJIT's 64-bit integers, which are all different there, become decimal text.
local function as_key(id)
    return type(id) == "cdata" and (tostring(id):gsub("U?LL$", "")) or id
end

local function set_of(list)
    if not list then
        return nil
    end
    local set = {}
    for _, item in ipairs(list) do
        set[as_key(item)] = true
    end
    return set
end

-- ---- what a store answers: each gets the store, how many items came, and the script's arguments; it
-- answers which items are stored (how many leading ones, or a function of the index), and what the write returns ----

local ANSWERS = {}

function ANSWERS.ok(_, count)
    return count, true
end

function ANSWERS.fail(_, _, class, message)
    return 0, nil, message or "scripted failure", class or "retry"
end

function ANSWERS.throw(_, _, message)
    return 0, error, message or "scripted error"
end

function ANSWERS.partial(_, count, stored)
    stored = math.min(stored or math.floor(count / 2), count)
    return stored, nil, ("scripted failure after %d of %d"):format(stored, count), "retry", stored
end

-- By row: `named` is as a store answers it; by default each row is rejected, or comes again, by chance.
function ANSWERS.rows(self, count, named)
    local fates, any = { reject = {}, retry = {} }, false
    for index = 1, count do
        local chance = named and 1 or self.random()
        if chance < 0.1 then
            fates.reject[index] = "rejected by chance"
        elseif chance < 0.3 or not named and not any and index == count then
            fates.retry[#fates.retry + 1] = index
        end
        any = any or chance < 0.3
    end
    fates = named or fates
    local again = set_of(fates.retry) or {}
    return function(index)
        return not again[index] and not (fates.reject or {})[index]
    end, nil, "scripted failure of some rows", fates
end

-- Stores all and loses the reply.
function ANSWERS.lose(_, count)
    return count, nil, "scripted loss of the reply", "retry"
end

function ANSWERS.stall(self, count, seconds)
    self.clock:advance(seconds or self.stall)
    return count, true
end

-- ---- which answer is next ----

local RATES = { "fail", "throw", "partial", "rows", "lose", "stall" }

local function next_answer(self)
    self.step = self.step + 1
    local scripted = self.script[self.step]
    if scripted then
        return type(scripted) == "table" and scripted or { scripted }
    end
    local chance = self.random()
    for _, name in ipairs(RATES) do
        chance = chance - (self.rates[name] or 0)
        if chance < 0 then
            return { name }
        end
    end
    return { "ok" }
end

-- Keeps the call, lets `keep` store the leading items that the answer says are stored, and answers.
local function answer(self, call, keep)
    local chosen = next_answer(self)
    call.answer, call.at = chosen[1], self.clock and self.clock:now()
    self.calls[#self.calls + 1] = call
    local stored, ok, message, class, partly = ANSWERS[chosen[1]](self, call.rows, chosen[2], chosen[3])
    for index = 1, call.rows do
        if type(stored) == "function" and stored(index) or type(stored) == "number" and index <= stored then
            keep(index)
        end
    end
    if ok == error then
        error(message, 0)
    end
    return ok, message, class, partly
end

-- ---- the two methods of a scripted store ----

local function keep_row(self, row)
    local key = self.unique and row[self.unique]
    if key ~= nil and key ~= false then
        if self.seen[key] then
            self.duplicates = self.duplicates + 1
            return
        end
        self.seen[key] = true
    end
    self.rows[#self.rows + 1] = row
end

function Store:write(batch)
    local call = { op = "write", rows = #batch, reason = batch.reason, attempt = batch.attempt, id = batch.id }
    local rows = {}
    for index = 1, #batch do -- all are read before the first is kept
        rows[index] = batch:row(index)
    end
    return answer(self, call, function(index)
        keep_row(self, rows[index])
    end)
end

local function keep_mark(self, id, at)
    id = as_key(id)
    if self.known and not self.known[id] then
        self.unmatched = self.unmatched + 1
    elseif not self.times[id] or self.times[id] < at then
        self.times[id] = at
        self.updated = self.updated + 1
    end
end

function Store:touch(marks)
    local ids, times = marks:ids(), marks:times()
    local call = { op = "touch", rows = #ids, attempt = marks.attempt, ids = ids, marked_at = marks.at }
    local updated, unmatched = self.updated, self.unmatched
    local ok, message, class = answer(self, call, function(index)
        keep_mark(self, ids[index], times[index])
    end)
    if ok then
        return true, self.updated - updated, self.unmatched - unmatched
    end
    return nil, message, class
end

-- ---- making one ----

local function is_count(value)
    return type(value) == "number" and value >= 0 and value % 1 == 0
end

local function is_finite(value)
    return type(value) == "number" and value > -math.huge and value < math.huge
end

local function is_seconds(value)
    return is_finite(value) and value >= 0
end

local function is_table(value)
    return type(value) == "table"
end

local CLASSES = { retry = true, reject = true, hold = true }

-- What the first argument of a scripted answer has to be, where it is given.
local ARGUMENTS = {
    fail = { "a class: retry, reject or hold", function(value) return CLASSES[value] end },
    partial = { "how many rows", is_count },
    rows = { "{ reject = { [index] = why }, retry = { index } }", is_table }, stall = { "seconds", is_seconds },
}

-- What is wrong with a step of a script → words, or nil.
local function script_problem(step, clock)
    local name, value = step, nil
    if type(step) == "table" then
        name, value = step[1], step[2]
    end
    local argument = ARGUMENTS[name]
    if type(name) ~= "string" or not ANSWERS[name] then
        return ("is %s: ok, fail, throw, partial, rows, lose or stall expected"):format(tostring(name))
    elseif value ~= nil and argument and not argument[2](value) then
        return ("is {%s, %s}: %s expected"):format(name, tostring(value), argument[1])
    elseif name == "stall" and not clock then
        return "stalls, which needs the option `clock`"
    end
end

local function check_script(script, clock)
    for index, step in ipairs(script) do
        local problem = script_problem(step, clock)
        if problem then
            error(("testing.store: script[%d] %s"):format(index, problem), 3)
        end
    end
end

local function is_rate(value)
    return type(value) == "number" and value >= 0 and value <= 1
end

local function is_clock(value)
    return core.raw.kind(value) == "clock"
end

local function is_string(value)
    return type(value) == "string"
end

local OPTIONS = {
    script = is_table, seed = is_finite, clock = is_clock, unique = is_string, ids = is_table, stall = is_seconds,
    fail_rate = is_rate, throw_rate = is_rate, partial_rate = is_rate, rows_rate = is_rate, lose_rate = is_rate,
    stall_rate = is_rate,
}

local function check_options(options)
    if type(options) ~= "table" then
        error(("testing.store: a table of options expected, got %s"):format(type(options)), 3)
    end
    for name, value in pairs(options) do
        if not OPTIONS[name] then
            error(("testing.store: unknown option `%s`"):format(tostring(name)), 3)
        elseif not OPTIONS[name](value) then
            error(("testing.store: option `%s` can't be %s"):format(name, tostring(value)), 3)
        end
    end
    if options.stall_rate and not options.clock then
        error("testing.store: `stall_rate` needs the option `clock`", 3)
    end
    local sum = 0
    for _, name in ipairs(RATES) do
        sum = sum + (options[name .. "_rate"] or 0)
    end
    if sum > 1 + 1e-9 then
        error(("testing.store: the chances of failures are %g in sum: at most 1 is expected"):format(sum), 3)
    end
end

-- A scripted store. Options, each of which may be left out:
--   script   what to answer, call by call: "ok"; "fail" or {"fail", class, message}; "throw";
--            {"partial", n} stores n leading rows and fails; {"rows", {reject =, retry =}} stores the rows that
--            it does not name, "rows" alone names some by chance; "lose" stores all and answers that it failed;
--            {"stall", seconds} advances the clock, then stores
--   seed     of the random answers after the script's end, by these chances (0 to 1, in sum at most 1):
--            fail_rate, throw_rate, partial_rate, rows_rate, lose_rate, stall_rate (by `stall` seconds)
--   clock    the clock that stalls advance and that calls are timed with
--   unique   a column: a row whose value was stored before counts in store.duplicates, and is not kept
--   ids      for touch: the ids that have a row, as marks:ids() gives them; others count in store.unmatched
-- It shows store.rows (tables, in the order they were stored), store.calls (one table a call: op, rows,
-- reason, attempt, at, answer; a touch also ids and marked_at), store.times (time by id, only moved forward),
-- store.duplicates, store.updated, store.unmatched.
function testing.store(options)
    options = options == nil and {} or options
    check_options(options)
    check_script(options.script or {}, options.clock)
    local rates = {}
    for _, name in ipairs(RATES) do
        rates[name] = options[name .. "_rate"]
    end
    return setmetatable({
        rows = {}, calls = {}, times = {}, duplicates = 0, updated = 0, unmatched = 0,
        script = options.script or {}, step = 0, rates = rates, random = random_of(options.seed or 1),
        clock = options.clock, stall = options.stall or 1, unique = options.unique, seen = {},
        known = set_of(options.ids),
    }, Store)
end

-- Holds a store to the contract: see writebehind.check_store.
function testing.check_store(...)
    local well, faults = require "writebehind.testing.check_store"(...)
    return well, faults
end

return testing
