-- SPDX-License-Identifier: MIT
-- Records of an input, one at a time, whatever its format: the line where it begins, its raw text, and its
-- members as names, kinds and texts. A record that can't be read carries `wrong`, the reason.
--
-- Kinds: "string" "number" "boolean" "null" "json" of NDJSON; "field" and "null" of CSV and TSV.

local delimited = require "writebehind.cli.delimited"
local ndjson = require "writebehind.cli.ndjson"

local Reader = {}
Reader.__index = Reader

local function new_record(input, raw)
    return { line = input.number, raw = raw, count = 0, keys = {}, kinds = {}, texts = {} }
end

-- ---- one record of each kind of format; nil at the end, nil and a message where reading fails ----

local function next_ndjson(self)
    local raw, message = self.input:line()
    while raw and not raw:find("%S") do
        raw, message = self.input:line()
    end
    if not raw then
        return nil, message
    end
    local record = new_record(self.input, raw)
    record.count, record.wrong = ndjson.split(raw, record)
    return record
end

-- A line of a dead-letter file: the members of its `row`.
local function next_dead(self)
    local record, message = next_ndjson(self)
    if not record or record.wrong then
        return record, message
    end
    for index = 1, record.count do
        if record.keys[index] == "row" and record.kinds[index] == "json" then
            local text = record.texts[index]
            record.keys, record.kinds, record.texts = {}, {}, {}
            record.count, record.wrong = ndjson.split(text, record)
            return record
        end
    end
    record.wrong = 'no object "row": not a line of a dead-letter file'
    return record
end

-- The fields of the next record that is not an empty line, and a record to put them into.
local function next_fields(self)
    local raw, message = self.input:line()
    while raw == "" or raw == "\r" do
        raw, message = self.input:line()
    end
    if not raw then
        return nil, message
    end
    local record = new_record(self.input, raw)
    local fields, wrong = self.split(raw, function()
        local line = self.input:line()
        record.raw = line and record.raw .. "\n" .. line or record.raw
        return line
    end)
    record.wrong = wrong
    return record, fields
end

local function next_delimited(self)
    local record, fields = next_fields(self)
    if not record or record.wrong then
        return record, not record and fields or nil
    elseif #fields ~= #self.header then
        record.wrong = ("%d fields, the header line has %d"):format(#fields, #self.header)
        return record
    end
    record.count, record.keys = #fields, self.header
    for index = 1, #fields do
        record.kinds[index] = fields[index] and "field" or "null"
        record.texts[index] = fields[index]
    end
    return record
end

local function check_header(header)
    local seen = {}
    for index, name in ipairs(header) do
        if not name then
            return nil, ("the header line's field %d has no name"):format(index)
        elseif seen[name] then
            return nil, ('the header line names "%s" twice'):format(name)
        end
        seen[name] = true
    end
    return header
end

local function read_header(self)
    local record, fields = next_fields(self)
    if not record then
        return nil, fields or "there is no header line"
    elseif record.wrong then
        return nil, "the header line: " .. record.wrong
    end
    self.header = fields
    return check_header(fields)
end

-- ---- the object ----

-- The next record, nil at the end; nil and a message where the input can't be read further.
function Reader:next()
    local first = self.ahead[self.taken + 1]
    if first then
        self.taken = self.taken + 1
        self.ahead[self.taken] = false
        return first
    end
    return self:read()
end

-- Up to `count` records that `next` will still give; fewer at the end of the input.
function Reader:peek(count)
    while #self.ahead < count do
        local record, message = self:read()
        if not record then
            return self.ahead, message
        end
        self.ahead[#self.ahead + 1] = record
    end
    return self.ahead
end

local reader = {}

-- The format that a file's name tells; NDJSON where it tells none.
function reader.format_of(path)
    local ending = path:lower():gsub("%.gz$", ""):match("%.([^./]+)$")
    return (ending == "csv" or ending == "tsv") and ending or ending == "tab" and "tsv" or "ndjson"
end

-- A reader of an input in a format: "ndjson", "csv", "tsv" or "dead" (a dead-letter file). nil and a message
-- where there is no header.
function reader.new(input, format)
    local self = setmetatable({ input = input, ahead = {}, taken = 0 }, Reader)
    if format == "ndjson" then
        self.read = next_ndjson
        return self
    elseif format == "dead" then
        self.read = next_dead
        return self
    end
    self.split, self.read = delimited[format], next_delimited
    local header, message = read_header(self)
    if not header then
        return nil, ("%s: %s"):format(input.name, message)
    end
    return self
end

return reader
