-- SPDX-License-Identifier: MIT
-- What options have to be. A checker is a function of a value: nil where it is right, else what was expected.

local raw = require("writebehind.core").raw

local huge = math.huge

local check = { MOST_WHOLE = 2 ^ 53 }

-- ---- checkers ----

local function is_number(value)
    return type(value) == "number" and value == value
end

local function is_whole(value, least, end_at)
    return is_number(value) and value >= least and value < end_at and value % 1 == 0
end

function check.whole(least)
    local expected = ("a whole number of at least %d"):format(least)
    return function(value)
        return not is_whole(value, least, check.MOST_WHOLE) and expected or nil
    end
end

function check.whole_or_huge(least, end_at)
    local expected = ("a whole number of at least %d, or math.huge"):format(least)
    return function(value)
        return not (is_whole(value, least, end_at) or value == huge) and expected or nil
    end
end

function check.seconds(value)
    return not (is_number(value) and value >= 0) and "seconds, 0 or more" or nil
end

function check.some_seconds(value)
    return not (is_number(value) and value > 0) and "seconds, above 0" or nil
end

function check.share(least, most)
    local expected = ("a number above %d and at most %d"):format(least, most)
    return function(value)
        return not (is_number(value) and value > least and value <= most) and expected or nil
    end
end

function check.of_type(name)
    local expected = "a " .. name
    return function(value)
        return type(value) ~= name and expected or nil
    end
end

function check.of_kind(name)
    local expected = "a " .. name .. " of this library"
    return function(value)
        return raw.kind(value) ~= name and expected or nil
    end
end

-- Text that names something: not empty, no NUL.
function check.name_text(value)
    local right = type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
    return not right and "a name (a string, not empty)" or nil
end

-- A path or conninfo: no NUL.
function check.plain_text(value)
    local right = type(value) == "string" and not value:find("\0", 1, true)
    return not right and "a string" or nil
end

function check.one_of(names)
    local set, quoted = {}, {}
    for index, name in ipairs(names) do
        set[name], quoted[index] = true, ('"%s"'):format(name)
    end
    local expected = table.concat(quoted, ", ")
    return function(value)
        return not set[value] and expected or nil
    end
end

-- ---- checking a table against a list of checkers ----

function check.show(value)
    if type(value) == "string" then
        return #value <= 60 and ("%q"):format(value) or ("a string of %d bytes"):format(#value)
    elseif type(value) == "number" or type(value) == "boolean" then
        return tostring(value)
    end
    local kind = raw.kind(value)
    return kind and "a " .. kind or value == nil and "nothing" or "a " .. type(value)
end

local function problem(noun, name, expected, value)
    return ('%s: option "%s": expected %s, got %s'):format(noun, name, expected, check.show(value))
end

local function unknown(noun, name)
    if type(name) == "string" then
        return ('%s: unknown option "%s"'):format(noun, name)
    end
    return ("%s: unknown option %s: options are given by name"):format(noun, check.show(name))
end

function check.all(noun, given, checkers, required)
    if type(given) ~= "table" then
        return ("%s: expected a table of options, got %s"):format(noun, check.show(given))
    end
    for name, value in pairs(given) do
        local checker = checkers[name]
        if not checker then
            return unknown(noun, name)
        end
        local expected = checker(value)
        if expected then
            return problem(noun, name, expected, value)
        end
    end
    for _, name in ipairs(required) do
        if given[name] == nil then
            return problem(noun, name, checkers[name](nil), nil)
        end
    end
end

return check
