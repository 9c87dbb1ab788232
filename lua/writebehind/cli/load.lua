-- SPDX-License-Identifier: MIT
-- writebehind load: the records of a file into a table, through a batcher. While the store is not ready, a
-- row waits, and the input with it. Every row that is lost is reported.

local writebehind = require "writebehind"
local core = require "writebehind.core"
local hints = require "writebehind.cli.hints"
local input = require "writebehind.cli.input"
local progress = require "writebehind.cli.progress"
local rejects = require "writebehind.cli.rejects"
local sample = require "writebehind.cli.sample"
local tables = require "writebehind.cli.tables"
local window = require "writebehind.cli.window"

local process, raw = core.process, core.raw

local SLICE_S = 0.25 -- the longest wait between two looks at the terminal and at the interrupt
local SAMPLE = 1000 -- records from which columns are inferred
local REFUSAL_S = 5 -- how long to wait for a store that answers but takes nothing
local SAMPLE_ROWS = 16 -- lone rows that it has to refuse
local INTERVAL_S = 0.2 -- how long a row waits for others, of an input that is slow
local EXIT_S = 1 -- how long the process's exit waits for rows that were given up
local INTERRUPTED = 130

-- ---- what the outside sees ----

local function state_of(self)
    local stats = self.batcher:stats()
    return { rows = raw.accepted(self.reader) + self.refused, pending = stats.pending, dead = stats.dead,
        stored = stats.stored, failures = stats.failures, refused = self.refused, position = self.input.position,
        size = self.input.size, last_error = stats.last_error }
end

-- The record that the reader read last is refused.
local function refuse(self, reason)
    local line, text, offset = raw.refusal(self.reader)
    self.refused = self.refused + 1
    self.rejects:put(self.input:line(line, offset), reason, text)
end

-- Has it refused more since it last took a row than bad rows explain? A large batch is divided until a row is alone,
-- and each write may be slow.
local function refuses_all(self, state)
    local halvings = math.log(math.max(state.pending, 1)) / math.log(2)
    return self.failed_class == "hold" or self.failed_class == "reject" and
        state.failures - self.failures > halvings + math.min(state.pending, SAMPLE_ROWS)
end

-- How long the store may take nothing before it is given up: less where it answers and refuses.
local function patience_s(self, state)
    return refuses_all(self, state) and math.min(self.args.give_up, REFUSAL_S) or self.args.give_up
end

local function gave_up(self, state)
    local cut = patience_s(self, state) < self.args.give_up
    return ("gave up: the store took no row for %.0f s%s: %s"):format(self.waited_s,
        cut and (" (--give-up, %g s, is for one that gives no answer)"):format(self.args.give_up) or "",
        state.last_error or "it gave no answer")
end

-- Only time that was watched counts: the input may be silent for hours between two looks.
local function watch(self, state)
    local settled, now_s = state.stored + state.dead, process.now()
    if settled ~= self.settled or state.pending == 0 then
        self.settled, self.failures, self.waited_s = settled, state.failures, 0
    else
        self.waited_s = self.waited_s + math.min(now_s - self.looked_s, 1)
    end
    self.looked_s = now_s
    if self.waited_s > INTERVAL_S + patience_s(self, state) then
        self.failure = gave_up(self, state)
    end
end

-- Lets the hooks run and shows how far it is. False: it is time to stop, for the store has taken nothing
-- for too long, or an interrupt came.
local function look(self)
    self.batcher:poll()
    local state = state_of(self)
    watch(self, state)
    if self.progress:is_due() then
        self.progress:show(state)
    end
    self.interrupted = process.interrupted()
    return not self.failure and not self.interrupted
end

-- The places of the next dead rows go to the rejects with their text. → were there any?
local function take_dead(self)
    local places, why = raw.dead(self.reader, self.batcher)
    for _, place in ipairs(places or {}) do
        local line = place and self.input:line(place.line, place.offset) or nil
        self.rejects:put(line, why, place and self.window:text(place) or "")
    end
    return places ~= nil
end

-- ---- rows ----

local function is_enough(self)
    return self.args.limit ~= nil and raw.accepted(self.reader) + self.refused >= self.args.limit
end

-- How many more records may be taken.
local function allowance(self)
    return self.args.limit and self.args.limit - raw.accepted(self.reader) - self.refused or nil
