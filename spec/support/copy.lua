-- Reads a PostgreSQL binary COPY stream (PostgreSQL manual, "COPY", binary format), with nothing of the
-- library's, into canonical text: what the server would show for the same value.

local copy = {}

local HEADER = "PGCOPY\n\255\r\n\0"

local function hex(text)
    return (text:gsub(".", function(c)
        return ("%02x"):format(c:byte())
    end))
end
copy.hex = hex

-- A big-endian two's complement integer of any length plus an offset given in decimal text, in decimal text.
-- Long arithmetic, exact on a Lua without integers.
local function decimal(bytes, offset)
    local negative = bytes:byte(1) >= 128
    local result = { 0 } -- base 10^6, lowest first
    local function muladd(factor, plus)
        local carry = plus
        for i = 1, #result do
            local value = result[i] * factor + carry
            result[i] = value % 1000000
            carry = math.floor(value / 1000000)
        end
        while carry > 0 do
            result[#result + 1] = carry % 1000000
            carry = math.floor(carry / 1000000)
        end
    end
    for i = 1, #bytes do
        muladd(256, negative and 255 - bytes:byte(i) or bytes:byte(i))
    end
    if negative then
        muladd(1, 1)
    end
    local text = ("%d"):format(result[#result])
    for i = #result - 1, 1, -1 do
        text = text .. ("%06d"):format(result[i])
    end
    text = negative and "-" .. text or text
    return offset and copy.sum(text, offset) or text
end

-- The sum of a decimal and an offset >= 0, both in text, by parts of six digits that a double holds exactly.
function copy.sum(text, offset)
    local function parts(number)
        local sign, digits = number:match("^(%-?)(%d+)$")
        digits = ("0"):rep(24 - #digits) .. digits
        local list = {}
        for i = 1, 4 do
            local part = tonumber(digits:sub(25 - 6 * i, 30 - 6 * i))
            list[i] = sign == "-" and -part or part
        end
        return list
    end
    local a, b = parts(text), parts(offset)
    for i = 1, 4 do
        a[i] = a[i] + b[i]
    end
    local top = 0
    for i = 4, 1, -1 do
        top = a[i] ~= 0 and a[i] or top
        if top ~= 0 then
            break
        end
    end
    local sign = top < 0 and -1 or 1
    local carry = 0
    for i = 1, 4 do
        local value = a[i] * sign + carry
        a[i] = value % 1000000
        carry = math.floor(value / 1000000)
    end
    local digits = ("%06d%06d%06d%06d"):format(a[4], a[3], a[2], a[1]):gsub("^0+(%d)", "%1")
    return (sign < 0 and "-" or "") .. digits
end

local READ = {
    bool = function(bytes)
        return bytes == "\1" and "t" or bytes == "\0" and "f" or "?"
    end,
    uuid = function(bytes)
        return (hex(bytes):gsub("^(" .. ("%x"):rep(8) .. ")(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
    end,
    timestamptz = function(bytes)
        return decimal(bytes, "946684800000000") -- 2000 to 1970
    end,
    date = function(bytes)
        return decimal(bytes, "10957")
    end,
    json = function(bytes)
        return hex((bytes:gsub(" ", "")))
    end,
    jsonb = function(bytes)
        assert(bytes:byte(1) == 1, "jsonb version")
        return hex((bytes:sub(2):gsub(" ", "")))
    end,
    float4 = hex, float8 = hex, text = hex, bytea = hex,
}
local WIDTH = { bool = 1, int2 = 2, int4 = 4, int8 = 8, float4 = 4, float8 = 8, uuid = 16, timestamptz = 8, date = 4 }
for _, name in ipairs { "int2", "int4", "int8" } do
    READ[name] = function(bytes)
        return decimal(bytes)
    end
end

-- The rows of a stream, each a list of canonical texts ("NULL" for NULL); columns as schema:columns() gives.
function copy.rows(stream, columns)
    local place = 1
    local function take(count)
        assert(place + count - 1 <= #stream, "the stream ends early")
        place = place + count
        return stream:sub(place - count, place - 1)
    end
    local function number(count)
        return tonumber(decimal(take(count)))
    end
    assert(take(11) == HEADER, "no COPY header")
    assert(number(4) == 0, "flags")
    take(number(4))
    local rows = {}
    while true do
        local fields = number(2)
        if fields == -1 then
            break
        end
        assert(fields == #columns, "fields in a tuple")
        local row = {}
        for i, column in ipairs(columns) do
            local length = number(4)
            if length == -1 then
                row[i] = "NULL"
            else
                local bytes = take(length)
                assert(not WIDTH[column.type] or WIDTH[column.type] == length, column.name .. ": length")
                row[i] = READ[column.type](bytes)
            end
        end
        rows[#rows + 1] = row
    end
    assert(place == #stream + 1, "bytes after the trailer")
    return rows
end

return copy
