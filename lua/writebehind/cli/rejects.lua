-- SPDX-License-Identifier: MIT
-- Reports the rows that were refused or are dead, each with its line and the reason: in a file of NDJSON, which
-- `writebehind replay` reads, or without a file the first few on the terminal.

local json = require "writebehind.json"
local process = require("writebehind.core").process

local SHOWN = 10
local REPLACEMENT = "\239\191\189"

local Rejects = {}
Rejects.__index = Rejects

-- How many bytes the UTF-8 character at `at` has; nil where there is none.
local function character_bytes(text, at)
    local lead, second = text:byte(at, at + 1)
    local bytes = lead < 0x80 and 1 or lead < 0xC2 and 0 or lead < 0xE0 and 2 or lead < 0xF0 and 3
        or lead < 0xF5 and 4 or 0
    if bytes == 0 or not text:find("^" .. ("[\128-\191]"):rep(bytes - 1), at + 1) then
        return nil
    elseif lead == 0xE0 and second < 0xA0 or lead == 0xED and second > 0x9F
        or lead == 0xF0 and second < 0x90 or lead == 0xF4 and second > 0x8F then
        return nil
    end
    return bytes
end

-- The text with a replacement character for every byte that is not UTF-8.
local function as_utf8(text)
    if not text:find("[\128-\255]") then
        return text
    end
    local parts, at = {}, 1
    while at <= #text do
        local bytes = character_bytes(text, at)
        parts[#parts + 1] = bytes and text:sub(at, at + bytes - 1) or REPLACEMENT
        at = at + (bytes or 1)
    end
    return table.concat(parts)
end

local function hex(text)
    return (text:gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
    end))
end

-- Keeps one row: its line (nil where it is not known), why, its text, and its form, where that is not the others'.
-- What is no UTF-8 is kept in hex digits too.
function Rejects:put(line, reason, raw, form)
    self.count = self.count + 1
    form = form or self.form
    if self.file then
        local row = as_utf8(raw)
        self.file:write(json.encode { line = line or json.null, error = as_utf8(reason), row = row,
            hex = row ~= raw and hex(raw) or nil, format = form.format, header = form.header,
            delimiter = form.delimiter, null = form.null }, "\n")
    elseif self.count <= SHOWN then
        self.note(("line %s: %s"):format(line or "unknown", reason))
    elseif self.count == SHOWN + 1 then
        self.note("further rows are only counted; --rejects FILE keeps them all")
    end
end

function Rejects:close()
    if self.file then
        self.file:close()
    end
end

local rejects = {}

-- Keeps them in the file of that path, or without a path tells them through `note`, a function of a line of text.
-- `form`: how to read the rows again, options of a reader.
function rejects.open(path, note, form)
    local file, message
    if path then
        file, message = process.make_file(path)
        if file then
            file, message = io.open(path, "wb")
        end
        if not file then
            return nil, message
        end
    end
    return setmetatable({ file = file, note = note, form = form or {}, count = 0 }, Rejects)
end

return rejects
