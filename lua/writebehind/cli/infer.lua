-- SPDX-License-Identifier: MIT
-- The columns of a table that does not exist yet, from a sample of the records that are to go into it.
-- Each may be NULL, since a later record may lack it. A table without a column "id" gets one, a generated uuid, by
-- which a repeated write is recognised.

local infer = {}

local MAX_INT8 = "9223372036854775807"

local function is_int8(digits)
    return #digits < #MAX_INT8 or #digits == #MAX_INT8 and digits <= MAX_INT8
end

-- An integer beyond int64 is kept as text: a float would lose its digits.
local function number_type(text)
    local digits = text:match("^%-?(%d+)$")
    if digits then
        return is_int8(digits) and "int8" or "text"
    end
    return "float8"
end

local DATE = "^%d%d%d%d%-%d%d%-%d%d"
local TIME = DATE .. "[Tt ]%d%d:%d%d:%d%d%.?%d*"
local UUID = "^" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-" .. ("%x"):rep(12) .. "$"

local function string_type(text)
    if text:find(TIME .. "[Zz]$") or text:find(TIME .. "[+-]%d%d:%d%d$") or text:find(TIME .. "[+-]%d%d$") then
        return "timestamptz"
    elseif text:find(DATE .. "$") then
        return "date"
    elseif text:find(UUID) then
        return "uuid"
    end
    return "text"
end

-- A number with leading zeros or a plus sign is a code, not a quantity.
local function field_type(text)
    if text == "true" or text == "false" then
        return "bool"
    elseif text:find("^%-?0$") or text:find("^%-?[1-9]%d*$") then
        return number_type(text)
    elseif text:find("^%-?%d+%.%d+$") or text:find("^%-?%d+%.?%d*[eE][+-]?%d+$") then
        return "float8"
    end
    return string_type(text)
end

local TYPE_OF = { number = number_type, string = string_type, field = field_type }
local FIXED = { boolean = "bool", json = "jsonb" }

local function merge(a, b)
    if a == nil or a == b then
        return b
    elseif a == "jsonb" or b == "jsonb" then
        return "jsonb"
    elseif (a == "int8" or a == "float8") and (b == "int8" or b == "float8") then
        return "float8"
    end
    return "text"
end

local function look_at(record, order, types)
    for index = 1, record.count do
        local key, kind = record.keys[index], record.kinds[index]
        if types[key] == nil then
            types[key] = false
            order[#order + 1] = key
        end
        if kind ~= "null" then
            local found = FIXED[kind] or TYPE_OF[kind](record.texts[index])
            types[key] = merge(types[key] or nil, found)
        end
    end
end

-- Definitions for writebehind.schema; `map` gives the input name of a column that is named otherwise.
function infer.columns(records, map)
    local order, types, column_of, has_id = {}, {}, {}, false
    for _, record in ipairs(records) do
        if not record.wrong then
            look_at(record, order, types)
        end
    end
    for column, key in pairs(map) do
        column_of[key] = column
    end
    local columns = {}
    for _, key in ipairs(order) do
        local column = { column_of[key] or key, types[key] or "text", null = true }
        if column[1] == "id" then
            has_id = true
            column = column[2] == "uuid" and { "id", "uuid", generate = "uuidv7" } or column
        end
        columns[#columns + 1] = column
    end
    if not has_id then
        table.insert(columns, 1, { "id", "uuid", generate = "uuidv7" })
    end
    return columns
end

return infer
