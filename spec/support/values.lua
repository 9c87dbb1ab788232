-- One table of values for every column type, the extremes among them, with what each must read back as.
-- A case: given (what add takes), canon (canonical text), and, where they differ, copy (what the binary
-- stream holds), lua (what a Lua row gives) and sqlite (what SQLite is able to keep).
-- Canonical: t/f; decimal integers; floats as the hex of their big-endian bits; text, bytea and JSON as hex
-- (JSON without its spaces); a time as RFC 3339 with six digits; "NULL".

local copy = require "spec.support.copy"

local values = {}

values.types = {
    "bool", "int2", "int4", "int8", "float4", "float8", "text", "bytea", "uuid", "timestamptz", "date", "json", "jsonb",
}

local has_ffi, ffi = pcall(require, "ffi")
has_ffi = has_ffi and type(rawget(_G, "jit")) == "table"

-- A number as sign, exponent and fraction of IEEE 754, of that many bits each; for Lua 5.1. `number` is
-- finite or infinite, and exact in that many bits.
local function ieee_bits(number, exponent_bits, fraction_bits)
    local bias = 2 ^ (exponent_bits - 1) - 1
    local sign = (number < 0 or 1 / number < 0) and 1 or 0
    local fraction, exponent = math.frexp(math.abs(number)) -- luacheck: ignore
    if number == 0 then
        return sign, 0, 0
    elseif fraction == math.huge or exponent > bias + 1 then
        return sign, 2 * bias + 1, 0
    elseif exponent < 2 - bias then -- subnormal
        return sign, 0, math.floor(fraction * 2 ^ (exponent + bias - 1 + fraction_bits) + 0.5)
    end
    return sign, exponent - 1 + bias, math.floor((fraction * 2 - 1) * 2 ^ fraction_bits + 0.5)
end

local function bits_of_51(number, bytes)
    local exponent_bits, fraction_bits = bytes == 4 and 8 or 11, bytes == 4 and 23 or 52
    local sign, exponent, fraction = ieee_bits(number, exponent_bits, fraction_bits)
    local high_bits = fraction_bits - (bytes - 2) * 8 -- of the fraction, in the first two bytes
    local unit = 2 ^ (fraction_bits - high_bits)
    local high = math.floor(fraction / unit)
    local first = sign * 2 ^ 15 + exponent * 2 ^ high_bits + high -- a fraction rounded up to 1 carries
    local text = string.char(math.floor(first / 256), first % 256)
    fraction = fraction % unit
    for place = bytes - 3, 0, -1 do
        text = text .. string.char(math.floor(fraction / 256 ^ place) % 256)
    end
    return copy.hex(text)
end

-- The bits of a number as a big-endian float of that many bytes, in hex.
function values.bits(number, bytes)
    if string.pack then
        return copy.hex(string.pack(bytes == 4 and ">f" or ">d", number))
    elseif not has_ffi then
        return bits_of_51(number, bytes)
    end
    local box = ffi.new(bytes == 4 and "float[1]" or "double[1]", number)
    return copy.hex(ffi.string(box, bytes):reverse())
end

-- The least and the greatest int64: an integer, or on LuaJIT a cdata.
local function int64_ends()
    if math.mininteger then
        return math.mininteger, math.maxinteger
    elseif has_ffi then
        local least = ffi.new("int64_t", -2 ^ 63)
        return least, -(least + 1)
    end
    return -2 ^ 53, 2 ^ 53
end

local least, greatest = int64_ends()

-- A whole number's digits; 5.1 would print one of more than 14 as a float.
local function digits_of(number)
    local whole = math.tointeger and math.tointeger(number) or number
    if type(whole) == "number" and not math.tointeger then
        return ("%.0f"):format(whole)
    end
    return (tostring(whole):gsub("LL$", ""))
end

local function integer(given)
    return { given = given, canon = digits_of(given) }
end

local function float(bytes)
    return function(given)
        return { given = given, canon = values.bits(given, bytes) }
    end
end

local function hexed(given)
    return { given = given, canon = copy.hex(given) }
end

local function json(given)
    return { given = given, canon = copy.hex((given:gsub(" ", ""))) }
end

local function time(given, text, micros)
    return { given = given, canon = text, copy = micros }
end

local function date(text, days)
    return { given = text, canon = text, copy = days }
end

local function each(make, ...)
    local list = { ... }
    for i = 1, select("#", ...) do
        list[i] = make(list[i])
    end
    return list
end

local NEGATIVE_ZERO = -1 / math.huge
-- SQLite keeps a whole number in a REAL column as an integer, and that has no negative zero.
local function zero_in_sqlite(cases, bytes)
    for _, case in ipairs(cases) do
        if case.given == 0 then
            case.sqlite = values.bits(0.0, bytes)
        end
    end
    return cases
end

local ALL_BYTES = {}
for byte = 0, 255 do
    ALL_BYTES[byte + 1] = string.char(byte)
end
ALL_BYTES = table.concat(ALL_BYTES)

