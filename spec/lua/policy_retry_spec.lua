-- retry_delay: when a failed try is repeated, and whether.

local policy = require "spec.support.policy"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local EPSILON = 1e-5 -- a delay is a whole number of microseconds

-- A store's answer that fails so often, then stores.
local function fails(count, message, class, stored)
    return function()
        count = count - 1
        if count >= 0 then
            return nil, message or "away", class, stored
        end
        return true
    end
end

describe("retry_delay", function()
    it("says in how many seconds the batch is tried again", function()
        local delays = { 5, 0.25, 3600, 0.001 }
        local play = policy.play({
            retry_delay = function(view)
                return delays[view.attempt]
            end,
        }, { answer = fails(#delays), batch_size = 2 })
        play:add(1, 2)
        for index, delay in ipairs(delays) do
            assert.equal(index, #play.store.calls)
            assert.near(delay, play.batcher:next_due(), EPSILON)
            assert.equal(0, play:pass(delay * 0.9))
            assert.equal(1, play:pass(delay * 0.1 + EPSILON))
        end
        assert.equal(#delays + 1, #play.store.calls)
        for attempt, call in ipairs(play.store.calls) do
            assert.equal(play.store.calls[1].id, call.id)
            assert.equal(attempt, call.attempt)
        end
        local stats = play:close()
        assert.same({ 2, 4, 0, 0 }, { stats.stored, stats.failures, stats.dead, stats.policy_errors })
    end)

    it("is shown the batch that failed, and its error", function()
        local seen = {}
        local play = policy.play({
            retry_delay = function(view, err)
                seen[#seen + 1] = {
                    rows = view.rows, attempt = view.attempt, class = view.class, table = view.table, err = err,
                    age = view.age, bytes = view.bytes,
                }
                return 2
            end,
            route = function(row)
                return row.n <= 3 and "low" or "high"
            end,
        }, {
            batch_size = 3, interval = 1,
            answer = function(_, call)
                if call.table == "low" and call.attempt <= 2 then
                    return nil, "down at " .. call.attempt, call.attempt == 2 and "hold" or nil
                end
                return true
            end,
        })
        play:add(1, 5)
        play:pass(2)
        play:pass(2)
        assert.equal(2, #seen)
        for attempt, view in ipairs(seen) do
            assert.equal(3, view.rows)
            assert.equal(attempt, view.attempt)
            assert.equal("low", view.table)
            assert.truthy(view.err:find("down at " .. attempt, 1, true))
            assert.near(2 * (attempt - 1), view.age, EPSILON)
            assert.is_true(view.bytes > 0)
        end
        assert.same({ "retry", "hold" }, { seen[1].class, seen[2].class })
        assert.same({ 1, 2, 3 }, play.store.tables.low)
        assert.same({ 4, 5 }, play.store.tables.high)
        assert.equal(0, play:close().policy_errors)
    end)

    it("gives up with false: the rows are dead, with their table", function()
        local play = policy.play({
            retry_delay = function(view)
                return view.attempt < 3 and 1
            end,
            route = policy.always "side",
        }, {
            batch_size = 2,
            answer = function(_, call)
                return call.numbers[1] ~= 1 or nil, "gone for good"
            end,
        })
        play:add(1, 4)
        for _ = 1, 5 do
            play:pass(1 + EPSILON)
        end
        local stats = play:close()
        assert.same({ 2, 2, 0 }, { stats.stored, stats.dead, stats.policy_errors })
        assert.equal(2, #play.dead)
        for index, dead in ipairs(play.dead) do
            assert.equal(index, dead.n)
            assert.equal("side", dead.table)
            assert.truthy(dead.err:find("gone for good", 1, true))
        end
        assert.same({ 3, 4 }, play.store.tables.side)
    end)

    it("replaces retry: initial, max and attempts", function()
        local play = policy.play({ retry_delay = policy.always(7) }, {
            batch_size = 1, answer = fails(10), retry = { initial = 0.1, max = 0.2, attempts = 2 },
        })
        play:add(1)
        for _ = 1, 10 do
            assert.near(7, play.batcher:next_due(), EPSILON)
            assert.equal(1, play:pass(7))
        end
        local stats = play:close()
        assert.same({ 1, 0, 10 }, { stats.stored, stats.dead, stats.failures })
    end)

    it("that forgets its answer leaves it to the option retry, and that is no error", function()
        local play = policy.play({ retry_delay = function() end }, {
            batch_size = 1, answer = fails(9), retry = { initial = 0.5, max = 0.5, attempts = 3 },
        })
        play:add(1)
        assert.is_true(play.batcher:next_due() <= 0.5 + EPSILON)
        for _ = 1, 4 do
            play:pass(0.5 + EPSILON)
        end
        local stats = play:close()
        assert.same({ 0, 1, 3, 0 }, { stats.stored, stats.dead, stats.failures, stats.policy_errors })
    end)

    it("waits a millisecond at the least", function()
        for _, delay in ipairs { 0, 1e-9 } do
            local play = policy.play({ retry_delay = policy.always(delay) }, { batch_size = 1, answer = fails(1) })
            play:add(1)
            assert.near(0.001, play.batcher:next_due(), EPSILON)
            assert.equal(0, play:pass(0.0005))
            assert.equal(1, play:pass(0.0006))
            assert.same({ 1, 0 }, { play:close().stored, play.batcher:stats().policy_errors })
        end
    end)

    it("may put a try off for longer than anybody lives: that is not giving up", function()
        for _, delay in ipairs { 1e12, 2 ^ 60, 1e300 } do
            local play = policy.play({ retry_delay = policy.always(delay) }, { batch_size = 1, answer = fails(1) })
            play:add(1)
            assert.is_true(play.batcher:next_due() >= 1e9)
            local stats = scripted.conserved(play.batcher)
            assert.same({ 1, 0 }, { stats.pending, stats.dead })
            assert.equal(1, play:close().stored)
        end
    end)

    it("keeps close waiting for no more than a second a try", function()
        local play = policy.play({ retry_delay = policy.always(3600) }, { batch_size = 1, answer = fails(3) })
        play:add(1)
        local before = play.clock:now()
        assert.equal(1, play:close().stored)
        local waited = play.clock:now() - before
        assert.is_true(waited <= 3 + 1e-3, waited)
    end)

    it("may still give up while the batcher is closing", function()
        local play = policy.play({ retry_delay = policy.always(false) }, { answer = fails(1) })
        play:add(1, 3)
        local stats = play:close()
        assert.same({ 0, 3, 0 }, { stats.stored, stats.dead, stats.pending })
        assert.equal(3, #play.dead)
    end)

    it("is not asked about a rejected batch, whose bad row is looked for", function()
        local asked = {}
        local play = policy.play({
            retry_delay = function(view)
                asked[#asked + 1] = view.class
                return nil
            end,
        }, {
            batch_size = 8,
            answer = function(_, call)
                for _, n in ipairs(call.numbers) do
                    if n == 5 then
                        return nil, "five is bad", "reject"
                    end
                end
                return true
            end,
        })
        play:add(1, 8)
        local stats = play:close()
        assert.same({ 7, 1 }, { stats.stored, stats.dead })
        assert.same({}, asked)
        assert.equal(5, play.dead[1].n)
        assert.same({ 1, 2, 3, 4, 6, 7, 8 }, play.store:numbers())
    end)

    it("decides about exactly the rest of a batch that was stored in part", function()
        local play = policy.play({
            retry_delay = function(view)
                return view.attempt < 2 and 1
            end,
        }, {
            batch_size = 4,
            answer = function()
                return nil, "no more room", "retry", 1
            end,
        })
        play:add(1, 4)
        play:pass(1)
        local stats = play:close()
        assert.is_true(stats.stored >= 2)
        assert.equal(4, stats.stored + stats.dead)
        local all = play.store:numbers()
        for _, dead in ipairs(play.dead) do
            all[#all + 1] = dead.n
        end
        assert.same({ 1, 2, 3, 4 }, scripted.sorted(all))
    end)

    for name, wrong in pairs { text = "soon", table = {}, ["not a number"] = 0 / 0, negative = -1 } do
        it("that answers " .. name .. " leaves it to the option retry", function()
            local play = policy.play({ retry_delay = policy.always(wrong) }, {
                batch_size = 1, answer = fails(2), retry = { initial = 0.5, max = 0.5 },
            })
            play:add(1)
            assert.is_true(play.batcher:next_due() <= 0.5 + EPSILON)
            play:pass(0.5 + EPSILON)
            play:pass(0.5 + EPSILON)
            local stats = play:close()
            assert.same({ 1, 0, 2 }, { stats.stored, stats.dead, stats.policy_errors })
            assert.is_true(#play:errors "retry_delay" >= 1)
        end)
    end

    it("that throws leaves it to the option retry, with its end of tries", function()
        local play = policy.play({
            retry_delay = function()
                error "no idea"
            end,
        }, { batch_size = 1, answer = fails(9), retry = { initial = 0.5, max = 0.5, attempts = 3 } })
        play:add(1)
        for _ = 1, 4 do
            play:pass(1)
        end
        local stats = play:close()
        assert.same({ 0, 1, 3 }, { stats.stored, stats.dead, stats.failures })
        assert.is_true(stats.policy_errors >= 2)
        assert.truthy(play:errors("retry_delay")[1].message:find("no idea", 1, true))
    end)

    it("is asked when a batch that was taken by hand fails", function()
        local seen = {}
        local play = policy.play({
            retry_delay = function(view, err)
                seen[#seen + 1] = { view.attempt, view.rows, type(err) }
                return view.attempt < 3 and 4
            end,
        }, { inline = false, batch_size = 2 })
        play:add(1, 2)
        play.batcher:take():complete(nil, "first")
        assert.near(4, play.batcher:next_due(), EPSILON)
        assert.is_nil(play.batcher:take())
        play.clock:advance(4)
        play.batcher:take():complete(nil, "second", "hold")
        play.clock:advance(4)
        play.batcher:take():complete(nil, "third")
        assert.same({ { 1, 2, "string" }, { 2, 2, "string" }, { 3, 2, "string" } }, seen)
        assert.equal(2, scripted.conserved(play.batcher).dead)
        play:close()
        assert.equal(2, #play.dead)
    end)
end)

describe("retry_delay with a native store", function()
    local dir, path, clock
    before_each(function()
        dir, clock = process.dir(), testing.clock(1700000000)
        path = dir .. "/x.db"
    end)
    after_each(function()
        process.remove(dir)
    end)

    local function make(options)
        local all = {
            store = writebehind.sqlite { path = path, create = true }, schema = policy.schema, table = "t",
            interval = 1, log = function() end,
        }
        for name, value in pairs(options) do
            all[name] = value
        end
        return assert(writebehind.batcher(all))
    end

    it("makes the batcher driven: its caller works it", function()
        local batcher = make { policy = { retry_delay = policy.always(1) }, interval = 0.001, inline = false }
        assert(batcher:add { n = 1 })
        assert.equal(0, batcher:stats().stored)
        assert.is_true(process.wait(function()
            return batcher:poll() == 1
        end))
        assert.equal(1, batcher:stats().stored)
        assert.is_number(batcher:fd())
        assert.is_true(batcher:close())
        assert.equal(1, sqlite.count(path, "t"))
    end)

    it("is asked after a real failure, in virtual time", function()
        local seen = {}
        sqlite.sql(path, "CREATE TABLE t (n text NOT NULL);")
        local batcher = make {
            clock = clock,
            policy = {
                retry_delay = function(view, err)
                    seen[#seen + 1] = { class = view.class, err = err, rows = view.rows, table = view.table }
                    return 10
                end,
            },
        }
        assert(batcher:add { n = 1 })
        clock:advance(1)
        assert.equal(1, batcher:poll())
        assert.equal(1, #seen)
        assert.equal("hold", seen[1].class)
        assert.same({ 1, "t" }, { seen[1].rows, seen[1].table })
        assert.truthy(seen[1].err:find('column "id"', 1, true))
        assert.equal("holding", scripted.conserved(batcher).health)
        sqlite.sql(path, "DROP TABLE t;")
        clock:advance(9.9)
        assert.equal(0, batcher:poll())
        clock:advance(0.2)
        assert.equal(1, batcher:poll())
        assert.is_true(batcher:close())
        assert.equal(1, sqlite.count(path, "t"))
    end)

    it("lends batches that are completed by hand", function()
        local batcher = make { clock = clock, inline = false, batch_size = 2,
            policy = { retry_delay = policy.always(false), route = policy.always "other" } }
        for n = 1, 4 do
            assert(batcher:add { n = n })
        end
        local batch = assert(batcher:take())
        assert.same({ 2, "other" }, { #batch, batch.table })
        batch:complete(nil, "I would not")
        assert.equal(2, scripted.conserved(batcher).dead)
        batch = assert(batcher:take())
        batch:complete(true)
        assert.equal(2, scripted.conserved(batcher).stored)
        assert.is_true(batcher:close())
        assert.is_false(process.exists(path) and sqlite.sql(path, ".tables") ~= "")
    end)
end)
