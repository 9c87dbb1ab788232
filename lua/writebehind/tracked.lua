-- SPDX-License-Identifier: MIT
-- What a tracker's options say of its two columns: each a name, or { name, type }, as in a schema.

local core = require "writebehind.core"

local tracked = {}

local UNITS = core.choices.unit

local KEY = { types = { uuid = true, int4 = true, int8 = true, text = true },
    fields = { true, true, name = true, type = true },
    expected = "a name, or { name, type } with a type of uuid, int4, int8, text" }
local COLUMN = { types = { timestamptz = true, timestamp = true, date = true, int8 = true },
    fields = { true, true, name = true, type = true, unit = true },
    expected = "a name, or { name, type } with a type of timestamptz, timestamp, date, int8, the last one with "
        .. 'unit = "s", "ms" or "us"' }

local function name_of(value)
    return value[1] or value.name
end

local function type_of(value)
    return value[2] or value.type
end

local function is_name(value)
    return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

local function has_unit(value)
    return value.unit == nil or type_of(value) == "int8" and UNITS[value.unit] ~= nil
end

local function fits(part, value)
    if type(value) ~= "table" then
        return is_name(value)
    end
    for field in pairs(value) do
        if not part.fields[field] then
            return false
        end
    end
    return is_name(name_of(value)) and part.types[type_of(value)] == true and has_unit(value)
end

-- Checkers of the options: nil where a value is right, else what was expected.

function tracked.key(value)
    return not fits(KEY, value) and KEY.expected or nil
end

function tracked.column(value)
    return not fits(COLUMN, value) and COLUMN.expected or nil
end

-- Gives the columns' types and the unit names of their own.
function tracked.flatten(flat)
    local key, column = flat.key, flat.column
    if type(key) == "table" then
        flat.key, flat.key_type = name_of(key), type_of(key)
    end
    if type(column) == "table" then
        flat.column, flat.column_type = name_of(column), type_of(column)
        flat.unit = UNITS[column.unit]
    end
end

return tracked