values.cases = {
    bool = { { given = true, canon = "t" }, { given = false, canon = "f" } },
    int2 = each(integer, 0, -1, 1, -32768, 32767),
    int4 = each(integer, 0, -1, 1, -2147483648, 2147483647),
    int8 = each(integer, 0, -1, least, greatest, 1099511627776),
    float4 = zero_in_sqlite(each(float(4), 0.0, NEGATIVE_ZERO, 1.5, -0.1, 2 ^ -149, 2 ^ -126, 3.4028234663852886e38,
        -3.4028234663852886e38, math.huge, -math.huge), 4),
    float8 = zero_in_sqlite(each(float(8), 0.0, NEGATIVE_ZERO, 0.1, -1 / 3, 5e-324, 2.2250738585072014e-308,
        1.7976931348623157e308, -1.7976931348623157e308, math.huge, -math.huge), 8),
    text = each(hexed, "", "plain", "naïve ☃ 日本語 😀", "tab\tnewline\nreturn\rbackslash\\quote'\"pipe|\\N", " ",
        ("x"):rep(100000), "\127\1\31"),
    bytea = each(hexed, "", "\0", "a\0b", ALL_BYTES, ("\0\255"):rep(50000)),
    uuid = {
        { given = "00000000-0000-0000-0000-000000000000", canon = "00000000-0000-0000-0000-000000000000" },
        { given = "ffffffff-ffff-ffff-ffff-ffffffffffff", canon = "ffffffff-ffff-ffff-ffff-ffffffffffff" },
        { given = "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", canon = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" },
        { given = "\0\1\2\3\4\5\6\7\8\9\10\11\12\13\14\15", canon = "00010203-0405-0607-0809-0a0b0c0d0e0f" },
    },
    timestamptz = {
        time(0, "1970-01-01T00:00:00.000000Z", "0"),
        time("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z", "-62135596800000000"),
        time("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", "-1"),
        time(-0.000001, "1969-12-31T23:59:59.999999Z", "-1"),
        time("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", "253402300799999999"),
        time(1715673600.115245, "2024-05-14T08:00:00.115245Z", "1715673600115245"),
        time("2024-05-14T10:30:00.5+02:30", "2024-05-14T08:00:00.500000Z", "1715673600500000"),
        time("2000-02-29T23:59:59Z", "2000-02-29T23:59:59.000000Z", "951868799000000"),
    },
    date = {
        date("1970-01-01", "0"), date("0001-01-01", "-719162"), date("1969-12-31", "-1"), date("9999-12-31", "2932896"),
        date("2024-02-29", "19782"),
    },
    json = each(json, "null", "{}", '{"b":[1,2.50,null],"a":"é\\u0001"}', '"text"', "9007199254740993", "[[],[]]"),
    jsonb = each(json, "null", "{}", '{"a": 1, "bb": [true, null, "é"]}', '"text"', "9007199254740993", "[[], []]"),
}

-- Columns for writebehind.schema: n, which counts the rows, and one that may be NULL for each type.
function values.columns()
    local columns = { { "n", "int4" } }
    for _, name in ipairs(values.types) do
        columns[#columns + 1] = { "c_" .. name, name, null = true }
    end
    return columns
end

-- The rows that hold all cases, as add takes them, and the same as lists of cases (false: NULL). The last
-- row is NULL but for n.
function values.rows()
    local rows, expected, most = {}, {}, 0
    for _, name in ipairs(values.types) do
        most = math.max(most, #values.cases[name])
    end
    for n = 1, most + 1 do
        local row, cases = { n = n }, { { canon = tostring(n) } }
        for i, name in ipairs(values.types) do
            local case = values.cases[name][n]
            cases[i + 1] = case or false
            if case then
                row["c_" .. name] = case.given
            end
        end
        rows[n], expected[n] = row, cases
    end
    return rows, expected
end

local function of_lua(value, name)
    if value == nil then
        return "NULL"
    elseif name == "bool" then
        return value == true and "t" or value == false and "f" or "?"
    elseif name:match("^int") then
        return digits_of(value)
    elseif name:match("^float") then
        return values.bits(value, tonumber(name:sub(6)))
    elseif name == "uuid" or name == "date" then
        return value
    elseif name == "timestamptz" then
        return ("%.17g"):format(value)
    elseif name:match("^json") then
        return copy.hex((value:gsub(" ", "")))
    end
    return copy.hex(value)
end

-- A row as a table by name, to a list of canonical texts; a time is seconds, with 17 digits.
function values.of_row(row)
    local list = { of_lua(row.n, "int4") }
    for i, name in ipairs(values.types) do
        list[i + 1] = of_lua(row["c_" .. name], name)
    end
    return list
end

-- What a case must be in a dialect: "canon", "copy", "lua" or "sqlite".
function values.expect(case, name, dialect)
    if not case then
        return "NULL"
    elseif dialect == "lua" and name == "timestamptz" then
        return ("%.17g"):format(tonumber(case.copy) / 1e6)
    elseif dialect == "copy" and case.copy then
        return case.copy
    elseif dialect == "sqlite" and case.sqlite then
        return case.sqlite
    end
    return case.canon
end

return values
