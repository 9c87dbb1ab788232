local json = require "writebehind.json"
local cjson = require "cjson"

local has_integers = math.type ~= nil
local is_luajit = rawget(_G, "jit") ~= nil

describe("json.encode", function()
    it("prints what lua-cjson prints for what fits in 14 digits", function()
        assert.equal('{"a":[1,-2,0.5,true,"x\\"y"]}', json.encode { a = { 1, -2, 0.5, true, 'x"y' } })
    end)

    it("keeps every digit of large integers and long fractions", function()
        assert.equal("[100000000000000,-999999999999999]", json.encode { 100000000000000, -999999999999999 })
        assert.equal("[9007199254740992]", json.encode { 9007199254740992 })
        assert.equal("[0.30000000000000004,0.1,1e+300]", json.encode { 0.1 + 0.2, 0.1, 1e300 })
        assert.equal(1 / 3, tonumber((json.encode { 1 / 3 }:match "^%[(.*)%]$")))
    end)

    it("prints the extremes of int64", function()
        if has_integers then
            assert.equal("[9223372036854775807,-9223372036854775808]",
                json.encode { math.maxinteger, math.mininteger })
        elseif is_luajit then
            local ffi = require "ffi"
            local most = ffi.cast("int64_t", 2 ^ 62) - 1 + ffi.cast("int64_t", 2 ^ 62)
            assert.equal("[9223372036854775807,-9223372036854775808]", json.encode { most, -most - 1 })
            assert.equal("[18446744073709551615]", json.encode { ffi.cast("uint64_t", 0) - 1 })
        end
    end)

    it("takes keys that are numbers with all their digits", function()
        assert.equal('{"1.5":"x"}', json.encode { [1.5] = "x" })
        assert.equal('{"-1234567890123456":1}', json.encode { [-1234567890123456] = 1 })
    end)

    it("does not mistake a string of the caller's for a number put aside", function()
        local value = { "wb0#1", "wb1#1", 1234567890123456 }
        assert.equal('["wb0#1","wb1#1",1234567890123456]', json.encode(value))
    end)

    it("makes an empty table an object unless it is marked", function()
        assert.equal("{}", json.encode {})
        assert.equal("[]", json.encode(setmetatable({}, json.empty_array_mt)))
        assert.equal("[[],{}]", json.encode { setmetatable({}, { __jsontype = "array" }), {} })
    end)

    it("takes cjson.null", function()
        assert.equal('[1,null,1234567890123456]', json.encode { 1, cjson.null, 1234567890123456 })
    end)

    it("says what JSON lacks, and where", function()
        local cases = {
            { { a = { b = { print } } }, "a function at .a.b[1]" },
            { { 0 / 0 }, "nan at [1]" },
            { { x = math.huge }, "the number inf at .x" },
            { { 1, nil, 3 }, "a sparse array" },
            { { a = { [true] = 1 } }, "a key that is a boolean at .a" },
            { { io.stdout }, "a userdata at [1]" },
        }
        for _, case in ipairs(cases) do
            local text, message = json.encode(case[1])
            assert.is_nil(text)
            assert.truthy(message:find(case[2], 1, true), message)
        end
    end)

    it("refuses what is nested too deep, or in itself", function()
        local ring = {}
        ring.ring = ring
        local text, message = json.encode(ring)
        assert.is_nil(text)
        assert.truthy(message:find("nested deeper than 512", 1, true))
        local deep = {}
        for _ = 2, 512 do
            deep = { deep }
        end
        assert.equal(("["):rep(511) .. "{}" .. ("]"):rep(511), json.encode(deep))
        assert.is_nil(json.encode { deep })
    end)

    it("leaves the settings of lua-cjson alone", function()
        assert.equal("[0.3]", cjson.encode { 0.1 + 0.2 })
        json.encode { 0.1 + 0.2 }
        assert.equal("[0.3]", cjson.encode { 0.1 + 0.2 })
    end)
end)

describe("json.integer", function()
    it("reads an integer exactly or not at all", function()
        assert.equal(12, json.integer "12")
        assert.equal(-9007199254740991, json.integer "-9007199254740991")
        assert.is_nil(json.integer "9223372036854775808")
        assert.is_nil(json.integer "-9223372036854775809")
        assert.is_nil(json.integer "99999999999999999999999")
        if has_integers or is_luajit then
            assert.equal("9223372036854775807", json.number(json.integer "9223372036854775807"))
            assert.equal("-9223372036854775808", json.number(json.integer "-9223372036854775808"))
            assert.equal("9007199254740993", json.number(json.integer "+0009007199254740993"))
        else
            assert.is_nil(json.integer "9007199254740993")
        end
    end)
end)

describe("json.decode", function()
    it("gives the value of a text, integers exact", function()
        local value = json.decode '{"a":[9007199254740993,-1.5,3,true,null],"b":"9223372036854775807"}'
        if has_integers or is_luajit then
            assert.equal("9007199254740993", json.number(value.a[1]))
        end
        assert.equal(-1.5, value.a[2])
        assert.equal("3", tostring(value.a[3]))
        assert.equal(json.null, value.a[5])
        assert.equal("9223372036854775807", value.b)
    end)

    it("leaves digits in strings alone, escaped quotes or not", function()
        local value = json.decode [[{"a":"x\"12345678901234567\\","wb0#1":12345678901234567}]]
        assert.equal('x"12345678901234567\\', value.a)
        if has_integers or is_luajit then
            assert.equal("12345678901234567", json.number(value["wb0#1"]))
        end
    end)

    it("refuses what is no JSON", function()
        for _, text in ipairs { "{", "", "{'a':1}", "[NaN]", "[0x10]", "[1,]" } do
            local value, message = json.decode(text)
            assert.is_nil(value, text)
            assert.truthy(message:find("^not JSON: "), message)
        end
    end)
end)
