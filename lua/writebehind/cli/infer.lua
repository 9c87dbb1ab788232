-- SPDX-License-Identifier: MIT
-- The columns of a table that does not exist yet, from a sample of the records that are to go into it. A column has
-- the first type that keeps each value of the sample exactly; what is none becomes text, what nests jsonb. Each may
-- be NULL, since a later record may lack it. A table without a column "id" gets one, a generated uuid, by which a
-- repeated write is recognised.

local raw = require("writebehind.core").raw

local infer = {}

-- In order of preference. What is in quotes in JSON is no number.
local CANDIDATES = {
    field = { "bool", "int8", "numeric", "uuid", "date", "timestamptz", "timestamp", "text" },
    string = { "uuid", "date", "timestamptz", "timestamp", "text" },
    number = { "int8", "float8", "numeric", "text" },
    bool = { "bool", "text" },
    json = {},
}
local ORDER = { "bool", "int8", "float8", "numeric", "uuid", "date", "timestamptz", "timestamp", "text" }

-- Which of the types that are left keep this piece too? A time without a zone has none.
local function narrow(left, piece)
    local fits = { nested = left and left.nested or piece.kind == "json" }
    for _, kind in ipairs(CANDIDATES[piece.kind]) do
        fits[kind] = (not left or left[kind]) and raw.fits(piece.kind, piece.text, kind) or nil
    end
    if fits.float8 and piece.text:find "^%-?%d+$" and #piece.text > 16 then
        fits.float8 = nil -- it would come back with an exponent
    end
    if fits.timestamp and raw.fits(piece.kind, piece.text, "timestamptz") then
        fits.timestamp = nil
    end
    return fits
end

local function type_of(left)
    if not left then
        return "text"
    end
    for _, kind in ipairs(ORDER) do
        if left[kind] then
            return kind
        end
    end
    return left.nested and "jsonb" or "text"
end

local function look_at(pieces, header, order, types)
    for index, piece in ipairs(pieces) do
        local name = piece.name or header[index]
        if name and types[name] == nil then
            types[name] = false
            order[#order + 1] = name
        end
        if name and piece.kind ~= "null" then
            types[name] = narrow(types[name], piece)
        end
    end
end

-- ---- names ----

-- As PostgreSQL cuts a name: at 63 bytes, or less, between two characters.
local function cut(name, most)
    local stop = most or 63
    if #name <= stop then
        return name
    end
    while name:byte(stop + 1) >= 0x80 and name:byte(stop + 1) < 0xC0 do
        stop = stop - 1
    end
    return name:sub(1, stop)
end

-- The name that a column of a database has for one, and the one by which it knows it again: SQLite's have no case.
function infer.name_in(dialect, name)
    name = cut(name)
    return name, dialect == "sqlite" and name:lower() or name
end

-- By the input's names: the columns' names, none twice.
function infer.column_names(order, dialect)
    local names, taken = {}, {}
    for _, name in ipairs(order) do
        local column, key = infer.name_in(dialect, name)
        local number = 1
        while taken[key] do
            number = number + 1
            column = cut(name, 62 - #tostring(number)) .. "_" .. number
            key = select(2, infer.name_in(dialect, column))
        end
        taken[key], names[name] = true, column
    end
    return names
end

-- ---- columns ----

-- sample: of cli/sample.lua. `map` gives the input name of a column that is named otherwise. → definitions for
-- writebehind.schema, and the input names by column
function infer.columns(sample, map, dialect)
    local order, types, header = {}, {}, sample.header or {}
    for _, name in ipairs(header) do
        types[name] = types[name] or false
        order[#order + 1] = name
    end
    for _, pieces in ipairs(sample.records) do
        look_at(pieces, header, order, types)
    end
    local names, columns, from, has_id = infer.column_names(order, dialect), {}, {}, false
    for column, name in pairs(map) do
        names[name] = column
    end
    for _, name in ipairs(order) do
        local column = { names[name], type_of(types[name]), null = true }
        if column[1] == "id" then
            has_id = true
            column = column[2] == "uuid" and { "id", "uuid", generate = "uuidv7" } or column
        end
        from[column[1]] = name
        columns[#columns + 1] = column
    end
    if not has_id then
        table.insert(columns, 1, { "id", "uuid", generate = "uuidv7" })
    end
    return columns, from
end

return infer
