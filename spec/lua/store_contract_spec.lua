-- One contract, run against every native store: rows in are rows out, batches are atomic, a table that
-- doesn't fit holds the rows, an absent store is tried again, and times only move forward.

local copy = require "spec.support.copy"
local ids = require "spec.support.ids"
local kits = require "spec.support.kits"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local values = require "spec.support.values"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local PATIENCE = process.PATIENCE
local QUICK = { initial = 0.02, max = 0.1 }

local function quiet()
end

local function compare(expected, dialect, rows)
    assert.equal(#expected, #rows)
    for n, cases in ipairs(expected) do
        for i, kind in ipairs(values.types) do
            local want = values.expect(cases[i + 1], kind, dialect)
            if want ~= rows[n][i + 1] then
                error(("row %d, %s: expected %s, got %s"):format(n, kind, want:sub(1, 200),
                    tostring(rows[n][i + 1]):sub(1, 200)))
            end
        end
    end
end

local function batcher_of(place, name, schema, options)
    local given = { store = place.store, table = name, schema = schema, interval = 0.05, retry = QUICK, log = quiet }
    for key, value in pairs(place.mode or {}) do
        given[key] = value
    end
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    return assert(writebehind.batcher(given))
end

local SMALL = { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text", null = true } }

local function add_numbers(batcher, first, last)
    for n = first, last do
        assert(batcher:add { n = n })
    end
end

describe("a COPY stream of a batch", function()
    it("holds every value of every type, exactly", function()
        local schema = writebehind.schema(values.columns())
        local rows, expected = values.rows()
        local found = {}
        local store = {
            write = function(_, batch)
                for _, row in ipairs(copy.rows(batch:copy_binary(), schema:columns())) do
                    found[#found + 1] = row
                end
                return true
            end,
        }
        local batcher = writebehind.batcher { store = store, schema = schema, table = "t", clock = testing.clock(0) }
        for _, row in ipairs(rows) do
            assert(batcher:add(row))
        end
        assert(batcher:close())
        compare(expected, "copy", found)
    end)
end)

-- What the stores with SQL promise they promise however rows are written.
local UPSERT = { key = { "n" } }
local MODES = {
    plain = {}, ledger = { dedupe = "ledger" }, upsert = { upsert = UPSERT },
    ["upsert with a ledger"] = { dedupe = "ledger", upsert = UPSERT },
    -- Every key is once, so that all rows stay as they are.
    coalesce = { coalesce = UPSERT },
}

-- An upsert wants an index by its key.
local function index_keys(place)
    local create = place.create
    function place.create(name, schema)
        create(name, schema)
        place.sql(("CREATE UNIQUE INDEX %s_n ON %s (n);"):format(name, name))
    end
end

local function contract(kind, mode)
    describe(("the store contract: %s, %s"):format(kind, mode), function()
        local place
        local it_once = mode == "plain" and it or quiet
        local it_written = mode ~= "coalesce" and it or quiet -- takes its time, and stores write what they are given

        before_each(function()
            place = kits[kind]()
            place.mode = MODES[mode]
            if place.mode.upsert then
                index_keys(place)
            end
        end)

        after_each(function()
            place.finish()
        end)

        it("gives back every value of every type", function()
            local schema, name = writebehind.schema(values.columns()), place.name()
            local rows, expected = values.rows()
            place.create(name, schema)
            local batcher = batcher_of(place, name, schema, { batch_size = 4 })
            for _, row in ipairs(rows) do
                assert(batcher:add(row))
            end
            assert(batcher:close(PATIENCE))
            assert.equal(#rows, batcher:stats().stored)
            compare(expected, place.dialect, place.rows(name))
        end)

        it("gives back the same rows added by position", function()
            local schema, name = writebehind.schema(values.columns()), place.name()
            local rows, expected = values.rows()
            place.create(name, schema)
            local batcher = batcher_of(place, name, schema)
            for n, row in ipairs(rows) do
                local list = {}
                for i, type_name in ipairs(values.types) do
                    list[i] = row["c_" .. type_name]
                end
                assert(batcher:add_values(n, (table.unpack or unpack)(list, 1, #values.types)))
            end
            assert(batcher:close(PATIENCE))
            compare(expected, place.dialect, place.rows(name))
        end)

        it("stores 5,000 rows, each once", function()
            local schema, name = writebehind.schema(SMALL), place.name()
            place.create(name, schema)
            local batcher = batcher_of(place, name, schema, { batch_size = 300 })
            add_numbers(batcher, 1, 5000)
            assert(batcher:flush(PATIENCE))
            assert.equal(5000, place.count(name))
            local stats = scripted.conserved(batcher)
            assert.equal(5000, stats.stored)
            assert.equal(0, stats.pending)
            assert(batcher:close(PATIENCE))
            assert.equal(5000, place.count(name))
        end)

        it_once("moves times forward only, each to the exact mark", function()
            local name = place.name()
            kits.fill_use(place, name, { [ids.uuid(1)] = 1000, [ids.uuid(2)] = 5000.25, [ids.uuid(3)] = 0 })
            local tracker = assert(writebehind.tracker { store = place.store, table = name, key = "id",
                column = "last_used_at", precision = "exact" })
            assert(tracker:add(ids.uuid(1), 2000.123456))
            assert(tracker:add(ids.uuid(2), 4000))
            assert(tracker:add(ids.uuid(3), 10))
            assert(tracker:add(ids.uuid(3), 30.5)) -- the newest time wins
            assert(tracker:add(ids.uuid(3), 20))
            assert(tracker:flush(PATIENCE))
            assert.near(2000.123456, place.time(name, ids.uuid(1)), 1e-7)
            assert.equal(5000.25, place.time(name, ids.uuid(2)))
            assert.equal(30.5, place.time(name, ids.uuid(3)))
            local stats = tracker:stats()
            assert.equal(5, stats.marked)
            assert.equal(3, stats.unique)
            assert.equal(2, stats.updated)
            assert.equal(0, stats.unmatched)
            assert(tracker:close(PATIENCE))
        end)

        it_once("sets all times to the flush's, in chunks", function()
            local name, times = place.name(), {}
            for n = 1, 25 do
                times[ids.uuid(n)] = n
            end
            kits.fill_use(place, name, times)
            local tracker = assert(writebehind.tracker { store = place.store, table = name, key = "id",
                column = "last_used_at", chunk = 10 })
            local before = os.time()
            for n = 1, 24 do
                assert(tracker:add(ids.uuid(n), 3)) -- the flush's time is what counts
            end
            assert(tracker:flush(PATIENCE))
            -- os.time reads a coarser clock, which may still be in the second before
            local after = os.time() + 1
            for n = 1, 24 do
                local second = math.floor(place.time(name, ids.uuid(n)))
                assert.is_true(second >= before and second <= after)
            end
            assert.equal(25, place.time(name, ids.uuid(25)))
            assert.equal(24, tracker:stats().updated)
            assert(tracker:close(PATIENCE))
        end)

        it_once("counts ids without a row", function()
            local name = place.name()
            kits.fill_use(place, name, { [ids.uuid(1)] = 1 })
            local tracker = assert(writebehind.tracker { store = place.store, table = name, key = "id",
                column = "last_used_at" })
            for n = 1, 5 do
                assert(tracker:add(ids.uuid(n)))
            end
            assert(tracker:flush(PATIENCE))
            local stats = tracker:stats()
            assert.equal(1, stats.updated)
            assert.equal(4, stats.unmatched)
            assert.equal(0, stats.pending)
            assert(tracker:close(PATIENCE))
        end)

        it_once("skips ids whose time is newer than min_advance ago", function()
            local name, now = place.name(), os.time()
            kits.fill_use(place, name, { [ids.uuid(1)] = now - 1800, [ids.uuid(2)] = now - 7200 })
            local tracker = assert(writebehind.tracker { store = place.store, table = name, key = "id",
                column = "last_used_at", min_advance = 3600 })
            assert(tracker:add(ids.uuid(1)))
            assert(tracker:add(ids.uuid(2)))
            assert(tracker:flush(PATIENCE))
            assert.equal(now - 1800, place.time(name, ids.uuid(1)))
            assert.is_true(place.time(name, ids.uuid(2)) >= now)
            local stats = tracker:stats()
            assert.equal(1, stats.updated)
            assert.equal(0, stats.unmatched)
            assert(tracker:close(PATIENCE))
        end)

        if kind == "memory" then
            return
        end

        it_written("stores a batch whole or not at all", function()
            local schema, name = writebehind.schema(SMALL), place.name()
            place.create(name, schema)
            place.slow(name)
            -- A write that has no time to be is cut, on a machine that is busy: so it has all it may need.
            local batcher = batcher_of(place, name, schema,
                { batch_size = 50, flush_at = 1, interval = 3600, write_timeout = PATIENCE })
            add_numbers(batcher, 1, 400)
            assert.is_truthy(process.wait(function()
                local count = place.count(name)
                assert.equal(0, count % 50)
                return count == 400
            end))
            assert(batcher:close(PATIENCE))
            assert.equal(400, place.count(name))
        end)

        it("isn't held up by a value that it can't keep", function()
            local schema, name = writebehind.schema { { "n", "int8" }, { "x", "float8" } }, place.name()
            place.create(name, schema)
            local batcher = batcher_of(place, name, schema)
            local bad = 0
            for n = 1, 20 do
                local ok, _, code = batcher:add { n = n, x = n == 7 and 0 / 0 or n } -- SQLite has no NaN
                if not ok then
                    assert.equal("invalid", code)
                    bad = bad + 1
                end
            end
            assert(batcher:flush(15))
            local stats = scripted.conserved(batcher)
            bad = bad + stats.dead
            assert.equal(20, stats.stored + bad)
            assert.is_true(bad <= (kind == "sqlite" and 1 or 0))
            assert(batcher:close(PATIENCE))
        end)

        it_once("reads the schema of a live table", function()
            local schema, name = writebehind.schema(values.columns()), place.name()
            place.create(name, schema)
            local read = assert(place.store:schema(name))
            local given, found = schema:columns(), read:columns()
            assert.equal(#given, #found)
            for i, column in ipairs(given) do
                assert.equal(column.name, found[i].name)
                assert.equal(column.type, found[i].type)
                assert.equal(column.null or false, found[i].null or false)
            end
            local batcher = batcher_of(place, name, read)
            assert(batcher:add { n = 1, c_text = "by the schema that was read" })
            assert(batcher:close(PATIENCE))
            assert.equal(1, place.count(name))
        end)

        it_once("says that a table is not there", function()
            place.create(place.name(), writebehind.schema(SMALL))
            local schema, message, code = place.store:schema("no_such_table_here")
            assert.is_nil(schema)
            assert.matches("no_such_table_here", message, 1, true)
            assert.equal("store", code)
        end)

        it("holds the rows where a column has another type, and stores them when it fits", function()
            local name = place.name()
            place.create(name, writebehind.schema { { "n", "int8" }, { "note", "bytea", null = true } })
            local schema = writebehind.schema { { "n", "int8" }, { "note", "text", null = true } }
            local batcher = batcher_of(place, name, schema)
            add_numbers(batcher, 1, 20)
            assert.is_truthy(process.wait(function()
                return batcher:stats().failures >= 2
            end))
            local stats = scripted.conserved(batcher)
            assert.equal("holding", stats.health)
            assert.equal(20, stats.pending)
            assert.equal(0, stats.dead)
            assert.matches("note", stats.last_error, 1, true)
            assert.matches("text", stats.last_error, 1, true)
            assert.matches("bytea", stats.last_error:lower(), 1, true)
            assert.equal(0, place.count(name))

            place.sql("DROP TABLE " .. name .. ";")
            place.create(name, schema)
            assert(batcher:flush(PATIENCE))
            assert.equal(20, place.count(name))
            assert.equal("ok", batcher:stats().health)
            assert(batcher:close(PATIENCE))
        end)

        it("holds the rows where a column is missing, and names it", function()
            local name = place.name()
            place.create(name, writebehind.schema { { "n", "int8" } })
            local batcher = batcher_of(place, name, writebehind.schema { { "n", "int8" }, { "remark", "text" } })
            assert(batcher:add { n = 1, remark = "kept" })
            assert.is_truthy(process.wait(function()
                return batcher:stats().health == "holding"
            end))
            assert.matches("remark", batcher:stats().last_error, 1, true)
            place.sql("ALTER TABLE " .. name .. " ADD COLUMN remark text;")
            assert(batcher:flush(PATIENCE))
            assert.equal(1, place.count(name))
            assert(batcher:close(PATIENCE))
        end)

        it("holds the rows where the table is missing, and names it", function()
            local name, schema = place.name(), writebehind.schema(SMALL)
            place.create(place.name(), schema) -- the database is there
            local batcher = batcher_of(place, name, schema)
            add_numbers(batcher, 1, 3)
            assert.is_truthy(process.wait(function()
                return batcher:stats().health == "holding"
            end))
            local stats = scripted.conserved(batcher)
            assert.equal(3, stats.pending)
            assert.matches(name, stats.last_error, 1, true)
            place.create(name, schema)
            assert(batcher:flush(PATIENCE))
            assert.equal(3, place.count(name))
            assert(batcher:close(PATIENCE))
        end)
    end)
end

for _, kind in ipairs { "postgres", "sqlite" } do
    for mode in pairs(MODES) do
        contract(kind, mode)
    end
end
contract("memory", "plain")
contract("memory", "coalesce")

for _, kind in ipairs { "postgres", "sqlite" } do
    describe("an absent store: " .. kind, function()
        local place, name, schema

        before_each(function()
            place = kits[kind .. "_away"]()
            name, schema = place.name(), writebehind.schema(SMALL)
            place.create(name, schema)
        end)

        after_each(function()
            place.finish()
        end)

        it("is tried again, rows are kept, and stored when it is there", function()
            local batcher = batcher_of(place, name, schema)
            add_numbers(batcher, 1, 10)
            assert.is_truthy(process.wait(function()
                return batcher:stats().failures >= 3
            end))
            add_numbers(batcher, 11, 20)
            local stats = scripted.conserved(batcher)
            assert.equal(20, stats.pending)
            assert.equal(0, stats.stored)
            assert.equal(0, stats.dead)
            assert.is_true(stats.consecutive_failures >= 3)
            assert.is_true(stats.health == "retrying" or stats.health == "holding")
            assert.is_true(#stats.last_error > 0)

            place.appear()
            assert(batcher:flush(PATIENCE))
            stats = scripted.conserved(batcher)
            assert.equal(20, stats.stored)
            assert.equal("ok", stats.health)
            assert.equal(0, stats.consecutive_failures)
            assert.equal(20, place.count(name))
            assert(batcher:close(PATIENCE))
        end)

        it("is a timeout of flush and of close, with the rows kept meanwhile", function()
            local batcher = batcher_of(place, name, schema)
            add_numbers(batcher, 1, 5)
            local ok, message, code = batcher:flush(0.1)
            assert.is_nil(ok)
            assert.is_string(message)
            assert.equal("timeout", code)
            assert.equal(5, scripted.conserved(batcher).pending)
            place.appear()
            assert(batcher:close(PATIENCE))
            assert.equal(5, place.count(name))
        end)

        it("is logged once, then rarely", function()
            local script = ([[
                local writebehind = require "writebehind"
                local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" },
                    { "note", "text", null = true } }
                local batcher = assert(writebehind.batcher { store = %s, schema = schema, table = %q, interval = 0.01,
                    retry = { initial = 0.01, max = 0.02 }, close_timeout = 0.1 })
                assert(batcher:add { n = 1 })
                local system = require "system"
                local deadline = system.monotime() + 60
                repeat
                    system.sleep(0.05)
                until batcher:stats().failures >= 20 or system.monotime() > deadline
                io.stderr:write("THE END\n")
                print(batcher:stats().failures)
                os.exit(0)
            ]]):format(place.open_text, name)
            local result = process.lua(script)
            assert.equal(0, result.code)
            assert.is_true(tonumber(result.out) >= 20)
            local before = result.err:match("^(.-)THE END\n")
            local lines = select(2, before:gsub("\n", "\n"))
            -- At the most one every ten seconds: the machine may be slow.
            assert.is_true(lines >= 1 and lines <= 7, result.err)
            assert.matches(name, before, 1, true)
        end)

        it("keeps a tracker's ids until it is there", function()
            local other = place.name()
            place.create(other, writebehind.schema { { "id", "uuid" }, { "last_used_at", "timestamptz" } })
            local levels = {}
            local tracker = assert(writebehind.tracker { store = place.store, table = other, key = "id",
                column = "last_used_at", interval = 0.05, retry = QUICK, log = function(level)
                    levels[#levels + 1] = level
                end })
            for n = 1, 10 do
                assert(tracker:add(ids.uuid(n)))
            end
            assert.is_truthy(process.wait(function()
                tracker:poll()
                return tracker:stats().failures >= 3
            end))
            assert.not_equal("ok", tracker:health())
            assert.matches("^warn", levels[1])
            place.appear()
            place.sql(("INSERT INTO %s VALUES ('%s', '1970-01-01T00:00:00.000000Z');"):format(other, ids.uuid(7)))
            assert(tracker:flush(PATIENCE))
            assert(tracker:close(PATIENCE))
            local stats = tracker:stats()
            assert.equal(10, stats.updated + stats.unmatched)
            assert.equal(0, stats.pending)
        end)
    end)
end

describe("a PostgreSQL that goes away in the middle", function()
    it("loses and doubles no row", function()
        local place = kits.postgres_away()
        local name, schema = place.name(), writebehind.schema(SMALL)
        place.create(name, schema)
        place.sql = nil
        place.appear()
        local batcher = batcher_of(place, name, schema, { batch_size = 20, interval = 0.01 })
        for round = 0, 5 do
            add_numbers(batcher, round * 500 + 1, round * 500 + 500)
            process.sleep(0.02)
            place.vanish()
            process.sleep(0.05)
            place.appear()
            scripted.conserved(batcher)
        end
        assert(batcher:close(PATIENCE))
        assert.equal(3000, place.count(name))
        assert.equal(3000, tonumber(require("spec.support.postgres").sql("SELECT count(DISTINCT n) FROM " .. name)))
        place.finish()
    end)
end)
