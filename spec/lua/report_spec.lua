-- What on_flush is told of a write, and how much of it waits.

local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "n", "int8" }, { "id", "uuid", generate = "uuidv7" }, { "note", "text" } }
local FORMS = { "driven", "threaded" }

-- A batcher, and the reports that it gave.
local function batcher_of(form, given)
    local reports = {}
    local options = { schema = SCHEMA, table = "reports", interval = 60, log = function() end,
        store = form == "driven" and testing.store {} or writebehind.memory(),
        on_flush = function(report) reports[#reports + 1] = report end }
    for name, value in pairs(given or {}) do
        options[name] = value
    end
    return assert(writebehind.batcher(options)), reports, options.store
end

for _, form in ipairs(FORMS) do
    describe("a report of a " .. form .. " batcher", function()
        it("has the id of the batch, its rows and its bytes", function()
            local batcher, reports, store = batcher_of(form)
            for n = 1, 3 do
                assert.is_true(batcher:add { n = n, note = "x" })
            end
            assert.is_true(batcher:close())
            assert.equal(1, #reports)
            local report = reports[1]
            assert.equal(3, tonumber(report.rows))
            assert.equal(3 * (2 + 12 + 20 + 5), tonumber(report.bytes)) -- fields, and their lengths, of each tuple
            assert.equal(36, #report.id)
            assert.equal("reports", report.table)
            assert.is_nil(report.ids)
            if form == "driven" then
                assert.equal(store.calls[1].id, report.id)
            end
        end)

        it("lists the ids of the rows, in order, where it is asked to", function()
            local batcher, reports, store = batcher_of(form, { ids = true })
            local given = writebehind.uuidv4()
            for n = 1, 5 do
                assert.is_true(batcher:add { n = n, note = ("x"):rep(n), id = n == 3 and given or nil })
            end
            assert.is_true(batcher:close())
            local ids = {}
            for i, row in ipairs(form == "driven" and store.rows or store:rows "reports") do
                ids[i] = row.id
            end
            assert.same(ids, reports[1].ids)
            assert.equal(given, ids[3])
        end)
    end)
end

describe("a report", function()
    it("of a failure lists all rows of the write, and the next one the rest", function()
        local batcher, reports = batcher_of("driven", { ids = true, clock = testing.clock(0),
            store = testing.store { script = { { "partial", 2 } } } })
        for n = 1, 5 do
            assert.is_true(batcher:add { n = n, note = "x" })
        end
        assert.is_true(batcher:close())
        assert.is_false(reports[1].ok)
        assert.is_true(reports[2].ok)
        assert.equal(5, #reports[1].ids)
        assert.equal(3, #reports[2].ids)
        assert.equal(reports[1].ids[3], reports[2].ids[1])
        assert.equal(reports[1].id, reports[2].id)
    end)

    it("that nobody takes is discarded where there are more than `events`", function()
        local batcher, reports
        batcher, reports = batcher_of("driven", { events = 2, batch_size = 1, inline = false })
        for n = 1, 5 do
            assert.is_true(batcher:add { n = n, note = "x" })
            batcher:take():complete(true)
        end
        assert.equal(3, tonumber(batcher:stats().events_lost))
        batcher:poll()
        assert.equal(2, #reports)
        assert.is_true(batcher:close())
    end)

    it("is discarded where the ids of more than max_pending_rows rows would wait", function()
        local batcher, reports = batcher_of("driven", { ids = true, max_pending_rows = 4, batch_size = 2, flush_at = 1,
            inline = false })
        for n = 1, 6 do
            assert.is_true(batcher:add { n = n, note = "x" })
            if n % 2 == 0 then
                batcher:take():complete(true)
            end
        end
        assert.equal(1, tonumber(batcher:stats().events_lost))
        batcher:poll()
        assert.equal(2, #reports)
        assert.is_true(batcher:close())
    end)

    it("of a tracker has neither id nor bytes", function()
        local report
        local tracker = assert(writebehind.tracker { store = testing.store {}, table = "reports", events = 1,
            on_flush = function(given) report = given end })
        assert.is_true(tracker:add(writebehind.uuidv7()))
        assert.is_true(tracker:close())
        assert.is_nil(report.id)
        assert.is_nil(report.bytes)
        assert.equal("reports", report.table)
    end)

    it("can't list ids that no column has", function()
        assert.error_matches(function()
            batcher_of("driven", { ids = true, schema = writebehind.schema { { "n", "int8" } } })
        end, 'batcher: option "ids": the schema has no generated column')
    end)
end)
