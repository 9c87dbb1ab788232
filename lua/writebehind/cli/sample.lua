-- SPDX-License-Identifier: MIT
-- The first records of an input, looked at before it is known which table they go to; the input then goes on with the
-- same text.

local raw = require("writebehind.core").raw

local Sample = {}

-- What it has not itself is the input's: position, size, name, close.
local function late(self, name)
    return Sample[name] or rawget(self, "input")[name]
end

-- The names of a header's fields: one without a name is called column_N, one that was there before gets a number, as
-- the core's reader has them.
local function header_names(pieces)
    local names, times = {}, {}
    for index, piece in ipairs(pieces) do
        local name = piece.text
        times[name] = (times[name] or 0) + 1
        names[index] = name == "" and "column_" .. index or times[name] > 1 and name .. "_" .. times[name] or name
    end
    return names
end

-- What a header says of which two fields get the same name.
local function named_twice(header)
    local seen = {}
    for _, name in ipairs(header) do
        if seen[name] then
            return ('two fields of the header are called "%s"; --skip 1, --no-header and --columns name them'):format(
                name)
        end
        seen[name] = true
    end
end

-- What a header of one field says that has another delimiter in it.
local function other_delimiter(header)
    local found = #header == 1 and header[1]:match "[;\t|,]"
    return found and ('the header is one field, "%s": is the delimiter %s?'):format(header[1],
        found == "\t" and "a tab" or ('"%s"'):format(found))
end

local function take(self, line, pieces, wrong)
    if not line then
        self.failure = pieces
    elseif self.has_fields and not self.header then
        self.header = header_names(pieces or {})
        self.failure = not pieces and "the header: " .. wrong or named_twice(self.header)
            or self.creates and other_delimiter(self.header) or nil
    elseif pieces then
        self.records[#self.records + 1] = pieces
    else
        self.wrong = self.wrong or ("line %d: %s"):format(line, wrong)
    end
end

-- Takes the records that the text so far has whole.
local function take_all(self, records, most)
    while #self.records < most and not self.failure do
        local line, pieces, wrong = raw.next(records)
        if line == nil then
            return
        end
        take(self, line, pieces, wrong)
    end
end

-- The text that was read, piece by piece, then the input's.
function Sample:read()
    local text = table.remove(self.chunks, 1)
    if text then
        return text
    end
    return self.input:read()
end

-- What of it was no record by itself: nothing.
function Sample.take_bad()
    return {}
end

-- The line of the input where a record is, by where the reader has it.
function Sample.line(_, line)
    return line
end

local sample = {}

-- Up to `most` records; where it is more than one, a table is made of them. `options`: as core.raw.records has them.
-- → a source with `records` (lists of pieces), `header` (names, of a format with fields), `options`; or nil and a
-- message
function sample.take(input, options, most)
    local self = setmetatable({
        options = options, input = input, chunks = {}, records = {}, has_fields = options.format ~= "ndjson",
        header = options.header, creates = most > 1,
    }, { __index = late })
    local records, message = raw.records(options)
    if not records then
        return nil, message
    end
    repeat
        local text
        text, message = input:read()
        self.chunks[#self.chunks + 1] = text
        raw.give(records, text)
        take_all(self, records, most)
    until not text or #self.records >= most or self.failure
    if message or self.failure then
        return nil, message or ("%s: %s"):format(input.name, self.failure)
    end
    return self
end

return sample
