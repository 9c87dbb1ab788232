-- A batcher with a policy in virtual time, on a store that notes which batches it is given and answers as it is
-- told.

local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local policy = {}

policy.schema = writebehind.schema {
    { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text", null = true },
}

local function numbers_of(batch)
    local numbers = {}
    for row, index in batch:rows() do
        numbers[index] = tonumber(row.n)
    end
    return numbers
end

local Store = {}
Store.__index = Store

-- `answer(batch, call)` answers each write, all are stored without one. store.calls: id, table, reason, attempt, at,
-- numbers of each; store.tables: the numbers stored, by table.
local function new_store(clock, answer)
    return setmetatable({ clock = clock, answer = answer, calls = {}, tables = {} }, Store)
end

function Store:keep(call, count)
    local kept = self.tables[call.table] or {}
    self.tables[call.table] = kept
    for index = 1, count do
        kept[#kept + 1] = call.numbers[index]
    end
end

function Store:write(batch)
    local call = {
        id = batch.id, table = batch.table, reason = batch.reason, attempt = batch.attempt, at = self.clock:now(),
        numbers = numbers_of(batch),
    }
    self.calls[#self.calls + 1] = call
    local ok, err, class, stored = true, nil, nil, nil
    if self.answer then
        ok, err, class, stored = self.answer(batch, call)
    end
    self:keep(call, ok == true and #batch or stored or 0)
    return ok, err, class, stored
end

-- The lengths and the reasons of the batches: { "3 policy", … }.
function Store:told()
    local told = {}
    for index, call in ipairs(self.calls) do
        told[index] = ("%d %s"):format(#call.numbers, call.reason)
    end
    return told
end

-- All numbers stored, in whichever table.
function Store:numbers()
    local all = {}
    for _, kept in pairs(self.tables) do
        for _, n in ipairs(kept) do
            all[#all + 1] = n
        end
    end
    return scripted.sorted(all)
end

local Play = {}
Play.__index = Play

-- A play has batcher, clock, store, lines (what was logged: level, message, fields) and dead (n, err, table).
-- `decisions` is the option policy, `options` are others; options.answer is the store's.
function policy.play(decisions, options)
    local play = setmetatable({ clock = testing.clock(1700000000), lines = {}, dead = {} }, Play)
    local given = {
        schema = policy.schema, table = "t", clock = play.clock, policy = decisions, interval = math.huge, flush_at = 1,
        log = function(level, message, fields)
            play.lines[#play.lines + 1] = { level = level, message = message, fields = fields }
        end,
        dead_letter = function(row, err, name)
            play.dead[#play.dead + 1] = { n = tonumber(row.n), err = err, table = name }
        end,
    }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    play.store = given.store or new_store(play.clock, given.answer)
    given.store, given.answer = play.store, nil
    play.batcher = assert(writebehind.batcher(given))
    return play
end

-- Adds the numbers; raises where one isn't taken.
function Play:add(first, last)
    for n = first, last or first do
        assert(self.batcher:add { n = n })
        scripted.conserved(self.batcher)
    end
end

-- Goes on in time, works what is due; how many batches that was.
function Play:pass(seconds)
    self.clock:advance(seconds or 0)
    local count = self.batcher:poll()
    scripted.conserved(self.batcher)
    return count
end

function Play:close()
    assert(self.batcher:close())
    return scripted.conserved(self.batcher)
end

-- The lines of level error whose text has this in it.
function Play:errors(text)
    local found = {}
    for _, line in ipairs(self.lines) do
        if line.level == "error" and line.message:find(text, 1, true) then
            found[#found + 1] = line
        end
    end
    return found
end

function policy.always(answer)
    return function()
        return answer
    end
end

return policy
