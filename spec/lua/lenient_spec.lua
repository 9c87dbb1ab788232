-- Lenient columns: what comes as text is taken as what the column wants, and a text is made to fit.

local writebehind = require "writebehind"

local COLUMNS = {
    { "uri", "text", max = 10, null = true }, { "mood", "text", values = { "sad", "ok" }, null = true },
    { "latency", "float8", null = true }, { "status", "int4", null = true }, { "hit", "bool", null = true },
    { "size", "int8", null = true }, { "price", "numeric", null = true }, { "at", "timestamptz", null = true },
    { "tags", "text[]", null = true }, { "marks", "float8[]", null = true }, { "counts", "int4[]", null = true },
}

local function batcher_of(options)
    local store = writebehind.memory()
    return assert(writebehind.batcher {
        store = store, table = "t", schema = writebehind.schema(COLUMNS, options), log = function() end,
    }), store
end

-- What a column keeps of a value.
local function kept(name, value)
    local batcher, store = batcher_of { lenient = true }
    local ok, message, code = batcher:add { [name] = value }
    assert(batcher:close())
    local cleaned = batcher:stats().cleaned
    if not ok then
        assert.equal("invalid", code)
        assert.equal(0, cleaned)
        return nil, message
    end
    return store:rows("t")[1][name], cleaned
end

describe("a lenient column", function()
    it("takes a number's text", function()
        for text, number in pairs { ["0.005"] = 0.005, ["1e3"] = 1000, [".5"] = 0.5, ["-7"] = -7, ["5."] = 5,
            ["0.1"] = 0.1, ["0.30000000000000004"] = 0.1 + 0.2, ["1e-300"] = 1e-300, ["+2.50"] = 2.5,
            [" 5 "] = 5, ["0.1000000000000000055511151231257827021181583404541015625"] = 0.1,
            ["inf"] = math.huge, ["-Infinity"] = -math.huge } do
            assert.equal(number, (kept("latency", text)))
        end
        for text, number in pairs { ["200"] = 200, ["2.0"] = 2, ["-1e2"] = -100, ["007"] = 7, [" 5 "] = 5 } do
            assert.equal(number, (kept("status", text)))
        end
        assert.equal(-math.huge, 1 / kept("latency", "-0"))
        assert.equal(math.huge, 1 / kept("latency", "0e-5"))
        assert.equal("12.50", (kept("price", "12.50")))
        assert.equal("9223372036854775807", tostring(kept("size", "9223372036854775807")):gsub("LL$", ""))
    end)

    it("refuses a text that is no number, and one whose digits would be lost", function()
        for _, text in ipairs { "", " ", ".", "1x", "0x10", "1e", "--1", "1 2", "0.12345678901234567890", "1e999",
            "1e-400", "123456789012345678", "1,5" } do
            local value, message = kept("latency", text)
            assert.is_nil(value)
            assert.matches('column "latency" (float8) can\'t hold', message, 1, true)
        end
        for text, why in pairs { ["2.5"] = "no whole number of 64 bits", ["1e30"] = "no whole number of 64 bits",
            [""] = "no whole number of 64 bits", ten = "no whole number of 64 bits",
            ["99999999999"] = "not within -2147483648 to 2147483647" } do
            local value, message = kept("status", text)
            assert.is_nil(value)
            assert.matches("can't hold .*: " .. why:gsub("%p", "%%%0") .. "$", message)
        end
    end)

    it("is not lenient with the elements of an array", function()
        for name, of in pairs { marks = "float8", counts = "int4" } do
            local value, message = kept(name, { "1" })
            assert.is_nil(value)
            assert.equal(('element 1: column "%s" (%s) can\'t hold "1": not a number'):format(name, of), message)
        end
    end)

    it("takes a boolean's words", function()
        for _, word in ipairs { "true", "T", "yes", "Y", "on", "1", " true " } do
            assert.is_true((kept("hit", word)))
        end
        for _, word in ipairs { "false", "F", "no", "N", "off", "0" } do
            assert.is_false((kept("hit", word)))
        end
        assert.is_nil((kept("hit", "maybe")))
        assert.is_nil((kept("hit", "")))
    end)

    it("makes text of a number, and seconds of nginx's $msec", function()
        assert.equal("12", (kept("uri", 12)))
        assert.equal("1.5", (kept("uri", 1.5)))
        assert.equal("NaN", (kept("uri", 0 / 0)))
        assert.equal("-Infinity", (kept("uri", -math.huge)))
        assert.equal(1715673600.123, (kept("at", "1715673600.123")))
        assert.is_nil((kept("at", "20240514")))
        assert.is_nil((kept("at", "1715673600")))
    end)

    it("makes any bytes fit, and counts it", function()
        local cases = {
            { "/ok", "/ok", 0 }, { "/\255\0a", "/\239\191\189\239\191\189a", 1 }, { "0123456789", "0123456789", 0 },
            { "0123456789x", "0123456789", 1 }, { ("ä"):rep(10), ("ä"):rep(10), 0 },
            { ("ä"):rep(11), ("ä"):rep(10), 1 }, { "\237\160\128", ("\239\191\189"):rep(3), 1 }, { "", "", 0 },
            { ("\255"):rep(20), ("\239\191\189"):rep(10), 1 },
        }
        for _, case in ipairs(cases) do
            local value, cleaned = kept("uri", case[1])
            assert.same({ case[2], case[3] }, { value, cleaned })
        end
        assert.is_nil((kept("mood", "glad")))
        assert.equal("ok", (kept("mood", "ok")))
    end)

    it("says so in its schema, and may be one of many", function()
        local schema = writebehind.schema { { "a", "int4", lenient = true }, { "b", "int4" } }
        assert.is_true(schema:columns()[1].lenient)
        assert.is_nil(schema:columns()[2].lenient)
        local batcher = assert(writebehind.batcher { store = writebehind.memory(), table = "t", schema = schema })
        assert(batcher:add { a = "1", b = 1 })
        assert.is_nil((batcher:add { a = "1", b = "1" }))
        assert(batcher:close())
        assert.has_error(function() writebehind.schema({ { "a", "int4" } }, { lenient = 1 }) end)
        assert.has_error(function() writebehind.schema({ { "a", "int4" } }, { strict = true }) end)
    end)

    it("is not what others are", function()
        local batcher = batcher_of()
        for name, value in pairs { uri = 12, latency = "0.5", status = "200", hit = "true", at = "1715673600.123" } do
            assert.is_nil((batcher:add { [name] = value }))
        end
        assert(batcher:close())
    end)
end)