end

-- Adds what the reader has, waiting for room where there is none. False: stop.
local function add_all(self)
    while not is_enough(self) do
        local before = raw.accepted(self.reader)
        local ok, message, code = self.batcher:add_read(self.reader, allowance(self))
        if ok and raw.accepted(self.reader) == before then
            return true
        elseif code == "invalid" then
            refuse(self, message)
        elseif code == "full" then
            if not look(self) then
                refuse(self, self.failure or "interrupted before it was added")
                return false
            end
        elseif not ok then
            self.failure = message
            self.unreadable = code == "unreadable"
            return false
        end
    end
    return true
end

-- Waits until a ticket's rows are settled. False: given up, or interrupted meanwhile.
local function wait_for(self, ticket)
    while not raw.settled(self.batcher, ticket) do
        self.batcher:flush(SLICE_S)
        if not look(self) then
            return false
        end
    end
    return true
end

local function settle(self)
    return wait_for(self, raw.seal(self.batcher))
end

local function take_text(self, text)
    for _, bad in ipairs(self.input:take_bad()) do
        self.refused = self.refused + 1
        self.rejects:put(bad.line, bad.why, bad.text, bad.form)
    end
    local ok, message = raw.put(self.reader, text)
    if not ok then
        self.failure = message
        return false
    end
    self.window:push(text)
    if not add_all(self) or not look(self) then
        return false
    elseif not self.window:is_full() then
        return true
    end
    return self.window:turn(self.batcher, function(ticket)
        return wait_for(self, ticket)
    end)
end

-- A record that was cut off is none. False: as below.
local function finish(self, message)
    self.cut_short = not process.interrupted() and message or nil
    if not message then
        raw.finish(self.reader)
    end
    return add_all(self) and look(self)
end

-- False: it was stopped before the end.
local function read_all(self)
    while not is_enough(self) do
        local text, message = self.input:read()
        if not text then
            take_text(self, "")
            return finish(self, message)
        elseif not take_text(self, text) then
            return false
        end
    end
    return look(self)
end

-- ---- the end ----

-- Rows of a write that does not even end when it is told to: nobody knows which.
local function tell_all(self, reason)
    for _, place in ipairs(raw.untold(self.reader)) do
        self.rejects:put(self.input:line(place.line, place.offset), reason, self.window:text(place))
    end
end

-- Stores what was read, after an interrupt only until a deadline. Rows that are not stored then go where refused
-- ones go.
local function drain(self)
    if self.interrupted and not self.failure then
        self.progress:note("interrupted: storing what was read")
    end
    if self.batcher:close(self.failure and not self.unreadable and 0 or self.args.close_timeout) then
        return
    end
    local why = self.batcher:stats().last_error or "no answer in time"
    local ended = raw.give_up(self.batcher, "not stored: " .. why, EXIT_S)
    while take_dead(self) do -- luacheck: ignore 542
    end
    if not ended then
        tell_all(self, "may be stored, its write has not ended: " .. why)
    end
end
local function complain(message)
    if message then
        io.stderr:write("writebehind: ", process.shown(message), "\n")
    end
end

-- What of the input was never read.
local function unread(self)
    if not (self.failure or self.interrupted) or self.unreadable then
        return nil
    end
    local left = self.input.size and self.input.size - self.input.position
    return ("stopped after line %d of the input%s"):format(self.input:line(raw.line(self.reader), math.huge) - 1,
        left and left > 0 and ("; its last %d bytes were not read"):format(left) or "")
end

local function report(self)
    local state, stats = state_of(self), self.batcher:stats()
    local elapsed_s = self.progress:elapsed_s()
    self.progress:finish(state)
    complain(self.cut_short)
    complain(self.failure)
    complain(unread(self))
    io.stdout:write(("%s %d of %d rows, %d refused, %d dead, %d pending, %.2f s, %.0f rows/s\n"):format(
        self.args.dry_run and "would store" or "stored", stats.stored, state.rows, self.refused, stats.dead,
        stats.pending, elapsed_s, elapsed_s > 0 and stats.stored / elapsed_s or 0))
    if self.interrupted then
        return INTERRUPTED
    end
    local complete = not self.failure and not self.cut_short and self.rejects.count == 0
    return complete and stats.stored == state.rows and 0 or 1
end

-- ---- the beginning ----

