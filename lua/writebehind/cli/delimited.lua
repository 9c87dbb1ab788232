-- SPDX-License-Identifier: MIT
-- Splits records of CSV (RFC 4180: quotes, doubled quotes, line ends inside quotes) and of TSV (no quotes;
-- \t \n \r \\ and \N as PostgreSQL's COPY and others write them). A field is its text, or false for NULL:
-- in CSV an empty field without quotes, in TSV an empty one or \N.

local find, sub, byte = string.find, string.sub, string.byte

local QUOTE, COMMA = byte '"', byte ","

local delimited = {}

local function without_return(line)
    return byte(line, -1) == 13 and sub(line, 1, -2) or line
end

-- ---- CSV ----

-- Reads the quoted field whose text begins at `at`; it may go on over the lines that `more` gives. → its text, the
-- line in which it ends, and where; or nil and a message.
local function quoted_field(line, at, more)
    local parts = {}
    while true do
        local quote = find(line, '"', at, true)
        if not quote then
            parts[#parts + 1] = sub(line, at) .. "\n"
            line, at = more(), 1
            if not line then
                return nil, "a quoted field has no end"
            end
        elseif byte(line, quote + 1) == QUOTE then
            parts[#parts + 1] = sub(line, at, quote)
            at = quote + 2
        else
            parts[#parts + 1] = sub(line, at, quote - 1)
            return table.concat(parts), line, quote
        end
    end
end

local function plain_field(line, at)
    local comma = find(line, ",", at, true)
    local text = comma and sub(line, at, comma - 1) or without_return(sub(line, at))
    comma = comma or #line + 1
    if find(text, '"', 1, true) then
        return nil, "a quote inside a field without quotes"
    end
    return text ~= "" and text, comma
end

-- Reads the field at `at`. → its text, the line in which it ends, and where the comma after it is or would be.
local function field(line, at, more)
    if byte(line, at) ~= QUOTE then
        local text, comma = plain_field(line, at)
        return text, text == nil and comma or line, comma
    end
    local text, last, quote = quoted_field(line, at + 1, more)
    if not text then
        return nil, last
    end
    local rest = sub(last, quote + 1, quote + 2)
    if rest ~= "" and rest ~= "\r" and byte(rest) ~= COMMA then
        return nil, "text after a field's closing quote"
    end
    return text, last, byte(rest) == COMMA and quote + 1 or #last + 1
end

-- The fields of the record that begins with `line`; `more` gives the lines after it. nil and a message.
function delimited.csv(line, more)
    local fields, at = {}, 1
    while true do
        local text, last, comma = field(line, at, more)
        if text == nil then
            return nil, last
        end
        fields[#fields + 1] = text
        if comma > #last then
            return fields
        end
        line, at = last, comma + 1
    end
end

-- ---- TSV ----

local UNESCAPED = { t = "\t", n = "\n", r = "\r" }

function delimited.tsv(line)
    local fields = {}
    for text in (without_return(line) .. "\t"):gmatch("([^\t]*)\t") do
        if text == "" or text == "\\N" then
            text = false
        elseif find(text, "\\", 1, true) then
            text = text:gsub("\\(.)", function(c)
                return UNESCAPED[c] or c
            end)
        end
        fields[#fields + 1] = text
    end
    return fields
end

return delimited
