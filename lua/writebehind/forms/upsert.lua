-- SPDX-License-Identifier: MIT
-- What becomes of two rows of one key. The option `upsert` of a batcher: { key = { name, ... } [, newest = name]
-- [, merge = { [name] = word }] [, columns = { name, ..., [name] = expression }]
-- [, on_conflict = "update" or "nothing"] }; and `coalesce`, which has the first three. By names, they become what C
-- reads, by the places of columns. What does not fit the columns' types C says.

local check = require "writebehind.check"

local upsert = {}

-- In the order of enum wb_merge (writebehind/upsert.h).
local KEEP, SET, EXPRESSION = 0, 1, 7
local WORDS = { sum = 2, min = 3, max = 4, first = 5, last = 6 }

local COALESCE = { key = check.of_type "table", newest = check.name_text, merge = check.of_type "table" }
local FIELDS = {
    coalesce = COALESCE,
    upsert = {
        key = COALESCE.key, newest = COALESCE.newest, merge = COALESCE.merge,
        columns = check.of_type "table", on_conflict = check.one_of { "update", "nothing" },
    },
}

local function fail(format, ...)
    error({ message = format:format(...) }, 0)
end

-- The place of a column, from 1.
local function place_of(schema, name, where)
    for index, column in ipairs(schema:columns()) do
        if column.name == name then
            return index, column
        end
    end
    fail("%s: no column %s", where, check.show(name))
end

local function key_of(schema, names)
    local key = {}
    for index, name in ipairs(names) do
        key[index] = place_of(schema, name, "key")
    end
    for index in pairs(names) do
        if type(index) ~= "number" or index < 1 or index > #key then
            fail("key: expected a list of columns, got the field %s", check.show(index))
        end
    end
    return key
end

-- All that is given but the key; a generated id stays that of the row that is there.
local function usual(flat, schema)
    for index, column in ipairs(schema:columns()) do
        flat.merge[index] = column.generate and KEEP or SET
    end
    for _, index in ipairs(flat.key) do
        flat.merge[index] = KEEP
    end
end

local function named(flat, schema, columns)
    for index in ipairs(schema:columns()) do
        flat.merge[index] = KEEP
    end
    for name, value in pairs(columns) do
        local plain = type(name) == "number"
        local index = place_of(schema, plain and value or name, "columns")
        if not plain and (type(value) ~= "string" or not value:find "%S") then
            fail("columns: column %s: expected an expression of the server's SQL, got %s", check.show(name),
                check.show(value))
        end
        flat.merge[index] = plain and SET or EXPRESSION
        flat.expressions[index] = not plain and value or nil
    end
end

local function merged(flat, schema, words)
    for name, word in pairs(words) do
        local index = place_of(schema, name, "merge")
        if not WORDS[word] then
            fail('merge: column %s: expected "sum", "min", "max", "first" or "last", got %s', check.show(name),
                check.show(word))
        elseif flat.expressions[index] then
            fail("merge: column %s has an expression already", check.show(name))
        end
        flat.merge[index] = WORDS[word]
    end
end

local function flatten(schema, given)
    local flat = { merge = {}, expressions = {}, nothing = given.on_conflict == "nothing" }
    flat.key = key_of(schema, given.key)
    if flat.nothing then
        for name in pairs(given) do
            if name ~= "key" and name ~= "on_conflict" then
                fail('%s and on_conflict = "nothing": nothing is updated then', name)
            end
        end
        return flat
    end
    if given.columns then
        named(flat, schema, given.columns)
    else
        usual(flat, schema)
    end
    if given.newest then
        flat.newest = place_of(schema, given.newest, "newest")
        flat.merge[flat.newest] = flat.merge[flat.newest] == KEEP and SET or flat.merge[flat.newest]
    end
    merged(flat, schema, given.merge or {})
    return flat
end

-- option: "upsert" or "coalesce" → what C reads; or nil, message
function upsert.flatten(option, schema, given)
    local what = ('batcher: option "%s"'):format(option)
    local message = check.all(what, given, FIELDS[option], { "key" })
    if message then
        return nil, message
    end
    local ok, flat = pcall(flatten, schema, given)
    if ok then
        return flat
    elseif type(flat) == "table" and flat.message then
        return nil, what .. ": " .. flat.message
    end
    error(flat, 0)
end

return upsert
