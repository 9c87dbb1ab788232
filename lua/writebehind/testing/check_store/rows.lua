-- SPDX-License-Identifier: MIT
-- The rows that a store under check is given, and the comparing of what it stored with them.

local rows = {}

local has_ffi, ffi = pcall(require, "ffi")

-- The least and the greatest int64 that this Lua can give.
local function int64_ends()
    if math.mininteger then
        return math.mininteger, math.maxinteger
    elseif has_ffi then
        local least = ffi.new("int64_t", -2 ^ 63)
        return least, -(least + 1)
    end
    return -2 ^ 53, 2 ^ 53
end

local function every_byte()
    local bytes = {}
    for byte = 0, 255 do
        bytes[byte + 1] = string.char(byte)
    end
    return table.concat(bytes)
end

local LEAST, GREATEST = int64_ends()

-- Every type: its column, and values that tell a careful store from a careless one.
local COLUMNS = {
    { "flag", "bool", { true, false } },
    { "small", "int2", { 0, -32768, 32767 } },
    { "medium", "int4", { 0, -2147483648, 2147483647 } },
    { "big", "int8", { 0, LEAST, GREATEST, 9007199254740991 } },
    { "single", "float4", { 0.5, -0.1, 3.4028234663852886e38 } },
    { "double", "float8", { 0.1, -1 / 3, 1.7976931348623157e308, 5e-324, math.huge } },
    { "note", "text", { "", "plain", "naïve ☃ 日本語 😀", "tab\tline\nreturn\r'\"\\,;{}$1 %s NULL",
        ("x"):rep(100000) } },
    { "raw", "bytea", { "", "\0", every_byte() } },
    { "ref", "uuid", { "00000000-0000-0000-0000-000000000000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" } },
    { "at", "timestamptz", { 0, 1715673600.115245, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z" } },
    { "day", "date", { "1970-01-01", "0001-01-01", "2024-02-29" } },
    { "doc", "json", { "null", '{"b":[1,2.5,null],"a":"é"}', '"text"', "[]" } },
    { "docb", "jsonb", { "null", '{"a": [true, {}]}', '""' } },
}

-- ---- what is given ----

-- The columns of the schema: an id, a number, and one that may be NULL for each type.
function rows.columns()
    local columns = { { "id", "uuid", generate = "uuidv7" }, { "n", "int4" } }
    for index, column in ipairs(COLUMNS) do
        columns[index + 2] = { column[1], column[2], null = true }
    end
    return columns
end

-- Rows that hold every value; the last holds none.
function rows.every_value()
    local list, most = {}, 0
    for _, column in ipairs(COLUMNS) do
        most = math.max(most, #column[3])
    end
    for n = 1, most + 1 do
        list[n] = { n = n }
        for _, column in ipairs(COLUMNS) do
            list[n][column[1]] = column[3][n]
        end
    end
    return list
end

-- `count` rows, the given ones again and again; of those above, a short one, numbered.
function rows.many(given, count)
    local list = {}
    for n = 1, count do
        list[n] = given and given[(n - 1) % #given + 1] or { n = n, note = "row " .. n }
    end
    return list
end

-- ---- as text, to compare ----

-- tostring, also of a store's values, whose metatables may throw.
function rows.text(value)
    local ok, text = pcall(tostring, value)
    return ok and type(text) == "string" and text or "a " .. type(value) .. " that has no text"
end

local function whole_text(value)
    if type(value) == "number" then
        if math.tointeger and math.tointeger(value) then
            return tostring(math.tointeger(value))
        end
        return (value == math.floor(value) and "%.0f" or "%.17g"):format(value)
    end
    return (rows.text(value):gsub("LL$", ""))
end

local function cell_text(value, kind)
    if value == nil or type(value) == "userdata" then
        return "NULL"
    elseif kind:match("^int") then
        return whole_text(value)
    elseif type(value) == "number" then
        return value ~= value and "nan" or (kind == "timestamptz" and "%.6f" or "%.17g"):format(value)
    elseif type(value) == "string" then
        return ("%q"):format(value)
    end
    return rows.text(value)
end

-- A row as batch:row gives it → its text, and the text of each cell.
local function row_text(row, columns)
    local cells = {}
    for index, column in ipairs(columns) do
        cells[index] = cell_text(row[column.name], column.type)
    end
    return table.concat(cells, ", "), cells
end

-- The rows of a batch as they have to be stored: { text, cells, line } each.
function rows.expected(batch, columns)
    local list = {}
    for row, index in batch:rows() do
        local text, cells = row_text(row, columns)
        list[index] = { text = text, cells = cells }
    end
    local index = 0
    for line in assert(batch:ndjson()):gmatch("[^\n]+") do
        index = index + 1
        list[index].line = line
    end
    return list
end

-- What a store answers to `read`: tables as batch:row gives them, or lines as batch:ndjson does.
function rows.actual(list, columns)
    local actual = {}
    for index, row in ipairs(list) do
        if type(row) == "table" then
            local text, cells = row_text(row, columns)
            actual[index] = { text = text, cells = cells }
        else
            actual[index] = { line = (rows.text(row):gsub("\r?\n$", "")) }
        end
    end
    return actual
end

local function same_text(row, as_line)
    return (as_line and row.line or row.text) or ""
end

local function tally(list, as_line)
    local counts = {}
    for _, row in ipairs(list) do
        local text = same_text(row, as_line)
        counts[text] = (counts[text] or 0) + 1
    end
    return counts
end

-- What is left over, once each: rows of `list` while their count lasts.
local function left_over(list, counts, as_line)
    local left = {}
    for _, row in ipairs(list) do
        local text = same_text(row, as_line)
        if (counts[text] or 0) > 0 then
            counts[text] = counts[text] - 1
            left[#left + 1] = row
        end
    end
    return left
end

-- Compares. must: rows that have to be there; flight: rows that may be there, as they were written and not confirmed.
-- → { missing =, early = (of the flight), doubled = (of must), strange = (nobody gave them) }, lists of rows
function rows.compare(actual, must, flight)
    local as_line = actual[1] ~= nil and actual[1].line ~= nil
    local counts, found = tally(actual, as_line), { missing = {} }
    for _, row in ipairs(must) do
        local text = same_text(row, as_line)
        if (counts[text] or 0) == 0 then
            found.missing[#found.missing + 1] = row
        else
            counts[text] = counts[text] - 1
        end
    end
    found.early = left_over(flight, counts, as_line)
    found.doubled = left_over(must, counts, as_line)
    found.strange = left_over(actual, counts, as_line)
    return found
end

-- ---- in words ----

local function cut(text)
    return #text <= 100 and text or text:sub(1, 97) .. "..."
end

function rows.show_value(value)
    return cut(type(value) == "string" and ("%q"):format(value) or rows.text(value))
end

function rows.show(row)
    return cut((row.line or row.text):gsub("[%c]", "?"))
end

-- Where a strange row has the same first column as a missing one: which cell differs → words, or nil.
function rows.difference(missing, strange, columns)
    for _, row in ipairs(strange) do
        if row.cells and row.cells[1] == missing.cells[1] then
            for index, column in ipairs(columns) do
                if row.cells[index] ~= missing.cells[index] then
                    return ("the %s column `%s`: %s was given, %s is stored"):format(column.type, column.name,
                        cut(missing.cells[index]), cut(row.cells[index]))
                end
            end
        end
    end
end

return rows
