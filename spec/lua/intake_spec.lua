-- Rows from text, as docs/api.md has them: each format, what is refused and with which words, and the law that whatever
-- was not stored is in the refusals, however the text is cut and whichever form of batcher reads it.

local intake = require "spec.support.intake"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
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
        ['["a",null,"NULL","\\u00e9\\n"]'] = { "a", null, "NULL", "é\n" }, ['{""}'] = { "" }, ['{ a , b c }'] = { "a", "b c" } },
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
    ["int4[]"] = { "1,2", "{{1}}", "[[1]]", "{1,x}", "{1", "{1,}", "[1,]", "[1,2.5]", "{1}x", '{"1}', "{1,2147483648}" },
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
            float8 = { ["1e400"] = "not a number", ["9007199254740993"] = "not a number" }, int4 = { ["2.5"] = "not a number" },
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
            text = { ["12e4567"] = "12e4567", ["1.10"] = "1.10", ["true"] = "true", ['[1, {"a" : 2}]'] = '[1, {"a" : 2}]' },
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
        for _, text in ipairs { "007", "+1", ".5", "1.", "NaN", "tru", '"\\ud800"', '"\1"', '"\\x"', '{"a":"\2"}', '{"a":}',
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
            for text, expected in pairs { ['{"a" : 1}'] = '{"a" : 1}', ['"x"'] = '"x"', ["1.10"] = "1.10", ["null"] = "null" } do
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
        local answer = read(columns, "ndjson", '{"c":null,"a":"x"}\n\n {"\\u0061":"y" , "b":1}\t\r\n{"b":2}\n{"a":1,"a":1}\n'
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

describe("a text that can't be read", function()
    it("says what it is instead", function()
        for text, message in pairs { ["\255\254a\0"] = "UTF-16", ["\254\255\0a"] = "UTF-16", ["\31\139\8\0\0\0"] = "gzip",
            ["a\0,\0b\0\n\0"] = "" } do
            for _, format in ipairs(FORMATS) do
                local answer = read(PAIR, format, text)
                assert.same({ 0, {} }, { answer.accepted, format == "ndjson" and message == "" and {} or answer.refused })
                assert.is_true(answer.code == "invalid" or message == "", format)
                assert.matches(message, answer.message or "", 1, true)
            end
        end
        for _, text in ipairs { '[{"a":1}]', ' [\n{"a":1}]', "\239\187\191[]" } do
            local answer = read(PAIR, "ndjson", text)
            assert.equal("invalid", answer.code)
            assert.matches("list", answer.message, 1, true)
        end
    end)

    it("has a header that does not fit: it says all that is wrong with it, before the first row", function()
        local columns = { { "a", "text" }, { "b", "text" }, { "c", "int4", default = 1 } }
        for text, words in pairs { ["x,c,y\n1,2,3\n"] = { '"x"', '"y"', '"a"', '"b"' }, ["c\n1\n"] = { '"a"', '"b"' },
            ["a;b\n1;2\n"] = { 'is the delimiter ";"?' }, ["a\tb"] = { "is the delimiter a tab?" }, ["a|b\n"] = { '"|"' },
            [""] = { "header" }, ["\n\r\n"] = { "header" } } do
            local answer = read(columns, "csv", text)
            assert.same({ true, "invalid", 0, {} }, { answer.unreadable, answer.code, answer.accepted, answer.refused })
            for _, word in ipairs(words) do
                assert.matches(word, answer.message, 1, true)
            end
        end
        assert.equal(0, #read(PAIR, "csv", "a,b").refused)
    end)
end)

describe("a header", function()
    it("names what has no name, and what was there before", function()
        rows_are({ { a = "1", b = "4" } }, read(PAIR, "csv", "a,,a,\n1,2,3,4\n", { map = { b = "column_4" },
            ignore_unknown = true }))
        local message = read(PAIR, "csv", "a,,a,\n1,2,3,4\n").message
        for _, name in ipairs { "column_2", "a_2", "column_4" } do
            assert.matches('"' .. name .. '"', message, 1, true)
        end
        rows_are({ { a = "2", b = "3" } }, read(PAIR, "csv", "x,x,x\n1,2,3\n", { map = { a = "x_2", b = "x_3" },
            ignore_unknown = true }))
    end)

    it("has each name once, though a made one was there", function()
        for header, name in pairs { ["x_2,x,x"] = "x_2", ["x,x,x_2"] = "x_2", ["column_2,,"] = "column_2",
            [",y,column_1"] = "column_1" } do
            local answer = read(PAIR, "csv", header .. "\n1,2,3\n", { map = { a = name }, ignore_unknown = true })
            assert.is_true(answer.accepted == 1 or answer.unreadable, header)
            assert.is_nil((answer.message or ""):find('""', 1, true))
        end
    end)

    it("may be quoted, mapped, given, or none", function()
        rows_are({ { a = "1", b = "2" } }, read(PAIR, "csv", '\239\187\191"the ""b""","a\n"\n2,1', { map = { a = "a\n",
            b = 'the "b"' } }))
        rows_are({ { a = "2", b = "1" } }, read(PAIR, "csv", "1,2\n", { header = { "b", "a" } }))
        local answer = read(PAIR, "csv", "1,2\n3\n4,5,6\n", { header = false })
        rows_are({ { a = "1", b = "2" } }, answer)
        assert.same({ "2:3", "3:4,5,6" }, intake.texts(answer.refused))
        assert.equal(1, read({ { "id", "uuid", generate = "uuidv4" }, PAIR[1] }, "copy", "x\n", { header = false }).accepted)
        answer = read(PAIR, "csv", "a,b\n1\n2,3,4\n5,6")
        rows_are({ { a = "5", b = "6" } }, answer)
        refusal_is(2, "1", "1 field, the header has 2", answer.refused[1])
        refusal_is(3, "2,3,4", "3 fields, the header has 2", answer.refused[2])
    end)
end)

describe("NULL", function()
    it("is an empty field without quotes, or what the option says", function()
        rows_are({ { a = "", b = "NULL" }, {}, { a = "\\N", b = " " } }, read(PAIR, "csv", 'a,b\n"",NULL\n,\n\\N, \n'))
        rows_are({ { b = "NA" }, { a = "", b = "" } }, read(PAIR, "csv", 'a,b\nNA,"NA"\n,""\n', { null = "NA" }))
        rows_are({ {}, { a = '""', b = "\\n" } }, read(PAIR, "tsv", 'a\tb\n\\N\t\n""\t\\n\n'))
        rows_are({ { b = "\\N" }, { a = "", b = "" } }, read(PAIR, "tsv", "a\tb\nNULL\t\\N\n\t\n", { null = "NULL" }))
        rows_are({ { b = "" }, { a = "\\N", b = "N" } }, read(PAIR, "copy", "a\tb\n\\N\t\n\\\\N\tN\n"))
        rows_are({ { b = "" } }, read(PAIR, "copy", "a\tb\nNULL\t\n", { null = "NULL" }))
        rows_are({ { a = "x" } }, read({ { "a", "text", default = "x" } }, "csv", "a\nNULL\n", { null = "NULL" }))
    end)
end)

describe("a field", function()
    it("is as it was written", function()
        rows_are({ { a = 'x"y', b = '"' }, { a = "c\r\nd", b = ' "e"' }, { a = ",", b = "\r" } },
            read(PAIR, "csv", 'a,b\nx"y,""""\n"c\r\nd", "e"\n",","\r"'))
        rows_are({ { a = '"x"', b = "\\t\\\\" }, { a = "'", b = '"' } }, read(PAIR, "tsv", 'a\tb\n"x"\t\\t\\\\\n\'\t"\n'))
        rows_are({ { a = "\b\f\n\r\t\v\\", b = "A\65.q" }, { a = "\n", b = "J9" }, { a = "x", b = "y" } },
            read(PAIR, "copy", "a\tb\n\\b\\f\\n\\r\\t\\v\\\\\t\\x41\\101\\.\\q\n\\\n\t\\x4a9\nx\ty\n\\.\n"))
        rows_are({ { a = "1;", b = "2" } }, read(PAIR, "csv", 'a;b\n"1;";2\n', { delimiter = ";" }))
        rows_are({ { a = "1\t", b = "2" } }, read(PAIR, "tsv", "a|b\n1\t|2\n", { delimiter = "|" }))
    end)

    it("in quotes has an end, and nothing after it", function()
        local answer = read(PAIR, "csv", 'a,b\nx,"y"z\n"1",2\n3,"4\n5,6\n')
        rows_are({ { a = "1", b = "2" } }, answer)
        refusal_is(2, 'x,"y"z', "closing quote", answer.refused[1])
        refusal_is(4, '3,"4\n5,6\n', "no end", answer.refused[2])
        assert.equal(2, #answer.refused)
    end)
end)

describe("a line", function()
    it("has an end of any kind, and its number", function()
        local rows = { { a = "1", b = "2" }, { a = "3", b = "4" }, { a = "5", b = "6" } }
        for _, text in ipairs { "a,b\n1,2\n3,4\n5,6\n", "a,b\r1,2\r3,4\r5,6", "a,b\r\n1,2\r\n\r\n3,4\r\n5,6\r\n",
            "\n\na,b\n1,2\r\n\r3,4\r5,6" } do
            rows_are(rows, read(PAIR, "csv", text))
        end
        local columns = { { "n", "int4" }, { "t", "text" } }
        assert.same({ "2:x,y", '4:z,"a\n\r\n\rb"', "10:w,1" }, intake.texts(read(columns, "csv",
            'n,t\r\nx,y\n1,2\rz,"a\n\r\n\rb"\n\n2,"3"\nw,1'
            ).refused))
    end)

    it("may be a comment, or skipped", function()
        rows_are({ { a = "1", b = "2 #" }, { a = "#x", b = "3" }, { a = " #", b = "4" } },
            read(PAIR, "csv", '#"x\na,b\n#1,2\n1,2 #\n"#x",3\n #,4\n#', { comment = "#" }))
        local answer = read({ { "n", "int4" } }, "csv", 'made by "hand\n\n#\nn\n#\nx\n', { comment = "#", skip = 2 })
        assert.same({ "6:x" }, intake.texts(answer.refused))
        assert.matches("header", read(PAIR, "csv", "a,b\n", { skip = 9 }).message, 1, true)
    end)

    it("that is too long comes in pieces, and the next is read", function()
        for _, long in ipairs { ("x"):rep(25) .. ",y", '"' .. ("x\n"):rep(20) .. '",y', ("é"):rep(30) .. ",", ("y"):rep(17) } do
            local answer = read(PAIR, "csv", "a,b\n1,2\n" .. long .. "\n3,4\n", { max_record_bytes = 16 })
            rows_are({ { a = "1", b = "2" }, { a = "3", b = "4" } }, answer)
            local pieces = {}
            for index, refusal in ipairs(answer.refused) do
                pieces[index] = refusal.text
                assert.is_true(#refusal.text <= 16)
            end
            assert.equal(long, table.concat(pieces))
            assert.equal(3, answer.refused[1].line)
        end
    end)
end)

describe("columns that are made", function()
    local made = { { "id", "uuid", generate = "uuidv7" }, { "n", "int4", server_default = true },
        { "at", "timestamptz", server_default = true, null = true }, { "m", "text" } }

    it("may be given", function()
        local answer = read(made, "csv", "m,id\nx," .. UUID .. "\ny,\nz,1\n")
        assert.same({ UUID, "x" }, { answer.rows[1].id, answer.rows[1].m })
        assert.matches("^%x+%-%x+%-7%x+%-[89ab]%x+%-%x+$", answer.rows[2].id)
        assert.same({ "4:z,1" }, intake.texts(answer.refused))
        answer = read(made, "ndjson", '{"id":"' .. UUID .. '","m":"x"}\n{"id":null,"m":"y"}\n{"m":"z"}')
        assert.equal(UUID, answer.rows[1].id)
        assert.is_true(#answer.rows[2].id == 36 and #answer.rows[3].id == 36 and answer.rows[2].id ~= answer.rows[3].id)
    end)

    it("are left to the server where they are absent, NULL where they are said to be", function()
        local dir = process.dir()
        local path = dir .. "/made.db"
        sqlite.sql(path, "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 42, at TEXT DEFAULT 'late', m TEXT);")
        local schema = writebehind.schema { made[1], made[2], { "at", "text", server_default = true, null = true }, made[4] }
        local batcher = assert(writebehind.batcher { store = writebehind.sqlite { path = path }, schema = schema, table = "t" })
        assert.equal(1, batcher:add_csv "m\na\n")
        assert.equal(2, batcher:add_csv 'n,at,m\n,,b\n7,"",c\n')
        assert.equal(2, batcher:add_ndjson '{"m":"d"}\n{"m":"e","n":null,"at":null}')
        assert(batcher:close())
        assert.equal("a|42|late\nb|42|NULL\nc|7|\nd|42|late\ne|42|NULL",
            sqlite.sql(path, "SELECT m, n, coalesce(at, 'NULL') FROM t ORDER BY m;"))
        process.remove(dir)
    end)

    it("of a lenient schema are cleaned, and counted", function()
        local columns = { { "t", "text", max = 3 }, { "n", "int4", null = true } }
        local answer = read(columns, "csv", "t,n\nabcd,1\na\255,2\na\0,3\nok,4\n", nil, { lenient = true })
        rows_are({ { t = "abc", n = 1 }, { t = "a\239\191\189", n = 2 }, { t = "a\239\191\189", n = 3 }, { t = "ok", n = 4 } },
            answer)
        assert.equal(3, answer.stats.cleaned)
        assert.equal(0, read(columns, "csv", "t,n\nabcd,1\n").stats.cleaned)
        assert.equal(1, read(columns, "ndjson", '{"t":"abcd"}', nil, { lenient = true }).stats.cleaned)
    end)
end)
