-- Rows from text, as docs/api.md has them: what each type takes of each format, and what is refused, with which words.

local intake = require "spec.support.intake"
local writebehind = require "writebehind"

local shown, read, null = intake.shown, intake.read, writebehind.json.null
local unpack = table.unpack or unpack -- luacheck: ignore 143

local UUID = "550e8400-e29b-41d4-a716-446655440000"
local PAIR = { { "a", "text", null = true }, { "b", "text", null = true } }
local FORMATS = { "csv", "tsv", "copy", "ndjson" }

local function rows_are(expected, answer)
    assert.equal(shown(expected), shown(answer.rows))
end

local function refusal_is(line, text, message, refusal)
    assert.same({ line = line, text = text, code = "invalid", message = refusal.message }, refusal)
    assert.matches(message, refusal.message, 1, true)
end

-- One column of the type, of one record.
local function read_value(of, format, written, options)
    local column = { "v", of, null = true }
    for name, value in pairs(options or {}) do
        column[name] = value
    end
    return read({ column }, format, format == "ndjson" and '{"v":' .. written .. "}" or "v\n" .. written .. "\n")
end

-- The value, where it is taken; else it has to be refused, by the column's name and with the record's text.
local function value_is(expected, answer, what)
    assert.is_nil(answer.message)
    if expected == nil then
        assert.equal(0, answer.accepted, what)
        assert.equal(1, #answer.refused, what)
        assert.equal(1, answer.stats.rejected, what)
        assert.matches('column "v"', answer.refused[1].message, 1, true)
    else
        assert.equal(1, answer.accepted, what .. ": " .. (answer.refused[1] or { message = "" }).message)
        assert.equal(shown(expected), shown(answer.rows[1].v), what)
    end
end

-- By type what a text becomes, in each format; `false` stands for refused.
local TEXTS = {
    bool = { t = true, [" TRUE "] = true, off = false, ["0"] = false, y = true },
    int2 = { ["32767"] = 32767, [" 7 "] = 7, ["2.0"] = 2, ["-1e2"] = -100, ["007"] = 7 },
    float4 = { ["0.5"] = 0.5, ["-1e3"] = -1000, inf = math.huge },
    float8 = { ["0.10000000000000001"] = 0.1, ["1715673600.1234567"] = 1715673600.1234567, ["5e-324"] = 5e-324,
        ["1.7976931348623157e+308"] = 1.7976931348623157e+308 },
    numeric = { ["12.50"] = "12.50", ["123456789012345678901234567890.1"] = "123456789012345678901234567890.1",
        NaN = "NaN", ["1e3"] = "1000" },
    text = { ["00501"] = "00501", ["12e4567"] = "12e4567", ["1.10"] = "1.10", ["null"] = "null", ["NULL"] = "NULL",
        ["é😀"] = "é😀", ["0123456789abcdef"] = "0123456789abcdef", ['say "x"'] = 'say "x"', ["\\x00"] = "\\x00" },
    bytea = { ["\\x00FFab"] = "\0\255\171", ["\\x"] = "", abc = "abc", ["\\X00"] = "\\X00", ["x00"] = "x00" },
    uuid = { [UUID] = UUID, [UUID:gsub("-", "")] = UUID, ["{" .. UUID:upper() .. "}"] = UUID },
    timestamptz = { ["2024-05-14T08:00:00Z"] = 1715673600, ["2024-05-14 10:00+02"] = 1715673600,
        ["1715673600.123"] = 1715673600.123, infinity = math.huge },
    timestamp = { ["2024-05-14 08:00:00.5"] = 1715673600.5, ["2024-05-14T10:00:00+02"] = 1715673600 },
    date = { ["2024-05-14"] = "2024-05-14", ["20240514"] = "2024-05-14" },
    time = { ["08:00"] = "08:00:00", ["080000"] = "08:00:00", ["24:00"] = "24:00:00" },
    interval = { ["1 day 02:00:00"] = "P1DT2H", P1D = "P1D" },
    inet = { ["10.1.2.3/8"] = "10.1.2.3/8" }, cidr = { ["10/8"] = "10.0.0.0/8" },
    macaddr = { ["08002b010203"] = "08:00:2b:01:02:03" },
    ["int4[]"] = { ["{1,NULL, 2}"] = { 1, null, 2 }, ["[1,null,2]"] = { 1, null, 2 }, ["{}"] = {}, ["[]"] = {},
        ['{"3"}'] = { 3 } },
    ["text[]"] = { ['{a,"NULL",null,"x y","q\\"z",\\,}'] = { "a", "NULL", null, "x y", 'q"z', "," },
        ['["a",null,"NULL","\\u00e9\\n"]'] = { "a", null, "NULL", "é\n" }, ['{""}'] = { "" }, ['{ a , b c }'] = { "a",
            "b c" } },
    ["uuid[]"] = { ["{" .. UUID .. "}"] = { UUID } }, ["bool[]"] = { ["{t,f}"] = { true, false } },
    ["timestamptz[]"] = { ['{"2024-05-14 08:00:00+00"}'] = { 1715673600 } },
    ["jsonb[]"] = { ['{"{\\"a\\": 1}",NULL}'] = { '{"a": 1}', null } },
}

local NO_TEXTS = {
    bool = { "maybe", "2", "" }, int2 = { "32768", "2.5", "", "x", "0x10", "1e400" },
    int4 = { "9007199254740993", "1_000", "NaN" }, int8 = { "9223372036854775808", "1.5", "1e19" },
    float4 = { "1e39", "1e-50", "1,5" },
    float8 = { "1e400", "1e-400", "9007199254740993", "0.12345678901234567890", "123456789012345678", "" },
    numeric = { "x", "0x10", "" }, text = { "a\0b", "caf\233" }, bytea = { "\\x0", "\\xzz", "\\x 00" },
    uuid = { "0123456789abcdef", "x", "550e8400e29b41d4a71644665544000" },
    timestamptz = { "2024-05-14T08:00:00", "1715673600", "20240514", "2024-05-14", "now", "14.05.2024 08:00Z" },
    timestamp = { "1715673600", "20240514" }, date = { "14.5.2024", "2024-02-30", "2024-05-14T08:00:00Z" },
    time = { "28800", "8 PM", "08:00Z" }, interval = { "x" }, inet = { "10.1.2.300" }, cidr = { "10.1.2.3/8" },
    macaddr = { "08002b" },
    ["int4[]"] = { "1,2", "{{1}}", "[[1]]", "{1,x}", "{1", "{1,}", "[1,]", "[1,2.5]", "{1}x", '{"1}',
        "{1,2147483648}" },
    ["text[]"] = { "{{a}}", "{a,}", "{,}", '{a"b"}', "x", '["\\u0000"]', "[1", "{a}{b}" },
    ["uuid[]"] = { "{0123456789abcdef}", '["0123456789abcdef"]' }, ["jsonb[]"] = { "{x}" },
}

-- In CSV and TSV a field that is empty, in NDJSON one that is no text at all, is another matter.
local function writable(format, text)
    return not (format == "tsv" and text == "") and not (format == "ndjson" and text:find "[%z\128-\255]")
end

describe("a value of text", function()
    for _, format in ipairs(FORMATS) do
        it("is what its column takes, in " .. format, function()
            for of, list in pairs(TEXTS) do
                for text, expected in pairs(list) do
                    value_is(expected, read_value(of, format, intake.write[format](text)), of .. " " .. text)
                end
            end
        end)

        it("is refused where it changed, in " .. format, function()
            for of, list in pairs(NO_TEXTS) do
                for _, text in ipairs(list) do
                    if writable(format, text) then
                        value_is(nil, read_value(of, format, intake.write[format](text)), of .. " " .. text)
                    end
                end
            end
        end)
    end

    it("keeps each digit of an int8", function()
        for _, format in ipairs(FORMATS) do
            for _, digits in ipairs { "9007199254740993", "-9223372036854775808", "9223372036854775807" } do
                local batch_text
                local batcher = intake.batcher({ { "v", "int8" } }, { store = { write = function(_, batch)
                    batch_text = batch:ndjson()
                    return true
                end } })
                assert.equal(1, intake.add(batcher, format, format == "ndjson" and '{"v":' .. digits .. "}" or
                    "v\n" .. digits).accepted)
                assert(batcher:close())
                assert.equal('{"v":' .. digits .. "}\n", batch_text)
            end
        end
    end)

    it("is checked with max, values and null", function()
        local columns = { { "a", "text", max = 3 }, { "b", "text", values = { "x", "y" }, null = true } }
        local answer = read(columns, "csv", "a,b\nabc,x\nabcd,y\nab,z\n,x\néèê,\n")
        rows_are({ { a = "abc", b = "x" }, { a = "éèê" } }, answer)
        refusal_is(3, "abcd,y", "more than 3", answer.refused[1])
        refusal_is(4, "ab,z", 'none of "x", "y"', answer.refused[2])
        refusal_is(5, ",x", 'column "a" (text) can\'t be NULL', answer.refused[3])
    end)

    it("is refused with a reason that is true", function()
        for of, cases in pairs {
            float8 = { ["1e400"] = "not a number", ["9007199254740993"] = "not a number" },
                int4 = { ["2.5"] = "not a number" },
            timestamptz = { ["1e400"] = "RFC 3339" },
        } do
            for text, wrong in pairs(cases) do
                local message = read_value(of, "csv", text).refused[1].message
                assert.is_nil(message:find(wrong .. "$"), message)
            end
        end
        local message = read_value("uuid[]", "csv", '"{' .. UUID .. ',x}"').refused[1].message
        assert.matches("element 2", message, 1, true)
    end)
end)

describe("a JSON value", function()
    it("that is no text is what its column takes", function()
        for of, list in pairs {
            bool = { ["true"] = true, ["1"] = true, ["0"] = false }, int4 = { ["1e3"] = 1000, ["2.0"] = 2, ["-0"] = 0 },
            float8 = { ["1E-3"] = 0.001 }, numeric = { ["1.10"] = "1.10", ["-0"] = "0" },
            text = { ["12e4567"] = "12e4567", ["1.10"] = "1.10", ["true"] = "true",
                ['[1, {"a" : 2}]'] = '[1, {"a" : 2}]' },
            timestamptz = { ["1715673600"] = 1715673600, ["1715673600.25"] = 1715673600.25, ["-1"] = -1 },
            time = { ["28800.5"] = "08:00:00.5" }, interval = { ["90"] = "PT1M30S" },
            ["int4[]"] = { ["[ 1 , null ]"] = { 1, null }, ["[]"] = {} },
            ["text[]"] = { ['["a",null,"NULL",1.10,true]'] = { "a", null, "NULL", "1.10", "true" } },
            ["timestamptz[]"] = { ['["2024-05-14T08:00:00Z",1715673600]'] = { 1715673600, 1715673600 } },
            ["jsonb[]"] = { ['[{"a": 1},null,"x",[1]]'] = { '{"a": 1}', null, '"x"', "[1]" } },
            jsonb = { ['{"a":[1,{"b":null}]}'] = '{"a":[1,{"b":null}]}', ['"{}"'] = '"{}"', ["1.10"] = "1.10",
                ['[ "\\u00e9\\/" ]'] = '[ "\\u00e9\\/" ]' }, json = { ["false"] = "false" },
        } do
            for text, expected in pairs(list) do
                value_is(expected, read_value(of, "ndjson", text), of .. " " .. text)
            end
        end
        assert.equal("{}", shown(read_value("jsonb", "ndjson", "null").rows[1]))
    end)

    it("is refused where its column can't hold it", function()
        for of, list in pairs {
            bool = { "2", "1.0", "[]" }, int4 = { "2.5", "true", "[1]", "{}" }, int8 = { "9223372036854775808" },
            float8 = { "1e400", "9007199254740993", "true" }, timestamptz = { "1715673600123", "1e400", "true" },
            time = { "90000" }, uuid = { "1" }, ["int4[]"] = { "[[1]]", "1", '[1,"x"]', '{"a":1}', "true" },
            ["uuid[]"] = { '["0123456789abcdef"]' }, ["text[]"] = { "1", '{"a":1}', '[["a"]]' },
        } do
            for _, text in ipairs(list) do
                value_is(nil, read_value(of, "ndjson", text), of .. " " .. text)
            end
        end
    end)

    it("that is none costs its record", function()
        for _, text in ipairs { "007", "+1", ".5", "1.", "NaN", "tru", '"\\ud800"', '"\1"', '"\\x"', '{"a":"\2"}',
            '{"a":}',
            "[1,]", "[1 2]", '{"a":01}', '{"a":"\\u0000"}', '{a:1}', "'x'", '"\255"', '{"a":"\\ud800"}', "[1", "",
            ("["):rep(600) .. ("]"):rep(600) } do
            for _, of in ipairs { "jsonb", "text" } do
                local answer = read_value(of, "ndjson", text)
                assert.equal(0, answer.accepted, text)
                assert.same({ '1:{"v":' .. text .. "}" }, intake.texts(answer.refused))
                assert.equal(0, read({ { "w", "text", null = true } }, "ndjson", '{"v":' .. text .. "}",
                    { ignore_unknown = true }).accepted, text)
            end
        end
    end)

    it("is JSON in a field, too", function()
        for _, of in ipairs { "json", "jsonb" } do
            for text, expected in pairs { ['{"a" : 1}'] = '{"a" : 1}', ['"x"'] = '"x"', ["1.10"] = "1.10",
                ["null"] = "null" } do
                for _, format in ipairs { "csv", "tsv", "copy" } do
                    value_is(expected, read_value(of, format, intake.write[format](text)), text)
                end
            end
            for _, text in ipairs { "x", '{"a":', '{"a":"\1"}', "{'a':1}", '"\\u0000"', "[1]x", "01", "" } do
                value_is(nil, read_value(of, "csv", intake.write.csv(text)), text)
            end
        end
    end)
end)

describe("an object a line", function()
    it("has each member once, in any order; what it lacks is absent", function()
        local columns = { { "a", "text" }, { "b", "int4", default = 7 }, { "c", "text", null = true } }
        local answer = read(columns, "ndjson",
            '{"c":null,"a":"x"}\n\n {"\\u0061":"y" , "b":1}\t\r\n{"b":2}\n{"a":1,"a":1}\n'
            .. '{"a":1,"d":2,"e":3}\n{"a":null}\n{"a":"z","b":null}\n[1]\n3\n{"a":1}{"a":2}\n{"a":1')
        rows_are({ { a = "x", b = 7 }, { a = "y", b = 1 }, { a = "z", b = 7 } }, answer)
        refusal_is(4, '{"b":2}', 'column "a" (text) is required', answer.refused[1])
        refusal_is(5, '{"a":1,"a":1}', '"a" comes twice', answer.refused[2])
        refusal_is(6, '{"a":1,"d":2,"e":3}', '"d"', answer.refused[3])
        refusal_is(7, '{"a":null}', 'column "a" (text) can\'t be NULL', answer.refused[4])
        assert.same({ "9:[1]", "10:3", '11:{"a":1}{"a":2}', '12:{"a":1' }, { unpack(intake.texts(answer.refused), 5) })
        assert.equal(8, answer.stats.rejected)
    end)

    it("may name its columns otherwise, and have more", function()
        local text = '{"x":"1","deep":{"a":[1]},"b":"2"}'
        rows_are({ { a = "1", b = "2" } }, read(PAIR, "ndjson", text, { map = { a = "x" }, ignore_unknown = true }))
        assert.matches('"a"', read(PAIR, "ndjson", '{"a":1}', { map = { a = "x" } }).refused[1].message, 1, true)
    end)
end)
