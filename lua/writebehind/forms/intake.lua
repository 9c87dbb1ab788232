-- SPDX-License-Identifier: MIT
-- Rows from text: a batcher's add_ndjson, add_csv and reader. The core reads (core/intake); here it is said to which
-- batcher the rows go, and what was refused is gathered.
--
-- A reader's `feed` stops at a row that finds no room. The row stays in the reader, and comes first at the next.

local check = require "writebehind.check"
local raw = require("writebehind.core").raw

local intake = {}

local Reader = {}
Reader.__index = Reader

-- ---- options ----

local function character(value)
    return (type(value) ~= "string" or #value ~= 1) and "one character" or nil
end

local function names_or_boolean(value)
    if type(value) == "boolean" then
        return nil
    end
    for _, name in ipairs(type(value) == "table" and value or {}) do
        if check.plain_text(name) then
            return "a list of names"
        end
    end
    return (type(value) ~= "table" or #value == 0) and "a list of names, true or false" or nil
end

local function names_by_column(value)
    for column, name in pairs(type(value) == "table" and value or {}) do
        if check.plain_text(column) or check.plain_text(name) then
            return "names by columns"
        end
    end
    return type(value) ~= "table" and "names by columns" or nil
end

local READER = {
    format = check.one_of { "ndjson", "csv", "tsv", "copy" }, delimiter = character, comment = character,
    null = check.plain_text, skip = check.whole(0), header = names_or_boolean, map = names_by_column,
    ignore_unknown = check.of_type "boolean", exact = check.of_type "boolean", max_record_bytes = check.whole(16),
}

local function names_of(columns)
    local names = {}
    for _, column in ipairs(columns) do
        if not column.generate then
            names[#names + 1] = column.name
        end
    end
    return names
end

local function pairs_of(map)
    local list = {}
    for column, name in pairs(map or {}) do
        list[#list + 1], list[#list + 2] = column, name
    end
    return list
end

-- What core.raw.reader takes. `columns`: the schema's.
local function flatten(given, columns)
    local flat = { map = pairs_of(given.map), format = given.format or "ndjson" }
    for _, name in ipairs { "delimiter", "comment", "null", "skip", "ignore_unknown", "exact", "max_record_bytes" } do
        flat[name] = given[name]
    end
    flat.header = given.header
    if given.header == false then
        flat.header = names_of(columns)
    elseif given.header == true then
        flat.header = nil
    end
    return flat
end

-- Raises at `level` what is wrong with the options.
local function new_raw(batcher, noun, given, level)
    local message = check.all(noun, given, READER, {})
    local reader
    if not message then
        reader, message = raw.reader(batcher, flatten(given, raw.options(batcher).schema:columns()))
    end
    if not reader then
        error(message:find("^" .. noun) and message or noun .. ": " .. message, level + 1)
    end
    return reader
end

-- ---- reading ----

local function refusal_of(self, message, code)
    local line, text = raw.refusal(self.raw)
    return { line = line, text = text, message = message, code = code }
end

-- Adds the rows that there are, and puts what was refused into the list. → nil; or message, code of what stopped it
local function read(self, refused)
    while true do
        local before = raw.accepted(self.raw)
        local ok, message, code = self.batcher:add_read(self.raw)
        if code == "invalid" then
            refused[#refused + 1] = refusal_of(self, message, code)
        elseif not ok then
            return message, code
        elseif raw.accepted(self.raw) == before then
            return nil
        end
    end
end

local function answer(self, before, refused, message, code)
    local accepted = raw.accepted(self.raw) - before
    if code and code ~= "full" then
        return nil, message, code == "unreadable" and "invalid" or code, accepted, refused
    end
    return accepted, refused, code and message, code
end

-- feed(text) → rows accepted, a list of { line, text, message, code } of the records that were refused; message and
-- "full" besides where it stopped at a row that found no room: feed("") goes on. nil, message, code, rows accepted
-- and the list where nothing can be read or added any more.
function Reader:feed(text)
    local before, refused = raw.accepted(self.raw), {}
    local ok, message, code = raw.put(self.raw, text)
    if ok then
        message, code = read(self, refused)
    end
    return answer(self, before, refused, message, code)
end

-- finish() → as feed, of a last record without a line's end. Nothing can be fed after it but "".
function Reader:finish()
    raw.finish(self.raw)
    local before, refused = raw.accepted(self.raw), {}
    return answer(self, before, refused, read(self, refused))
end

-- The rows that found no room are refused, each by itself.
local function refuse_rest(self, refused, message, code)
    while code == "full" do
        refused[#refused + 1] = refusal_of(self, message, code)
        raw.pass(self.raw)
        message, code = read(self, refused)
    end
    return message, code
end

local function add_text(batcher, noun, text, given)
    local self = { batcher = batcher, raw = new_raw(batcher, noun, given, 3) }
    local refused = {}
    local ok, message, code = raw.put(self.raw, text)
    if ok then
        raw.finish(self.raw)
        message, code = refuse_rest(self, refused, read(self, refused))
    end
    return answer(self, 0, refused, message, code)
end

-- ---- the methods ----

local function check_text(text, noun, level)
    if type(text) ~= "string" then
        error(("bad argument #1 to '%s' (string expected, got %s)"):format(noun, type(text)), level + 1)
    end
end

local function with_format(given, format, noun)
    if given ~= nil and type(given) ~= "table" then
        error(("bad argument #2 to '%s' (table expected, got %s)"):format(noun, type(given)), 3)
    end
    local copy = {}
    for name, value in pairs(given or {}) do
        copy[name] = value
    end
    copy.format = copy.format or format
    return copy
end

-- Sets them in a table of a batcher's methods.
function intake.set(methods)
    function methods.add_many(self, rows)
        if type(rows) ~= "table" then
            error(("bad argument #1 to 'add_many' (table expected, got %s)"):format(type(rows)), 2)
        end
        local accepted, refused = 0, {}
        for index, row in ipairs(rows) do
            local ok, message, code = self:add(row)
            if ok then
                accepted = accepted + 1
            else
                refused[#refused + 1] = { index = index, message = message, code = code }
            end
        end
        return accepted, refused
    end
    function methods.add_ndjson(self, text, given)
        check_text(text, "add_ndjson", 2)
        return add_text(self, "add_ndjson", text, with_format(given, "ndjson", "add_ndjson"))
    end
    function methods.add_csv(self, text, given)
        check_text(text, "add_csv", 2)
        return add_text(self, "add_csv", text, with_format(given, "csv", "add_csv"))
    end
    function methods.reader(self, given)
        local checked = with_format(given, "ndjson", "reader")
        return setmetatable({ batcher = self, raw = new_raw(self, "reader", checked, 2) }, Reader)
    end
end

return intake
