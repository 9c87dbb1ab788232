local cli = require "writebehind.cli"
local infer = require "writebehind.cli.infer"
local input = require "writebehind.cli.input"
local json = require "writebehind.json"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local progress = require "writebehind.cli.progress"
local rejects = require "writebehind.cli.rejects"
local sample = require "writebehind.cli.sample"
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

local function sample_of(text, format)
    local path = process.write(dir .. "/input", text)
    return sample.take(assert(input.open(path)), { format = format, map = {} }, 1000)
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

describe("an input", function()
    local function text_of(path, encoding)
        local source, parts = assert(input.open(path, encoding)), {}
        for text in source.read, source do
            parts[#parts + 1] = text
        end
        return table.concat(parts), source
    end

    it("gives a file's bytes", function()
        assert.equal("a\n\nb", (text_of(process.write(dir .. "/x", "a\n\nb"))))
        assert.equal("", (text_of(process.write(dir .. "/x", ""))))
        local text = ("0123456789"):rep(50000)
        assert.equal(text, (text_of(process.write(dir .. "/x", text))))
    end)

    it("unpacks gzip of several members, told by its bytes", function()
        os.execute(("cd %s && (printf 'a\\nb' | gzip; printf 'c\\nd\\n' | gzip) >y"):format(dir))
        local text, source = text_of(dir .. "/y")
        assert.equal("a\nbc\nd\n", text)
        assert.equal(source.size, source.position)
    end)

    it("decodes other encodings, also where a character is cut in two", function()
        assert.equal("café", (text_of(process.write(dir .. "/x", "caf\233"), "ISO-8859-1")))
        local units = ("a\0\235\0\61\216\0\222"):rep(40000)
        assert.equal(("aë😀"):rep(40000), (text_of(process.write(dir .. "/x", units), "UTF-16LE")))
        local source = assert(input.open(process.write(dir .. "/x", "a\0b"), "UTF-16LE"))
        assert.equal("a", (source:read()))
        local none, message = source:read()
        assert.is_nil(none)
        assert.truthy(message:find("ends within a character", 1, true), message)
        local _, wrong = input.open(dir .. "/x", "KLINGON")
        assert.equal('--encoding: iconv knows no "KLINGON"', wrong)
    end)

    it("says what can't be read", function()
        local none, message = input.open(dir .. "/absent")
        assert.is_nil(none)
        assert.truthy(message:find("absent: No such file", 1, true))
        assert.truthy(select(2, input.open(dir)):find("Is a directory", 1, true))
        os.execute(("cd %s && seq 1 50000 | gzip | head -c 5000 >cut"):format(dir))
        local source = assert(input.open(dir .. "/cut"))
        local text, wrong = source:read()
        while text do
            text, wrong = source:read()
        end
        assert.truthy(wrong:find("gzip: the file ends in the middle", 1, true), wrong)
    end)
end)

describe("the format of a file", function()
    it("is told by its ending", function()
        local cases = { ["a.csv"] = "csv", ["b.CSV.gz"] = "csv", ["c.tsv"] = "tsv", ["c.tab"] = "tsv",
            ["d.ndjson.gz"] = "ndjson", ["-"] = "ndjson", ["e.csv/f"] = "ndjson" }
        for name, format in pairs(cases) do
            assert.equal(format, input.format_of(name), name)
        end
    end)
end)

describe("columns inferred", function()
    local function types_of(text, format, map, dialect)
        local types, order = {}, {}
        local columns, from = infer.columns(assert(sample_of(text, format)), map or {}, dialect or "memory")
        for index, column in ipairs(columns) do
            types[column[1]], order[index] = column[2], column[1]
            assert.is_true(column.null or column.generate ~= nil)
        end
        return types, order, from
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
            j = "jsonb", n = "text", m = "text", big = "numeric", late = "int8" }, types)
        assert.same({ "id", "i", "f", "b", "t", "at", "d", "j", "n", "big", "m", "late" }, order)
    end)

    it("from CSV: a code is no number, and a decimal keeps its digits", function()
        local types = types_of("zip,n,f,b,u,hex,w,e,day\n01234,,1.00,true,0d5f4d6e-0000-4000-8000-000000000000,12,"
            .. "2024-05-14 08:00:00,a,2023-02-28\n99999,7,-2.5,false,,12e4567,2024-05-14 09:00:00,\255,2023-02-30\n",
            "csv")
        assert.same({ id = "uuid", zip = "text", n = "int8", f = "numeric", b = "bool", u = "uuid", hex = "text",
            w = "timestamp", e = "text", day = "text" }, types)
    end)

    it("with the input's own id and other names", function()
        local types, order = types_of('{"key":"0d5f4d6e-0000-4000-8000-000000000000","v":1}\n', "ndjson",
            { id = "key" })
        assert.same({ id = "uuid", v = "int8" }, types)
        assert.same({ "id", "v" }, order)
        assert.equal("int8", types_of('{"id":1}\n', "ndjson").id)
    end)

    it("with names as the database has them, none twice", function()
        local long = ("n"):rep(62) .. "é"
        local _, order, from = types_of(",a,A,a," .. long .. "\n1,2,3,4,5\n", "csv", {}, "postgresql")
        assert.same({ "id", "column_1", "a", "A", "a_2", ("n"):rep(62) }, order)
        assert.equal(long, from[("n"):rep(62)])
        _, order = types_of("a,A\n1,2\n", "csv", {}, "sqlite")
        assert.same({ "id", "a", "A_2" }, order)
    end)

    it("from a header alone", function()
        assert.same({ id = "uuid", a = "text", b = "text" }, (types_of("a,b\n", "csv")))
    end)
end)

describe("rejects", function()
    it("go to a file, each with line, reason and text, as valid JSON", function()
        local list = assert(rejects.open(dir .. "/rejects"))
        list:put(7, "why", '{"a":"\255é\237\160\128"}')
        list:put(nil, "dead", "{}")
        list:close()
        local first, second = process.read(dir .. "/rejects"):match("^(.-)\n(.-)\n$")
        assert.same({ line = 7, error = "why", row = '{"a":"\239\191\189é\239\191\189\239\191\189\239\191\189"}',
            hex = "7b2261223a22ffc3a9eda080227d" }, json.decode(first))
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
        assert.equal("1,234,567 rows  123,457 rows/s  pending 1,000  dead 0  25 B  ETA 0:30", progress.facts(state, 10))
        assert.equal("[#####...............]  25%  1,234,567 rows", progress.bar(state, 10, 44))
        state.size, state.refused = nil, 3
        assert.equal("1,234,567 rows  123,457 rows/s  pending 1,000  dead 0  refused 3  25 B",
            progress.bar(state, 10, 200))
        assert.equal("12.3 MB", progress.bytes_text(12345678))
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
