-- A batcher whose rows of one key are one (the option `coalesce`): its limits count rows, its counters adds; flush,
-- purge, reports and tables.

local coalesced = require "spec.support.coalesced"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

local play, lazy, by_key = coalesced.play, coalesced.lazy, coalesced.by_key
local KEYED, SUMS = coalesced.KEYED, coalesced.SUMS
local fails = scripted.fails

-- Adds 1 to `count` keys in turn, `adds` times in all.
local function add_in_turn(given, adds, count)
    for n = 0, adds - 1 do
        given:add { ("k%02d"):format(n % count), 1 }
    end
end

describe("the limits of a batcher that coalesces", function()
    it("count rows: 1,000 adds of 10 keys are 10", function()
        local given = lazy { max_pending_rows = 10 }
        add_in_turn(given, 1000, 10)
        given:counts { accepted = 1000, pending = 1000, pending_rows = 10, coalesced = 990 }
        assert.equal(0, (given.batcher:room()))
        given:refuses("full", "k10", 1)
        given:add { "k03", -100 }
        assert(given.batcher:close())
        assert.equal(900, (select(2, by_key(given.writes[1]))))
        given:counts { stored = 1001, pending_rows = 0, pending_bytes = 0, coalesced = 991, batches = 1 }
    end)

    it("drop the oldest row with all its adds", function()
        local given = lazy { max_pending_rows = 10, overflow = "drop_oldest" }
        add_in_turn(given, 1000, 10)
        given:add { "k10", 1 }
        given:counts { accepted = 1001, dropped = 100, pending = 901, pending_rows = 10 }
        given:add { "k10", 1 }
        given:add { "k00", 1 } -- it is a new row, the next oldest is dropped for it
        given:counts { accepted = 1003, dropped = 200, pending = 803, pending_rows = 10 }
        assert(given.batcher:close())
        local found = by_key(given.writes[1])
        assert.same({ 1, 100, 2 }, { found.k00, found.k02, found.k10 })
        assert.is_nil(found.k01)
    end)

    it("drop what comes, but what a row that waits can take", function()
        local given = lazy { max_pending_rows = 1, overflow = "drop_newest" }
        given:add({ "a", 1 }, { "b", 1 }, { "a", 2 })
        given:counts { accepted = 3, dropped = 1, pending = 2, pending_rows = 1 }
        given:gives("a|3|-")
    end)

    it("make an add of a new key wait, no other", function()
        local given = play(SUMS, KEYED, { max_pending_rows = 2, overflow = "block", block_timeout = 3 })
        for call = 1, 1000 do
            given.answers[call] = fails()
        end
        given:add({ "a", 1 }, { "b", 1 }, { "a", 1 })
        local before = given.clock:now()
        given:add { "a", 1 }
        assert.equal(before, given.clock:now())
        given:refuses("full", "c", 1)
        assert.is_true(given.clock:now() >= before + 3)
        given.answers = {}
        given:add { "c", 1 }
        given:counts { accepted = 5, pending_rows = 1, stored = 4 }
        assert(given.batcher:close())
        assert.same({ "a|3|-", "b|1|-" }, { given.writes[#given.writes - 1][1], given.writes[#given.writes - 1][2] })
    end)

    it("count the bytes of a row that grows", function()
        local given = lazy({ max_pending_bytes = 10000 }, { key = { "key" } }, { { "key", "int4" }, { "n", "text" } })
        for key = 1, 10 do
            given:add { key, ("x"):rep(700) }
        end
        given:refuses("full", 1, ("y"):rep(5000))
        given:refuses("invalid", 1, ("y"):rep(20000))
        given:add { 1, "z" }
        assert(given.batcher:close())
        assert.equal("1|z", given.writes[1][1])
        given:counts { stored = 11, pending_bytes = 0, pending_rows = 0 }
        for n = 1, 200 do
            given = lazy({}, { key = { "key" } }, { { "key", "int4" }, { "n", "text" } })
            for turn = 1, 20 do
                given:add { turn % 3, ("x"):rep((n * turn * 7919) % 300) }
            end
            assert(given.batcher:flush())
            given:counts { pending_bytes = 0, pending_rows = 0, stored = 20 }
        end
    end)

    it("may drop the row that what comes would be part of", function()
        for overflow, expected in pairs { drop_oldest = { 300, 1500 }, drop_newest = { 300, 300 } } do
            local given = lazy({ max_pending_bytes = 2200, overflow = overflow }, { key = { "key" } },
                { { "key", "text" }, { "note", "text" } })
            given:add({ "a", ("x"):rep(300) }, { "b", ("x"):rep(300) }, { "a", ("y"):rep(1500) })
            given:counts { accepted = 3, dropped = 1, pending = 2, pending_rows = 2, coalesced = 0 }
            assert(given.batcher:close())
            local lengths = {}
            for _, rows in ipairs(given.writes) do
                for _, row in ipairs(rows) do
                    lengths[#lengths + 1] = #row - 2
                end
            end
            table.sort(lengths)
            assert.same(expected, lengths)
        end
    end)

    it("make a batch due by its rows", function()
        local given = play(SUMS, KEYED, { batch_size = 3 })
        add_in_turn(given, 100, 2)
        assert.equal(0, #given.writes)
        given:add { "c", 1 }
        assert.same({ "k00|50|-", "k01|50|-", "c|1|-" }, { (table.unpack or unpack)(given.writes[1]) })
    end)

    it("can be changed while rows wait", function()
        local given = lazy()
        add_in_turn(given, 20, 5)
        given.batcher:configure { max_pending_rows = 3, batch_size = 2 }
        given:refuses("full", "new", 1)
        given:add { "k04", 1 }
        assert(given.batcher:flush())
        local sum = 0
        for _, rows in ipairs(given.writes) do
            assert.is_true(#rows <= 5)
            sum = sum + select(2, by_key(rows))
        end
        assert.equal(21, sum)
    end)
end)

describe("a batcher that coalesces", function()
    it("flushes what was accepted before, not what its store adds meanwhile", function()
        local given = lazy()
        for call, answer in ipairs { fails(), scripted.yes } do
            given.answers[call] = function()
                given:add { "a", 10 ^ call }
                return answer()
            end
        end
        given:add { "a", 1 }
        assert(given.batcher:flush())
        given:counts { stored = 2, pending = 1, pending_rows = 1 }
        assert.same({ "a|11|-" }, { given.writes[2][1] })
        given:gives("a|1|-", "a|11|-", "a|100|-")
    end)

    it("purges all that waits, and counts its adds", function()
        local given = lazy { interval = 0.001 }
        given:add({ "a", 1 }, { "b", 1 })
        given.clock:advance(1)
        local batch = given.batcher:take()
        given:add({ "a", 1 }, { "a", 1 }, { "c", 1 })
        assert.equal(3, tonumber(given.batcher:purge()))
        given:counts { dropped = 3, pending = 2, pending_rows = 2 }
        batch:complete(nil, "not now")
        given:add { "a", 5 }
        given:gives("a|6|-", "b|1|-")
        given:counts { accepted = 6, dropped = 3, stored = 3 }
    end)

    it("reports rows as they were written", function()
        local given = lazy({ ids = true }, SUMS, { { "key", "text" }, { "n", "int4" },
            { "id", "uuid", generate = "uuidv7" } })
        given.answers = { fails() }
        given:add({ "a", 1 }, { "b", 1 }, { "a", 1 })
        assert(given.batcher:close())
        assert.same({ { false, 2, 1, 2 }, { true, 2, 2, 2 } }, { { given.reports[1].ok, given.reports[1].rows,
            given.reports[1].attempt, #given.reports[1].ids }, { given.reports[2].ok, given.reports[2].rows,
            given.reports[2].attempt, #given.reports[2].ids } })
        assert.same(given.writes[2].ids, given.reports[2].ids)
    end)

    it("has rows of its own for each table", function()
        local given = lazy { policy = { route = function(row)
            return row.at and "t" .. row.at
        end } }
        given:add({ "a", 1, 1 }, { "a", 2, 2 }, { "a", 4 }, { "a", 8, 1 }, { "a", 16, 2 }, { "a", 32 })
        given:counts { accepted = 6, pending_rows = 3, coalesced = 3 }
        assert(given.batcher:close())
        local found = {}
        for _, rows in ipairs(given.writes) do
            assert.equal(1, #rows)
            found[rows.table] = rows[1]
        end
        assert.same({ t1 = "a|9|1", t2 = "a|18|2", t = "a|36|-" }, found)
    end)

    it("may have a store that yields", function()
        if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
            pending "Lua 5.1 can't yield across pcall"
        end
        local given = lazy()
        for call, answer in ipairs { fails(), scripted.yes } do
            given.answers[call] = function()
                coroutine.yield()
                return answer()
            end
        end
        given:add({ "a", 1 }, { "a", 2 })
        local driver = coroutine.wrap(function()
            return given.batcher:flush()
        end)
        driver()
        given:add { "a", 10 }
        given:counts { pending = 3, pending_rows = 2 }
        driver()
        given:add { "a", 100 }
        assert.is_true(driver())
        given:gives("a|3|-", "a|13|-", "a|100|-")
    end)
end)

describe("what others count", function()
    it("are rows that are as many as adds, without the option", function()
        local batcher = writebehind.batcher { store = writebehind.memory(), schema = writebehind.schema(KEYED),
            table = "t", interval = 1000 }
        assert(batcher:add { key = "a" } and batcher:add { key = "a" })
        local stats = batcher:stats()
        assert.same({ 2, 2, 0 }, { stats.pending, stats.pending_rows, stats.coalesced })
        assert(batcher:close())
    end)

    it("are a tracker's marks and ids", function()
        local tracker = writebehind.tracker { store = { touch = function() return true end }, key = { "id", "text" },
            interval = 1000, inline = false }
        assert(tracker:add "a" and tracker:add "b" and tracker:add "a")
        local stats = scripted.conserved(tracker)
        assert.same({ 3, 2 }, { stats.pending, stats.pending_rows })
        assert(tracker:close())
        assert.same({ 0, 0 }, { tracker:stats().pending, tracker:stats().pending_rows })
    end)
end)
