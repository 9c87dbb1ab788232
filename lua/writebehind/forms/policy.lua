-- SPDX-License-Identifier: MIT
-- The scripted decisions of a batcher in its owner's state: route, on_full and should_flush inside add (and the
-- last in poll), retry_delay where a failed batch is completed. A decision that throws, or is none, is counted
-- and logged, and the built-in rule decides. The built-in rule also decides for what a policy adds while it is asked.

local core = require "writebehind.core"
local hooks = require "writebehind.forms.hooks"
local turn = require "writebehind.forms.turn"
local view = require "writebehind.forms.view"

local raw, text_of = core.raw, hooks.text_of

local policy = {}

local huge, max, find = math.huge, math.max, string.find
local SHORTEST = require("writebehind.options").SHORTEST_DELAY
local OVERFLOW, ASK = core.choices.overflow, raw.ask

-- ---- the view ----

local BATCHER, STATS, VALUES = {}, {}, {} -- keys of what a view has of its own

-- The row of add_values, by column name. The list part of the options has the names.
local function named_row(options, values)
    local row = {}
    for index = 1, values.n do
        local name = options[index]
        if name then
            row[name] = values[index]
        end
    end
    return row
end

local function late(own, name)
    if name == "row" then
        own.row = own[VALUES] and named_row(raw.options(own[BATCHER]), own[VALUES])
        return own.row
    end
    own[STATS] = own[STATS] or own[BATCHER]:stats() or {} -- none in a child of fork
    if name == "last" then
        own.last = view.last(own[STATS].last_error, raw.last(own[BATCHER]))
        return own.last
    end
    return own[STATS][name]
end

-- A view of the open batch, or of one that failed.
local function view_of(batcher, own, rows, bytes, age, attempt)
    own[BATCHER], own.rows, own.bytes, own.age, own.attempt = batcher, rows, bytes, age, attempt
    return view.of(own, late)
end

-- ---- asking ----

-- Is it the policy itself that adds now? Not where the policy waits in a yield: then another coroutine adds.
local function is_asked(options)
    return turn.is_taken(options.deciding) and not turn.is_suspended(options.deciding)
end

-- Says that a policy answered what it may not.
function policy.wrong(answer, expected)
    return ("it answered %s; expected %s"):format(type(answer) == "string" and ("%q"):format(answer) or
        text_of(answer), expected)
end

-- Asks the policy. → whether it answered, its answer, and what it says besides
local function ask(batcher, options, decision, argument, more)
    options.deciding = turn.take()
    local ok, answer, besides = pcall(options.policy[decision], argument, more)
    options.deciding = nil
    if not ok then
        raw.undecided(batcher, decision, text_of(answer))
    end
    return ok, answer, besides
end

-- ---- route ----

-- Why a row is refused, where route said `why`.
function policy.refusal(why)
    return why == nil and "the policy's route refused the row" or text_of(why)
end

