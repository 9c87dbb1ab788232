-- writebehind load, run as a program; what it stored is read back with sqlite3 and psql.

local json = require "writebehind.json"
local ids = require "spec.support.ids"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local samples = require "spec.support.samples"
local sqlite = require "spec.support.sqlite"

local unpack = table.unpack or unpack

local dir, database
setup(function()
    dir = process.dir()
end)
before_each(function()
    database = dir .. "/" .. process.unique() .. ".db"
end)
teardown(function()
    postgres.drop_all()
    process.remove(dir)
end)

local function command(...)
    local words = { process.quote(process.interpreter()), "bin/writebehind" }
    for _, word in ipairs { ... } do
        words[#words + 1] = process.quote(word)
    end
    return table.concat(words, " ")
end

local function load_file(path, store, table_name, ...)
    return process.run(command("load", path, "--store", store, "--table", table_name, ...))
end

local function file(name, text)
    return process.write(dir .. "/" .. name, text)
end

-- ---- reading back ----

local function sqlite_rows(path, table_name, order)
    local text = sqlite.sql(path, ".mode json\nSELECT * FROM " .. table_name .. " ORDER BY " .. order .. ";")
    return text == "" and {} or assert(json.decode(text))
end

local function postgres_rows(table_name, order)
    local rows = {}
    for index, line in ipairs(postgres.lines(("SELECT row_to_json(a_row) FROM %s a_row ORDER BY %s"):format(table_name,
        order))) do
        rows[index] = assert(json.decode(line))
    end
    return rows
end

local function days_of(year, month, day)
    local y, m = month <= 2 and year - 1 or year, (month + 9) % 12
    return 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
        + math.floor((m * 306 + 5) / 10) + day - 1 - 719468
end

-- RFC 3339 as µs since 1970, exact in a double for centuries.
local function micros(text)
    local year, month, day, hour, minute, second, fraction, zone =
        text:match("^(%d+)%-(%d+)%-(%d+)[T ](%d+):(%d+):(%d+)%.?(%d*)(.*)$")
    local sign, zone_hour, zone_minute = zone:match("^([+-])(%d%d):?(%d*)$")
    local shift = sign and (tonumber(zone_hour) * 60 + (tonumber(zone_minute) or 0)) * (sign == "-" and -1 or 1) or 0
    local days = days_of(tonumber(year), tonumber(month), tonumber(day))
    local seconds = ((days * 24 + hour) * 60 + minute - shift) * 60 + second
    return seconds * 1e6 + tonumber((fraction .. "000000"):sub(1, 6))
end

-- ---- comparing ----

local function same_value(expected, found)
    if type(expected) == "table" then
        found = type(found) == "string" and json.decode(found) or found
        return pcall(assert.same, expected, found)
    elseif type(expected) == "boolean" then
        return found == expected or found == (expected and 1 or 0)
    elseif type(expected) == "string" and expected:find("^%d%d%d%d%-%d%d%-%d%d[T ]") then
        return micros(expected) == micros(found)
    elseif type(expected) == "number" then
        return expected == tonumber(found) -- numeric is text in SQLite
    end
    return expected == found
end

-- Every value of the file, column by column, and nothing where it has none; the rows in the file's order.
local function assert_same_rows(expected, found)
    assert.equal(#expected, #found)
    for index, row in ipairs(expected) do
        for name in pairs(row) do
            assert(found[index][name] ~= nil, name)
        end
        for name, value in pairs(found[index]) do
            local wanted = row[name] == nil and json.null or row[name]
            if name ~= "id" and not same_value(wanted, value) then
                error(("row %d, %s: expected %s, found %s"):format(index, name, tostring(wanted), tostring(value)))
            end
        end
    end
end

local function rows_of_file(path)
    local rows, pipe = {}, assert(io.popen("gzip -dc " .. process.quote(path)))
    for line in pipe:lines() do
        rows[#rows + 1] = assert(json.decode(line))
    end
    pipe:close()
    return rows
end

describe("a whole file", function()
    for _, sample in ipairs(samples.list()) do
        describe(sample.label, function()
            local path, expected
            setup(function()
                path = sample.path(dir)
                expected = rows_of_file(path)
            end)
            teardown(function()
                expected = nil
            end)

            it("arrives in SQLite, value by value", function()
                local result = load_file(path, "sqlite:" .. database, sample.name, "--create")
                assert.equal(0, result.code, result.err)
                assert.truthy(result.out:find(("^stored %d of %d rows, 0 refused, 0 dead, 0 pending, "):format(
                    #expected, #expected)), result.out)
                assert_same_rows(expected, sqlite_rows(database, sample.name, "id"))
            end)

            it("arrives in PostgreSQL, value by value", function()
                local table_name = postgres.name()
                local result = load_file(path, postgres.conninfo(), table_name, "--create")
                assert.equal(0, result.code, result.err)
                assert_same_rows(expected, postgres_rows(table_name, "id"))
            end)
        end)
    end
end)

-- ---- hard values ----

local HARD = [[
CREATE TABLE %s (n int4, i %s, f float8, b bool, t text, d date, at %s, j %s)]]

local function hard_sqlite()
    sqlite.sql(database, HARD:format("hard", "int8", "timestamptz TEXT", "jsonb TEXT"):gsub("d date", "d date TEXT")
        .. ";")
end

local FIRST = { n = 1, i = "9223372036854775807", f = 0.1, b = true, t = 'ünï"\\\t漢😀, end', d = "2024-02-29",
    at = "2024-05-14T08:00:00.115245Z", j = '{"a": [1234567890123456789012345, {}, []]}' }
local SECOND = { n = 2, i = "-9223372036854775808", f = 1.7976931348623157e308, b = false, t = "", d = "0001-01-01",
    at = "1969-12-31T23:59:59.999999Z", j = '"x"' }

local HARD_NDJSON = [==[
{"n":1,"i":9223372036854775807,"f":0.1,"b":true,"t":"ünï\"\\\t漢\ud83d\ude00, end","d":"2024-02-29",]==]
    .. [==["at":"2024-05-14T10:00:00.115245+02:00","j":{"a": [1234567890123456789012345, {}, []]}}
{"n":2,"i":-9223372036854775808,"f":1.7976931348623157e308,"b":false,"t":"","d":"0001-01-01","at":-0.000001,"j":"x"}
{"n":3,"i":null}
]==]

local HARD_CSV = 'n,i,f,b,t,d,at,j\r\n'
    .. '1,9223372036854775807,0.1,t,"ünï""\\\t漢😀, end",2024-02-29,2024-05-14 08:00:00.115245+00,'
    .. '"{""a"": [1234567890123456789012345, {}, []]}"\r\n'
    .. '2,-9223372036854775808,1.7976931348623157e308,0,"",0001-01-01,-0.000001,"""x"""\r\n3,,,,,,,\r\n'

local HARD_TSV = "n\ti\tf\tb\tt\td\tat\tj\n"
    .. '1\t9223372036854775807\t0.1\ttrue\tünï"\\\\\\t漢😀, end\t2024-02-29\t2024-05-14T08:00:00.115245Z\t'
    .. '{"a": [1234567890123456789012345, {}, []]}\n'
    .. '2\t-9223372036854775808\t1.7976931348623157e308\tF\t\t0001-01-01\t-0.000001\t"x"\n3\\N\n'

local function fitted(text)
    if samples.is_wide then
        return text
    end
    return (text:gsub("9223372036854775807", "9007199254740991"):gsub("9223372036854775808", "9007199254740991"))
end

local function check_hard(rows, text_of_second)
    assert.equal(3, #rows)
    for index, expected in ipairs { FIRST, SECOND } do
        local row = rows[index]
        assert.equal(expected.n, row.n)
        assert.equal(fitted(expected.i), json.number(row.i))
        assert.equal(expected.f, row.f)
        assert.truthy(same_value(expected.b, row.b))
        assert.equal(index == 2 and text_of_second or expected.t, row.t)
        assert.equal(expected.d, row.d)
        assert.equal(micros(expected.at), micros(row.at))
        assert.equal(expected.j, row.j)
    end
    for _, name in ipairs { "i", "f", "b", "t", "d", "at", "j" } do
        assert.equal(json.null, rows[3][name])
    end
end

describe("hard values", function()
    local CASES = {
        { "hard.ndjson", HARD_NDJSON, "" },
        { "hard.csv", HARD_CSV, "" },
        { "hard.copy", (HARD_TSV:gsub("3\\N", "3" .. ("\t\\N"):rep(7))), "", { "--format", "copy" } },
    }

    for _, case in ipairs(CASES) do
        it("arrive exact from " .. case[1] .. " in SQLite", function()
            hard_sqlite()
            local result = load_file(file(case[1], fitted(case[2])), "sqlite:" .. database, "hard",
                unpack(case[4] or {}))
            assert.equal(0, result.code, result.err)
            check_hard(sqlite_rows(database, "hard", "n"), case[3])
        end)

        it("arrive exact from " .. case[1] .. " in PostgreSQL", function()
            local table_name = postgres.name()
            postgres.sql(HARD:format(table_name, "int8", "timestamptz", "json"))
            local result = load_file(file(case[1], fitted(case[2])), postgres.conninfo(), table_name,
                unpack(case[4] or {}))
            assert.equal(0, result.code, result.err)
            local rows = postgres_rows("(SELECT n, i, f, b, t, d, at, j::text AS j FROM " .. table_name .. ")", "n")
            check_hard(rows, case[3])
        end)
    end
end)

-- ---- what goes wrong ----

describe("rows that do not fit", function()
    local TEXT = '{"n":1,"t":"a"}\nnot json\n{"n":2.5,"t":"b"}\n\n{"n":3,"u":1}\n{"t":"no n"}\n{"n":4,"t":null}\n'

    before_each(function()
        sqlite.sql(database, "CREATE TABLE t (n int8 NOT NULL, t text);")
    end)

    it("are kept in the rejects with line, reason and text, the rest is stored", function()
        local result = load_file(file("bad.ndjson", TEXT), "sqlite:" .. database, "t", "--rejects", dir .. "/rejects")
        assert.equal(1, result.code)
        assert.truthy(result.out:find("stored 2 of 6 rows, 4 refused, 0 dead, 0 pending", 1, true), result.out)
        assert.equal("1|a\n4|", sqlite.sql(database, "SELECT n, t FROM t ORDER BY n;"))
        local found = {}
        for line in process.read(dir .. "/rejects"):gmatch("[^\n]+") do
            found[#found + 1] = json.decode(line)
        end
        assert.equal(4, #found)
        local expected = { { 2, "not a JSON object", "not json" }, { 3, '"n"', '{"n":2.5,"t":"b"}' },
            { 5, '"u"', '{"n":3,"u":1}' }, { 6, '"n"', '{"t":"no n"}' } }
        for index, case in ipairs(expected) do
            assert.same({ case[1], case[3] }, { found[index].line, found[index].row })
            assert.truthy(found[index].error:find(case[2], 1, true), found[index].error)
        end
    end)

    it("are shown on stderr without a file for them", function()
        local result = load_file(file("bad.ndjson", TEXT), "sqlite:" .. database, "t")
        assert.equal(1, result.code)
        assert.truthy(result.err:find("line 2: not a JSON object", 1, true), result.err)
        assert.truthy(result.err:find("line 6: ", 1, true), result.err)
    end)

    it("are those that the store rejects: each with its line and the store's reason", function()
        sqlite.sql(database, "CREATE UNIQUE INDEX one ON t (n); INSERT INTO t VALUES (2, 'there');")
        local result = load_file(file("one.ndjson", '{"n":1}\n{"n":2}\n{"n":3}\n'), "sqlite:" .. database, "t",
            "--rejects", dir .. "/rejects")
        assert.equal(1, result.code)
        assert.truthy(result.out:find("stored 2 of 3 rows, 0 refused, 1 dead, 0 pending", 1, true), result.out)
        local found = process.read(dir .. "/rejects")
        assert.truthy(found:find('"line":2', 1, true), found)
        assert.truthy(found:find("UNIQUE", 1, true), found)
        assert.is_nil(found:find('"line":[13]'), found)
        assert.equal("1\n2\n3", sqlite.sql(database, "SELECT n FROM t WHERE n IS NOT NULL ORDER BY n;"))
    end)

    it("are all of them where the store takes none, after a while", function()
        sqlite.sql(database, "CREATE UNIQUE INDEX one ON t (n); INSERT INTO t VALUES (1, 'there'), (2, 'there');")
        local result = load_file(file("twice.ndjson", '{"n":1}\n{"n":2}\n'), "sqlite:" .. database, "t",
            "--give-up", "0.5", "--rejects", dir .. "/rejects")
        assert.equal(1, result.code)
        assert.truthy(result.err:find("gave up", 1, true), result.err)
        assert.truthy(process.read(dir .. "/rejects"):find('"line":2', 1, true))
    end)
end)

describe("load", function()
    it("reads standard input and maps names", function()
        sqlite.sql(database, "CREATE TABLE t (n int8 NOT NULL, t text);")
        local result = process.run("printf 'a,t\\n1,x\\n2,y\\n' | " .. command("load", "-", "--store",
            "sqlite:" .. database, "--table", "t", "--format", "csv", "--map", "n=a") .. " 2>&1")
        assert.equal(0, result.code, result.out)
        assert.equal("1|x\n2|y", sqlite.sql(database, "SELECT * FROM t ORDER BY n;"))
    end)

    it("takes ids that the input gives, and makes those it lacks", function()
        local text = ('{"id":"%s","n":1}\n{"id":"%s","n":2}\n'):format(ids.uuid(1), ids.uuid(2))
        local result = load_file(file("ids.ndjson", text), "sqlite:" .. database, "given", "--create")
        assert.equal(0, result.code, result.err)
        assert.equal(ids.uuid(1) .. "|1\n" .. ids.uuid(2) .. "|2", sqlite.sql(database,
            "SELECT id, n FROM given ORDER BY n;"))
        result = load_file(file("none.ndjson", '{"n":1}\n{"n":2}\n'), "sqlite:" .. database, "made", "--create")
        assert.equal(0, result.code, result.err)
        assert.equal("2|2|36", sqlite.sql(database, "SELECT count(*), count(DISTINCT id), min(length(id)) FROM made;"))
    end)

    it("keeps to a table that is there, also with --create", function()
        sqlite.sql(database, "CREATE TABLE t (n int8 NOT NULL, t text);")
        local path = file("more.ndjson", '{"n":1,"t":"x"}\n')
        for _ = 1, 2 do
            assert.equal(0, load_file(path, "sqlite:" .. database, "t", "--create").code)
        end
        assert.equal(2, sqlite.count(database, "t"))
    end)

    it("says what it can't open, and exits with 1; 2 for wrong usage", function()
        local path = file("one.ndjson", '{"n":1}\n')
        local cases = {
            { { dir .. "/absent.csv", "--store", "sqlite:" .. database, "--table", "t" }, 1, "absent.csv" },
            { { path, "--store", "sqlite:" .. dir .. "/no.db", "--table", "t" }, 1, "no.db" },
            { { path, "--store", "mysql://x", "--table", "t" }, 1, "mysql" },
            { { file("empty", ""), "--store", "sqlite:" .. database, "--table", "t", "--create" }, 1, "no record" },
            { { path, "--store", "sqlite:" .. database }, 2, "--table" },
        }
        for _, case in ipairs(cases) do
            local words = case[1]
            local result = process.run(command("load", unpack(words)))
            assert.equal(case[2], result.code, result.err)
            assert.truthy(result.err:find(case[3], 1, true), result.err)
            assert.falsy(result.err:find("traceback", 1, true), result.err)
        end
    end)

    it("stores what a broken file holds, and says where it breaks", function()
        os.execute(("cd %s && seq 100000 | sed 's/.*/{\"n\":&}/' | gzip | head -c 100000 >cut.gz"):format(dir))
        local result = load_file(dir .. "/cut.gz", "sqlite:" .. database, "cut", "--create")
        assert.equal(1, result.code)
        assert.truthy(result.err:find("cut.gz: gzip: the file ends in the middle", 1, true), result.err)
        local stored = sqlite.count(database, "cut")
        assert.truthy(stored > 1000 and stored < 100000, stored)
        assert.truthy(result.out:find(("stored %d of %d rows, 0 refused"):format(stored, stored), 1, true), result.out)
    end)

    it("draws a bar on a terminal, and none elsewhere", function()
        if process.run("script -qec true /dev/null").code ~= 0 then
            return pending "no pseudo-terminal can be had here"
        end
        local lines = {}
        for n = 1, 30000 do
            lines[n] = ('{"n":%d}'):format(n)
        end
        local path = file("bar.ndjson", table.concat(lines, "\n"))
        local load_it = command("load", path, "--store", "sqlite:" .. database, "--table", "bar", "--create")
        local shown = process.run("script -qec " .. process.quote(load_it) .. " /dev/null")
        assert.equal(0, shown.code, shown.out)
        assert.truthy(shown.out:find("\r[####################] 100%  30,000 rows", 1, true), shown.out)
        assert.truthy(shown.out:find("stored 30000 of 30000 rows", 1, true), shown.out)
        local plain = process.run(load_it)
        assert.equal(0, plain.code)
        assert.falsy((plain.out .. plain.err):find("\r", 1, true))
    end)

    it("stores what it has read when it is interrupted", function()
        local fifo, out = dir .. "/fifo", dir .. "/out"
        sqlite.sql(database, "CREATE TABLE t (n int8 NOT NULL);")
        process.run("mkfifo " .. fifo)
        local script = ([[
            %s >%s 2>&1 & pid=$!
            exec 9>%s
            printf '{"n":1}\n{"n":2}\n' >&9
            for i in $(seq 600); do
                [ "$(sqlite3 %s 'SELECT count(*) FROM t')" = 2 ] && break; sleep 0.1
            done
            printf '{"n":3}\n' >&9; sleep 0.3
            kill -INT $pid; wait $pid; exit $?]]):format(command("load", fifo, "--store", "sqlite:" .. database,
            "--table", "t"), out, fifo, database)
        local result = process.run("bash -c " .. process.quote(script))
        assert.equal(130, result.code, process.read(out))
        assert.truthy(process.read(out):find("stored 3 of 3 rows", 1, true), process.read(out))
        assert.equal(3, sqlite.count(database, "t"))
    end)

    it("waits for a store that is away, and says so", function()
        local gate, table_name = postgres.gate(dir), postgres.name()
        local fifo, out = dir .. "/lines", dir .. "/away"
        postgres.sql("CREATE TABLE " .. table_name .. " (n int8 NOT NULL)")
        gate:open()
        process.run("mkfifo " .. fifo)
        process.start(("%s >%s 2>&1; echo exit $? >>%s"):format(command("load", fifo, "--store", gate.conninfo,
            "--table", table_name), out, out))
        local pipe = assert(io.open(fifo, "r+")) -- does not wait for a reader
        pipe:setvbuf "no"
        pipe:write '{"n":1}\n'
        assert.truthy(process.wait(function()
            return postgres.count(table_name) == 1
        end))
        gate:shut()
        pipe:write '{"n":2}\n'
        pipe:close()
        assert.truthy(process.wait(function()
            return process.read(out):find("warn: ", 1, true)
        end), process.read(out))
        gate:open()
        assert.truthy(process.wait(function()
            return process.read(out):find("exit ", 1, true)
        end), process.read(out))
        assert.truthy(process.read(out):find("stored 2 of 2 rows, 0 refused, 0 dead, 0 pending.-\nexit 0\n"),
            process.read(out))
        assert.equal(2, postgres.count(table_name))
    end)
end)
