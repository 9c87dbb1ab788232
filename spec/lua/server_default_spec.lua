-- Columns that may be given and else are the server's, and generated columns that are given: row by row, in every
-- store.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"
local cjson = require "cjson"

local COLUMNS = {
    { "id", "int8", server_default = true }, { "at", "timestamptz", server_default = true },
    { "note", "text", null = true, server_default = true }, { "n", "int4" },
}

local ROWS = {
    { n = 1 }, { n = 2, id = 70 }, { n = 3, note = cjson.null }, { n = 4, note = "given" },
    { n = 5, at = "2024-05-14T08:00:00Z" }, { n = 6, id = 80, at = 0, note = "all" }, { n = 7 },
}

-- note|the time, where it was given|id, where it was given
local STORED = { "dflt|now|own", "dflt|now|70", "-|now|own", "given|now|own", "dflt|2024|own", "all|1970|80",
    "dflt|now|own" }

local READ = [[select coalesce(note, '-') || '|' || %s || '|' ||
    case when id in (70, 80) then cast(id as text) else 'own' end from t order by n]]

local function store_all(store, options)
    local given = { store = store, table = "t", schema = writebehind.schema(COLUMNS), log = function() end }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    local batcher = assert(writebehind.batcher(given))
    for _, row in ipairs(ROWS) do
        assert(batcher:add(row))
    end
    assert(batcher:close())
    local stats = batcher:stats()
    assert.equal(#ROWS, stats.stored)
    assert.equal(0, stats.dead)
end

local function many_shapes(store, count)
    local columns, add = { { "n", "int4" } }, {}
    for i = 1, count do
        columns[#columns + 1] = { "c" .. i, "text", null = true, server_default = true }
    end
    local batcher = assert(writebehind.batcher {
        store = store, table = "wide", schema = writebehind.schema(columns), log = function() end, interval = 60,
    })
    for n = 0, 2 ^ count - 1 do
        local row = { n = n }
        for i = 1, count do
            if n % 2 ^ i >= 2 ^ (i - 1) then
                row["c" .. i] = "it's \\ " .. i
            end
        end
        add[#add + 1] = row
    end
    for _, row in ipairs(add) do
        assert(batcher:add(row))
    end
    assert(batcher:close())
    assert.equal(#add, batcher:stats().stored)
end

local function wide_ddl(count)
    local list = {}
    for i = 1, count do
        list[#list + 1] = ("c%d text default 'd%d'"):format(i, i)
    end
    return "create table wide (n int primary key, " .. table.concat(list, ", ") .. ")"
end

describe("a column that the server fills", function()
    it("is given or left, row by row, in PostgreSQL", function()
        postgres.sql [[drop table if exists t; create table t (id bigserial primary key,
            at timestamptz not null default now(), note text default 'dflt', n int not null)]]
        store_all(writebehind.postgres { conninfo = postgres.conninfo() })
        assert.same(STORED, postgres.lines(READ:format
            "case when at < '2025-01-01' then extract(year from at)::text else 'now' end"))
        postgres.sql "drop table t"
    end)

    it("is given or left, row by row, in SQLite", function()
        local dir = process.dir()
        local path = dir .. "/t.db"
        sqlite.sql(path, [[create table t (id integer primary key, at datetime not null default current_timestamp,
            note text default 'dflt', n int not null)]])
        store_all(writebehind.sqlite { path = path })
        assert.same(table.concat(STORED, "\n"), sqlite.sql(path, READ:format
            "case when substr(at, 1, 4) < '2025' then substr(at, 1, 4) else 'now' end"))
        process.remove(dir)
    end)

    it("is absent from a scripted store's row, where NULL is null", function()
        local seen, lines, columns = {}, "", {}
        store_all({
            write = function(_, batch)
                for row in batch:rows() do
                    seen[row.n] = row
                end
                lines = lines .. batch:ndjson()
                columns[#columns + 1] = table.concat(batch:columns(), " ")
                local stream, message, code = batch:copy_binary()
                if #batch > 1 then
                    assert.is_nil(stream)
                    assert.matches("not all leave the same columns", message)
                    assert.equal("invalid", code)
                end
                return true
            end,
        })
        assert.is_nil(seen[1].id)
        assert.is_nil(seen[1].note)
        assert.equal(70, seen[2].id)
        assert.equal(cjson.null, seen[3].note)
        assert.equal("given", seen[4].note)
        assert.matches('{"n":1}\n', lines, 1, true)
        assert.matches('{"note":null,"n":3}\n', lines, 1, true)
        assert.equal("n", columns[1])
    end)

    it("is kept as it was by a memory store", function()
        local store = writebehind.memory()
        store_all(store)
        local rows = store:rows "t"
        assert.is_nil(rows[1].id)
        assert.equal(80, rows[6].id)
        assert.equal(cjson.null, rows[3].note)
    end)

    it("takes any number of shapes", function()
        for _, count in ipairs { 2, 6 } do
            postgres.sql("drop table if exists wide; " .. wide_ddl(count))
            many_shapes(writebehind.postgres { conninfo = postgres.conninfo() }, count)
            local dir = process.dir()
            local path = dir .. "/t.db"
            sqlite.sql(path, wide_ddl(count))
            many_shapes(writebehind.sqlite { path = path }, count)
            local all = "select * from wide order by n"
            assert.equal(postgres.sql(all), sqlite.sql(path, all))
            assert.equal("0|d1|d2", (postgres.sql "select n, c1, c2 from wide where n = 0"))
            assert.equal("it's \\ 1|d2", (postgres.sql "select c1, c2 from wide where n = 1"))
            process.remove(dir)
        end
        postgres.sql "drop table wide"
    end)

    it("is in the table that schema:ddl makes, where its type says what fills it", function()
        local columns = { { "n", "int4" } }
        for _, kind in ipairs { "int8", "timestamptz", "timestamp", "date", "uuid" } do
            columns[#columns + 1] = { kind .. "_column", kind, server_default = true }
        end
        columns[#columns + 1] = { "free", "int8[]", server_default = true, null = true }
        local schema = writebehind.schema(columns)
        local store = writebehind.postgres { conninfo = postgres.conninfo() }
        assert(store:execute("drop table if exists made; " .. schema:ddl("postgresql", "made")))
        local batcher = assert(writebehind.batcher { store = store, table = "made", schema = schema })
        assert(batcher:add { n = 1 })
        assert(batcher:close())
        assert.equal("t", postgres.sql [[set timezone = 'Asia/Tokyo';
            select int8_column = 1 and timestamptz_column <= now() and date_column is not null and free is null
            and uuid_column is not null and timestamp_column <= (now() at time zone 'UTC')
            and timestamp_column >= (now() at time zone 'UTC') - interval '1 hour' from made]])
        postgres.sql "drop table made"
        for _, refused in ipairs { { "x", "text" }, { "x", "int8[]" }, { "x", "jsonb" } } do
            refused.server_default = true
            local ddl, message, code = writebehind.schema({ refused }):ddl("postgresql", "t")
            assert.is_nil(ddl)
            assert.equal("invalid", code)
            assert.matches("write the CREATE TABLE by hand", message)
        end
    end)

    it("is in the SQLite table that schema:ddl makes, too", function()
        local dir = process.dir()
        local path = dir .. "/t.db"
        local store = writebehind.sqlite { path = path, create = true }
        local batcher = assert(writebehind.batcher { store = store, table = "made", schema = writebehind.schema {
            { "id", "int8", server_default = true }, { "at", "timestamptz", server_default = true },
            { "wall", "timestamp", server_default = true }, { "day", "date", server_default = true }, { "n", "int4" },
        } })
        assert(batcher:add { n = 1 })
        assert(batcher:add { n = 2, id = 9, at = 0, wall = 0, day = 0 })
        assert(batcher:close())
        assert.equal("1|27|19|10\n9|1970-01-01T00:00:00.000000Z|1970-01-01 00:00:00|1970-01-01", sqlite.sql(path,
            [[select id, length(at), length(wall), length(day) from made where n = 1
            union all select id, at, wall, day from made where n = 2]]))
        process.remove(dir)
    end)

    it("goes with every type, whatever the shapes of the rows are", function()
        postgres.sql [[drop table if exists every; drop type if exists mood; create type mood as enum ('sad', 'ok');
            create table every (n int primary key, b bool default true, i int8 default 7, f float8 default 0.5,
            num numeric(10,2) default 1.5, t text default 'x', v varchar(3) default 'v', y bytea default '\\x00',
            u uuid default '018bcfe5-6be8-7000-ba42-55942e14460b', at timestamptz default 'epoch',
            w timestamp default 'epoch', d date default 'epoch', tm time default '01:02', iv interval default '1 day',
            ip inet default '::1', m macaddr default '08:00:2b:01:02:03', j jsonb default '{}', e mood default 'sad',
            a text[] default '{}', ea mood[] default '{ok}', ts tsvector default 'a', r int4range default '[1,2)')]]
        local store = writebehind.postgres { conninfo = postgres.conninfo() }
        local left = {}
        for name in postgres.sql("select string_agg(attname, ' ') from pg_attribute where attrelid = 'every'::regclass"
            .. " and attnum > 1"):gmatch "%S+" do
            left[#left + 1] = name
        end
        local schema = assert(store:schema("every", { server_default = left }))
        local full = { b = false, i = -8, f = 2.25, num = "-3.10", t = "it's \\ \t\n\"x\"", v = "abc",
            y = "\0\255'\\", u = "118bcfe5-6be8-7000-ba42-55942e14460b", at = 1.5, w = 2.5, d = 3, tm = 4.5,
            iv = "1 mon 02:00", ip = "10.1.2.3/8", m = "18:00:2b:01:02:03", j = { a = "it's \\" }, e = "ok",
            a = { "it's", '"\\', cjson.null, "", "{,}" },
            ea = { "sad", cjson.null },
            ts = "it''s 'b c':2", r = "(,5]" }
        local function write(rows)
            postgres.sql "truncate every"
            local batcher = assert(writebehind.batcher { store = store, table = "every", schema = schema,
                interval = 60, log = function() end })
            for _, row in ipairs(rows) do
                assert(batcher:add(row))
            end
            assert(batcher:close())
            local stats = batcher:stats()
            assert.equal(#rows, stats.stored, stats.last_error)
            return postgres.lines [[set timezone = 'UTC';
                select replace(every::text, chr(10), '<newline>') from every order by n]]
        end
        local rows = {}
        for n, name in ipairs(left) do -- each gives all but one: a shape of its own
            local row = { n = n }
            for other, value in pairs(full) do
                row[other] = other ~= name and value or nil
            end
            rows[n] = row
        end
        local at_once = write(rows)
        for n, row in ipairs(rows) do
            assert.same({ at_once[n] }, write { row })
        end
        postgres.sql "drop table every; drop type mood"
    end)

    it("may be all that a row has", function()
        local schema = writebehind.schema { { "id", "int8", server_default = true },
            { "note", "text", null = true, server_default = true } }
        local dir = process.dir()
        local path = dir .. "/t.db"
        postgres.sql "drop table if exists t; create table t (id bigserial primary key, note text default 'x')"
        sqlite.sql(path, "create table t (id integer primary key, note text default 'x')")
        for _, store in ipairs { writebehind.postgres { conninfo = postgres.conninfo() },
            writebehind.sqlite { path = path } } do
            local batcher = assert(writebehind.batcher { store = store, table = "t", schema = schema })
            assert(batcher:add {})
            assert(batcher:add { note = "y" })
            assert(batcher:add_values())
            assert(batcher:close())
        end
        assert.same({ "x", "x", "y" }, postgres.lines "select note from t order by note")
        assert.equal("x\nx\ny", sqlite.sql(path, "select note from t order by note"))
        postgres.sql "drop table t"
        process.remove(dir)
    end)

    it("dies alone where the table refuses a row, among rows of many shapes", function()
        postgres.sql(("drop table if exists wide; %s; alter table wide add check (n <> 13)"):format(wide_ddl(5)))
        local dead = {}
        local columns = { { "n", "int4" } }
        for i = 1, 5 do
            columns[#columns + 1] = { "c" .. i, "text", null = true, server_default = true }
        end
        local batcher = assert(writebehind.batcher {
            store = writebehind.postgres { conninfo = postgres.conninfo() }, table = "wide", log = function() end,
            schema = writebehind.schema(columns), dead_letter = function(row) dead[#dead + 1] = row end,
        })
        for n = 0, 31 do
            assert(batcher:add { n = n, ["c" .. n % 5 + 1] = "x", ["c" .. (n * 7) % 5 + 1] = "y",
                c1 = n % 3 == 0 and "z" or nil })
        end
        assert(batcher:close())
        assert.equal(31, batcher:stats().stored)
        assert.equal(13, dead[1].n)
        postgres.sql "drop table wide"
    end)
end)

describe("a generated column", function()
    local ID = "018bcfe5-6be8-7000-ba42-55942e14460b"
    local SCHEMA = { { "n", "int4" }, { "id", "uuid", generate = "uuidv7" } }

    it("may be given by name, and is made where it is not", function()
        local store = writebehind.memory()
        local batcher = assert(writebehind.batcher { store = store, table = "t", schema = writebehind.schema(SCHEMA) })
        assert(batcher:add { n = 1, id = ID })
        assert(batcher:add { n = 2, id = cjson.null })
        assert(batcher:add { n = 3 })
        assert(batcher:add_values(4))
        local ok, message, code = batcher:add_values(5, ID)
        assert.is_nil(ok)
        assert.equal("invalid", code)
        assert.matches("2 values for 1 columns", message)
        ok, message = batcher:add { n = 6, id = "nonsense" }
        assert.is_nil(ok)
        assert.matches('column "id" %(uuid%) can\'t hold "nonsense"', message)
        assert(batcher:close())
        local rows = store:rows "t"
        assert.equal(4, #rows)
        assert.equal(ID, rows[1].id)
        for n = 2, 4 do
            assert.equal(36, #rows[n].id)
            assert.not_equal(ID, rows[n].id)
        end
    end)
end)
