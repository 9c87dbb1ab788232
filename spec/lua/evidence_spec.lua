-- What becomes of rows where a real database refuses some of them, for a while or for ever: each bad row is dead, each
-- good one is stored, and no row dies of a fault that is the table's.

local json = require "cjson"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local dir
setup(function()
    dir = process.dir()
end)
teardown(function()
    postgres.drop_all()
    process.remove(dir)
end)

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int4" }, { "day", "int4" } }

-- A table in PostgreSQL: exec(text, …) runs SQL, in which $T is the table; numbers() → the n that are stored, sorted.
local function in_postgres()
    local place = { name = postgres.name(), store = writebehind.postgres { conninfo = postgres.conninfo() } }
    function place.exec(text)
        postgres.sql((text:gsub("%$T", place.name)))
    end
    function place.numbers()
        return table.concat(postgres.lines(("SELECT n FROM %s ORDER BY n"):format(place.name)), " ")
    end
    place.exec "CREATE TABLE $T (id uuid PRIMARY KEY, n int4, day int4)"
    return place
end

local function in_sqlite()
    local path = ("%s/%s.db"):format(dir, process.unique())
    local place = { name = "t", store = writebehind.sqlite { path = path } }
    function place.exec(text)
        sqlite.sql(path, (text:gsub("%$T", place.name)))
    end
    function place.numbers()
        return table.concat(sqlite.lines(path, "SELECT n FROM t ORDER BY n"), " ")
    end
    place.exec "CREATE TABLE $T (id TEXT PRIMARY KEY, n INTEGER, day INTEGER);"
    return place
end

-- A batcher on that place, whose dead rows are in `dead` by their numbers, with their errors.
local function open(place, options)
    local dead = {}
    local given = { store = place.store, schema = schema, table = place.name, interval = 60, batch_size = 4096,
        retry = { initial = 0.02, max = 0.1 }, log = function() end,
        dead_letter = function(row, why)
            assert(not dead[row.n], "dead twice")
            dead[row.n] = why
        end }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    return assert(writebehind.batcher(given)), dead
end