local function new_batcher(self, store, schema)
    local args = self.args
    local batcher = writebehind.batcher {
        store = store, schema = schema, table = args.table, batch_size = args.batch_size,
        max_pending_rows = math.max(65536, 4 * args.batch_size), overflow = "block", block_timeout = SLICE_S,
        interval = INTERVAL_S, close_timeout = EXIT_S, retry = { initial = 0.1, max = 2 },
        dead_letter = function() end,
        on_flush = function(flush)
            self.failed_class = flush.class
        end,
        log = function(level, message)
            self.progress:note(level .. ": " .. message)
        end,
    }
    raw.options(batcher).take_dead = function()
        return take_dead(self)
    end
    return batcher
end

local function reader_options(args)
    local options = { format = args.format or input.format_of(args.file), map = {} }
    for _, name in ipairs { "delimiter", "null", "comment", "skip", "ignore_unknown", "header" } do
        options[name] = args[name]
    end
    if options.format == "ndjson" then
        options.header = nil
    end
    return options
end

local function pairs_of(map)
    local list = {}
    for column, name in pairs(map) do
        list[#list + 1], list[#list + 2] = column, name
    end
    return list
end

local function open_sample(args)
    local file, message = input.open(args.file, args.encoding)
    if not file then
        return nil, message
    end
    return sample.take(file, reader_options(args), args.create and SAMPLE or 1)
end

-- What the rejects may not be written over.
local function check_rejects(self)
    local args, file = self.args, self.args.rejects
    local store = args.store:match "^sqlite:(.*)"
    if file and process.same_file(file, args.file) then
        return nil, ("--rejects: %s is the input"):format(file)
    elseif file and store and process.same_file(file, store) then
        return nil, ("--rejects: %s is the store"):format(file)
    end
    return true
end

local function open_input(self)
    local source, message = self.open_source(self.args)
    if not source then
        return nil, hints.of(message)
    end
    self.input, self.options = source, source.options
    return true
end

local function open_rejects(self)
    local args, options = self.args, self.options
    local message
    self.rejects, message = rejects.open(not args.dry_run and args.rejects or nil, function(text)
        self.progress:note(text)
    end, { format = options.format, header = self.input.header, delimiter = options.delimiter, null = options.null })
    return self.rejects, message
end

local function tell_columns(self, schema, map)
    for _, column in ipairs(schema:columns()) do
        local from = map[column.name] or column.name
        self.progress:note(("column %s: %s%s"):format(column.name, column.type, from ~= column.name and " from " .. from
            or column.generate and ", made where it is absent" or ""))
    end
end

local function open_table(self)
    local args = self.args
    local store, message = tables.open(args.store, args.create and not args.dry_run)
    if not store then
        return nil, message
    end
    local schema, map, left_out, inferred = tables.schema(store, args, self.input)
    if not schema then
        return nil, hints.of(map)
    end
    if args.dry_run then
        tell_columns(self, schema, map)
        store = writebehind.memory { keep_rows = 0 }
    end
    self.batcher = new_batcher(self, store, schema)
    self.options.map, self.options.exact = pairs_of(map), inferred
    self.reader, message = raw.reader(self.batcher, self.options)
    self.left_out = left_out
    self.window = self.reader and window.new(self.reader)
    return self.reader, message and hints.of(hints.reason(message, left_out))
end

local load = {}

-- Runs the command; the exit code: 0 where every row is stored, 1 where one is not, 130 after an interrupt.
-- `open_source`: a function of the arguments, by default of a sample of the file.
function load.run(args, open_source)
    local self = { args = args, open_source = open_source or open_sample, refused = 0, settled = 0, failures = 0,
        waited_s = 0, looked_s = process.now() }
    self.progress = progress.new { stream = io.stderr, is_terminal = process.isatty(2), now = process.now,
        width = process.width(2), quiet = args.quiet }
    for _, open in ipairs { check_rejects, open_input, open_table, open_rejects } do
        local ok, message = open(self)
        if not ok then
            complain(tostring(message))
            return 1
        end
    end
    process.on_interrupt()
    if read_all(self) then
        settle(self)
    end
    if self.unreadable then
        self.failure = hints.of(hints.reason(self.failure, self.left_out))
    end
    drain(self)
    self.rejects:close()
    self.input:close()
    return report(self)
end

return load
