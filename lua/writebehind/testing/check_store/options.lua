-- SPDX-License-Identifier: MIT
-- The arguments of testing.check_store, checked: wrong use raises at the caller of check_store.

local raw = require("writebehind.core").raw
local show = require("writebehind.testing.check_store.rows").show_value

local LEVEL = 4 -- of that caller

local function of_type(name)
    return function(value)
        return type(value) == name
    end
end

local function of_kind(name)
    return function(value)
        return raw.kind(value) == name
    end
end

local function is_count(value)
    return type(value) == "number" and value >= 1 and value < 2 ^ 53 and value % 1 == 0
end

local function is_seconds(value)
    return type(value) == "number" and value >= 0
end

local function is_list(value)
    return type(value) == "table" and value[1] ~= nil
end

local KEYS = { uuid = true, int4 = true, int8 = true, text = true }

local function is_key(value)
    return KEYS[value] == true
end

local FUNCTION, COUNT = { "a function", of_type "function" }, { "a whole number above 0", is_count }

-- What each has to be, in words, and whether it is.
local OPTIONS = {
    read = FUNCTION, times = FUNCTION, fail = FUNCTION, idempotent = { "a boolean", of_type "boolean" },
    clock = { "a clock of writebehind.testing", of_kind "clock" }, timeout = { "a number of seconds", is_seconds },
    steps = COUNT, large = COUNT, schema = { "a schema", of_kind "schema" }, rows = { "a list of rows", is_list },
    ids = { "a list of ids", is_list }, key = { "uuid, int4, int8 or text", is_key },
}

local function check_option(name, value)
    local option = OPTIONS[name]
    if not option then
        error(("check_store: unknown option `%s`"):format(tostring(name)), LEVEL + 1)
    elseif not option[2](value) then
        error(("check_store: option `%s`: expected %s, got %s"):format(name, option[1], show(value)), LEVEL + 1)
    end
end

return function(new_store, options)
    if type(new_store) ~= "function" then
        error(("check_store: expected a function that makes a store, got %s"):format(show(new_store)), LEVEL)
    elseif type(options) ~= "table" then
        error(("check_store: expected a table of options, got %s"):format(show(options)), LEVEL)
    end
    for name, value in pairs(options) do
        check_option(name, value)
    end
    if (options.schema == nil) ~= (options.rows == nil) then
        error("check_store: `schema` and `rows` go together", LEVEL)
    end
end
