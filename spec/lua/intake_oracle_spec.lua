-- Rows from text against readers and writers that are none of the library's: Python's csv and json, and PostgreSQL's
-- COPY, whose output is read back into a table that has to hold the same.

local copy = require "spec.support.copy"
local intake = require "spec.support.intake"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local writebehind = require "writebehind"

local has_python = process.run("python3 -c 'import csv, json'").code == 0

local function bytes(hex)
    return (hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

-- What a Python script prints for each of the texts, a line each; it has them as the list of bytes `texts`.
local function python(script, texts)
    local dir, hexes = process.dir(), {}
    for index, text in ipairs(texts) do
        hexes[index] = copy.hex(text)
    end
    process.write(dir .. "/texts", table.concat(hexes, "\n") .. "\n")
    process.write(dir .. "/script.py", "import csv, io, json, sys\ntexts = [bytes.fromhex(line) for line in open('"
        .. dir .. "/texts').read().split('\\n')[:-1]]\n" .. script)
    local result = process.run("python3 " .. dir .. "/script.py")
    process.remove(dir)
    assert.equal(0, result.code, result.err)
    local lines = {}
    for line in result.out:gmatch("(.-)\n") do
        lines[#lines + 1] = line
    end
    assert.equal(#texts, #lines)
    return lines
end

local function soup(random, words, most)
    local parts = {}
    for index = 1, random(most) do
        parts[index] = words[random(#words)]
    end
    return table.concat(parts)
end

local PAIR = { { "a", "text", null = true }, { "b", "text", null = true } }

-- The rows of a text as "hex,hex" each, NULL as nothing; and how many records were refused.
local function read(format, text, options)
    local rows = {}
    local batcher = intake.batcher(PAIR, { inline = false, store = { write = function(_, batch)
        for row in batch:rows() do
            rows[#rows + 1] = copy.hex(row.a or "") .. "," .. copy.hex(row.b or "")
        end
        return true
    end } })
    local answer = intake.add(batcher, format, text, options)
    assert(batcher:close())
    return rows, answer
end

describe("Python", function()
    if not has_python then
        pending "there is no python3"
        return
    end

    it("reads the same records of CSV", function()
        local words = { '"', '"', '"', ",", ",", ",", "\n", "\n", "\r\n", "\r", "a", "b c", "'", "\\", "é", "\t", '""',
            'x,"y"\n', '"p\nq",r\n', ",\r\n" }
        local random, texts = intake.random(5), {}
        for index = 1, 4000 do
            texts[index] = soup(random, words, 24)
        end
        local lines = python([[
for text in texts:
    try:
        rows = list(csv.reader(io.StringIO(text.decode(), newline=''), strict=True))
        print('|'.join(','.join(f.encode().hex() for f in row) if len(row) == 2 else '!' for row in rows if row))
    except csv.Error:
        print('error')
]], texts)
        local same, errors = 0, 0
        for index, text in ipairs(texts) do
            local rows, answer = read("csv", text, { header = false })
            if lines[index] == "error" then
                errors = errors + 1
                assert.is_true(#answer.refused > 0, ("%q"):format(text))
            else
                local expected, wrong = {}, 0
                for row in lines[index]:gmatch "[^|]+" do
                    if row == "!" then
                        wrong = wrong + 1
                    else
                        expected[#expected + 1] = row
                    end
                end
                assert.same(expected, rows, ("%q"):format(text))
                assert.equal(wrong, #answer.refused, ("%q"):format(text))
                same = same + #rows
            end
        end
        assert.is_true(same > 1000 and errors > 200, same .. " rows, " .. errors .. " errors")
    end)

    it("writes CSV of each dialect that is read back", function()
        local words = { '"', ",", ";", "\t", "\n", "\r\n", "a", -- before 3.13 it leaves a CR alone without quotes
            " ", "'", "\\", "é", "\\N", "NULL", "#", "" }
        local random, fields = intake.random(6), {}
        for index = 1, 900 do
            fields[index] = soup(random, words, 8)
        end
        local lines = python([=[
fields = [text.decode() for text in texts]
for index in range(len(fields)):
    out = io.StringIO(newline='')
    writer = csv.writer(out, delimiter=',;\t'[index % 3], lineterminator=['\n', '\r\n', '\r'][index // 3 % 3],
                        quoting=csv.QUOTE_ALL if index // 3 % 3 == 2 else [csv.QUOTE_MINIMAL, csv.QUOTE_ALL,
                            csv.QUOTE_NONNUMERIC][index // 9 % 3])
    for step in range(4):
        writer.writerow([fields[(index + step) % len(fields)], fields[(index + 2 * step) % len(fields)]])
    print(out.getvalue().encode().hex())
]=], fields)
        for index = 1, #fields do
            local text, expected = bytes(lines[index]), {}
            for step = 0, 3 do
                expected[#expected + 1] = copy.hex(fields[(index - 1 + step) % #fields + 1]) .. "," ..
                    copy.hex(fields[(index - 1 + 2 * step) % #fields + 1])
            end
            local delimiters = { ",", ";", "\t" }
            local rows, answer = read("csv", text, { header = { "a", "b" },
                delimiter = delimiters[(index - 1) % 3 + 1] })
            assert.same({}, answer.refused)
            assert.same(expected, rows, ("%q"):format(text))
        end
    end)

    it("takes the same JSON, and reads the same strings and numbers", function()
        local words = { '"', "\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\/", "{", "}", "[", "]", ",", ":", '"k":', "1",
            "-", "0", ".", "5", "e", "E+2", "true", "null", " ", "\t", "\1", "é", "😀", '"x"', "[1,2]", '{"y":"z"}' }
        local random, texts = intake.random(7), {}
        for index = 1, 6000 do
            local inner = soup(random, words, 7)
            texts[index] = '{"a":' .. (random(3) > 1 and '"' .. inner .. '"' or inner) .. "}"
        end
        local lines = python([[
def no(word):
    raise ValueError(word)
for text in texts:
    try:
        value = json.loads(text, parse_constant=no, parse_float=str, parse_int=str)
        if list(value) != ['a']:
            raise KeyError
        value = value['a']
        print('s' + value.encode().hex() if isinstance(value, str) else 'other')
    except (KeyError, UnicodeEncodeError):
        print('other names, or half a pair')
    except ValueError:
        print('error')
]], texts)
        local taken, refused = 0, 0
        for index, text in ipairs(texts) do
            local rows, answer = read("ndjson", text)
            local verdict, shown = lines[index], ("%q: %s"):format(text, lines[index])
            if verdict == "error" then
                refused = refused + 1
                assert.equal(1, #answer.refused, shown)
            elseif verdict ~= "other names, or half a pair" then
                taken = taken + 1
                assert.equal(1, answer.accepted, shown)
                assert.is_true(verdict == "other" or rows[1] == verdict:sub(2) .. ",", shown)
            end
        end
        assert.is_true(taken > 1000 and refused > 1000, taken .. " taken, " .. refused .. " refused")
    end)

    it("writes floats that are read to the last bit", function()
        local random, texts = intake.random(8), {}
        for index = 1, 2000 do
            local parts = {}
            for place = 1, 8 do
                parts[place] = string.char(random(256) - 1)
            end
            texts[index] = table.concat(parts)
        end
        local lines = python([[
import math, struct
for text in texts:
    value = struct.unpack('>d', text)[0]
    value = 0.5 if math.isnan(value) or math.isinf(value) else value
    print(struct.pack('>d', value).hex() + ' ' + repr(value) + ' ' + '%.17g' % value)
]], texts)
        local csv, expected = { "v" }, {}
        for _, line in ipairs(lines) do
            local hex, shortest, long = line:match "^(%S+) (%S+) (%S+)$"
            csv[#csv + 1], csv[#csv + 2] = shortest, long
            expected[#expected + 1], expected[#expected + 2] = hex, hex
        end
        local stored = {}
        local columns = { { name = "v", type = "float8" } }
        local batcher = intake.batcher(columns, { inline = false, store = { write = function(_, batch)
            for _, row in ipairs(copy.rows(batch:copy_binary(), columns)) do
                stored[#stored + 1] = row[1]
            end
            return true
        end } })
        local accepted, refused = batcher:add_csv(table.concat(csv, "\n"))
        assert.same({ 2 * #texts, {} }, { accepted, refused })
        assert(batcher:close())
        assert.same(expected, stored)
    end)
end)

describe("PostgreSQL's COPY", function()
    after_each(postgres.drop_all)

    local TYPES = "n int4, b bool, s int2, l int8, f float4, d float8, p numeric, t text, v varchar(20), x bytea, "
        .. "u uuid, z timestamptz, w timestamp, y date, h time, i interval, k inet, m macaddr, j json, q jsonb, "
        .. "a int4[], e text[], g timestamptz[]"
    local TEXTS = { "", "a", " ", "\\", "\\N", "\\\\N", "\\.", "NULL", "null", '"', '""', ",", "\t", "\n", "\r", "\r\n",
        "a\tb\nc\\d", "é😀", "{}", "{a,b}", "\b\f\v", "x,\"y\"", "\\x41", "'", "\1\127", "1e400", "00501" }

    local function filled()
        local name, values = postgres.name(), {}
        postgres.sql(("create table %s (%s)"):format(name, TYPES))
        for index, text in ipairs(TEXTS) do
            local hex = ("convert_from('\\x%s', 'UTF8')"):format(copy.hex(text))
            values[index] = ([[(%d, %s, %d, 9223372036854775807 - %d, %d / 3.0::float4, %d / 7.0::float8, %d.10, %s,
                left(%s, 20),
                '\x%s', md5('%d')::uuid, to_timestamp(%d.25), '2024-05-14 08:00:00.5', date '2024-05-14' + %d,
                time '08:00:00' + interval '%d ms', interval '%d days 02:03:04.5', '10.1.2.%d/8', '08:00:2b:01:02:03',
                json_build_object('k', %s), jsonb_build_array(%s, %d), array[%d, null], array[%s, null, 'NULL', ''],
                array[to_timestamp(%d)])]]):format(
                index, tostring(index % 2 == 0), index, index, index, index, index, hex,
                hex, copy.hex(text), index, index, index, index, index, index, hex, hex, index, index, hex, index)
        end
        postgres.sql(("set timezone = 'UTC'; insert into %s values %s; insert into %s (n) values (0)"):format(name,
            table.concat(values, ",\n"), name))
        return name
    end

    for format, output in pairs { copy = "format text", csv = "format csv, header" } do
        for _, zone in ipairs { "UTC", "Asia/Kolkata" } do
            it("is read back as it was, in " .. format .. ", at " .. zone, function()
                local from, to = filled(), postgres.name()
                postgres.sql(("create table %s (%s)"):format(to, TYPES))
                local text = postgres.sql(("set timezone = '%s'; copy %s to stdout (%s)"):format(zone, from, output))
                local live = writebehind.postgres { conninfo = postgres.conninfo() }
                local batcher = assert(writebehind.batcher { store = live, schema = assert(live:schema(to)),
                    table = to })
                local answer = intake.add(batcher, format, text .. "\n", { header = format == "csv" })
                assert.same({}, answer.refused)
                assert.equal(#TEXTS + 1, answer.accepted)
                assert(batcher:close())
                local difference = "(select t.*::text from %s t except all select t.*::text from %s t)"
                assert.equal("", postgres.sql(difference:format(from, to)))
                assert.equal("", postgres.sql(difference:format(to, from)))
            end)
        end
    end

    it("of one column has its empty texts, too", function()
        for format, output in pairs { copy = "format text", csv = "format csv" } do
            local from = postgres.name()
            local insert = "create table %s (t text); insert into %s values ('a'), (''), ('\\N'), ('\\.'), ('b'), ('')"
            postgres.sql(insert:format(
                from, from))
            local text = postgres.sql(("copy %s to stdout (%s)"):format(from, output)) .. "\n"
            local answer = intake.read({ { "t", "text" } }, format, text, { header = false })
            assert.same({}, answer.refused)
            assert.equal('{1={t="a"} 2={t=""} 3={t="\\\\N"} 4={t="\\\\."} 5={t="b"} 6={t=""}}',
                intake.shown(answer.rows))
        end
    end)
end)
