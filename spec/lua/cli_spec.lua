local cli = require "writebehind.cli"
local convert = require "writebehind.cli.convert"
local delimited = require "writebehind.cli.delimited"
local infer = require "writebehind.cli.infer"
local input = require "writebehind.cli.input"
local json = require "writebehind.json"
local ndjson = require "writebehind.cli.ndjson"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local progress = require "writebehind.cli.progress"
local reader = require "writebehind.cli.reader"
local rejects = require "writebehind.cli.rejects"
local sqlite = require "spec.support.sqlite"

local dir
setup(function()
    dir = process.dir()
end)
teardown(function()
    process.remove(dir)
end)

local function words(text)
    local list = {}
    for word in text:gmatch("%S+") do
        list[#list + 1] = word
    end
    return list
end

local function split(line)
    local out = { keys = {}, kinds = {}, texts = {} }
    local count, message = ndjson.split(line, out)
    return count and out, message
end

local function reader_of(text, format)
    local path = process.write(dir .. "/input", text)
    return reader.new(assert(input.open(path)), format)
end

local function records_of(text, format)
    local source, list = assert(reader_of(text, format)), {}
    for record in source.next, source do
        list[#list + 1] = record
    end
    return list
end

describe("arguments", function()
    it("are parsed, with defaults", function()
        local args = cli.parse(words "load f.csv --store sqlite:x.db --table t --map a=b,c=d --map e=f --create")
        assert.equal("load", args.command)
        assert.equal("f.csv", args.file)
        assert.same({ a = "b", c = "d", e = "f" }, args.map)
        assert.is_true(args.create)
        assert.equal(4096, args.batch_size)
    end)

    it("are refused with the option's name", function()
        local cases = {
            ["load f --store x --table t --batch-size 2.5"] = "--batch-size: '2.5'",
            ["load f --store x --table t --give-up soon"] = "--give-up: 'soon'",
            ["load f --store x --table t --map a"] = "--map: 'a' is no TO=FROM",
            ["load f --store x --table t --map a=b,a=c"] = "column 'a' is mapped twice",
            ["load f --table t"] = "--store",
            ["load f --store x"] = "--table",
            ["load --store x --table t"] = "file",
            ["load f --store x --table t --format xml"] = "--format",
            ["simulate --store x --report-every 0"] = "--report-every: '0'",
            ["frobnicate"] = "frobnicate",
        }
        for line, expected in pairs(cases) do
            local args, message = cli.parse(words(line))
            assert.is_nil(args, line)
            assert.truthy(message:find(expected, 1, true), message)
        end
    end)
end)

describe("a line of NDJSON", function()
    it("is split into names, kinds and texts", function()
        local out = assert(split ' { "a" : 1.50e+3 ,"b":"x","c":true, "d":null,"e":{"x":[1,"]}"]}, "f":[] } ')
        assert.same({ "a", "b", "c", "d", "e", "f" }, out.keys)
        assert.same({ "number", "string", "boolean", "null", "json", "json" }, out.kinds)
        assert.same({ "1.50e+3", "x", "true", "null", '{"x":[1,"]}"]}', "[]" }, out.texts)
    end)

    it("has its strings decoded", function()
        local out = assert(split [[{"a\"b":"\u00e9\n\\","c":"\ud83d\ude00","d":""}]])
        assert.same({ 'a"b', "c", "d" }, out.keys)
        assert.same({ "é\n\\", "😀", "" }, out.texts)
    end)

    it("may be empty of members, and end with a return", function()
        assert.same({}, assert(split "{}").keys)
        assert.same({ "a" }, assert(split '{"a":1}\r').keys)
    end)

    it("is refused with what is wrong and where", function()
        local cases = {
            [""] = "opening brace is missing at byte 1", ["[1]"] = "opening brace", ["{"] = "name is missing at byte 2",
            ['{"a":1,}'] = "name is missing at byte 8", ['{"a" 1}'] = "colon", ["{a:1}"] = "name is missing",
            ['{"a":01}'] = "number is not valid at byte 6", ['{"a":-}'] = "number", ['{"a":1.}'] = "comma",
            ['{"a":NaN}'] = "value is missing or not valid", ['{"a":nul}'] = "value is not valid",
            ['{"a":"x'] = "string has no end", ['{"a":"\\u00g0"}'] = "string is not valid",
            ['{"a":"\\x"}'] = "string is not valid", ['{"a":{"b":1}'] = "comma or the closing brace",
            ['{"a":[1}'] = "comma or the closing brace", ['{"a":{"b":1'] = "object or array has no end",
            ['{"a":1 "b":2}'] = "comma", ['{"a":1} x'] = "text after the object at byte 9", ['{"a":}'] = "value",
        }
        for line, expected in pairs(cases) do
            local out, message = split(line)
            assert.is_nil(out, line)
            assert.truthy(message:find(expected, 1, true), line .. " -> " .. message)
        end
    end)
end)

describe("a record of CSV", function()
    it("is split by RFC 4180", function()
        local more = { 'line 2', 'end",z\r' }
        local function next_line()
            return table.remove(more, 1)
        end
        assert.same({ "a", false, "", 'say "x"', "b,c" }, delimited.csv('a,,"","say ""x""","b,c"\r', next_line))
        assert.same({ "q\r\nline 2\nend", "z" }, delimited.csv('"q\r', next_line))
        assert.same({ "a", false }, delimited.csv("a,", next_line))
        assert.same({ "", "b" }, delimited.csv('"",b', next_line))
    end)

    it("is refused where its quotes are wrong", function()
        local function none() end
        assert.same({ nil, "a quoted field has no end" }, { delimited.csv('a,"b', none) })
        assert.same({ nil, "text after a field's closing quote" }, { delimited.csv('"a"b,c', none) })
        assert.same({ nil, "a quote inside a field without quotes" }, { delimited.csv('5" pipe,c', none) })
    end)

    it("knows the line it begins on, and its raw text", function()
        local list = records_of('a,b\n1,"x\ny"\n\n2,z\n3\n', "csv")
        assert.equal(3, #list)
        assert.same({ 2, 5, 6 }, { list[1].line, list[2].line, list[3].line })
        assert.equal('1,"x\ny"', list[1].raw)
        assert.same({ "1", "x\ny" }, list[1].texts)
        assert.equal("1 fields, the header line has 2", list[3].wrong)
    end)

    it("needs a header line without doubles", function()
        local cases = { [""] = "no header line", ["a,a\n"] = 'names "a" twice', ["a,,b\n"] = "field 2" }
        for text, expected in pairs(cases) do
            local none, message = reader_of(text, "csv")
            assert.is_nil(none)
            assert.truthy(message:find(expected, 1, true), message)
        end
    end)
end)

describe("a record of TSV", function()
    it("has NULLs and escapes", function()
        assert.same({ "a", false, false, "x\ty\\N" }, delimited.tsv("a\t\t\\N\tx\\ty\\\\N\r"))
    end)
end)

describe("an input", function()
    local function lines_of(path)
        local source, list = assert(input.open(path)), {}
        for line in source.line, source do
            list[#list + 1] = line
        end
        return list, source
    end

    it("gives lines, with or without an end to the last", function()
        assert.same({ "a", "", "b" }, (lines_of(process.write(dir .. "/x", "a\n\nb"))))
        assert.same({ "", "a" }, (lines_of(process.write(dir .. "/x", "\na\n"))))
        assert.same({ "a" }, (lines_of(process.write(dir .. "/x", "\239\187\191a\n"))))
        assert.same({}, (lines_of(process.write(dir .. "/x", ""))))
    end)

    it("unpacks gzip of several members, told by its bytes", function()
        os.execute(("cd %s && (printf 'a\\nb' | gzip; printf 'c\\nd\\n' | gzip) >y"):format(dir))
        local list, source = lines_of(dir .. "/y")
        assert.same({ "a", "bc", "d" }, list)
        assert.equal(source.size, source.position)
    end)

    it("says what can't be read", function()
        local none, message = input.open(dir .. "/absent")
        assert.is_nil(none)
        assert.truthy(message:find("absent: No such file", 1, true))
        assert.truthy(select(2, input.open(dir)):find("Is a directory", 1, true))
        os.execute(("cd %s && seq 1 50000 | gzip | head -c 5000 >cut"):format(dir))
        local source = assert(input.open(dir .. "/cut"))
        local line, wrong = source:line()
        while line do
            line, wrong = source:line()
        end
        assert.truthy(wrong:find("gzip: the file ends in the middle", 1, true), wrong)
    end)
end)

describe("the format of a file", function()
    it("is told by its ending", function()
        local cases = { ["a.csv"] = "csv", ["b.CSV.gz"] = "csv", ["c.tsv"] = "tsv", ["c.tab"] = "tsv",
            ["d.ndjson.gz"] = "ndjson", ["-"] = "ndjson", ["e.csv/f"] = "ndjson" }
        for name, format in pairs(cases) do
            assert.equal(format, reader.format_of(name), name)
        end
    end)
end)

describe("a text and its column's type", function()
    local function value(kind, from, text)
        return convert.for_type(kind)[from](text)
    end

    it("give a value of that type", function()
        assert.equal(12, value("int4", "field", "12"))
        assert.equal(-1000, value("int4", "number", "-1e3"))
        assert.equal(1.5, value("float8", "field", "1.5"))
        assert.equal(math.huge, value("float8", "string", "Infinity"))
        assert.is_true(value("bool", "field", "T"))
        assert.is_false(value("bool", "number", "0"))
        assert.is_true(value("bool", "boolean", "true"))
        assert.equal("1e3", value("text", "number", "1e3"))
        assert.equal("true", value("text", "boolean", "true"))
        assert.equal('{"a": 1}', value("jsonb", "json", '{"a": 1}'))
        assert.equal('"x\\"y"', value("jsonb", "string", 'x"y'))
        assert.equal("[1]", value("json", "field", "[1]"))
        assert.equal("\1\255z", value("bytea", "string", "\\x01ff7a"))
        assert.equal("\\x1", value("bytea", "string", "\\x1"))
        assert.equal("2024-05-14 08:00:00.5+00:00", value("timestamptz", "field", "2024-05-14 08:00:00.5+00"))
        assert.equal("2024-05-14T08:00:00+02:00", value("timestamptz", "string", "2024-05-14T08:00:00+02:00"))
        assert.equal(1.25, value("timestamptz", "number", "1.25"))
        assert.equal(json.null, value("int4", "null"))
        assert.equal(1.25, value("timestamptz", "field", "1.25"))
        assert.equal("20240514", value("timestamptz", "field", "20240514"))
        assert.equal(20240514, value("timestamptz", "number", "20240514"))
    end)

    it("give a list where the column is an array", function()
        assert.same({ 1, json.null, -3 }, value("int4[]", "field", "{1, NULL ,-3}"))
        assert.same({ 'a b', 'q"\\', "NULL", "x" }, value("text[]", "field", [[{"a b","q\"\\","NULL",x}]]))
        assert.same({}, value("text[]", "field", " {} "))
        assert.same({ "a", json.null, "b" }, value("text[]", "json", '["a",null,"b"]'))
        assert.same({ 1, 2 }, value("int8[]", "field", "[1, 2]"))
        assert.same({ "\1" }, value("bytea[]", "json", [=[["\\x01"]]=]))
        for _, text in ipairs { "1", "{1", "{{1},{2}}", "{1,}", "{,1}", '{"a}', '{a"b}', "{1}x" } do
            assert.equal(text, value("int4[]", "field", text))
        end
    end)

    it("keep as text what the column then refuses", function()
        assert.equal("1x", value("int8", "field", "1x"))
        assert.equal("0x10", value("int8", "field", "0x10"))
        assert.equal("-9223372036854775809", value("int8", "number", "-9223372036854775809"))
        assert.equal("maybe", value("bool", "field", "maybe"))
        assert.equal("one", value("float8", "string", "one"))
    end)

    it("make a row, by the map", function()
        local plan = convert.plan({ { name = "a", type = "int4" }, { name = "b", type = "text" } }, { b = "c" })
        local record = records_of('{"a":1,"c":"x"}', "ndjson")[1]
        assert.same({ a = 1, b = "x" }, (convert.row(record, plan)))
        local none, message = convert.row(records_of('{"b":1}', "ndjson")[1], plan)
        assert.is_nil(none)
        assert.equal('no column takes "b"', message)
    end)
end)

describe("columns inferred", function()
    local function types_of(text, format, map)
        local types, order = {}, {}
        for index, column in ipairs(infer.columns(records_of(text, format), map or {})) do
            types[column[1]], order[index] = column[2], column[1]
            assert.is_true(column.null or column.generate ~= nil)
        end
        return types, order
    end

    it("from NDJSON", function()
        local types, order = types_of([[
{"i":1,"f":1,"b":true,"t":"x","at":"2024-05-14T08:00:00Z","d":"2024-05-14","j":{},"n":null,"big":1}
not json
{"i":-2,"f":1.5,"b":false,"t":"y","at":"2024-05-14 08:00:00.5+02:00","d":"2024-05-15"}
{"m":1,"j":"x","n":null,"big":9223372036854775808}
{"m":"x","late":0}
]], "ndjson")
        assert.same({ id = "uuid", i = "int8", f = "float8", b = "bool", t = "text", at = "timestamptz", d = "date",
            j = "jsonb", n = "text", m = "text", big = "text", late = "int8" }, types)
        assert.same({ "id", "i", "f", "b", "t", "at", "d", "j", "n", "big", "m", "late" }, order)
    end)

    it("from CSV, where a leading zero is no number", function()
        local types = types_of("zip,n,f,b,u\n01234,,1.0,true,0d5f4d6e-0000-4000-8000-000000000000\n"
            .. "99999,7,-2e5,false,\n", "csv")
        assert.same({ id = "uuid", zip = "text", n = "int8", f = "float8", b = "bool", u = "uuid" }, types)
    end)

    it("with the input's own id and other names", function()
        local types, order = types_of('{"key":"0d5f4d6e-0000-4000-8000-000000000000","v":1}\n', "ndjson",
            { id = "key" })
        assert.same({ id = "uuid", v = "int8" }, types)
        assert.same({ "id", "v" }, order)
        assert.equal("int8", types_of('{"id":1}\n', "ndjson").id)
    end)
end)

describe("rejects", function()
    it("go to a file, each with line, reason and text, as valid JSON", function()
        local list = assert(rejects.open(dir .. "/rejects"))
        list:put(7, "why", '{"a":"\255é\237\160\128"}')
        list:put(nil, "dead", "{}")
        list:close()
        local first, second = process.read(dir .. "/rejects"):match("^(.-)\n(.-)\n$")
        assert.same({ line = 7, error = "why", row = '{"a":"\239\191\189é\239\191\189\239\191\189\239\191\189"}' },
            json.decode(first))
        assert.equal(json.null, json.decode(second).line)
    end)

    it("are shown without a file, but not all of them", function()
        local shown = {}
        local list = rejects.open(nil, function(text)
            shown[#shown + 1] = text
        end)
        for line = 1, 1000 do
            list:put(line, "bad", "x")
        end
        assert.equal(1000, list.count)
        assert.equal("line 1: bad", shown[1])
        assert.equal(11, #shown)
        assert.truthy(shown[11]:find("only counted"))
    end)
end)

describe("progress", function()
    it("is facts with separators, and a bar with the time left where the size is known", function()
        local state = { rows = 1234567, pending = 1000, dead = 0, position = 25, size = 100 }
        assert.equal("1,234,567 rows  123,457 rows/s  pending 1,000  dead 0  ETA 0:30", progress.facts(state, 10))
        assert.equal("[#####...............]  25%  1,234,567 rows", progress.bar(state, 10, 44))
        state.size, state.refused = nil, 3
        assert.equal("1,234,567 rows  123,457 rows/s  pending 1,000  dead 0  refused 3", progress.bar(state, 10, 200))
    end)

    it("writes times as clocks do", function()
        assert.equal("0:00", progress.clock_text(0.2))
        assert.equal("1:05", progress.clock_text(65))
        assert.equal("2:03:04", progress.clock_text(7384))
    end)

    local function shown(is_terminal)
        local written, now_s = {}, 100
        local bar = progress.new { is_terminal = is_terminal, now = function()
            return now_s
        end, stream = { flush = function() end, write = function(_, ...)
            for _, text in ipairs { ... } do
                written[#written + 1] = text
            end
        end } }
        for tick = 1, 100 do
            now_s = 100 + tick * 0.125
            if bar:is_due() then
                bar:show { rows = tick, pending = 0, dead = 0 }
            end
        end
        bar:note "a line"
        bar:finish { rows = 100, pending = 0, dead = 0 }
        return table.concat(written)
    end

    it("is a plain line now and then without a terminal", function()
        local text = shown(false)
        assert.equal("40 rows  8 rows/s  pending 0  dead 0\n80 rows  8 rows/s  pending 0  dead 0\na line\n", text)
    end)

    it("is drawn over itself on a terminal, lines kept apart", function()
        local text = shown(true)
        assert.equal(101, select(2, text:gsub("\r[^\r\n]-dead 0\27%[K", "")))
        assert.truthy(text:find("\r\27[Ka line\n100 rows", 1, true))
        assert.equal("\n", text:sub(-1))
    end)
end)

describe("the program", function()
    local function run(...)
        local list = { process.quote(process.interpreter()), "bin/writebehind" }
        for _, word in ipairs { ... } do
            list[#list + 1] = process.quote(word)
        end
        return process.run(table.concat(list, " "))
    end

    it("tells its version and its commands", function()
        local result = run "--version"
        assert.equal("writebehind " .. require("writebehind").version .. "\n", result.out)
        assert.equal(0, result.code)
        result = run "--help"
        assert.equal(0, result.code)
        assert.truthy(result.out:find("load ", 1, true) and result.out:find("simulate ", 1, true), result.out)
    end)

    it("exits with 2 for wrong usage and says what was wrong", function()
        local cases = { {}, { "frobnicate" }, { "simulate" }, { "simulate", "--store", "x", "--agents", "0" } }
        for _, case in ipairs(cases) do
            local result = run((table.unpack or unpack)(case))
            assert.equal(2, result.code)
            assert.truthy(result.err:find("^Usage: .*\nwritebehind: "), result.err)
        end
    end)

    local REPORTS = "SELECT created_at, agent_id, workspace_id, rx_bytes, connections_by_proto, usage "
        .. "FROM workspace_agent_stats ORDER BY created_at, agent_id;"

    local function simulate(store, seed)
        local result = run("simulate", "--store", store, "--agents", "40", "--seconds", "12", "--speed", "0",
            "--seed", seed, "--start", "1715673600")
        assert.equal(0, result.code, result.err)
        return result
    end

    it("simulates into SQLite, the same with the same seed and start", function()
        local result = simulate("sqlite:" .. dir .. "/a.db", "1")
        local rows = sqlite.count(dir .. "/a.db", "workspace_agent_stats")
        assert.truthy(rows >= 80 and rows <= 120, rows)
        local stored, of, dead, pending = result.out:match "^stored (%d+) of (%d+) rows, (%d+) dead, (%d+) pending\n"
        assert.same({ rows, rows, 0, 0 }, { tonumber(stored), tonumber(of), tonumber(dead), tonumber(pending) })
        assert.truthy(result.out:find(("marked %d, "):format(rows), 1, true), result.out)
        assert.equal("40", sqlite.sql(dir .. "/a.db", [[SELECT count(*) FROM workspaces w WHERE last_used_at =
            (SELECT max(created_at) FROM workspace_agent_stats s WHERE s.workspace_id = w.id);]]))
        simulate("sqlite:" .. dir .. "/b.db", "1")
        assert.equal(sqlite.sql(dir .. "/a.db", REPORTS), sqlite.sql(dir .. "/b.db", REPORTS))
        simulate("sqlite:" .. dir .. "/c.db", "2")
        assert.not_equal(sqlite.sql(dir .. "/a.db", REPORTS), sqlite.sql(dir .. "/c.db", REPORTS))
    end)

    it("simulates into PostgreSQL", function()
        local space = "wb_spec_" .. process.unique()
        finally(function()
            postgres.sql("DROP SCHEMA " .. space .. " CASCADE")
        end)
        postgres.sql("CREATE SCHEMA " .. space)
        local store = postgres.conninfo() .. " options=-csearch_path=" .. space
        for _ = 1, 2 do -- the second finds the tables there
            local result = run("simulate", "--store", store, "--agents", "20", "--seconds", "4", "--speed", "40")
            assert.equal(0, result.code, result.err)
            assert.truthy(result.out:find("0 dead, 0 pending", 1, true), result.out)
        end
        assert.equal(40, postgres.count(space .. ".workspaces"))
        assert.equal(0, postgres.number(([[SELECT count(*) FROM %s.workspaces w JOIN (SELECT workspace_id,
            max(created_at) AS newest FROM %s.workspace_agent_stats GROUP BY 1) s ON s.workspace_id = w.id
            WHERE w.last_used_at <> s.newest]]):format(space, space)))
    end)
end)
