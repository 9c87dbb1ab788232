-- SPDX-License-Identifier: MIT
-- writebehind load: the records of a file into a table, through a batcher. While the store is not ready, a
-- row waits, and the input with it. Every row that is lost is reported.

local json = require "writebehind.json"
local writebehind = require "writebehind"
local process = require("writebehind.core").process
local convert = require "writebehind.cli.convert"
local input = require "writebehind.cli.input"
local pending = require "writebehind.cli.pending"
local progress = require "writebehind.cli.progress"
local reader = require "writebehind.cli.reader"
local rejects = require "writebehind.cli.rejects"
local tables = require "writebehind.cli.tables"

local SLICE_S = 0.25 -- the longest wait between two looks at the terminal and at the interrupt
local LOOK_EVERY = 64 -- records between two looks at the clock
local SETTLE_EVERY = 16384 -- records after which it waits until nothing is pending
local REFUSAL_S = 5 -- how long to wait for a store that answers but takes nothing
local EXIT_S = 1 -- how long the process's exit waits for rows that were given up
local INTERRUPTED = 130

-- ---- what the outside sees ----

local function state_of(self)
    local stats = self.batcher:stats()
    return { rows = self.read, pending = stats.pending, dead = stats.dead, stored = stats.stored,
        refused = self.refused, position = self.input.position, size = self.input.size,
        last_error = stats.last_error }
end

local function refuse(self, record, reason)
    self.refused = self.refused + 1
    self.rejects:put(record.line, reason, record.raw)
end

-- How long the store may take nothing before it is given up: less where it answers and refuses.
local function patience_s(self)
    local refused = self.failed_class == "reject" or self.failed_class == "hold"
    return refused and math.min(self.args.give_up, REFUSAL_S) or self.args.give_up
end

-- Only time that was watched counts: the input may be silent for hours between two looks.
local function watch(self, state)
    local settled, now_s = state.stored + state.dead, process.now()
    if settled ~= self.settled or state.pending == 0 then
        self.settled, self.waited_s = settled, 0
    else
        self.waited_s = self.waited_s + math.min(now_s - self.looked_s, 1)
    end
    self.looked_s = now_s
    if self.waited_s > patience_s(self) then
        self.failure = ("gave up: the store took no row for %.0f s: %s"):format(self.waited_s,
            state.last_error or "it gave no answer")
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

-- ---- rows ----

-- Adds a row, waiting for room where there is none. False: stop, the row is not added.
local function add(self, record, row)
    while true do
        local ok, message, code = self.batcher:add(row)
        if ok then
            self.pending:push(record.line, record.raw, row)
            return true
        elseif code == "invalid" then
            refuse(self, record, message)
            return true
        end
        self.failure = code ~= "full" and message or nil
        if not look(self) then
            refuse(self, record, self.failure or "interrupted before it was added")
            return false
        end
    end
end

local function take(self, record)
    self.read = self.read + 1
    if record.wrong then
        refuse(self, record, record.wrong)
        return true
    end
    local row, wrong = convert.row(record, self.plan)
    if not row then
        refuse(self, record, wrong)
        return true
    end
    return add(self, record, row)
end

-- Waits until every row is settled. False: given up, or interrupted meanwhile.
local function settle(self)
    while not self.batcher:flush(SLICE_S) do
        if not look(self) then
            return false
        end
    end
    self.pending:clear()
    return true
end

local function read_all(self)
    while true do
        local record, message = self.reader:next()
        if not record then
            self.cut_short = not process.interrupted() and message or nil
            return look(self)
        elseif not take(self, record) then
            return false
        elseif self.read % LOOK_EVERY == 0 and not look(self) then
            return false
        elseif self.pending.count >= SETTLE_EVERY and not settle(self) then
            return false
        end
    end
end

-- ---- the end ----

-- Stores what was read, after an interrupt only until a deadline. Rows that may not be stored then go where refused
-- ones go.
local function drain(self)
    if self.interrupted and not self.failure then
        self.progress:note("interrupted: storing what was read")
    end
    if self.batcher:close(self.failure and 0 or self.args.close_timeout) then
        return
    end
    local reason = "not known to be stored: " .. (self.batcher:stats().last_error or "no answer in time")
    self.pending:each(function(line, raw)
        self.rejects:put(line, reason, raw)
    end)
end

local function complain(message)
    if message then
        io.stderr:write("writebehind: ", process.shown(message), "\n")
    end
end

local function report(self)
    local state, stats = state_of(self), self.batcher:stats()
    local elapsed_s = self.progress:elapsed_s()
    self.progress:finish(state)
    complain(self.cut_short)
    complain(self.failure)
    io.stdout:write(("stored %d of %d rows, %d refused, %d dead, %d pending, %.2f s, %.0f rows/s\n"):format(
        stats.stored, self.read, self.refused, stats.dead, stats.pending, elapsed_s,
        elapsed_s > 0 and stats.stored / elapsed_s or 0))
    if self.interrupted then
        return INTERRUPTED
    end
    local complete = not self.failure and not self.cut_short and self.rejects.count == 0
    return complete and stats.stored == self.read and 0 or 1
end

-- ---- the beginning ----

local function new_batcher(self, store, schema)
    local args = self.args
    return writebehind.batcher {
        store = store, schema = schema, table = args.table, batch_size = args.batch_size,
        max_pending_rows = math.max(65536, 4 * args.batch_size), overflow = "block", block_timeout = SLICE_S,
        close_timeout = EXIT_S, retry = { initial = 0.1, max = 2 },
        dead_letter = function(row, why)
            local line, raw = self.pending:find(row)
            self.rejects:put(line, why, raw or json.encode(row) or "")
        end,
        on_flush = function(flush)
            self.failed_class = flush.class
        end,
        log = function(level, message)
            self.progress:note(level .. ": " .. message)
        end,
    }
end

local function open_input(self)
    local message
    self.input, message = input.open(self.args.file)
    if not self.input then
        return nil, message
    end
    self.reader, message = reader.new(self.input, self.args.format or reader.format_of(self.args.file))
    return self.reader, message
end

local function open_rejects(self)
    local message
    self.rejects, message = rejects.open(self.args.rejects, function(text)
        self.progress:note(text)
    end)
    return self.rejects, message
end

local function open_table(self)
    local store, message = tables.open(self.args.store, self.args.create)
    if not store then
        return nil, message
    end
    local schema
    schema, message = tables.schema(store, self.args, self.reader)
    if not schema then
        return nil, message
    end
    self.plan, self.pending = convert.plan(schema:columns(), self.args.map), pending.new(schema:columns())
    self.batcher, message = new_batcher(self, store, schema)
    return self.batcher, message
end

local load = {}

-- Runs the command; the exit code: 0 where every row is stored, 1 where one is not, 130 after an interrupt.
function load.run(args)
    local self = { args = args, read = 0, refused = 0, settled = 0, waited_s = 0, looked_s = process.now() }
    self.progress = progress.new { stream = io.stderr, is_terminal = process.isatty(2), now = process.now,
        quiet = args.quiet }
    for _, open in ipairs { open_input, open_rejects, open_table } do
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
    drain(self)
    self.rejects:close()
    self.input:close()
    return report(self)
end

return load
