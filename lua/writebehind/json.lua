-- SPDX-License-Identifier: MIT
-- JSON text of Lua values and back, with every number exact. C encodes. lua-cjson decodes, and reads numbers as
-- floats: a long integer is replaced by a string, a placeholder, and the placeholder in the result by the integer.
-- This module has a lua-cjson of its own, so that it shares no settings.
--
-- An empty table is an object, unless its metatable is json.empty_array_mt or says __jsontype = "array".

local cjson = require("cjson").new()
local core = require "writebehind.core"

local json = {
    null = cjson.null,
    empty_array_mt = cjson.empty_array_mt or { __jsontype = "array" },

    -- The JSON text of a value; nil and what was wrong where JSON can't hold it.
    encode = core.json_encode,
}

local DEPTH = 512 -- as deep as the core takes

local math_type = math.type
local find, sub = string.find, string.sub

cjson.decode_max_depth(DEPTH + 1)
cjson.decode_invalid_numbers(false)

-- What the encoder takes for an empty list. OpenResty's lua-cjson has these marks, others have none.
core.helpers.json_arrays = { "__jsontype" }
for _, name in ipairs { "empty_array_mt", "array_mt", "empty_array" } do
    if cjson[name] ~= nil then
        core.helpers.json_arrays[cjson[name]] = true
    end
end

local has_ffi, ffi = pcall(require, "ffi")
has_ffi = has_ffi and type(jit) == "table"

-- The digits of a 64-bit integer of LuaJIT; nil of another cdata.
function core.helpers.int64_text(value)
    if ffi.istype("int64_t", value) or ffi.istype("uint64_t", value) then
        return (tostring(value):gsub("U?LL$", ""))
    end
end

-- The exact text of a number (an int64 cdata is one); nil where JSON has none.
function json.number(value)
    return (core.json_encode(value))
end

-- ---- decoding ----

local function new_placeholder(placeholders, value)
    placeholders[#placeholders + 1] = value
    return placeholders.prefix .. #placeholders
end

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
