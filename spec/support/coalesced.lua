-- A batcher with `coalesce` in virtual time, on a store that notes what it is given and answers as it is told.

local assert = require "luassert"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local coalesced = {
    KEYED = { { "key", "text" }, { "n", "int4", null = true }, { "at", "int4", null = true } },
    SUMS = { key = { "key" }, merge = { n = "sum" } },
}

-- A value as a short text, the same on every Lua.
local function text_of(value)
    if type(value) == "number" then
        return (math.type and math.type(value) == "integer" and "%d" or "%.14g"):format(value)
    end
    return value == nil and "-" or (tostring(value):gsub("U?LL$", ""):gsub("^userdata.*", "null"))
end

local Play = {}
Play.__index = Play

-- A batcher in virtual time. play.writes: what its store was given, lists of rows as text: "key|n|at"; play.answers:
-- functions that answer the next writes, all are stored without one; play.dead and play.reports: what the hooks were
-- told.
function coalesced.play(coalesce, columns, options)
    local self = setmetatable({ clock = testing.clock(1700000000), columns = columns or coalesced.KEYED, writes = {},
        answers = {}, dead = {}, reports = {} }, Play)
    local given = {
        schema = writebehind.schema(self.columns), table = "t", coalesce = coalesce, clock = self.clock,
        interval = math.huge, flush_at = 1, retry = { initial = 1, max = 1 }, log = function() end,
        store = { write = function(_, batch)
            return self:write(batch)
        end },
        dead_letter = function(row, err, name)
            self.dead[#self.dead + 1] = { self:text(row), err, name }
        end,
        on_flush = function(report)
            self.reports[#self.reports + 1] = report
        end,
    }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    self.batcher = assert(writebehind.batcher(given))
    return self
end

function Play:text(row)
    local words = {}
    for place, column in ipairs(self.columns) do
        words[place] = column.generate and "id" or text_of(row[column[1]])
    end
    return table.concat(words, "|")
end

function Play:write(batch)
    local rows = { table = batch.table, ids = {} }
    for row, index in batch:rows() do
        rows[index], rows.ids[index] = self:text(row), row.id
    end
    self.writes[#self.writes + 1] = rows
    local answer = table.remove(self.answers, 1)
    if answer then
        return answer(batch, rows)
    end
    return true
end

-- Adds rows, as lists.
function Play:add(...)
    for _, row in ipairs { ... } do
        assert(self.batcher:add_values((table.unpack or unpack)(row, 1, #self.columns)))
    end
    return scripted.conserved(self.batcher)
end

function Play:refuses(code, ...)
    local before = self.batcher:stats()
    local ok, message, found = self.batcher:add_values(...)
    assert.is_nil(ok)
    assert.equal(code, found, message)
    local stats = scripted.conserved(self.batcher)
    assert.equal(before.rejected + 1, stats.rejected)
    for _, name in ipairs { "accepted", "pending", "pending_rows", "pending_bytes", "coalesced" } do
        assert.equal(before[name], stats[name], name)
    end
    return message
end

-- Checks some of the statistics, all at once.
function Play:counts(expected)
    local stats, found = scripted.conserved(self.batcher), {}
    for name in pairs(expected) do
        found[name] = tonumber(stats[name])
    end
    assert.same(expected, found)
end

-- Closes, and checks all that was ever written, in whichever order.
function Play:gives(...)
    local expected = { ... }
    assert(self.batcher:close())
    local all = {}
    for _, rows in ipairs(self.writes) do
        for _, row in ipairs(rows) do
            all[#all + 1] = row
        end
    end
    table.sort(expected)
    table.sort(all)
    assert.same(expected, all)
    self:counts { pending = 0, pending_rows = 0, pending_bytes = 0 }
    return self.writes
end

-- A batcher that writes nothing by itself.
function coalesced.lazy(options, coalesce, columns)
    options = options or {}
    options.inline = false
    return coalesced.play(coalesce or coalesced.SUMS, columns, options)
end

-- The rows of a write by their keys, no two of one key; and the sum of n.
function coalesced.by_key(rows)
    local found, sum = {}, 0
    for _, row in ipairs(rows) do
        local key, n = row:match("^(.-)|(%-?%d+)|")
        assert.is_nil(found[key], key)
        found[key], sum = tonumber(n), sum + tonumber(n)
    end
    return found, sum
end

return coalesced
