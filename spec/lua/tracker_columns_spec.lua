-- Trackers whose column is no timestamptz: what is stored of a time, in every store that has columns.

local writebehind = require "writebehind"
local kits = require "spec.support.kits"
local process = require "spec.support.process"
local testing = require "writebehind.testing"

local PATIENCE = process.PATIENCE
local DAY = 86400

local COLUMNS = {
    { column = "seen", declared = "timestamptz", unit = 1e-6 },
    { column = { "seen", "timestamptz" }, declared = "timestamptz", unit = 1e-6 },
    { column = { "seen", "timestamp" }, declared = "timestamp", unit = 1e-6 },
    { column = { "seen", "date" }, declared = "date", unit = DAY },
    { column = { "seen", "int8" }, declared = "int8", unit = 1 },
    { column = { "seen", "int8", unit = "s" }, declared = "int8", unit = 1 },
    { column = { name = "seen", type = "int8", unit = "ms" }, declared = "int8", unit = 1e-3 },
    { column = { "seen", "int8", unit = "us" }, declared = "int8", unit = 1e-6 },
}

local function tracker_of(store, name, column, more)
    local options = { store = store, table = name, key = { "id", "int8" }, column = column, precision = "exact",
        log = function() end }
    for option, value in pairs(more or {}) do
        options[option] = value
    end
    return assert(writebehind.tracker(options))
end

local function refused(column)
    local ok, message = pcall(writebehind.tracker, { store = testing.store(), column = column })
    assert.is_false(ok)
    assert.truthy(message:find('option "column": expected a name, or { name, type }', 1, true), message)
end

describe("a tracker's column", function()
    it("is a name, or a name with a type and, of an int8, a unit", function()
        for _, each in ipairs(COLUMNS) do
            assert(writebehind.tracker({ store = testing.store(), column = each.column }):close())
        end
        for _, wrong in ipairs { "", 5, {}, { "seen" }, { "seen", "int4" }, { "seen", "time" }, { "", "int8" },
            { "seen", "int8", unit = "h" }, { "seen", "int8", unit = 1 }, { "seen", "date", unit = "s" },
            { "seen", "timestamptz", unit = "us" }, { "seen", "int8", null = true }, { "seen", "int8", "s" } } do
            refused(wrong)
        end
    end)

    it("is nothing to a scripted store, which has seconds", function()
        for _, each in ipairs(COLUMNS) do
            local store = testing.store()
            local tracker = tracker_of(store, nil, each.column)
            assert(tracker:add(7, 1700000000.5))
            assert(tracker:close())
            assert.equal(1700000000.5, store.times[7])
        end
    end)

    it("is what the memory store rounds down to", function()
        for _, each in ipairs(COLUMNS) do
            local store = writebehind.memory()
            store:put("w", 7, 0, "int8")
            local tracker = tracker_of(store, "w", each.column)
            assert(tracker:add(7, 1700000000.75))
            assert(tracker:flush(PATIENCE))
            local expected = math.floor(1700000000.75 / each.unit + 1e-6) * each.unit
            assert.near(expected, store:time("w", 7, "int8"), 1e-5)
            assert(tracker:close(PATIENCE))
        end
    end)
end)

local PSQL = { timestamptz = "extract(epoch FROM seen)", timestamp = "extract(epoch FROM seen)",
    date = "(seen - DATE '1970-01-01') * 86400", int8 = "seen" }
local JULIAN = "(julianday(seen) - 2440587.5) * 86400"
local SQLITE = { timestamptz = JULIAN, timestamp = JULIAN, date = JULIAN, int8 = "seen" }

for _, kind in ipairs { "postgres", "sqlite" } do
    describe("a tracker's column in " .. kind, function()
        local place

        before_each(function()
            place = kits[kind]()
        end)

        after_each(function()
            place.finish()
        end)

        -- The stored time of an id, in seconds.
        local function seconds_of(name, each, id)
            local expression = (kind == "postgres" and PSQL or SQLITE)[each.declared]
            local text = place.sql(("SELECT %s FROM %s WHERE id = %d"):format(expression, name, id)
                .. (kind == "sqlite" and ";" or ""))
            local factor = each.declared == "int8" and each.unit or 1
            return tonumber((tostring(text):gsub("%s", ""))) * factor
        end

        for _, insert in ipairs { false, true } do
            for number, each in ipairs(COLUMNS) do
                it(("of the %d. kind only moves forward%s"):format(number, insert and ", and makes rows" or ""),
                    function()
                        local name = place.name()
                        local declared = kind == "sqlite" and each.declared ~= "int8" and each.declared .. " TEXT"
                            or each.declared
                        place.sql(("CREATE TABLE %s (id int8 PRIMARY KEY, seen %s)"):format(name, declared)
                            .. (kind == "sqlite" and ";" or ""))
                        if not insert then
                            place.sql(("INSERT INTO %s VALUES (1, NULL)"):format(name)
                                .. (kind == "sqlite" and ";" or ""))
                        end
                        local tracker = tracker_of(place.store, name, each.column, { insert = insert })
                        local function mark(at)
                            local before = tracker:stats().updated
                            assert(tracker:add(1, at))
                            assert(tracker:flush(PATIENCE))
                            return tracker:stats().updated - before
                        end
                        local at = 1700000000.75
                        local expected = math.floor(at / each.unit + 1e-6) * each.unit
                        assert.equal(1, mark(at))
                        assert.near(expected, seconds_of(name, each, 1), 2e-3)
                        assert.equal(0, mark(at))
                        assert.equal(0, mark(at - 2 * DAY))
                        assert.near(expected, seconds_of(name, each, 1), 2e-3)
                        assert.equal(1, mark(at + 3 * DAY))
                        assert.near(expected + 3 * DAY, seconds_of(name, each, 1), 2e-3)
                        assert(tracker:close(PATIENCE))
                    end)
            end
        end

        it("of days moves when the UTC day changes", function()
            local name = place.name()
            place.sql(("CREATE TABLE %s (id int8 PRIMARY KEY, seen date)"):format(name)
                .. (kind == "sqlite" and ";" or ""))
            local tracker = tracker_of(place.store, name, { "seen", "date" }, { insert = true })
            for index, step in ipairs { { "2024-05-14T23:59:59.999999Z", 1 }, { "2024-05-14T23:59:59.999999Z", 0 },
                { "2024-05-15T00:00:00Z", 1 }, { "2024-05-15T12:00:00Z", 0 }, { "2024-05-16T01:00:00+02:00", 0 },
                { "2024-05-16T02:00:00+02:00", 1 } } do
                local before = tracker:stats().updated
                assert(tracker:add(1, step[1]))
                assert(tracker:flush(PATIENCE))
                assert.equal(step[2], tracker:stats().updated - before, tostring(index))
            end
            assert(tracker:close(PATIENCE))
        end)
    end)
end
