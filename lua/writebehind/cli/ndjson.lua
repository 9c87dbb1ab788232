-- SPDX-License-Identifier: MIT
-- Splits one JSON object, a line of NDJSON, into its members without decoding what a column takes as text:
-- numbers keep their digits, nested values their spelling. This module checks what is between the members; strings
-- are checked here or by lua-cjson, nested values by their column.

local cjson = require("cjson").new()

local byte, find, sub = string.byte, string.find, string.sub

local QUOTE, COMMA, CLOSE = byte "\"", byte ",", byte "}"

local ndjson = {}

-- Where the string whose quote is at `from` ends, or nil.
local function string_end(line, from)
    local at = from + 1
    while true do
        at = find(line, '["\\]', at)
        if not at or byte(line, at) == QUOTE then
            return at
        end
        at = at + 2
    end
end

-- A string with escapes in it: its text and where it ends.
local function escaped_string(line, from)
    local stop = string_end(line, from)
    if not stop then
        return nil, "a string has no end"
    end
    local ok, list = pcall(cjson.decode, "[" .. sub(line, from, stop) .. "]")
    if not ok then
        return nil, "a string is not valid: " .. tostring(list):gsub(" at character.*", "")
    end
    return list[1], stop
end

local function string_at(line, from)
    local _, stop, text = find(line, '^"([^"\\%c]*)"', from)
    if stop then
        return text, stop
    end
    return escaped_string(line, from)
end

-- Where the object or array that begins at `from` ends, by its brackets alone.
local function nested_end(line, from)
    local depth, at = 0, from
    while at do
        local c = byte(line, at)
        if c == QUOTE then
            at = string_end(line, at)
        elseif c == 123 or c == 91 then -- { [
            depth = depth + 1
        else
            depth = depth - 1
        end
        if depth == 0 or not at then
            return at
        end
        at = find(line, '["{}%[%]]', at + 1)
    end
end

local function nested_at(line, from)
    local stop = nested_end(line, from)
    if not stop then
        return nil, "an object or array has no end"
    end
    return sub(line, from, stop), stop
end

local function number_at(line, from)
    local _, stop = find(line, "^%-?%d+", from)
    if not stop or find(line, "^%-?0%d", from) then
        return nil, "a number is not valid"
    end
    local _, fraction = find(line, "^%.%d+", stop + 1)
    stop = fraction or stop
    local _, exponent = find(line, "^[eE][+-]?%d+", stop + 1)
    stop = exponent or stop
    return sub(line, from, stop), stop
end

local function word_at(line, from)
    local _, stop, word = find(line, "^(%l+)", from)
    if word == "true" or word == "false" or word == "null" then
        return word, stop
    end
    return nil, "a value is not valid"
end

local KINDS = { [byte '"'] = "string", [byte "{"] = "json", [byte "["] = "json", [byte "-"] = "number",
    [byte "t"] = "boolean", [byte "f"] = "boolean", [byte "n"] = "null" }
for digit = byte "0", byte "9" do
    KINDS[digit] = "number"
end

local READERS = { string = string_at, json = nested_at, number = number_at, boolean = word_at, null = word_at }

local function key_at(line, at)
    local _, stop, key = find(line, '^%s*"([^"\\%c]*)"%s*:%s*', at)
    if key then
        return key, stop
    end
    local quote = find(line, "[^%s]", at)
    if not quote or byte(line, quote) ~= QUOTE then
        return nil, "a member's name is missing"
    end
    key, stop = escaped_string(line, quote)
    if not key then
        return nil, stop
    end
    local _, colon = find(line, "^%s*:%s*", stop + 1)
    return colon and key, colon or "a colon is missing"
end

local function fail(line, at, message)
    return nil, ("not a JSON object: %s at byte %d%s"):format(message, at,
        at > #line and ", the line's end" or "")
end

local function members(line, at, out)
    local count = 0
    while true do
        local key, stop = key_at(line, at)
        if not key then
            return fail(line, at, stop)
        end
        at = stop + 1
        local kind = KINDS[byte(line, at)]
        if not kind then
            return fail(line, at, "a value is missing or not valid")
        end
        local text, text_end = READERS[kind](line, at)
        if not text then
            return fail(line, at, text_end)
        end
        count = count + 1
        out.keys[count], out.kinds[count], out.texts[count] = key, kind, text
        at = find(line, "[^ \t\r\n]", text_end + 1)
        local c = at and byte(line, at)
        if c == CLOSE then
            return count, at
        elseif c ~= COMMA then
            return fail(line, at or #line + 1, "a comma or the closing brace is missing")
        end
        at = at + 1
    end
end

-- Fills out.keys, out.kinds ("string" "number" "boolean" "null" "json") and out.texts (a string's is decoded,
-- any other's is as it stands) with the members of the object in `line`; how many there are, or nil and a
-- message that says what is wrong and where.
function ndjson.split(line, out)
    local brace = select(2, find(line, "^%s*{"))
    if not brace then
        return fail(line, 1, "an opening brace is missing")
    end
    local count = 0
    local _, stop = find(line, "^%s*}", brace + 1)
    if not stop then
        count, stop = members(line, brace + 1, out)
        if not count then
            return nil, stop
        end
    end
    local rest = find(line, "[^%s]", stop + 1)
    if rest then
        return fail(line, rest, "text after the object")
    end
    return count
end

return ndjson
