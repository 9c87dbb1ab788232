-- SPDX-License-Identifier: MIT
-- Rows from text: a batcher's add_ndjson, add_csv and reader. The core reads (core/intake); here it is said to which
-- batcher the rows go, and what was refused is gathered.
--
-- A reader's `feed` stops at a row that finds no room. The row stays in the reader, and comes first at the next.

local check = require "writebehind.check"
local hooks = require "writebehind.forms.hooks"
local raw = require("writebehind.core").raw

local intake = {}

local DONE, ACCEPTED, COUNT = 1, 2, 3 -- of the list that add_some is given

local Reader = {}
Reader.__index = Reader

-- ---- options ----

local function character(value)
    return (type(value) ~= "string" or #value ~= 1 or value == "\0") and "one character" or nil
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

local FORMATS = {
    reader = check.one_of { "ndjson", "csv", "tsv", "copy" }, add_csv = check.one_of { "csv", "tsv", "copy" },
    add_ndjson = check.one_of { "ndjson" },
}

local READER = {
    format = FORMATS.reader, delimiter = character, comment = character,
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

-- Options with the format, where they have none. `noun`: the method, at whose caller it raises what is wrong.
local function new_raw(batcher, noun, given, format)
    if given ~= nil and type(given) ~= "table" then
        error(("bad argument #2 to '%s' (table expected, got %s)"):format(noun, type(given)), 3)
    end
    local options = hooks.options_of(batcher, "batcher", noun, 4)
    local full = { format = format }
    for name, value in pairs(given or {}) do
        full[name] = value
    end
    local message = check.all(noun, full, READER, {}) or check.all(noun, { format = full.format },
        { format = FORMATS[noun] }, {})
    local reader
    if not message then
        reader, message = raw.reader(batcher, flatten(full, options.schema:columns()))
    end
    if not reader then
        error(message:find("^" .. noun) and message or noun .. ": " .. message, 3)
    end
    return reader
end

-- ---- reading ----

local function check_text(text, noun)
    if type(text) ~= "string" then
        error(("bad argument #1 to '%s' (string expected, got %s)"):format(noun, type(text)), 3)
    end
end

local function check_reader(self, noun)
    if getmetatable(self) ~= Reader then
        error(("reader:%s: expected a reader as self, got %s (methods are called with a colon)"):format(noun,
            type(self)), 3)
    end
end

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

-- A row that waits for room was not rejected.
local function stop_at(self, message, code)
    if code == "full" then
        raw.forgive(self.batcher)
    end
    return message, code
end

-- feed(text) → rows accepted, a list of { line, text, message, code } of the records that were refused; message and
-- "full" besides where it stopped at a row that found no room: feed("") goes on. nil, message, code, rows accepted
-- and the list where nothing can be read or added any more.
function Reader:feed(text)
    check_reader(self, "feed")
    check_text(text, "feed")
    if self.finished and text ~= "" then
        error("feed: finished: it takes no more text", 2)
    end
    local before, refused, ok, message, code = raw.accepted(self.raw), {}, true, nil, nil
    if text ~= "" then
        ok, message, code = raw.put(self.raw, text)
    end
    if ok then
        message, code = stop_at(self, read(self, refused))
    end
    return answer(self, before, refused, message, code)
end

-- finish() → as feed, of a last record without a line's end. Nothing can be fed after it but "".
function Reader:finish()
    check_reader(self, "finish")
    self.finished = true
    raw.finish(self.raw)
    local before, refused = raw.accepted(self.raw), {}
    return answer(self, before, refused, stop_at(self, read(self, refused)))
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

local function add_text(batcher, reader, text)
    local self = { batcher = batcher, raw = reader }
    local refused = {}
    local ok, message, code = raw.put(self.raw, text)
    if ok then
        raw.finish(self.raw)
        message, code = refuse_rest(self, refused, read(self, refused))
    end
    return answer(self, 0, refused, message, code)
end

-- ---- the methods ----

-- → how many tables a list has; or nil, the index of what is none, and its type. LuaJIT compiles it.
local function count_rows(rows)
    local count = 0
    while type(rows[count + 1]) == "table" do
        count = count + 1
    end
    if rows[count + 1] == nil then
        return count
    end
    return nil, count + 1, type(rows[count + 1])
end

count_rows = type(jit) == "table" and count_rows or raw.rows -- luacheck: globals jit

-- → how many
local function check_rows(rows)
    if type(rows) ~= "table" then
        error(("bad argument #1 to 'add_many' (table expected, got %s)"):format(type(rows)), 3)
    end
    local count, index, kind = count_rows(rows)
    if not count then
        error(("bad argument #1 to 'add_many' (row %d: table expected, got %s)"):format(index, kind), 3)
    end
    return count
end

-- Sets them in a table of a batcher's methods. add_some adds some of the rows that are not done, as each form adds a
-- row.
function intake.set(methods)
    function methods.add_many(self, rows)
        local options = hooks.options_of(self, "batcher", "add_many")
        local progress, refused = { 0, 0, check_rows(rows), options.inline == false }, {}
        while progress[DONE] < progress[COUNT] do
            local ok, message, code = self:add_some(rows, progress)
            if not ok then
                progress[DONE] = progress[DONE] + 1
                refused[#refused + 1] = { index = progress[DONE], message = message, code = code }
            end
        end
        return progress[ACCEPTED], refused
    end
    function methods.add_ndjson(self, text, given)
        check_text(text, "add_ndjson")
        return add_text(self, new_raw(self, "add_ndjson", given, "ndjson"), text)
    end
    function methods.add_csv(self, text, given)
        check_text(text, "add_csv")
        return add_text(self, new_raw(self, "add_csv", given, "csv"), text)
    end
    function methods.reader(self, given)
        return setmetatable({ batcher = self, raw = new_raw(self, "reader", given, "ndjson") }, Reader)
    end
end

return intake
