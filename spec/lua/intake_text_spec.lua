-- Rows from text: what a text may be as a whole, its header, its fields and its lines, and columns that are made where
-- it does not have them. The values are intake_spec's.

local intake = require "spec.support.intake"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local shown, read = intake.shown, intake.read

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

describe("a text that can't be read", function()
    it("says what it is instead", function()
        for text, message in pairs { ["\255\254a\0"] = "UTF-16", ["\254\255\0a"] = "UTF-16",
            ["\31\139\8\0\0\0"] = "gzip",
            ["a\0,\0b\0\n\0"] = "" } do
            for _, format in ipairs(FORMATS) do
                local answer = read(PAIR, format, text)
                assert.same({ 0, {} }, { answer.accepted,
                    format == "ndjson" and message == "" and {} or answer.refused })
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
            ["a;b\n1;2\n"] = { 'is the delimiter ";"?' }, ["a\tb"] = { "is the delimiter a tab?" },
                ["a|b\n"] = { '"|"' },
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
        assert.equal(1, read({ { "id", "uuid", generate = "uuidv4" }, PAIR[1] }, "copy", "x\n",
            { header = false }).accepted)
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
        rows_are({ { a = '"x"', b = "\\t\\\\" }, { a = "'", b = '"' } }, read(PAIR, "tsv",
            'a\tb\n"x"\t\\t\\\\\n\'\t"\n'))
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
        for _, long in ipairs { ("x"):rep(25) .. ",y", '"' .. ("x\n"):rep(20) .. '",y', ("é"):rep(30) .. ",",
            ("y"):rep(17) } do
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
        sqlite.sql(path,
            "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 42, at TEXT DEFAULT 'late', m TEXT);")
        local schema = writebehind.schema { made[1], made[2], { "at", "text", server_default = true, null = true },
            made[4] }
        local batcher = assert(writebehind.batcher { store = writebehind.sqlite { path = path }, schema = schema,
            table = "t" })
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
        rows_are({ { t = "abc", n = 1 }, { t = "a\239\191\189", n = 2 }, { t = "a\239\191\189", n = 3 }, { t = "ok",
            n = 4 } },
            answer)
        assert.equal(3, answer.stats.cleaned)
        assert.equal(0, read(columns, "csv", "t,n\nabcd,1\n").stats.cleaned)
        assert.equal(1, read(columns, "ndjson", '{"t":"abcd"}', nil, { lenient = true }).stats.cleaned)
    end)
end)
