-- SPDX-License-Identifier: MIT
-- Values in and out: each Lua value through a batcher into the memory store and back.

local cjson = require "cjson"
local ids = require "spec.support.ids"
local writebehind = require "writebehind"

local has_integers = math.type ~= nil
local has_cdata = type(rawget(_G, "jit")) == "table"
local ID = "0190a3b4-c5d6-7e8f-9a0b-1c2d3e4f5a6b"

-- A function that stores one value in a column of the type and reads it back: value, or nil, message, code.
local function column_of(type_name)
    local store = assert(writebehind.memory())
    local schema = writebehind.schema {
        { "seq", "int8" },
        { "value", type_name, null = true },
    }
    local batcher = assert(writebehind.batcher { store = store, schema = schema, table = "t" })
    local count = 0
    return function(value)
        local ok, message, code = batcher:add_values(count, value)
        if not ok then
            return nil, message, code
        end
        count = count + 1
        assert.is_true(batcher:flush(10))
        local rows = store:rows "t"
        assert.equal(count, #rows)
        return rows[count].value
    end
end

local function refuses(through, value, ...)
    local result, message, code = through(value)
    assert.is_nil(result)
    assert.equal("invalid", code)
    assert.truthy(message:find('"value"', 1, true), message)
    for _, part in ipairs { ... } do
        assert.truthy(message:find(part, 1, true), message)
    end
end

describe("NULL", function()
    for _, name in ipairs { "bool", "int2", "int4", "int8", "float4", "float8", "text", "bytea", "uuid",
        "timestamptz", "date", "json", "jsonb" } do
        it("comes and goes as nil in " .. name, function()
            local through = column_of(name)
            assert.is_nil((through(nil)))
            assert.is_nil((through(cjson.null)))
        end)
    end
end)

describe("bool", function()
    it("keeps both values", function()
        local through = column_of "bool"
        assert.is_true(through(true))
        assert.is_false(through(false))
    end)

    it("refuses text", function()
        refuses(column_of "bool", "yes")
    end)
end)

describe("integers", function()
    it("keep the bounds of int2 and int4 and no more", function()
        for name, bits in pairs { int2 = 15, int4 = 31 } do
            local through = column_of(name)
            assert.equal(2 ^ bits - 1, through(2 ^ bits - 1))
            assert.equal(-2 ^ bits, through(-2 ^ bits))
            refuses(through, 2 ^ bits)
            refuses(through, -2 ^ bits - 1)
        end
    end)

    it("take a float without a fraction and refuse one with", function()
        local through = column_of "int8"
        assert.equal(2, through(2.0))
        assert.equal(0, through(-0.0))
        refuses(through, 2.5)
        refuses(through, 0 / 0)
        refuses(through, math.huge)
        refuses(through, -math.huge)
    end)

    it("are exact to 2^53", function()
        local through = column_of "int8"
        assert.equal(2 ^ 53, through(2 ^ 53))
        assert.equal(-2 ^ 53, through(-2 ^ 53))
        assert.equal(9007199254740991, through(9007199254740991))
    end)

    if has_integers then
        it("are exact over the whole of int64", function()
            local through = column_of "int8"
            for _, value in ipairs { math.maxinteger, math.mininteger, math.maxinteger - 1, 9007199254740993 } do
                local result = through(value)
                assert.equal(value, result)
                assert.equal("integer", math.type(result))
            end
        end)
    end

    if has_cdata then
        local ffi = require "ffi"

        it("come and go as int64 cdata beyond 2^53", function()
            local through = column_of "int8"
            for _, text in ipairs { "9223372036854775807", "-9223372036854775807", "9007199254740993" } do
                local value = ffi.new("int64_t", 0)
                for digit in text:gmatch "%d" do
                    value = value * 10 + tonumber(digit)
                end
                value = text:sub(1, 1) == "-" and -value or value
                local result = through(value)
                assert.equal("cdata", type(result))
                assert.equal(text .. "LL", tostring(result))
            end
        end)

        it("take small int64 and uint64 cdata as numbers", function()
            local through = column_of "int8"
            assert.equal(7, through(ffi.new("int64_t", 7)))
            assert.equal(7, through(ffi.new("uint64_t", 7)))
        end)

        it("refuse cdata that is no int64", function()
            local through = column_of "int8"
            refuses(through, ffi.new("uint64_t", -1), "int64")
            refuses(through, ffi.new "int[2]", "cdata")
        end)
    elseif not has_integers then
        it("go out as decimal text beyond 2^53", function()
            local through = column_of "int8"
            assert.equal("1152921504606846976", through(2 ^ 60))
            assert.equal("-1152921504606846976", through(-2 ^ 60))
        end)
    end
end)

describe("floats", function()
    it("are kept whole in float8", function()
        local through = column_of "float8"
        for _, value in ipairs { 0.1, -1.5, 1e308, 5e-324, 3, math.huge, -math.huge } do
            assert.equal(value, through(value))
        end
        local nan = through(0 / 0)
        assert.is_true(nan ~= nan)
        assert.equal(-math.huge, 1 / through(-1 / math.huge)) -- the zero below zero
    end)

    it("are rounded to single in float4", function()
        local through = column_of "float4"
        assert.equal(0.5, through(0.5))
        assert.is_true(math.abs(through(0.1) - 0.1) < 1e-8)
    end)
end)

describe("text", function()
    it("is kept byte by byte", function()
        local through = column_of "text"
        for _, value in ipairs { "", "a", "back\\slash \"quote\" \n",
            "\195\164\226\130\172\240\159\152\128", ("x"):rep(1e5) } do
            assert.equal(value, through(value))
        end
    end)

    it("refuses NUL and broken UTF-8", function()
        local through = column_of "text"
        refuses(through, "a\0b")
        refuses(through, "\255")
        refuses(through, "\237\160\128")
    end)
end)

describe("bytea", function()
    it("keeps every byte", function()
        local through, bytes = column_of "bytea", {}
        for byte = 0, 255 do
            bytes[byte + 1] = string.char(byte)
        end
        local value = table.concat(bytes)
        assert.equal(value, through(value))
    end)
end)

describe("uuid", function()
    it("takes text of any case and raw bytes, and goes out as text", function()
        local through = column_of "uuid"
        assert.equal(ID, through(ID))
        assert.equal(ID, through(ID:upper()))
        local raw = ID:gsub("-", ""):gsub("%x%x", function(hex)
            return string.char(tonumber(hex, 16))
        end)
        assert.equal(ID, through(raw))
    end)

    it("refuses anything else", function()
        local through = column_of "uuid"
        refuses(through, "nonsense")
        refuses(through, ID .. "0")
        refuses(through, 7)
    end)
end)

describe("timestamptz", function()
    it("is seconds, to the microsecond", function()
        local through = column_of "timestamptz"
        for _, value in ipairs { 0, 1715673600.115245, -1, 1715673600 } do
            assert.equal(value, through(value))
        end
    end)

    it("takes RFC 3339 text", function()
        local through = column_of "timestamptz"
        assert.equal(1715673600.115245, through "2024-05-14T08:00:00.115245Z")
        assert.equal(1715673600, through "2024-05-14T10:00:00+02:00")
        refuses(through, "yesterday")
    end)

    it("refuses what is no time", function()
        local through = column_of "timestamptz"
        refuses(through, 0 / 0)
        refuses(through, math.huge)
        refuses(through, 1e300)
        refuses(through, true)
    end)

    it("says where a text has no zone", function()
        local batcher = assert(writebehind.batcher { store = writebehind.memory(), table = "t",
            schema = writebehind.schema { { "at", "timestamptz" } } })
        for _, text in ipairs { "2024-05-14 08:00:00", "2024-05-14" } do
            local ok, message = batcher:add { at = text }
            assert.is_nil(ok)
            assert.equal(('column "at" (timestamptz) can\'t hold "%s": a time without a zone'):format(text), message)
        end
        assert(batcher:close())
    end)

    it("takes the infinities as text, and gives them back as numbers", function()
        local through = column_of "timestamptz"
        for text, number in pairs { infinity = math.huge, ["-infinity"] = -math.huge } do
            assert.equal(number, through(text))
            refuses(through, number)
        end
    end)
end)

describe("date", function()
    it("is YYYY-MM-DD both ways", function()
        local through = column_of "date"
        for _, value in ipairs { "1970-01-01", "2024-02-29", "1969-12-31", "0001-01-01", "9999-12-31" } do
            assert.equal(value, through(value))
        end
        refuses(through, "2023-02-29")
    end)
end)

for _, name in ipairs { "json", "jsonb" } do
    describe(name, function()
        it("takes text as it is and tables encoded", function()
            local through = column_of(name)
            assert.equal('{"a": 1}', through '{"a": 1}')
            assert.equal('{"ssh":1}', through { ssh = 1 })
            assert.equal("[1,2,3]", through { 1, 2, 3 })
            assert.equal("{}", through {})
            assert.equal("[9007199254740991]", through { 9007199254740991 })
        end)

        it("refuses what can't be encoded or is no JSON", function()
            local through = column_of(name)
            refuses(through, "{")
            refuses(through, { print })
            refuses(through, { 0 / 0 })
            local loop = {}
            loop[1] = loop
            refuses(through, loop)
        end)
    end)
end

describe("values that have no place in a column", function()
    it("are refused and named, in every column", function()
        for _, name in ipairs { "bool", "int8", "float8", "text", "bytea", "uuid", "timestamptz", "date" } do
            local through = column_of(name)
            refuses(through, print, "Lua function", name)
            refuses(through, coroutine.create(function() end), "Lua thread", name)
            refuses(through, io.stdout, "Lua userdata", name)
        end
    end)

    it("count as rejected", function()
        local store = writebehind.memory()
        local schema = writebehind.schema { { "n", "int8" } }
        local batcher = writebehind.batcher { store = store, schema = schema, table = "t" }
        assert.is_nil((batcher:add_values(print)))
        assert.is_nil((batcher:add_values(1.5)))
        assert.is_nil((batcher:add_values(1, 2)))
        assert.is_nil((batcher:add { m = 1 }))
        assert.is_true((batcher:add { n = 1 }))
        local stats = batcher:stats()
        assert.equal(4, stats.rejected)
        assert.equal(1, stats.accepted)
    end)
end)

describe("a row by name", function()
    local store, batcher
    before_each(function()
        store = writebehind.memory()
        local schema = writebehind.schema {
            { "id", "uuid", generate = "uuidv7" },
            { "a", "int8" },
            { "b", "text", null = true },
            { "c", "int8", default = 5 },
        }
        batcher = writebehind.batcher { store = store, schema = schema, table = "t" }
    end)

    it("fills defaults and generated columns", function()
        assert.is_true((batcher:add { a = 1 }))
        assert.is_true((batcher:add { a = 2, b = "x", c = 6 }))
        assert.is_true(batcher:flush(10))
        local rows = store:rows "t"
        assert.same({ id = rows[1].id, a = 1, c = 5 }, rows[1])
        assert.same({ id = rows[2].id, a = 2, b = "x", c = 6 }, rows[2])
        assert.equal(36, #rows[1].id)
        assert.is_true(rows[1].id < rows[2].id)
    end)

    it("refuses unknown names, generated ones that are none, and missing required ones", function()
        local cases = { [{ a = 1, bb = 2 }] = '"bb"', [{ a = 1, id = "x" }] = '"id"', [{ b = "x" }] = '"a"',
            [{ a = 1, [1] = 2 }] = "number", [{}] = '"a"' }
        for row, part in pairs(cases) do
            local ok, message, code = batcher:add(row)
            assert.is_nil(ok)
            assert.equal("invalid", code)
            assert.truthy(message:find(part, 1, true), message)
        end
    end)

    it("may have more columns than fit the stack's buffer", function()
        local columns, row = {}, {}
        for index = 1, 300 do
            columns[index] = { "c" .. index, index % 2 == 0 and "int8" or "jsonb" }
            row["c" .. index] = index % 2 == 0 and index or { n = index }
        end
        local wide = writebehind.batcher { store = store, table = "wide", schema = writebehind.schema(columns) }
        assert.is_true((wide:add(row)))
        assert.is_true(wide:flush(10))
        local stored = store:rows("wide")[1]
        assert.equal(300, stored.c300)
        assert.equal('{"n":299}', stored.c299)
    end)

    it("is read right whatever the order and the number of its keys", function()
        local long = ("a long column name "):rep(3)
        local columns = { { long, "int8", null = true } }
        for index = 1, 30 do
            columns[index + 1] = { "column" .. index, "int8", null = true }
        end
        local target = writebehind.batcher { store = store, table = "w", schema = writebehind.schema(columns) }
        local random, expected = ids.random(5), {}
        for n = 1, 300 do
            local row = {}
            for _, index in ipairs(ids.shuffled(31, n)) do
                if random(3) > 1 then
                    row[columns[index][1]] = n * 100 + index
                end
            end
            row["column" .. random(30)] = nil
            expected[n] = row
            assert.is_true((target:add(row)))
        end
        assert.is_true(target:flush(10))
        assert.same(expected, store:rows "w")
    end)

    it("survives an encoder that collects garbage and changes the row", function()
        local json_store = writebehind.memory()
        local schema = writebehind.schema { { "t", "text" }, { "j", "jsonb" } }
        local target = writebehind.batcher { store = json_store, schema = schema, table = "t" }
        local row = { t = ("long text "):rep(20) .. tostring({}) }
        local expected = row.t
        row.j = setmetatable({ 1 }, { __pairs = function(list)
            row.t = nil
            collectgarbage()
            return next, list
        end })
        assert(target:add(row))
        assert.is_true(target:flush(10))
        assert.equal(expected, json_store:rows("t")[1].t)
    end)
end)
