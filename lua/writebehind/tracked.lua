-- SPDX-License-Identifier: MIT
-- What a tracker's options say of its key: a name, or { name, type }, as in a schema.

local tracked = {}

local KEY = { types = { uuid = true, int4 = true, int8 = true, text = true },
    fields = { true, true, name = true, type = true },
    expected = "a name, or { name, type } with a type of uuid, int4, int8, text" }

local function name_of(value)
    return value[1] or value.name
end

local function type_of(value)
    return value[2] or value.type
end

local function is_name(value)
    return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

local function fits(part, value)
    if type(value) ~= "table" then
        return is_name(value)
    end
    for field in pairs(value) do
        if not part.fields[field] then
            return false
        end
    end
    return is_name(name_of(value)) and part.types[type_of(value)] == true
end

-- A checker of the options: nil where a value is right, else what was expected.
function tracked.key(value)
    return not fits(KEY, value) and KEY.expected or nil
end

-- Has the option's name and type under names of their own.
function tracked.flatten(flat)
    if type(flat.key) == "table" then
        flat.key, flat.key_type = name_of(flat.key), type_of(flat.key)
    end
end

return tracked
