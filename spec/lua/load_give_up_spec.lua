-- writebehind load where the store is given up: each row of the input is in the table or in the rejects, and in one
-- of them alone.

local json = require "writebehind.json"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"

local dir, rejects
setup(function()
    dir = process.dir()
end)
before_each(function()
    rejects = dir .. "/" .. process.unique() .. ".rejects"
end)
teardown(function()
    postgres.drop_all()
    process.remove(dir)
end)

-- Loads the numbers 1 to `count`, which the command `input` gives (FILE is theirs). `under`: what runs the command.
local function load(store, name, count, words, input, under)
    local path = dir .. "/" .. process.unique() .. ".csv"
    local lines = { "n" }
    for n = 1, count do
        lines[#lines + 1] = tostring(n)
    end
    process.write(path, table.concat(lines, "\n") .. "\n")
    local command = ("%s %s bin/writebehind load - --format csv --store %s --table %s --rejects %s %s"):format(
        under or "timeout 300", process.quote(process.interpreter()), process.quote(store), name, rejects, words)
    local result = process.run(((input or "cat FILE"):gsub("FILE", path)) .. " | " .. command)
    assert.falsy(result.err:find("traceback", 1, true), result.err)
    return result
end

-- Each number is either in the list that the table has, or in the rejects with its own line.
local function assert_parted(stored, count, reason)
    local where = {}
    for _, n in ipairs(stored) do
        assert.is_nil(where[n], "stored twice: " .. n)
        where[n] = "stored"
    end
    for line in process.read(rejects):gmatch "[^\n]+" do
        local item = assert(json.decode(line))
        local n = tonumber(item.row)
        assert.is_nil(where[n], "rejected, and before that: " .. tostring(where[n]))
        assert.equal(n + 1, item.line)
        assert.truthy(item.error:find(reason, 1, true), item.error)
        where[n] = "rejected"
    end
    assert.equal(count, #where)
end

local function numbers(lines)
    local list = {}
    for line in lines:gmatch "%d+" do
        list[#list + 1] = tonumber(line)
    end
    return list
end

describe("what is given up", function()
    it("is what a trigger of SQLite refused, and not what was stored before it", function()
        local database = dir .. "/" .. process.unique() .. ".db"
        sqlite.sql(database, [[CREATE TABLE t (n int8);
CREATE TRIGGER no BEFORE INSERT ON t WHEN new.n > 40 BEGIN SELECT raise(fail, 'nope'); END;]])
        local result = load("sqlite:" .. database, "t", 80, "--give-up 2",
            "(head -41 FILE; sleep 1; tail -n +42 FILE; sleep 4)")
        assert.equal(1, result.code)
        local stored = numbers(sqlite.sql(database, "SELECT n FROM t;"))
        assert.equal(40, #stored)
        assert_parted(stored, 80, "nope")
    end)

    it("is what a trigger of PostgreSQL refused, in the middle of a long file", function()
        local name = postgres.name()
        postgres.sql(([[CREATE TABLE %s (n int8);
CREATE FUNCTION %s_no() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF new.n > 70000 THEN RAISE EXCEPTION 'nope' USING ERRCODE = '53000'; END IF; RETURN new; END$$;
CREATE TRIGGER no BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s_no()]]):format(name, name, name, name))
        local result = load(postgres.conninfo(), name, 200000, "--give-up 1 --batch-size 1000")
        assert.equal(1, result.code)
        local stored = numbers(postgres.sql("SELECT n FROM " .. name))
        postgres.sql("DROP FUNCTION " .. name .. "_no CASCADE")
        local last = tonumber(result.err:match "stopped after line (%d+)") - 1
        assert.truthy(#stored > 0 and #stored <= 70000 and last > #stored, result.err)
        assert_parted(stored, last, "nope")
    end)

    it("is what a table took no answer for, and it is not stored later", function()
        local name = postgres.name()
        postgres.sql("CREATE TABLE " .. name .. " (n int8)")
        local locked = dir .. "/" .. process.unique()
        process.start(("psql -X -d %s -c 'BEGIN; LOCK TABLE %s' -c '\\! touch %s' -c 'SELECT pg_sleep(4)'"):format(
            process.quote(postgres.conninfo()), name, locked))
        assert.truthy(process.wait(function()
            return process.exists(locked)
        end))
        local result = load(postgres.conninfo(), name, 500, "--give-up 1")
        assert.equal(1, result.code)
        postgres.sql("BEGIN; LOCK TABLE " .. name .. "; COMMIT")
        assert_parted(numbers(postgres.sql("SELECT n FROM " .. name)), 500, "not stored: ")
    end)

    it("is what an interrupt found, after the deadline of its close", function()
        local name = postgres.name()
        postgres.sql(([[CREATE TABLE %s (n int8);
CREATE FUNCTION %s_slow() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_sleep(0.005); RETURN new; END$$;
CREATE TRIGGER slow BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s_slow()]]):format(name, name, name, name))
        -- 400 rows take the server two seconds, by when all of the input was read.
        local under = dir .. "/" .. process.unique() .. ".sh"
        process.write(under, ([[set -m # else a command in the background ignores the signal
"$@" <&0 &
pid=$!
until [ "$(psql -X -A -t -d %s -c 'SELECT count(*) >= 400 FROM %s')" = t ]; do
    kill -0 $pid || break
    sleep 0.1
done
kill -INT $pid
wait $pid]]):format(process.quote(postgres.conninfo()), name))
        local result = load(postgres.conninfo(), name, 5000, "--close-timeout 1 --batch-size 50", nil, "bash " .. under)
        assert.equal(130, result.code)
        postgres.sql("DROP FUNCTION " .. name .. "_slow CASCADE")
        assert_parted(numbers(postgres.sql("SELECT n FROM " .. name)), 5000, "not stored: ")
    end)
end)
