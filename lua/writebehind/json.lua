-- SPDX-License-Identifier: MIT
-- JSON text of Lua values and back, by lua-cjson, with every number exact. lua-cjson prints 14 digits and reads
-- numbers as floats. A number that would lose digits is replaced by a string, a placeholder, and the placeholder
-- in the result by the exact number. This module has a lua-cjson of its own, so that it shares no settings.
--
-- An empty table is an object, unless its metatable is json.empty_array_mt or says __jsontype = "array".

local cjson = require("cjson").new()

local json = {
    null = cjson.null,
    empty_array_mt = cjson.empty_array_mt or { __jsontype = "array" },
}

local DEPTH = 512 -- as deep as the core takes
local PLAIN = 1e14 -- integers below it have 14 digits

local floor, huge = math.floor, math.huge
local math_type = math.type
local find, sub = string.find, string.sub

local has_ffi, ffi = pcall(require, "ffi")
has_ffi = has_ffi and type(jit) == "table"

cjson.encode_max_depth(DEPTH + 1)
cjson.decode_max_depth(DEPTH + 1)
cjson.decode_invalid_numbers(false)

local function is_int64(value)
    return has_ffi and type(value) == "cdata"
        and (ffi.istype("int64_t", value) or ffi.istype("uint64_t", value))
end

-- The shortest text that reads back as this float; nil where JSON has none.
local function float_text(value)
    if value ~= value or value == huge or value == -huge then
        return nil
    end
    if value == floor(value) and value > -2 ^ 53 and value < 2 ^ 53 then
        return ("%.0f"):format(value)
    end
    for digits = 15, 17 do
        local text = ("%." .. digits .. "g"):format(value)
        if tonumber(text) == value then
            return (text:gsub(",", "."))
        end
    end
end

-- The exact text of a number (an int64 cdata is one), or nil.
function json.number(value)
    if is_int64(value) then
        return (tostring(value):gsub("U?LL$", ""))
    elseif math_type and math_type(value) == "integer" then
        return ("%d"):format(value)
    end
    return float_text(value)
end

-- Would lua-cjson's 14 digits print it exactly?
local function is_plain(value)
    if value == floor(value) then
        return value > -PLAIN and value < PLAIN
    end
    return tonumber(("%.14g"):format(value)) == value
end

-- ---- looking at a value before it is encoded ----

local function marked_array(value)
    local mt = getmetatable(value)
    if type(mt) ~= "table" or next(value) ~= nil then
        return false
    end
    return mt == json.empty_array_mt or mt.__jsontype == "array" or mt == cjson.array_mt
end

-- "array" or "object"; nil and what is wrong with the keys.
local function shape(value)
    local count, highest, object = 0, 0, false
    for key in next, value do
        local kind = type(key)
        if kind == "number" and key >= 1 and key < huge and key == floor(key) then
            count, highest = count + 1, key > highest and key or highest
        elseif kind == "string" or kind == "number" and float_text(key) then
            object = true
        else
            return nil, "a key that is a " .. kind
        end
    end
    if object or count == 0 then
        return "object"
    elseif highest ~= count then
        return nil, ("a sparse array (%.0f is its highest index, %d values are there)"):format(highest, count)
    end
    return "array"
end

local inspect

local function inspect_table(value, depth)
    if depth > DEPTH then
        return nil, ("nested deeper than %d (a table that holds itself?)"):format(DEPTH), ""
    end
    local kind, message = shape(value)
    if not kind then
        return nil, message, ""
    end
    local exact = marked_array(value)
    for key, item in next, value do
        local item_exact, wrong, path = inspect(item, depth + 1)
        if wrong then
            if depth < 8 then
                path = (kind == "array" and "[" .. key .. "]" or "." .. tostring(key)) .. path
            end
            return nil, wrong, path
        end
        exact = exact or item_exact or type(key) == "number" and kind == "object" and not is_plain(key)
    end
    return exact
end

local function inspect_number(value)
    if math_type and math_type(value) == "integer" then
        return value <= -PLAIN or value >= PLAIN
    elseif not float_text(value) then
        return nil, "the number " .. tostring(value), ""
    end
    return not is_plain(value)
end

-- Does the value hold anything that lua-cjson would not print exactly? Where JSON can't hold it: nil, why, where.
function inspect(value, depth)
    local kind = type(value)
    if kind == "string" or kind == "boolean" then
        return false
    elseif kind == "number" then
        return inspect_number(value)
    elseif kind == "table" then
        return inspect_table(value, depth)
    elseif value == json.null or (value ~= nil and value == cjson.empty_array) then
        return false
    elseif is_int64(value) then
        return true
    end
    return nil, "a " .. kind, ""
end

-- ---- encoding ----

