-- SPDX-License-Identifier: MIT
-- From the text of a member to the value that its column takes. What fits no rule stays text, and the core
-- refuses it with a message that names the column, its type and the value.

local array = require "writebehind.cli.array"
local json = require "writebehind.json"

local convert = {}

local NUMBER = "^[+-]?%d+%.?%d*[eE]?[+-]?%d*$"

local TRUTH = { ["true"] = true, t = true, ["1"] = true, ["false"] = false, f = false, ["0"] = false }

local WORDS = { nan = 0 / 0, inf = math.huge, infinity = math.huge, ["-inf"] = -math.huge,
    ["-infinity"] = -math.huge, ["+inf"] = math.huge, ["+infinity"] = math.huge }

local function same(text)
    return text
end

local function null()
    return json.null
end

local function truth(text)
    local value = TRUTH[text:lower()]
    if value == nil then
        return text
    end
    return value
end

local function integer(text)
    if text:find("^[+-]?%d+$") then
        return json.integer(text) or text
    end
    return text:find(NUMBER) and tonumber(text) or text
end

local function float(text)
    return text:find(NUMBER) and tonumber(text) or WORDS[text:lower()] or text
end

-- Seconds since 1970 have a fraction as text: digits alone may mean a date. "+00", as PostgreSQL prints an offset, is
-- "+00:00".
local function timestamp(text)
    return text:find "^%-?%d+%.%d+$" and tonumber(text) or (text:gsub("(:%d[%d.]*[+-]%d%d)$", "%1:00"))
end

-- PostgreSQL's hex form, \x and pairs of digits, or the bytes themselves.
local function bytes(text)
    local hex = text:match("^\\x(%x*)$")
    if not hex or #hex % 2 ~= 0 then
        return text
    end
    return (hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

-- By the column's type: how text is read, be it a field of CSV or a string of JSON.
-- What is not here is text.
local READ = { bool = truth, int2 = integer, int4 = integer, int8 = integer, float4 = float, float8 = float,
    bytea = bytes, timestamptz = timestamp, timestamp = timestamp }

-- A number of JSON, where its text means something else.
local NUMBERS = { timestamptz = tonumber, timestamp = tonumber }

local function array_of(read)
    local function of_text(text)
        return array.of_text(text, read)
    end
    local function of_json(text)
        return array.of_json(text, read)
    end
    return { string = of_text, field = of_text, json = of_json, number = same, boolean = same, null = null }
end

local IS_JSON = { json = true, jsonb = true }

-- How a member of each kind becomes a value of a column of this type.
function convert.for_type(kind)
    local element = kind:match "^(.*)%[%]$"
    if element then
        return array_of(READ[element] or same)
    end
    local read = READ[kind] or same
    if IS_JSON[kind] then
        return { string = json.encode, number = same, boolean = same, json = same, field = same, null = null }
    end
    return { string = read, number = NUMBERS[kind] or read, field = read, boolean = kind == "text" and same or truth,
        json = same, null = null }
end

-- By input name: the column and how to convert; `map` gives the input name of a column that differs.
function convert.plan(columns, map)
    local plan = {}
    for _, column in ipairs(columns) do
        local target = convert.for_type(column.type)
        target.column = column.name
        plan[map[column.name] or column.name] = target
    end
    return plan
end

-- The row of a record, by column name; nil and a message where a member has no column.
function convert.row(record, plan)
    local row, keys, kinds, texts = {}, record.keys, record.kinds, record.texts
    for index = 1, record.count do
        local target = plan[keys[index]]
        if not target then
            return nil, ('no column takes "%s"'):format(keys[index])
        end
        row[target.column] = target[kinds[index]](texts[index])
    end
    return row
end

return convert
