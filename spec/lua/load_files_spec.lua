-- writebehind load and replay, run as programs on files of many kinds: what is stored, and what is refused with which
-- sentence.

local json = require "writebehind.json"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"

local unpack = table.unpack or unpack

local dir, database, rejects
setup(function()
    dir = process.dir()
end)
before_each(function()
    local name = process.unique()
    database, rejects = dir .. "/" .. name .. ".db", dir .. "/" .. name .. ".rejects"
end)
teardown(function()
    postgres.drop_all()
    process.remove(dir)
end)

local function command(...)
    local words = { "timeout 300", process.quote(process.interpreter()), "bin/writebehind" }
    for _, word in ipairs { ... } do
        words[#words + 1] = process.quote(word)
    end
    return table.concat(words, " ")
end

local function run(...)
    local result = process.run(command(...))
    assert.falsy(result.err:find("traceback", 1, true), result.err)
    return result
end

-- `name` is a file, `text` what it holds.
local function load_text(name, text, table_name, ...)
    local path = process.write(dir .. "/" .. name, text)
    return run("load", path, "--store", "sqlite:" .. database, "--table", table_name, ...)
end

local function load_postgres(name, text, table_name, ...)
    local path = process.write(dir .. "/" .. name, text)
    return run("load", path, "--store", postgres.conninfo(), "--table", table_name, ...)
end

local function sql(text)
    return sqlite.sql(database, text)
end

local function rejected(path)
    local list = {}
    for line in process.read(path or rejects):gmatch "[^\n]+" do
        list[#list + 1] = assert(json.decode(line))
    end
    table.sort(list, function(a, b)
        return a.line < b.line
    end)
    return list
end

local function rows_of(list)
    local rows = {}
    for index, item in ipairs(list) do
        rows[index] = item.row
    end
    return rows
end

local function assert_stored(code, text, result)
    assert.equal(code, result.code, result.err)
    assert.truthy(result.out:find("stored " .. text, 1, true), result.out)
end

local function assert_says(text, result)
    assert.equal(1, result.code)
    assert.truthy(result.err:find(text, 1, true), result.err)
end

local function lines_of(count, head, line)
    local lines = { head }
    for n = 1, count do
        lines[#lines + 1] = line(n)
    end
    return table.concat(lines, "\n") .. "\n"
end

describe("values", function()
    it("of records that can't be read are refused, the first one too", function()
        assert_stored(1, "1 of 5 rows, 4 refused", load_text("a.ndjson",
            'xx\n{"a":1}\n{"b":[1,{"x":01}]}\n{"b":{"k":"a\tb"}}\n{"a":"x\1y"}\n', "t", "--create"))
        assert.equal("1", sql "SELECT a FROM t;")
    end)

    it("that a sample of numbers did not have are stored as they are, or refused", function()
        local bad = { "00501,1.5", "12e4567,1.5", "+5,1.5", " 5,1.5", "7,1e5", "7,.5", "7,NaN", "7,Infinity" }
        local text = lines_of(1000, "n,f", function(n)
            return n .. "," .. n .. ".5"
        end) .. table.concat(bad, "\n") .. "\n7,1.50\n8,123456789012345678901234567890.5\n"
        local result = load_text("n.csv", text, "t", "--create", "--rejects", rejects)
        assert_stored(1, "1002 of 1010 rows, 8 refused", result)
        assert.equal("7|1.50\n8|123456789012345678901234567890.5", sql "SELECT n, f FROM t WHERE rowid > 1000;")
        assert.same(bad, rows_of(rejected()))
    end)

    it("of JSON lose no digits, and are never infinite", function()
        local bad = { '{"n":1e400}', '{"f":1e400}', '{"f":0.1234567890123456789012}', '{"n":12345678901234567890}',
            '{"n":"007"}', '{"f":1e-400}' }
        local text = lines_of(1000, '{"n":0,"f":0.5}', function(n)
            return ('{"n":%d,"f":%d.5}'):format(n, n)
        end) .. table.concat(bad, "\n") .. "\n"
        assert_stored(1, "1001 of 1007 rows, 6 refused", load_text("n.ndjson", text, "t", "--create", "--rejects",
            rejects))
        assert.same(bad, rows_of(rejected()))
    end)
end)

describe("rejects", function()
    it("are what is not in the table, as it came", function()
        sql "CREATE TABLE t (n int8 UNIQUE, t text NOT NULL, CHECK (n <> 4));"
        local text = 'n;t\n1;x\n2;NIL\n3;"a;""b""\nc"\n4;x\n1;y\nx;5\n5;\255\254\n6;"'
        assert_stored(1, "2 of 8 rows, 4 refused, 2 dead", load_text("r.csv", text, "t", "--delimiter", ";", "--null",
            "NIL", "--rejects", rejects))
        local list = rejected()
        assert.same({ "2;NIL", "4;x", "1;y", "x;5" }, { unpack(rows_of(list), 1, 4) })
        assert.same({ 3, 6, 7, 8, 9, 10 }, { list[1].line, list[2].line, list[3].line, list[4].line, list[5].line,
            list[6].line })
        assert.same({ "353bfffe", '6;"' }, { list[5].hex, list[6].row })
    end)

    it("are replayed once their cause is mended, each once", function()
        sql "CREATE TABLE t (n int8, t text NOT NULL);"
        load_text("r.csv", 'n;t\n2;NIL\nx;5\n5;\255\n6;"', "t", "--delimiter", ";", "--null", "NIL", "--rejects",
            rejects)
        local left = dir .. "/left"
        local words = { "replay", rejects, "--store", "sqlite:" .. database, "--table", "t", "--rejects", left }
        assert_stored(1, "0 of 4 rows, 4 refused", run(unpack(words)))
        sql "DROP TABLE t; CREATE TABLE t (n text, t text);"
        assert_stored(1, "2 of 4 rows, 2 refused", run(unpack(words)))
        assert.equal("2|\nx|5", sql "SELECT * FROM t ORDER BY n;")
        assert.same({ 3, 4 }, { rejected(left)[1].line, rejected(left)[2].line })
    end)

    it("with a row that has no end are replayed without it", function()
        sql "CREATE TABLE t (n int8 UNIQUE, t text); INSERT INTO t VALUES (1, 'there');"
        assert_stored(1, "1 of 3 rows, 1 refused, 1 dead", load_text("q.csv", 'n,t\n1,x\n2,y\n3,"z', "t", "--rejects",
            rejects))
        sql "DELETE FROM t WHERE n = 1;"
        local left = dir .. "/left"
        assert_stored(1, "1 of 2 rows, 1 refused", run("replay", rejects, "--store", "sqlite:" .. database, "--table",
            "t", "--rejects", left))
        assert.equal("1|x\n2|y", sql "SELECT * FROM t ORDER BY n;")
        assert.same({ '3,"z' }, rows_of(rejected(left)))
    end)

    it("of COPY and NDJSON are replayed", function()
        sql "CREATE TABLE t (n int8, t text NOT NULL);"
        local store = { "--store", "sqlite:" .. database, "--table", "t" }
        load_text("c.copy", "1\ta\\tb\\\\\n2\t\\N\nx\tq\\tz\n", "t", "--format", "copy", "--columns", "n,t",
            "--rejects", rejects)
        sql "DROP TABLE t; CREATE TABLE t (n text, t text);"
        assert_stored(0, "2 of 2 rows", run("replay", rejects, unpack(store)))
        assert.equal("'2'|NULL\n'x'|'q\tz'", sql "SELECT quote(n), quote(t) FROM t ORDER BY n;")
        load_text("l.ndjson", '{"n":"1"}\n[1,2]\n{"u":2}\n', "t", "--rejects", rejects)
        sql "ALTER TABLE t ADD COLUMN u int8;"
        assert_stored(1, "1 of 2 rows, 1 refused", run("replay", rejects, unpack(store)))
        assert.equal("2", sql "SELECT u FROM t WHERE u IS NOT NULL;")
    end)

    it("that begin with lines that are none say so, and go on", function()
        sql "CREATE TABLE t (n int8);"
        local path = process.write(rejects, 'x\n{"row":5}\n{"row":"1","format":"xml"}\n{"row":{"n":1}}\n')
        assert_stored(1, "1 of 4 rows, 3 refused", run("replay", path, "--store", "sqlite:" .. database,
            "--table", "t"))
    end)

    it("are never written over the input nor the store", function()
        local path = process.write(dir .. "/i.csv", "n\n1\n")
        os.execute(("cd %s && ln -sf i.csv link && ln -f i.csv hard"):format(dir))
        sql "CREATE TABLE t (n int8);"
        for _, name in ipairs { "i.csv", "./i.csv", "link", "hard" } do
            assert_says("is the input", run("load", path, "--store", "sqlite:" .. database, "--table", "t", "--rejects",
                dir .. "/" .. name))
        end
        assert_says("is the store", run("load", path, "--store", "sqlite:" .. database, "--table", "t", "--rejects",
            database))
        assert.equal("n\n1\n", process.read(path))
        assert.equal(0, sqlite.count(database, "t"))
    end)

    it("of a PostgreSQL trigger are every 50th row, each with its line", function()
        local name = postgres.name()
        postgres.sql(([[CREATE TABLE %s (n int8);
CREATE OR REPLACE FUNCTION %s_no() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF new.n %% 50 = 0 THEN RAISE EXCEPTION 'no fifties'; END IF; RETURN new; END$$;
CREATE TRIGGER no BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s_no()]]):format(name, name, name, name))
        assert_stored(1, "2940 of 3000 rows, 0 refused, 60 dead", load_postgres("f.csv", lines_of(3000, "n", tostring),
            name, "--rejects", rejects))
        for index, item in ipairs(rejected()) do
            assert.same({ tostring(50 * index), 50 * index + 1 }, { item.row, item.line })
        end
        postgres.sql("DROP FUNCTION " .. name .. "_no CASCADE")
        assert_stored(0, "60 of 60 rows", run("replay", rejects, "--store", postgres.conninfo(), "--table", name))
        assert.equal("3000|4501500", postgres.sql("SELECT count(DISTINCT n), sum(n) FROM " .. name))
    end)

    it("are exact near the borders of the windows", function()
        local dead, list = { 1, 65535, 65536, 65537, 131071, 131072, 131073, 140000 }, {}
        sql("CREATE TABLE t (n int8, CHECK (n NOT IN (" .. table.concat(dead, ",") .. ")));")
        assert_stored(1, "139992 of 140000 rows, 0 refused, 8 dead", load_text("w.csv", lines_of(140000, "n", tostring),
            "t", "--rejects", rejects))
        for index, item in ipairs(rejected()) do
            list[index] = tonumber(item.row)
            assert.equal(list[index] + 1, item.line)
        end
        assert.same(dead, list)
        assert.equal("139992|139992", sql "SELECT count(*), count(DISTINCT n) FROM t;")
    end)

    it("are all rows that are given up, and --give-up is not cut without a word", function()
        sql [[CREATE TABLE t (n int8);
CREATE TRIGGER no BEFORE INSERT ON t BEGIN SELECT raise(abort, 'nope'); END;]]
        local result = load_text("g.csv", lines_of(20, "n", tostring), "t", "--rejects", rejects, "--give-up", "300")
        assert_says("--give-up, 300 s, is for one that gives no answer", result)
        assert.equal(20, #rejected())
    end)
end)

describe("a stray quote", function()
    it("in each of 40,000 lines costs a small multiple of the time without", function()
        sql "CREATE TABLE t (a int8, b text);"
        local took = {}
        for index, between in ipairs { "x", '"x"y' } do
            local began = process.now()
            local result = load_text("s.csv", lines_of(40000, "a,b", function(n)
                return n .. "," .. between .. " and some text"
            end), "t", "--rejects", rejects)
            took[index] = process.now() - began
            assert.equal(index - 1, result.code, result.err)
        end
        assert.equal(40000, #rejected())
        assert.truthy(took[2] < 30 * took[1], took[2] .. " s for " .. took[1])
    end)
end)

describe("columns that the server fills", function()
    local GENERATED = '("%s": always generated by the database)'

    it("can be given or left out in PostgreSQL, but not the generated ones", function()
        local name = postgres.name()
        postgres.sql("CREATE TABLE " .. name .. [[ (id serial, n int GENERATED BY DEFAULT AS IDENTITY,
at date DEFAULT '2020-02-02', t text, a int GENERATED ALWAYS AS IDENTITY, g text GENERATED ALWAYS AS (t) STORED)]])
        assert_stored(0, "1 of 1 rows", load_postgres("f.csv", "t\nx\n", name))
        assert_stored(0, "1 of 1 rows", load_postgres("f.csv", "t,id,n,at\ny,77,78,2021-01-01\n", name))
        assert.equal("1|1|2020-02-02|x\n77|78|2021-01-01|y", postgres.sql("SELECT id, n, at, t FROM " .. name
            .. " ORDER BY id"))
        for _, column in ipairs { "a", "g" } do
            assert_says(GENERATED:format(column), load_postgres("f.csv", "t," .. column .. "\nx,1\n", name))
        end
        assert.equal(2, postgres.count(name))
    end)

    it("can be given or left out in SQLite", function()
        sql "CREATE TABLE t (id INTEGER PRIMARY KEY, t text, d int8 NOT NULL DEFAULT 7, g text AS (t));"
        assert_stored(0, "2 of 2 rows", load_text("f.csv", "t\nx\ny\n", "t"))
        assert_stored(0, "1 of 1 rows", load_text("f.csv", "d,t,id\n8,z,9\n", "t"))
        assert.equal("1|x|7\n2|y|7\n9|z|8", sql "SELECT id, t, d FROM t;")
        assert_says(GENERATED:format "g", load_text("f.csv", "t,g\nx,1\n", "t"))
    end)

    it("are not what is required: that is named, as what is unknown, with an option that helps", function()
        sql "CREATE TABLE t (n int8 NOT NULL, t text);"
        assert_says('"q"; --map gives a column another name, --ignore-unknown', load_text("f.csv", "n,q\n1,2\n", "t"))
        assert_says('required, and not in the header: "n"; --map', load_text("f.csv", "t\nx\n", "t"))
        assert_stored(0, "1 of 1 rows", load_text("f.csv", "n,q\n1,2\n", "t", "--ignore-unknown"))
        assert_stored(0, "1 of 1 rows", load_text("f.csv", "q,t\n3,x\n", "t", "--map", "n=q"))
        assert.equal("1|\n3|x", sql "SELECT n, t FROM t;")
    end)
end)

describe("options", function()
    local READ = {
        { "--delimiter", "n;t\n1;x\n", "'1'|'x'", "--delimiter", ";" },
        { "--delimiter \\t", "n\tt\n1\tx\n", "'1'|'x'", "--delimiter", "\\t" },
        { "--no-header", "1,x\n", "'1'|'x'", "--no-header", "--columns", "n,t" },
        { "--null", 'n,t\n1,NIL\n2,"NIL"\n', "'1'|NULL\n'2'|'NIL'", "--null", "NIL" },
        { "--encoding latin1", "n,t\n1,\252\n", "'1'|'ü'", "--encoding", "latin1" },
        { "--encoding UTF-16", "\255\254n\0,\0t\0\n\0001\0,\0\252\0\n\0", "'1'|'ü'", "--encoding", "UTF-16" },
        { "--skip", "junk\nmore,\nn,t\n1,x\n", "'1'|'x'", "--skip", "2" },
        { "--comment", "#c\nn,t\n1,x\n#2,y\n", "'1'|'x'", "--comment", "#" },
        { "--limit", "n,t\n1,x\n2,y\n3,z\n", "'1'|'x'\n'2'|'y'", "--limit", "2" },
        { "--format tsv", "n\tt\n1\ta\\tb\\\n2\t\\N\n", "'1'|'a\\tb\\'\n'2'|NULL", "--format", "tsv" },
        { "--format copy", "1\ta\\tb\n2\t\\N\n\\.\n", "'1'|'a\tb'\n'2'|NULL", "--format", "copy", "--columns", "n,t" },
        { "CR only", 'n,t\r1,"a\rb"\r2,y\r', "'1'|'a\rb'\n'2'|'y'" },
    }
    for _, case in ipairs(READ) do
        it("read: " .. case[1], function()
            sql "CREATE TABLE t (n text, t text);"
            local result = load_text("o.csv", case[2], "t", unpack(case, 4))
            assert.equal(0, result.code, result.err)
            assert.equal(case[3], sql "SELECT quote(n), quote(t) FROM t ORDER BY n;")
        end)
    end

    it("read gzip by what it begins with", function()
        process.write(dir .. "/plain", "n\n1\n")
        os.execute(("cd %s && gzip -c plain >z.csv && cp z.csv z.csv.gz"):format(dir))
        sql "CREATE TABLE t (n int8);"
        for _, name in ipairs { "z.csv", "z.csv.gz" } do
            assert_stored(0, "1 of 1 rows", run("load", dir .. "/" .. name, "--store", "sqlite:" .. database, "--table",
                "t"))
        end
    end)

    it("that help are named where a text is of another kind", function()
        sql "CREATE TABLE t (n int8, t text);"
        for _, more in ipairs { "--quiet", "--create" } do
            local name = more == "--create" and "made" or "t"
            assert_says("--delimiter says so", load_text("w.csv", "n;t\n1;x\n", name, more))
            assert_says("jq -c '.[]' makes lines", load_text("w.json", ' [{"n":1}]\n', name, more))
            assert_says("--encoding UTF-16 reads it", load_text("w.csv", "\255\254n\0\n\0001\0\n\0", name, more))
            assert_says('fields of the header are called "a_2"; --skip 1', load_text("w.csv", "a,a,a_2\n1,2,3\n", name,
                more))
        end
        assert_says("--encoding says what it is", load_text("w.csv", "\252\n1\n", "made", "--create"))
        assert.equal("t", sql ".tables")
    end)
end)

describe("names", function()
    it("that a header lacks or doubles are made", function()
        for _ = 1, 2 do
            assert_stored(0, "1 of 1 rows", load_text("h.csv", ",a,a,\n1,2,3,4\n", "t", "--create"))
        end
        assert.equal("1|2|3|4\n1|2|3|4", sql "SELECT column_1, a, a_2, column_4 FROM t;")
    end)

    it("are enough to make a table", function()
        assert_stored(0, "0 of 0 rows", load_text("h.csv", "a,b", "t", "--create"))
        assert.equal(0, sqlite.count(database, "t"))
    end)

    it("over 63 bytes, or of another case, are found again", function()
        local long, umlauts = ("x"):rep(70), ("ü"):rep(40)
        for _, head in ipairs { long .. "1," .. long .. "2", umlauts .. "1," .. umlauts .. "2", "Abc,ABC" } do
            local name, text = postgres.name(), head .. "\n1,2\n"
            for _, more in ipairs { "--create", "--create", "--quiet" } do
                assert_stored(0, "1 of 1 rows", load_postgres("h.csv", text, name, more))
                assert_stored(0, "1 of 1 rows", load_text("h.csv", text, name, more))
            end
            assert.equal(3, postgres.count(name))
        end
        sql "CREATE TABLE t (Abc int8);"
        assert_stored(0, "1 of 1 rows", load_text("h.csv", "ABC\n5\n", "t"))
        assert_says('no column takes "ABC"', load_text("h.csv", "Abc,ABC\n1,2\n", "t"))
    end)
end)

describe("load", function()
    it("--dry-run tells columns and refusals, and makes nothing", function()
        local result = load_text("d.csv", "n,t\n1,x\n2,\255\n", "t", "--create", "--dry-run", "--rejects", rejects)
        assert.equal(1, result.code)
        assert.truthy(result.out:find("would store 1 of 2 rows, 1 refused", 1, true), result.out)
        assert.truthy(result.err:find("column n: int8\ncolumn t: text\nline 3: ", 1, true), result.err)
        assert.falsy(process.exists(rejects) or process.exists(database))
        assert.equal(0, load_text("d.csv", "n\n1\n", "t", "--create", "--dry-run").code)
        assert.equal(2, load_text("d.csv", "n\n1\n", "t", "--no-header").code)
    end)

    it("stores a pipe's rows as they come, and says what it never read when it is interrupted", function()
        local fifo, out = dir .. "/fifo", dir .. "/out"
        sql "CREATE TABLE t (n int8);"
        os.execute("mkfifo " .. fifo)
        local load_it = command("load", fifo, "--store", "sqlite:" .. database, "--table", "t", "--format", "csv")
        load_it = load_it:gsub("^timeout 300 ", "")
        process.start(("exec >%s 2>&1; %s & echo $! >%s.pid; wait $!; echo exit $?"):format(out, load_it, out))
        local pipe = assert(io.open(fifo, "r+"))
        pipe:setvbuf "no"
        pipe:write "n\n"
        for n = 1, 3 do
            pipe:write(n .. "\n")
            assert.truthy(process.wait(function()
                return sqlite.count(database, "t") == n
            end), process.read(out))
        end
        os.execute("kill -INT " .. process.read(out .. ".pid"))
        assert.truthy(process.wait(function()
            return process.read(out):find("exit 130", 1, true)
        end), process.read(out))
        pipe:close()
        assert.truthy(process.read(out):find("stopped after line 4 of the input", 1, true), process.read(out))
    end)
end)