local function new_placeholder(placeholders, text)
    placeholders[#placeholders + 1] = text
    return placeholders.prefix .. #placeholders
end

-- A copy of the value in which placeholders stand for what needs exact text.
local function copy(value, placeholders)
    if type(value) == "number" and inspect_number(value) or is_int64(value) then
        return new_placeholder(placeholders, json.number(value))
    elseif type(value) ~= "table" then
        return value
    elseif marked_array(value) then
        return new_placeholder(placeholders, "[]")
    end
    local out, object = {}, shape(value) == "object"
    for key, item in next, value do
        out[object and type(key) == "number" and json.number(key) or key] = copy(item, placeholders)
    end
    return out
end

-- A placeholder is a prefix and a number. A string of the value may look like one: then more are found than were
-- made, and another prefix is tried.
local function encode_exact(value)
    for salt = 0, huge do
        local placeholders = { prefix = "wb" .. salt .. "#" }
        local quoted = '"' .. placeholders.prefix .. '(%d+)"'
        local text, found = cjson.encode(copy(value, placeholders)):gsub(quoted, function(index)
            return placeholders[tonumber(index)]
        end)
        if found == #placeholders then
            return text
        end
    end
end

-- The JSON text of a value; nil and what was wrong where JSON can't hold it.
function json.encode(value)
    local exact, wrong, path = inspect(value, 1)
    if wrong then
        return nil, ("not JSON: %s%s"):format(wrong, path ~= "" and " at " .. path or "")
    end
    local ok, text = pcall(exact and encode_exact or cjson.encode, value)
    if not ok then
        return nil, "not JSON: " .. tostring(text)
    end
    return text
end

-- ---- decoding ----

local function int64_of(text)
    local sign, digits = text:match("^([+-]?)0*(%d+)$")
    local most = sign == "-" and "9223372036854775808" or "9223372036854775807"
    if #digits > 19 or #digits == 19 and digits > most then
        return nil
    end
    local value = ffi.cast("int64_t", 0)
    for digit in digits:gmatch("%d") do
        value = value * 10 + tonumber(digit)
    end
    return sign == "-" and -value or value
end

-- The integer that a decimal text writes, exact; nil where this Lua has no such integer.
function json.integer(text)
    local value = tonumber(text)
    if not value or not find(text, "^[+-]?%d+$") then
        return nil
    elseif math_type then
        return math_type(value) == "integer" and value or nil
    elseif value > -2 ^ 53 and value < 2 ^ 53 then
        return value
    elseif math.abs(value) == 2 ^ 53 and text == ("%.0f"):format(value) then
        return value
    end
    return has_ffi and int64_of(text) or nil
end

-- Where the string that begins at the quote `from` ends.
local function string_end(text, from)
    local at = from + 1
    while true do
        at = find(text, '["\\]', at)
        if not at or sub(text, at, at) == '"' then
            return at or #text
        end
        at = at + 2
    end
end

-- The text with a placeholder for each long integer.
local function replace_long(text, placeholders)
    local parts, at = {}, 1
    local function long(token)
        if #token >= 15 and find(token, "^%-?[1-9]%d+$") and json.integer(token) then
            return '"' .. new_placeholder(placeholders, json.integer(token)) .. '"'
        end
    end
    while at <= #text do
        local quote = find(text, '"', at, true) or #text + 1
        parts[#parts + 1] = sub(text, at, quote - 1):gsub("[%d.eE+-]+", long)
        at = quote > #text and quote or string_end(text, quote) + 1
        parts[#parts + 1] = sub(text, quote, at - 1)
    end
    return table.concat(parts)
end

local function begins(value, prefix)
    return type(value) == "string" and find(value, prefix, 1, true) == 1
end

local function restore(value, placeholders)
    if type(value) == "table" then
        for key, item in next, value do
            if begins(key, placeholders.prefix) then
                error("a number as a key", 0)
            end
            value[key] = restore(item, placeholders)
        end
    elseif begins(value, placeholders.prefix) then
        return placeholders[tonumber(sub(value, #placeholders.prefix + 1))]
    elseif math_type and type(value) == "number" and value > -2 ^ 53 and value < 2 ^ 53 then
        return math.tointeger(value) or value
    end
    return value
end

-- Does a string in the value, or a key, begin with the prefix?
local function holds(value, prefix)
    if type(value) == "table" then
        for key, item in next, value do
            if begins(key, prefix) or holds(item, prefix) then
                return true
            end
        end
    end
    return begins(value, prefix)
end

-- A prefix with which no string of the text begins, not even one that is written with escapes.
local function free_prefix(text)
    local _, value = pcall(cjson.decode, find(text, "\\u", 1, true) and text or "0")
    local prefix, salt = "wb0#", 0
    while find(text, prefix, 1, true) or holds(value, prefix) do
        salt = salt + 1
        prefix = "wb" .. salt .. "#"
    end
    return prefix
end

-- The value of a JSON text, integers exact (int64 cdata on LuaJIT beyond 2^53; integers on 5.3 and later);
-- nil and what was wrong.
function json.decode(text)
    if type(text) ~= "string" then
        error(("json.decode: a string expected, got %s"):format(type(text)), 2)
    end
    local placeholders = { prefix = free_prefix(text) }
    if find(text, ("%d"):rep(15)) then
        text = replace_long(text, placeholders)
    end
    local ok, value = pcall(cjson.decode, text)
    if ok then
        ok, value = pcall(restore, value, placeholders)
    end
    if not ok then
        return nil, "not JSON: " .. tostring(value)
    end
    return value
end

return json