local function numbers(first, last, step)
    local list = {}
    for n = first, last, step or 1 do
        list[#list + 1] = n
    end
    return list
end

local function add_all(batcher, list, day)
    for _, n in ipairs(list) do
        assert(batcher:add { n = n, day = day or 0 })
    end
end

local function names(dead)
    local list = {}
    for n in pairs(dead) do
        list[#list + 1] = tonumber(n)
    end
    table.sort(list)
    return table.concat(list, " ")
end

local function split(first, last, is_bad)
    local good, bad = {}, {}
    for n = first, last do
        table.insert(is_bad(n) and bad or good, n)
    end
    return table.concat(good, " "), table.concat(bad, " ")
end

local PATIENCE = process.PATIENCE

-- All of 1 to `count` are added at once: what is bad is dead, in at most so many writes, and the rest is stored.
local function sorts_out(place, count, is_bad, most_writes)
    local batcher, dead = open(place)
    add_all(batcher, numbers(1, count))
    assert(batcher:flush(PATIENCE))
    batcher:poll()
    local good, bad = split(1, count, is_bad)
    assert.equal(good, place.numbers())
    assert.equal(bad, names(dead))
    local stats = batcher:stats()
    assert.truthy(stats.flushes + stats.failures <= most_writes,
        ("%d writes"):format(stats.flushes + stats.failures))
    assert(batcher:close(PATIENCE))
    return dead
end

local WHERE = {
    { "first", 120, function(n) return n <= 5 end, 40 },
    { "last", 400, function(n) return n > 330 end, 4 * 70 },
    { "alone in the middle", 2000, function(n) return n == 1234 end, 3 },
    { "here and there", 900, function(n) return n % 61 == 7 end, 60 },
    { "all but one", 150, function(n) return n ~= 77 end, 5 * 150 },
    { "every second", 200, function(n) return n % 2 == 0 end, 4 * 100 },
}

describe("bad rows are dead and good ones are stored", function()
    for _, case in ipairs(WHERE) do
        local where, count, is_bad, most_writes = case[1], case[2], case[3], case[4]
        local function check_of(place)
            local list = {}
            for n = 1, count do
                list[#list + 1] = is_bad(n) and n or nil
            end
            place.exec("CREATE TABLE bad_$T (n int PRIMARY KEY);")
            place.exec(("INSERT INTO bad_$T VALUES (%s);"):format(table.concat(list, "), (")))
        end

        it("in PostgreSQL, by a constraint: " .. where, function()
            local place = in_postgres()
            local list = {}
            for n = 1, count do
                list[#list + 1] = is_bad(n) and n or nil
            end
            place.exec(("ALTER TABLE $T ADD CONSTRAINT fits CHECK (n NOT IN (%s))"):format(table.concat(list, ", ")))
            local dead = sorts_out(place, count, is_bad, most_writes)
            for n, why in pairs(dead) do
                assert.truthy(why:find("fits", 1, true), why)
                assert.truthy(why:find((", %d, 0)"):format(n), 1, true), why) -- its own error
            end
        end)

        it("in PostgreSQL, by a trigger that names no row: " .. where, function()
            local place = in_postgres()
            check_of(place)
            place.exec [[CREATE FUNCTION look_$T() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT FROM bad_$T b JOIN news USING (n)) THEN RAISE 'no such rows'; END IF;
                RETURN NULL; END $$;
                CREATE TRIGGER look AFTER INSERT ON $T REFERENCING NEW TABLE AS news
                FOR EACH STATEMENT EXECUTE FUNCTION look_$T();]]
            sorts_out(place, count, is_bad, math.max(4 * most_writes, 30))
            place.exec "DROP TABLE bad_$T"
        end)

        it("in SQLite: " .. where, function()
            local place = in_sqlite()
            check_of(place)
            place.exec [[CREATE TRIGGER look BEFORE INSERT ON $T WHEN EXISTS (SELECT 1 FROM bad_$T b WHERE b.n = NEW.n)
                BEGIN SELECT RAISE(ABORT, 'no such rows'); END;]]
            sorts_out(place, count, is_bad, most_writes)
        end)
    end
end)

describe("an error that nobody knows", function()
    for _, sqlstate in ipairs { "45000", "CU001", "XX000", "55000" } do
        it("is the fault of the rows that meet it while others get through: " .. sqlstate, function()
            local place = in_postgres()
            place.exec(([[CREATE FUNCTION look_$T() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.n %%%% 50 = 3 THEN RAISE 'not this one' USING ERRCODE = '%s'; END IF;
                RETURN NEW; END $$;
                CREATE TRIGGER look BEFORE INSERT ON $T FOR EACH ROW EXECUTE FUNCTION look_$T();]])
                :format(sqlstate):gsub("%%%%", "%%"))
            local batcher, dead = open(place)
            add_all(batcher, numbers(1, 160))
            batcher:flush(0)
            for n = 1, 40 do -- others get through meanwhile
                add_all(batcher, { 1000 + n * 50 })
                batcher:flush(0.05)
            end
            assert(batcher:flush(PATIENCE))
            batcher:poll()
            assert.equal("3 53 103 153", names(dead))
            assert.equal(156 + 40, batcher:stats().stored)
            assert(batcher:close(PATIENCE))
        end)
    end

    it("is, in SQLite, what a trigger's SQL fails with", function()
        local place = in_sqlite()
        place.exec [[CREATE TRIGGER look BEFORE INSERT ON $T WHEN NEW.n % 50 = 3
            BEGIN SELECT json(NEW.n || '{'); END;]]
        local batcher, dead = open(place)
        add_all(batcher, numbers(1, 160))
        assert(batcher:flush(PATIENCE))
        batcher:poll()
        assert.equal("3 53 103 153", names(dead))
        assert.equal(156, batcher:stats().stored)
        assert(batcher:close(PATIENCE))
    end)
end)

-- Rows of day 1 always get in, those of day 2 from `mend` on.
local function waits_for(place, mend, most_writes)
    local batcher, dead = open(place)
    for round = 0, 4 do
        for n = round * 100 + 1, round * 100 + 100 do
            add_all(batcher, { n }, n % 3 == 0 and 2 or 1)
        end
        assert.is_nil(batcher:flush(0.3))
        assert.is_true(process.wait(function()
            return batcher:stats().stored == (round + 1) * 100 - math.floor((round + 1) * 100 / 3)
        end))
    end
    local stats = batcher:stats()
    assert.equal(500 - 166, stats.stored)
    assert.equal(166, stats.pending)
    assert.truthy(stats.flushes + stats.failures <= most_writes,
        ("%d writes"):format(stats.flushes + stats.failures))
    place.exec(mend)
    assert(batcher:flush(PATIENCE))
    batcher:poll()
    assert.equal("", names(dead))
    assert.equal((split(1, 500, function() return false end)), place.numbers())
    assert(batcher:close(PATIENCE))
end

local function partitioned(key)
    local place = in_postgres()
    place.exec(([[DROP TABLE $T; CREATE TABLE $T (id uuid, n int4, day int4) PARTITION BY %s;
        CREATE TABLE $T_one PARTITION OF $T FOR VALUES %s]]):format(key,
        key:find "RANGE" and "FROM (1) TO (2)" or "IN (1)"))
    return place
end

describe("a fault of the table makes its rows wait and lets the others through", function()
    it("where a partition is missing", function()
        waits_for(partitioned "RANGE (day)", "CREATE TABLE $T_two PARTITION OF $T FOR VALUES FROM (2) TO (3)", 2000)
    end)

    it("where a partition of an expression is missing", function()
        waits_for(partitioned "LIST ((day + 0))", "CREATE TABLE $T_two PARTITION OF $T FOR VALUES IN (2)", 2000)
    end)

    for _, case in ipairs { { "a function that a trigger calls is missing", "PERFORM missing_$T()",
        "CREATE FUNCTION missing_$T() RETURNS void LANGUAGE sql AS ''" },
        { "a table that a trigger reads is missing", "PERFORM 1 FROM gone_$T", "CREATE TABLE gone_$T ()" },
        { "a tablespace is full", "RAISE 'could not extend file' USING ERRCODE = '53100'",
            "DROP TRIGGER look ON $T" },
        { "triggers call each other too deep", "RAISE 'stack depth limit' USING ERRCODE = '54001'",
            "DROP TRIGGER look ON $T" } } do
        it("where " .. case[1], function()
            local place = in_postgres()
            place.exec(([[CREATE FUNCTION look_$T() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.day = 2 THEN %s; END IF; RETURN NEW; END $$;
                CREATE TRIGGER look BEFORE INSERT ON $T FOR EACH ROW EXECUTE FUNCTION look_$T();]]):format(case[2]))
            waits_for(place, case[3], 2000)
        end)
    end

    it("but a row that a partition named as the table has no place for is bad", function()
        local place = partitioned "RANGE (day)"
        place.name = place.name .. "_one"
        local batcher, dead = open(place)
        add_all(batcher, numbers(1, 50), 1)
        add_all(batcher, { 51, 52 }, 2)
        assert(batcher:flush(PATIENCE))
        batcher:poll()
        assert.equal("51 52", names(dead))
        assert(batcher:close(PATIENCE))
    end)
end)

describe("a table that refuses every row", function()
    for _, make in ipairs { in_postgres, in_sqlite } do
        it("kills none, and stores all once it takes them", function()
            local place = make()
            place.exec "DROP TABLE $T; CREATE TABLE $T (id varchar(36) PRIMARY KEY, n int, day int, CHECK (n < 0));"
            if make == in_postgres then
                place.exec "ALTER TABLE $T ALTER id TYPE uuid USING id::uuid"
            end
            local batcher, dead = open(place, { batch_size = 100 })
            for n = 1, 300 do
                add_all(batcher, { n })
            end
            assert.is_nil(batcher:flush(1))
            assert.equal("holding", batcher:stats().health)
            place.exec(make == in_postgres and "ALTER TABLE $T DROP CONSTRAINT $T_n_check"
                or "DROP TABLE $T; CREATE TABLE $T (id varchar(36) PRIMARY KEY, n int, day int);")
            assert(batcher:flush(PATIENCE))
            batcher:poll()
            assert.equal("", names(dead))
            assert.equal(300, batcher:stats().stored)
            assert(batcher:close(PATIENCE))
        end)
    end
end)

describe("at the end of the process", function()
    local SCRIPT = [[
        local writebehind = require "writebehind"
        local batcher = writebehind.batcher { table = "t", interval = 60, close_timeout = 0.3,
            store = writebehind.sqlite { path = %q }, retry = { initial = 0.02, max = 0.05 }, dead_letter = %q,
            schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int4" }, { "day", "int4" } } }
        for n = 1, 4 do assert(batcher:add { n = n, day = 0 }) end
        batcher:flush(0.5)
    ]]

    local function run(sql)
        local path, letters = dir .. "/" .. process.unique() .. ".db", dir .. "/" .. process.unique()
        sqlite.sql(path, sql)
        process.lua(SCRIPT:format(path, letters))
        local rows = {}
        for line in (process.exists(letters) and process.read(letters) or ""):gmatch "[^\n]+" do
            local letter = json.decode(line)
            assert.truthy(letter.error:find("CHECK", 1, true), letter.error)
            rows[#rows + 1] = math.floor(letter.row.n)
        end
        table.sort(rows)
        return table.concat(rows, " ")
    end

    it("rows that were refused and have no verdict are in the dead-letter file", function()
        assert.equal("1 2 3 4",
            run "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER CHECK (n < 0), day INTEGER);")
    end)

    it("rows of an outage are not", function()
        assert.equal("", run "CREATE TABLE other (id TEXT);")
    end)
end)
