local json = require "writebehind.json"
local cjson = require "cjson"
local core = require "writebehind.core"
local generator = require "writebehind.random"
local random_json = require "spec.support.random_json"

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

-- ---- the encoder against other ways to the same text ----

local ESCAPES = {
    ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function quoted(text)
    return '"' .. text:gsub('[%z\1-\31"\\]', function(c)
        return ESCAPES[c] or ("\\u%04x"):format(c:byte())
    end) .. '"'
end

local function shortest(value)
    if value == math.floor(value) and value > -2 ^ 53 and value < 2 ^ 53 then
        return ("%.0f"):format(value)
    end
    for digits = 15, 17 do
        local text = ("%." .. digits .. "g"):format(value)
        if tonumber(text) == value then
            return text
        end
    end
end

local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for key, item in pairs(a) do
        if not same(item, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

local function nest(levels, wrap)
    local value = wrap(nil)
    for _ = 2, levels do
        value = wrap(value)
    end
    return value
end

describe("the encoder", function()
    it("escapes what JSON escapes, wherever in a string it is", function()
        for byte = 0, 255 do
            for before = 0, 40 do
                for _, after in ipairs { 0, 1, 5, 17 } do
                    local text = ("a"):rep(before) .. string.char(byte) .. ("z"):rep(after)
                    assert.equal(quoted(text), json.encode(text))
                end
            end
        end
    end)

    it("copies random strings as a slow encoder does", function()
        local random = generator(7)
        for _ = 1, 3000 do
            local bytes, most = {}, random(4) == 0 and 256 or 128
            for i = 1, random(90) do
                bytes[i] = string.char(random(12) == 0 and random(most) or 32 + random(95))
            end
            local text = table.concat(bytes)
            assert.equal("{" .. quoted(text) .. ":[" .. quoted(text) .. "]}", json.encode { [text] = { text } })
        end
    end)

    it("writes the shortest text of a float that reads back as the same", function()
        local random = generator(8)
        local list = { 0.1, 0.5, 1e-4, 9.9999e-5, 1e15, 999999999999999.9, 1e15 - 0.125, 2 ^ 53, -2 ^ 53, 1e16, 1e300,
            5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 123456789.125, 0.1 + 0.2, 1715673600.123, -12.5 }
        for _ = 1, 3000 do
            local number = (random() + random() / 2 ^ 31) * 10 ^ (random(40) - 20)
            list[#list + 1] = random(2) == 0 and number or -number
            list[#list + 1] = random(1e9) / 10 ^ random(12)
            list[#list + 1] = tonumber(("%d.%0" .. random(9) + 1 .. "d"):format(random(1e6), random(10)))
        end
        for _, number in ipairs(list) do
            local text = json.encode { number }:sub(2, -2)
            assert.equal(#shortest(number), #text, text) -- LuaJIT rounds a tie in the last digit the other way
            assert.is_true(tonumber(text) == number)
        end
        assert.equal("-0", json.encode(tonumber "-0.0"))
    end)

    it("writes every integer exactly", function()
        local random, list = generator(9), { 0, 1, -1, 9, 10, -10, 99, 100 }
        for power = 1, 52 do
            list[#list + 1], list[#list + 2], list[#list + 3] = 2 ^ power, 2 ^ power - 1, -2 ^ power
        end
        for _ = 1, 1000 do
            list[#list + 1] = random(2 ^ 30) - 2 ^ 29
        end
        for _, number in ipairs(list) do
            assert.equal(("%.0f"):format(number), json.encode(number))
            if has_integers then
                assert.equal(("%.0f"):format(number), json.encode(math.tointeger(number)))
            end
        end
    end)

    it("gives what lua-cjson reads as the same value", function()
        local random, text_of = generator(10), random_json.text
        for _ = 1, 3000 do
            local value = random_json.table(random, text_of, 4)
            local text = assert(json.encode(value))
            assert.is_true(same(value, cjson.decode(text)), text)
            assert.is_true(same(value, json.decode(text)), text)
        end
    end)

    it("takes a table for a list by its keys alone, however they lie", function()
        local hashed = { x = 1 }
        hashed[3], hashed[2], hashed[1], hashed.x = "c", "b", "a", nil
        assert.equal('["a","b","c"]', json.encode(hashed))
        local mixed = cjson.decode(json.encode { "a", "b", x = { 1 }, [2.5] = 0, [-1] = 1 })
        assert.is_true(same({ ["1"] = "a", ["2"] = "b", x = { 1 }, ["2.5"] = 0, ["-1"] = 1 }, mixed))
        assert.equal('{"0":1}', json.encode { [0] = 1 })
        local long = {}
        for i = 1, 1000 do
            long[i] = i
        end
        assert.equal("[" .. table.concat(long, ",") .. "]", json.encode(long))
        for i = 1000, 2, -1 do
            long[i] = nil
        end
        assert.equal("[1]", json.encode(long))
        long[1] = nil
        assert.equal("{}", json.encode(long))
    end)

    it("calls no metamethod but for an inherited __jsontype; a table that has keys is what they make it", function()
        local function never()
            error("called")
        end
        local mt = { __index = never, __len = never, __pairs = never, __ipairs = never, __tostring = never,
            __jsontype = "array" }
        assert.equal("[1,2]", json.encode(setmetatable({ 1, 2 }, mt)))
        assert.equal('{"a":1}', json.encode(setmetatable({ a = 1 }, mt)))
        assert.equal("[]", json.encode(setmetatable({}, mt)))
        mt.__jsontype = "object"
        assert.equal("[1,2]", json.encode(setmetatable({ 1, 2 }, mt)))
        assert.equal("{}", json.encode(setmetatable({}, mt)))
        mt.__jsontype = nil
        assert.equal("[]", json.encode(setmetatable({}, setmetatable({}, { __index = { __jsontype = "array" } }))))
        local text, message = json.encode { a = setmetatable({}, setmetatable({}, { __index = never })) }
        assert.is_nil(text)
        assert.equal("not JSON: a table that can't be encoded: its metatable raises an error for __jsontype at .a",
            message)
    end)

    it("takes for an empty list what a lua-cjson with marks of its own marks", function()
        local marks, mark = core.helpers.json_arrays, {}
        marks[mark] = true
        finally(function() marks[mark] = nil end)
        assert.equal('[[],{"a":1},[1]]', json.encode {
            setmetatable({}, mark), setmetatable({ a = 1 }, mark), setmetatable({ 1 }, mark),
        })
    end)

    if is_luajit then
        it("takes no cdata but 64-bit integers", function()
            local ffi = require "ffi"
            assert.equal('{"a":[-5,7]}', json.encode { a = { ffi.cast("int64_t", -5), ffi.cast("uint64_t", 7) } })
            for _, value in ipairs { ffi.new "int[1]", ffi.cast("int8_t", 1), ffi.new "complex" } do
                local text, message = json.encode { a = { value } }
                assert.is_nil(text)
                assert.equal("not JSON: a cdata at .a[1]", message)
            end
        end)
    end

    it("says where what it refuses is", function()
        local cases = {
            { { { x = { 1, { [print] = 1 } } } }, "a key that is a function at [1].x[2]" },
            { { a = { 1, 2, [4] = 4 } }, "a sparse array (4 is its highest index, 3 values are there) at .a" },
            { { [1e300] = 1 }, "a sparse array (1" },
            { { x = { 1, { y = -math.huge } } }, "the number -inf at .x[2].y" },
            { { x = { [1.5] = { 0 / 0 } } }, "the number nan at .x.1.5[1]" },
            { { [math.huge] = 1, }, "not JSON: a key that is a number" },
            { print, "not JSON: a function" },
            { nil, "not JSON: a nil" },
            { 0 / 0, "not JSON: the number nan" },
            { { coroutine.create(function() end) }, "a thread at [1]" },
            { nest(9, function(inner) return { a = inner or print } end), "a function at .a.a.a.a.a.a.a" },
        }
        for _, case in pairs(cases) do
            local text, message = json.encode(case[1])
            assert.is_nil(text)
            assert.equal(1, select(2, message:gsub("not JSON: ", "")))
            assert.truthy((message .. "\n"):find(case[2], 1, true), message)
        end
    end)

    it("takes 512 levels of any kind, in a coroutine too, and refuses the next by path", function()
        local wraps = {
            function(inner) return { inner } end,
            function(inner) return { a = inner } end,
            function(inner) return { a = inner, b = 1, 2 } end,
            function(inner) return { 1, inner or 2, "x" } end,
        }
        for _, wrap in ipairs(wraps) do
            local deepest = nest(512, wrap)
            local text = assert(json.encode(deepest))
            assert.equal(text, coroutine.wrap(function() return json.encode(deepest) end)())
            assert.is_true(#text >= 1024 and json.decode(text) ~= nil)
            local none, message = json.encode(wrap(deepest))
            assert.is_nil(none)
            assert.truthy(message:find("nested deeper than 512 (a table that holds itself?) at ", 1, true), message)
        end
        local ring, other = {}, {}
        ring[1], other.ring = other, ring
        local _, message = json.encode(ring)
        assert.truthy(message:find("at [1].ring[1].ring", 1, true), message)
    end)

    it("takes one table many times where it does not hold itself", function()
        local shared = { 1 }
        assert.equal("[[1],[1],[[1]]]", json.encode { shared, shared, { shared } })
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
