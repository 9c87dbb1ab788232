-- SPDX-License-Identifier: MIT
-- Are options the same as those of the first call? Tables are compared by what they held then, schemas by their
-- columns. Functions, userdata and objects (tables with a metatable, except the options themselves) are compared by
-- identity.

local raw = require("writebehind.core").raw

local same = {}

local function place(value)
    local info = debug.getinfo(value, "S")
    return info.what == "C" and "a function in C" or
        ("the function at %s:%d (%s)"):format(info.short_src, info.linedefined, tostring(value):match("%S+$"))
end

-- What an error message calls a value.
function same.show(value)
    if value == nil then
        return "nothing"
    elseif type(value) == "string" then
        return #value <= 60 and ("%q"):format(value) or ("a string of %d bytes"):format(#value)
    elseif type(value) == "function" then
        return place(value)
    elseif type(value) == "userdata" then
        return ("a %s (%s)"):format(raw.kind(value) or "userdata", tostring(value):match("%S+$"))
    end
    return type(value) == "table" and "a table" or tostring(value)
end

local DEEPEST = 6
local origins = setmetatable({}, { __mode = "k" }) -- of copies

-- Is this a table of values? One with a metatable is an object.
local function is_plain(value)
    return type(value) == "table" and debug.getmetatable(value) == nil
end

-- A copy that later changes to the caller's tables don't reach. Objects, and what is nested too deep, are not copied.
function same.copy(value, depth)
    depth = depth or 1
    if type(value) ~= "table" or depth > 1 and not is_plain(value) or depth > DEEPEST then
        return value
    end
    local copy = {}
    origins[copy] = value
    for key, inner in pairs(value) do
        copy[key] = same.copy(inner, depth + 1)
    end
    return copy
end

local function both_schemas(first, second)
    return raw.kind(first) == "schema" and raw.kind(second) == "schema"
end

local difference

local function differing_key(first, second, path)
    local keys = {}
    for key in pairs(first) do
        keys[key] = true
    end
    for key in pairs(second) do
        keys[key] = true
    end
    for key in pairs(keys) do
        local name = path == "" and tostring(key) or path .. "." .. tostring(key)
        local where, a, b = difference(first[key], second[key], name)
        if where then
            return where, a, b
        end
    end
end

-- `first` is a copy. A table inside is the same if it is the very one that was given then, even if it was changed.
function difference(first, second, path)
    local origin = first ~= nil and origins[first]
    if rawequal(first, second) or origin and rawequal(origin, second) then
        return nil
    elseif both_schemas(first, second) then
        local where = difference(first:columns(), second:columns(), path)
        return where and path, "a schema", "a schema with other columns"
    elseif is_plain(first) and is_plain(second) then
        return differing_key(first, second, path)
    end
    return path, same.show(first), same.show(second)
end

-- → the option's name, both values as text; nil where there is no difference
function same.difference(first, second)
    return differing_key(first, second, "")
end

return same
