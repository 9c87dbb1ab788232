-- SPDX-License-Identifier: MIT
-- writebehind replay: the rows of a dead-letter file, or of a file of rejects, into a table, as they were, generated
-- ids included. A line has its row as an object; or as text, and besides how to read it, where that is not NDJSON.

local raw = require("writebehind.core").raw
local input = require "writebehind.cli.input"
local json = require "writebehind.json"
local load = require "writebehind.cli.load"

local FORMATS = { ndjson = true, csv = true, tsv = true, copy = true }

local Source = {}

local function late(self, name)
    return Source[name] or rawget(self, "input")[name]
end

-- ---- one line ----

local function member(pieces, name)
    for _, piece in ipairs(pieces) do
        if piece.name == name and piece.kind ~= "null" then
            return piece
        end
    end
end

local function text_of(pieces, name)
    local piece = member(pieces, name)
    return piece and piece.text
end

local function from_hex(text)
    return (text:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

-- A JSON list of names as one; what is no name is left out.
local function names_of(text)
    local names = {}
    for _, name in ipairs(json.decode(text) or {}) do
        names[#names + 1] = type(name) == "string" and name or nil
    end
    return names
end

-- The text of a line's row, and how it is to be read; nil, nil and what is wrong.
local function row_of(pieces)
    local row, hex = member(pieces, "row"), text_of(pieces, "hex")
    if not row or (row.kind ~= "json" and row.kind ~= "string") then
        return nil, nil, 'no "row": not a line of a dead-letter file, nor of rejects'
    end
    local header = text_of(pieces, "header")
    local format = row.kind == "string" and text_of(pieces, "format") or "ndjson"
    if not FORMATS[format] or (format == "ndjson" and header) then
        return nil, nil, "its row is of no format that can be read"
    end
    return hex and from_hex(hex) or row.text, {
        format = format, header = header and names_of(header), delimiter = text_of(pieces, "delimiter"),
        null = text_of(pieces, "null"),
    }
end

local function is_same_form(a, b)
    return a.format == b.format and a.delimiter == b.delimiter and a.null == b.null
        and table.concat(a.header or {}, ",") == table.concat(b.header or {}, ",")
end

-- ---- one row ----

-- The text goes on with lines that are none: a reader looks at what a text begins with.
local LEAD = "\n\n\n\n"

-- What looks at a row by itself, since one that has no end would take those after it along. nil and a message: there is
-- no such form.
local function new_checker(form)
    local checker, message = raw.records(form)
    if not checker then
        return nil, message
    end
    raw.give(checker, LEAD)
    while raw.next(checker) do -- luacheck: ignore 542
    end
    return checker
end

-- Why a text is not one row; nil: it is.
local function wrong_of(self, text)
    raw.give(self.checker, text .. "\n")
    local line, pieces, wrong = raw.next(self.checker)
    if line and not raw.next(self.checker) then
        return not pieces and wrong or nil
    end
    self.checker = new_checker(self.form)
    return "its row is not one record: it has no end, or more than one"
end

-- ---- the source ----

-- The next record of the input: its line and pieces, or its line, nil and what is wrong; nil at the end, nil, nil and a
-- message where reading fails.
local function next_line(self)
    while true do
        local line, pieces, wrong = raw.next(self.records)
        if line == false then
            return nil, nil, pieces
        elseif line or self.ended then
            return line, pieces, wrong
        end
        local text, message = self.input:read()
        if message then
            return nil, nil, message
        end
        self.ended = not text
        raw.give(self.records, text)
    end
end

-- What the command may still ask for is not more than this.
local MOST_PLACES = 2 ^ 18

local function forget_places(self)
    local count = #self.places
    if count < 2 * MOST_PLACES then
        return
    end
    local kept = {}
    for index = count - MOST_PLACES + 1, count do
        kept[#kept + 1] = self.places[index]
    end
    self.places = kept
end

-- The lines whose rows can't be read, since it was asked last: { line, why, text, form }.
function Source:take_bad()
    local bad = self.bad
    self.bad = {}
    return bad
end

-- Takes the form of the first row as that of all; → why a row of a form is none of them; nil: it is
local function wrong_form(self, form)
    if not self.form then
        local checker, message = new_checker(form)
        if not checker then
            return message
        end
        self.form, self.checker = form, checker
    end
    return not is_same_form(self.form, form) and "its row is of another form than those before" or nil
end

-- The text of the next row; "" where a line has none; nil at the end, or nil and a message.
function Source:read()
    local ahead = self.ahead
    self.ahead = nil
    if ahead then
        return ahead
    end
    local line, pieces, wrong = next_line(self)
    if not line then
        return nil, wrong
    end
    local text, form
    if pieces then
        text, form, wrong = row_of(pieces)
        wrong = wrong or wrong_form(self, form) or wrong_of(self, text)
    end
    if wrong then
        self.bad[#self.bad + 1] = { line = line, why = wrong, text = text or raw.text(self.records),
            form = text and form or { format = "ndjson" } }
        return ""
    end
    forget_places(self)
    self.places[#self.places + 1] = { offset = self.given, line = line }
    self.given = self.given + #text + 1
    return text .. "\n"
end

-- The line of the row that lies at an offset of the text that was given.
function Source:line(_, offset)
    local low, high = 1, #self.places
    while low < high do
        local middle = math.ceil((low + high) / 2)
        if self.places[middle].offset <= offset then
            low = middle
        else
            high = middle - 1
        end
    end
    return self.places[low] and self.places[low].line or 0
end

local replay = {}

local function open(args)
    local file, message = input.open(args.file)
    if not file then
        return nil, message
    end
    local self = setmetatable({ input = file, places = {}, bad = {}, given = 0 }, { __index = late })
    self.records = raw.records { format = "ndjson" }
    local text
    repeat
        text, message = self:read()
    until text ~= ""
    self.ahead = text
    if message then
        return nil, message
    end
    self.options = self.form or { format = "ndjson" }
    self.options.ignore_unknown, self.header = args.ignore_unknown, self.options.header
    return self
end

-- Runs the command; exit codes as of load.
function replay.run(args)
    args.create = false
    return load.run(args, open)
end

return replay
