-- Stores that are well and slow: a trigger takes a while for each row, so that what waits does not fit into one
-- write's time.

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

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int4" } }

-- All rows are added at once and flushed; → the batcher's stats and the rows of its largest write that was stored.
local function play(store, table_name, rows, options)
    local largest = 0
    local batcher = assert(writebehind.batcher {
        store = store, schema = schema, table = table_name, batch_size = options.batch_size or 1024,
        merge_rows = options.merge_rows, write_timeout = options.write_timeout or 10, interval = 60,
        retry = { attempts = 2, initial = 0.01, max = 0.02 }, log = function() end,
        on_flush = function(report)
            largest = report.ok and math.max(largest, report.rows) or largest
        end,
    })
    for n = 1, rows do
        assert(batcher:add { n = n })
    end
    assert(batcher:flush(120))
    batcher:poll()
    local stats = batcher:stats()
    assert(batcher:close())
    return stats, largest
end

local SLOW = [[
CREATE TABLE %s (id uuid PRIMARY KEY, n int4);
CREATE FUNCTION %s_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s_slow();]]

describe("a slow store drains", function()
    it("in PostgreSQL, whatever was merged", function()
        local name = postgres.name()
        postgres.sql((SLOW:gsub("%%s", name)))
        local store = writebehind.postgres { conninfo = postgres.conninfo() }
        local stats, largest = play(store, name, 1500, { batch_size = 200, write_timeout = 1 })
        assert.equal(1500, stats.stored)
        assert.equal(0, stats.dead)
        assert.truthy(largest <= 500, largest) -- more need over a second, whatever the machine
        assert.equal("1500|1500", postgres.sql(("SELECT count(*) || '|' || count(DISTINCT n) FROM %s"):format(name)))
    end)

    it("in SQLite", function()
        local path = dir .. "/slow.db"
        sqlite.sql(path, [[
            CREATE TABLE t (id uuid TEXT PRIMARY KEY, n int4);
            CREATE TABLE digit (d int); INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
            CREATE TABLE sink (n int);
            CREATE TRIGGER slow BEFORE INSERT ON t BEGIN
                INSERT INTO sink SELECT sum(a.d + b.d * c.d + e.d) FROM digit a, digit b, digit c, digit e, digit f
                    WHERE f.d < 3;
            END;]])
        local stats = play(writebehind.sqlite { path = path }, "t", 600, { batch_size = 100, write_timeout = 0.5 })
        assert.equal(600, stats.stored)
        assert.equal(0, stats.dead)
        assert.equal(600, sqlite.count(path, "t"))
    end)
end)

describe("merge_rows", function()
    local function largest_write(options)
        local _, largest = play(writebehind.memory {}, "t", 5000, options)
        return largest
    end

    it("is the most rows of one write", function()
        assert.truthy(largest_write { batch_size = 100, merge_rows = 250 } <= 250)
        assert.truthy(largest_write { batch_size = 100, merge_rows = 100 } <= 100)
        assert.truthy(largest_write { batch_size = 100, merge_rows = 30 } <= 30)
        assert.truthy(largest_write { batch_size = 100 } <= 1600)
    end)

    it("has to be a count", function()
        for _, wrong in ipairs { -1, 1.5, "100" } do
            assert.has_error(function()
                play(writebehind.memory {}, "t", 1, { merge_rows = wrong })
            end)
        end
    end)
end)
