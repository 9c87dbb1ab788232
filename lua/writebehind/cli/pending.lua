-- SPDX-License-Identifier: MIT
-- The lines whose rows may not be settled yet, so that a dead row can be reported with its line. A dead row is found
-- by its values, in the given columns whose values come back as they went in. The index is made when the first
-- row dies.

local json = require "writebehind.json"

local STABLE = { bool = true, int2 = true, int4 = true, int8 = true, text = true, uuid = true }

local Pending = {}
Pending.__index = Pending

local function part(value)
    if value == nil or value == json.null then
        return "-"
    elseif type(value) == "string" then
        return "=" .. value:lower()
    end
    return "=" .. (type(value) == "boolean" and tostring(value) or json.number(value) or "?")
end

local function key_of(self, row)
    local parts = {}
    for index, name in ipairs(self.columns) do
        parts[index] = part(row[name])
    end
    return table.concat(parts, "\0")
end

function Pending:push(line, raw, row)
    local count = self.count + 1
    self.count, self.lines[count], self.raws[count], self.rows[count] = count, line, raw, row
end

function Pending:clear()
    self.count, self.lines, self.raws, self.rows = 0, {}, {}, {}
    self.indexed, self.index, self.told = 0, {}, {}
end

local function bring_index_up(self)
    for position = self.indexed + 1, self.count do
        local key = key_of(self, self.rows[position])
        local list = self.index[key] or {}
        list[#list + 1] = position
        self.index[key] = list
    end
    self.indexed = self.count
end

-- The line and the raw text of a dead row; nil where it is not among those kept. Of equal rows, the first
-- that was not found before.
function Pending:find(row)
    bring_index_up(self)
    local list = self.index[key_of(self, row)]
    local position = list and table.remove(list, 1)
    if position then
        self.told[position] = true
        return self.lines[position], self.raws[position]
    end
end

-- Calls `take` with the line and the raw text of each that was not found dead.
function Pending:each(take)
    for index = 1, self.count do
        if not self.told[index] then
            take(self.lines[index], self.raws[index])
        end
    end
end

local pending = {}

-- `columns` as schema:columns() gives them.
function pending.new(columns)
    local names = {}
    for _, column in ipairs(columns) do
        if STABLE[column.type] and column.default == nil and not column.generate then
            names[#names + 1] = column.name
        end
    end
    local self = setmetatable({ columns = names }, Pending)
    self:clear()
    return self
end

return pending