-- What is wrong with the name of a table; nil: nothing.
local function wrong_name(name)
    if type(name) ~= "string" or find(name, "\0", 1, true) then
        return policy.wrong(name, "the name of a table")
    elseif #name == 0 or #name > raw.table_bytes then
        return ("a table's name has 1 to %d bytes, this one has %d"):format(raw.table_bytes, #name)
    end
end

-- Names that were looked at need not be again; of those the last MOST_NAMES, at the most, are remembered.
local MOST_NAMES = 1000
local names, names_count = {}, 0

local function remember(name)
    if names_count == MOST_NAMES then
        names, names_count = {}, 0
    end
    names[name], names_count = true, names_count + 1
end

-- The table for a row: nil is the batcher's own. False and why: the row is refused.
local function table_for(batcher, options, row)
    local ok, name, why = ask(batcher, options, "route", row)
    if not ok or name == nil then
        return nil
    elseif names[name] then
        return name
    elseif name == false then
        return false, policy.refusal(why)
    end
    local wrong = wrong_name(name)
    if wrong then
        raw.undecided(batcher, "route", wrong)
        return nil
    end
    remember(name)
    return name
end

-- ---- on_full ----

-- `seen`: what the view has of the row that finds no room.
local function mode_when_full(batcher, options, seen)
    local ok, name = ask(batcher, options, "on_full", view_of(batcher, seen, raw.view(batcher)))
    if not ok then
        return options.overflow
    end
    local mode = OVERFLOW[name]
    if not mode then
        raw.undecided(batcher, "on_full",
            policy.wrong(name, '"reject", "block", "drop_oldest" or "drop_newest"'))
    end
    return mode or options.overflow
end

-- ---- should_flush ----

-- `own`: what else the view has: the row that was just added, or its values.
local function asks_flush(batcher, options, own)
    if not options.policy.should_flush or is_asked(options) then
        return false
    end
    local rows, bytes, age, attempt = raw.view(batcher)
    if rows == 0 then
        return false
    end
    local seen = view_of(batcher, own or {}, rows, bytes, age, attempt)
    local ok, reason = ask(batcher, options, "should_flush", seen)
    if ok and reason then
        raw.flush_open(batcher)
    end
    return ok and reason
end

-- ---- retry_delay ----

-- What retry_delay sees. The core counts this failure later, when it is completed, so it is added here.
local function failure_view(batcher, batch, err, class)
    local stats = batcher:stats() or { failures = 0, consecutive_failures = 0 } -- none in a child of fork
    return view_of(batcher, {
        [STATS] = stats, class = class, table = batch.table, last_error = err, failures = stats.failures + 1,
        consecutive_failures = stats.consecutive_failures + 1, last = view.last(err, raw.last(batcher, batch)),
    }, raw.view(batcher, batch))
end

-- Seconds until a batch that failed is tried again; false: never, its rows are dead; nil: the option retry.
function policy.retry(batcher, batch, err, class)
    local options = raw.options(batcher)
    if not options or is_asked(options) then
        return nil
    end
    local ok, delay = ask(batcher, options, "retry_delay", failure_view(batcher, batch, err, class), err)
    if not ok then
        return nil
    end
    local answer, wrong = policy.delay(delay)
    if wrong then
        raw.undecided(batcher, "retry_delay", wrong)
    end
    return answer
end

-- What the answer of a retry_delay means, as above; or nil and what is wrong with it.
function policy.delay(delay)
    if not delay then
        return delay
    elseif type(delay) == "number" and delay >= 0 and delay < huge then
        return max(delay, SHORTEST)
    end
    return nil, policy.wrong(delay, "seconds, false to give up, or nil for the option retry")
end

-- ---- the methods ----

-- Adds with the table and the mode that were decided.
local function add_as(add, batcher, options, own, to, mode, ...)
    local ok, due, code = add(batcher, to, mode, ...)
    if ok and asks_flush(batcher, options, own) then
        due = true
    end
    return ok, due, code
end

-- A row that waits for room in a driven batcher is added by options.again: as was decided, without asking again.
local function wait_for_room(add, options, own, to, mode)
    options.block = mode == OVERFLOW.block and options.inline ~= false and options.take ~= nil
    options.again = options.block and function(batcher, ...)
        return add_as(add, batcher, options, own, to, mode, ...)
    end or nil
end

-- What on_full sees of the row that finds no room: what is known of it, or the values of add_values.
local function seen_when_full(options, own, to, ...)
    return { row = own and own.row, table = to or options.table,
        [VALUES] = own and own[VALUES] or not own and { n = select("#", ...), ... } or nil }
end

local function add_decided(add, batcher, options, own, ...)
    local decides, to = not is_asked(options), nil
    if decides and options.policy.route then
        local why
        to, why = table_for(batcher, options, own.row)
        if to == false then
            return raw.refuse(batcher, why, own.reader)
        end
    end
    local asks = decides and options.policy.on_full ~= nil
    local mode = asks and ASK or options.overflow
    local ok, due, code = add_as(add, batcher, options, own, to, mode, ...)
    if asks and code == "full" then
        mode = mode_when_full(batcher, options, seen_when_full(options, own, to, ...))
        ok, due, code = add_as(add, batcher, options, own, to, mode, ...)
    end
    if code == "full" then
        wait_for_room(add, options, own, to, mode)
    end
    return ok, due, code
end

local function check_row(row)
    if type(row) ~= "table" then
        error(("bad argument #1 to 'batcher:add' (table expected, got %s)"):format(
            row == nil and "nothing" or type(row)), 3)
    end
end

-- What a view has of the values of add_values. It makes a row of them when somebody looks.
local function own_of_values(options, ...)
    if options.policy.route then
        return { row = named_row(options, { n = select("#", ...), ... }) }
    end
    return options.policy.should_flush and { [VALUES] = { n = select("#", ...), ... } }
end

-- The same of add_mixed.
local function own_of_mixed(options, row, ...)
    local whole = named_row(options, { n = select("#", ...), ... })
    for name, value in next, row do
        whole[name] = value
    end
    return { row = whole }
end

-- Rows of a reader, one by one. → as add; true too where there is no row any more
local function add_read(self, options, reader)
    local accepted, ok, due, code
    repeat
        accepted = raw.accepted(reader)
        local row = raw.row(reader)
        if row then
            ok, due, code = add_decided(raw.add_read, self, options, { row = row, reader = reader }, reader)
        else
            ok, due, code = raw.add_read(self, nil, options.overflow, reader)
        end
    until not ok or due or raw.accepted(reader) == accepted
    return ok, due, code
end

-- Some rows of a list, one by one, as C's add_some. progress: rows done, rows accepted, rows.
local function add_some(self, options, rows, progress)
    local ok, due, code = true, false, nil
    while ok and not due and progress[1] < progress[3] do
        local row = rows[progress[1] + 1]
        if type(row) ~= "table" then -- somebody has changed the list
            progress[3] = progress[1]
            break
        end
        ok, due, code = add_decided(raw.add, self, options, { row = row }, row)
        if ok then
            progress[1], progress[2] = progress[1] + 1, progress[2] + 1
        end
    end
    return ok, due, code
end

-- The adds answer as C's do: true and whether work is due, or nil, message, code.
function policy.wrap_adds(methods)
    function methods.add(self, row)
        local options = hooks.options_of(self, "batcher", "add")
        check_row(row)
        return add_decided(raw.add, self, options, { row = row }, row)
    end
    function methods.add_mixed(self, row, ...)
        local options = hooks.options_of(self, "batcher", "add_mixed")
        check_row(row)
        return add_decided(raw.add_mixed, self, options, own_of_mixed(options, row, ...), row, ...)
    end
    function methods.add_read(self, reader)
        return add_read(self, hooks.options_of(self, "batcher", "add_read"), reader)
    end
    function methods.add_some(self, rows, progress)
        return add_some(self, hooks.options_of(self, "batcher", "add_many"), rows, progress)
    end
    function methods.add_values(self, ...)
        local options = hooks.options_of(self, "batcher", "add_values")
        return add_decided(raw.add_values, self, options, own_of_values(options, ...), ...)
    end
end

function policy.wrap_poll(methods)
    local poll = methods.poll
    function methods.poll(self)
        asks_flush(self, hooks.options_of(self, "batcher", "poll"))
        return poll(self)
    end
end

return policy
