-- A touch that settles some ids and not others: those come again, hold nobody up, and a newer time of theirs wins.

local writebehind = require "writebehind"
local ids = require "spec.support.ids"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"

local raw = require("writebehind.core").raw

local function tracker_of(touch, given)
    local all = { store = { touch = touch }, table = "t", key = "id", column = "at", interval = 60,
        retry = { initial = 1, max = 8 }, log = function() end }
    for name, value in pairs(given or {}) do
        all[name] = value
    end
    return assert(writebehind.tracker(all))
end

describe("a scripted touch that answers { retry = { index, … } }", function()
    it("has those marked again, with the newest time, and the others settled", function()
        local clock = testing.clock(1000)
        local calls = {}
        local tracker = tracker_of(function(_, marks)
            local seen = {}
            for i, id in ipairs(marks:ids()) do
                seen[#seen + 1] = ("%s at %d"):format(id:sub(-1), marks:times()[i])
            end
            calls[#calls + 1] = table.concat(seen, ", ")
            if #calls == 1 then
                return { retry = { 2, 3 } }, 1, 0
            end
            return true
        end, { clock = clock, precision = "exact" })
        for n = 1, 3 do
            assert(tracker:add(ids.uuid(n), 100 + n))
        end
        clock:advance(60)
        tracker:poll()
        assert.equal(2, tracker:stats().pending)
        assert.equal(1, tracker:stats().stored)
        assert.equal(0, tracker:stats().failures)
        assert(tracker:add(ids.uuid(2), 900))
        assert(tracker:add(ids.uuid(3), 5))
        clock:advance(1)
        tracker:poll()
        assert.equal(0, tracker:stats().pending)
        assert.equal(2, #calls)
        assert.truthy(calls[2]:find("at 900", 1, true))
        assert.truthy(calls[2]:find("at 103", 1, true))
        assert.equal(3, scripted.conserved(tracker).unique)
        assert(tracker:close())
    end)

    it("keeps them pending past a flush and a close, which say so", function()
        local tracker = tracker_of(function(_, marks)
            return { retry = { #marks } }
        end, { retry = { initial = 0.001, max = 0.002 } })
        assert(tracker:add(ids.uuid(1)))
        assert(tracker:add(ids.uuid(2)))
        for _, method in ipairs { "flush", "close" } do
            local done, message, code = tracker[method](tracker, 0.05)
            assert.is_nil(done)
            assert.is_string(message)
            assert.equal("timeout", code)
            assert.equal(1, tracker:stats().pending)
            assert.equal(0, tracker:stats().failures)
        end
    end)

    it("is a failed try where the list is none", function()
        local wrong = { {}, { retry = 1 }, { retry = { 0 } }, { retry = { 3 } }, { retry = { 1.5 } },
            { retry = { "1" } }, { retry = { 1, 1 } }, { again = { 1 } } }
        for _, answer in ipairs(wrong) do
            local tracker = tracker_of(function()
                return answer
            end, { clock = testing.clock(1000) })
            assert(tracker:add(ids.uuid(1)))
            assert(tracker:add(ids.uuid(2)))
            tracker:flush(0)
            assert.equal(2, tracker:stats().pending)
            assert.equal(1, tracker:stats().failures)
            assert.truthy(tracker:stats().last_error:find("list of indexes from 1 to 2", 1, true),
                tracker:stats().last_error)
            tracker:close(0)
        end
    end)

    it("may complete its marks by hand", function()
        local tracker = tracker_of(function() end, { clock = testing.clock(1000), inline = false })
        for n = 1, 3 do
            assert(tracker:add(ids.uuid(n)))
        end
        raw.seal(tracker, false)
        local marks = tracker:take()
        for _, wrong in ipairs { { retry = { 4 } }, { retry = { 0 } }, { retry = 1 }, {} } do
            assert.has_error(function()
                marks:complete(wrong)
            end)
        end
        marks:complete({ retry = { 1 } }, 2, 0)
        assert.equal(1, tracker:stats().pending)
        assert.equal(2, tracker:stats().updated)
        tracker:close(0)
    end)

    it("works in a worker", function()
        local dir, path = process.dir(), package.path
        process.write(dir .. "/again_worker.lua", [[
            local calls = 0
            return function()
                return { touch = function(_, marks)
                    calls = calls + 1
                    return calls == 1 and { retry = { 1 } } or true
                end }
            end]])
        package.path = dir .. "/?.lua;" .. path
        local tracker = tracker_of(nil, { store = writebehind.worker "again_worker", retry = { initial = 0.01,
            max = 0.02 } })
        package.path = path
        assert(tracker:add(ids.uuid(1)))
        assert(tracker:add(ids.uuid(2)))
        assert(tracker:flush(process.PATIENCE))
        assert.equal(2, tracker:stats().stored)
        assert.equal(2, tracker:stats().batches)
        assert(tracker:close(process.PATIENCE))
        process.remove(dir)
    end)
end)

describe("a tracker's row that is locked in PostgreSQL", function()
    it("stays pending past a flush while the others move, and moves when it is free", function()
        local conninfo = assert(os.getenv "WRITEBEHIND_TEST_POSTGRES")
        local name = "locked" .. process.unique()
        local function psql(text)
            local result = process.run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(
                process.quote(conninfo), process.quote(text)))
            assert(result.code == 0, result.err)
            return (result.out:gsub("\n$", ""))
        end
        psql(("CREATE TABLE %s (id uuid PRIMARY KEY, at timestamptz)"):format(name))
        psql(("INSERT INTO %s VALUES ('%s'), ('%s')"):format(name, ids.uuid(1), ids.uuid(2)))
        local tracker = assert(writebehind.tracker { store = writebehind.postgres { conninfo = conninfo }, table = name,
            key = "id", column = "at", interval = 60, retry = { initial = 0.01, max = 0.05 } })
        process.start(("psql -X -q -d %s -c %s -c %s"):format(process.quote(conninfo),
            process.quote("SET application_name = '" .. name .. "'"),
            process.quote(("BEGIN; SELECT FROM %s WHERE id = '%s' FOR UPDATE; SELECT pg_sleep(600)"):format(name,
                ids.uuid(1)))))
        assert.is_true(process.wait(function()
            return psql(("SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s' "
                .. "AND wait_event = 'PgSleep'"):format(name)) == "1"
        end))
        assert(tracker:add(ids.uuid(1)))
        assert(tracker:add(ids.uuid(2)))
        local done, message, code = tracker:flush(0.3)
        assert.is_nil(done)
        assert.is_string(message)
        assert.equal("timeout", code)
        assert.equal(1, tracker:stats().pending)
        assert.equal(0, tracker:stats().failures)
        assert.equal("1", psql("SELECT count(*) FROM " .. name .. " WHERE at IS NOT NULL"))
        psql(("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s'"):format(name))
        assert(tracker:flush(process.PATIENCE))
        assert.equal("2", psql("SELECT count(*) FROM " .. name .. " WHERE at IS NOT NULL"))
        assert(tracker:close(process.PATIENCE))
        psql("DROP TABLE " .. name)
    end)
end)
