-- What happens when the pending rows are at their limit, threaded and driven; and that rows are conserved
-- whatever happens.

local ids = require "spec.support.ids"
local kits = require "spec.support.kits"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local function with(base, extra)
    for key, value in pairs(extra or {}) do
        base[key] = value
    end
    return base
end

-- What came of adding: the numbers that add took, the codes of the others.
local function add(batcher, first, last)
    local taken, codes = {}, {}
    for n = first, last do
        local ok, message, code = batcher:add { n = n }
        if ok then
            taken[#taken + 1] = n
        else
            assert.is_string(message)
            codes[#codes + 1] = code
        end
        scripted.conserved(batcher)
    end
    return taken, codes
end

-- Asserts that the sorted list has no gap.
local function assert_run(list)
    for i = 2, #list do
        assert.equal(list[i - 1] + 1, list[i])
    end
end

-- ---- the four modes, on either kind of batcher; finish() answers the numbers that were stored, sorted ----

local function describe_modes(make)
    it("reject refuses the row that is too much, and takes rows again when there is room", function()
        local batcher, finish = make { overflow = "reject" }
        local taken, codes = add(batcher, 1, 150)
        assert.equal(100, #taken)
        assert.equal(50, #codes)
        assert.equal("full", codes[1])
        local stats = scripted.conserved(batcher)
        assert.equal(100, stats.accepted)
        assert.equal(50, stats.rejected)
        assert.equal(0, stats.dropped)
        assert.same(scripted.range(1, 100), finish())
    end)

    it("drop_oldest keeps the newest rows and counts the others", function()
        local batcher, finish = make { overflow = "drop_oldest", batch_size = 10 }
        local taken = add(batcher, 1, 150)
        assert.equal(150, #taken)
        local stats = scripted.conserved(batcher)
        assert.equal(150, stats.accepted)
        assert.is_true(stats.pending <= 100)
        assert.is_true(stats.dropped >= 50)
        assert.equal(0, stats.rejected)
        local stored = finish()
        assert.equal(150 - batcher:stats().dropped, #stored)
        assert.equal(150, stored[#stored])
    end)

    it("drop_newest keeps the oldest rows and counts the others", function()
        local batcher, finish = make { overflow = "drop_newest" }
        add(batcher, 1, 150)
        local stats = scripted.conserved(batcher)
        assert.equal(150, stats.accepted)
        assert.equal(100, stats.pending)
        assert.equal(50, stats.dropped)
        assert.equal(0, stats.rejected)
        assert.same(scripted.range(1, 100), finish())
    end)

    it("keeps to the bound in bytes as well", function()
        local batcher, finish = make { overflow = "reject", max_pending_rows = 1000000, max_pending_bytes = 20000,
            batch_bytes = 5000 }
        local taken, codes = add(batcher, 1, 2000)
        assert.is_true(#taken > 20)
        assert.equal("full", codes[1])
        assert.is_true(batcher:stats().pending_bytes <= 20000)
        assert.same(scripted.range(1, #taken), finish())
    end)
end

describe("overflow of a threaded batcher", function()
    local place, batcher

    before_each(function()
        place = kits.sqlite_away()
    end)

    after_each(function()
        if batcher then
            batcher:close(0)
        end
        place.finish()
    end)

    local function make(options)
        local name = place.name()
        place.create(name, SCHEMA)
        batcher = assert(writebehind.batcher(with({
            store = place.store, schema = SCHEMA, table = name, max_pending_rows = 100, interval = 0.02,
            retry = { initial = 0.02, max = 0.1 }, close_timeout = 0.1, log = function() end,
        }, options)))
        return batcher, function()
            place.appear()
            assert(batcher:flush(process.PATIENCE))
            local stats = scripted.conserved(batcher)
            assert.equal(0, stats.pending)
            assert.is_true(batcher:add { n = 151 })
            assert(batcher:close(process.PATIENCE))
            local numbers = {}
            for line in (place.sql("SELECT n FROM " .. name .. " ORDER BY n;") .. "\n"):gmatch("(%d+)\n") do
                numbers[#numbers + 1] = tonumber(line)
            end
            for i, n in ipairs(numbers) do
                if n == 151 then
                    table.remove(numbers, i)
                    break
                end
            end
            return numbers
        end
    end

    describe_modes(make)

    it("block waits for block_timeout, then refuses", function()
        make { overflow = "block", block_timeout = 0.2 }
        add(batcher, 1, 100)
        local before = process.now()
        local ok, message, code = batcher:add { n = 101 }
        assert.is_true(process.now() - before >= 0.19)
        assert.is_nil(ok)
        assert.is_string(message)
        assert.is_true(code == "full" or code == "timeout")
        local stats = scripted.conserved(batcher)
        assert.equal(100, stats.pending)
        assert.equal(1, stats.rejected)
    end)

    it("block goes on as soon as there is room", function()
        local _, finish = make { overflow = "block", block_timeout = process.PATIENCE }
        add(batcher, 1, 100)
        place.appear_in(0.3)
        assert.is_true(batcher:add { n = 101 }) -- while it waits, the store appears
        local stats = scripted.conserved(batcher)
        assert.equal(101, stats.accepted)
        assert.equal(0, stats.rejected)
        assert.same(scripted.range(1, 101), finish())
    end)

    it("never makes add wait for the store without block", function()
        make { overflow = "drop_newest" }
        local before = process.now()
        add(batcher, 1, 1000)
        assert.is_true(process.now() - before < process.PATIENCE / 3)
        assert.equal(0, batcher:stats().stored)
    end)
end)

describe("overflow of a driven batcher", function()
    local clock, store, batcher

    local function make(options)
        clock = testing.clock(1000)
        store = scripted.store(scripted.yes)
        batcher = assert(writebehind.batcher(with({
            store = store, schema = SCHEMA, table = "t", max_pending_rows = 100, interval = 3600, batch_size = 1000,
            clock = clock, log = function() end, inline = options.overflow == "block",
        }, options)))
        return batcher, function()
            assert(batcher:close())
            assert.equal(0, scripted.conserved(batcher).pending)
            return scripted.sorted(store.numbers)
        end
    end

    describe_modes(make)

    it("drop_oldest leaves the newest rows without a gap", function()
        local _, finish = make { overflow = "drop_oldest", batch_size = 10 }
        add(batcher, 1, 500)
        local stored = finish()
        assert_run(stored)
        assert.equal(500, stored[#stored])
        assert.is_true(#stored >= 90 and #stored <= 100)
    end)

    it("drop_oldest leaves a batch that was taken alone", function()
        make { overflow = "drop_oldest", batch_size = 10, flush_at = 1 }
        add(batcher, 1, 50)
        local batch = batcher:take()
        assert.equal(10, #batch)
        add(batcher, 51, 400)
        assert.equal(1, tonumber(batch:row(1).n))
        assert.equal(10, tonumber(batch:row(10).n))
        batch:complete(true)
        local stats = scripted.conserved(batcher)
        assert.equal(10, stats.stored)
        assert(batcher:close())
        assert.equal(400, scripted.conserved(batcher).stored + batcher:stats().dropped)
    end)

    it("block writes in the middle of add", function()
        make { overflow = "block" }
        local taken = add(batcher, 1, 1000)
        assert.equal(1000, #taken)
        assert.is_true(store.calls >= 9)
        assert.is_true(batcher:stats().pending <= 100)
        assert(batcher:close())
        assert.same(scripted.range(1, 1000), store.numbers)
    end)

    it("block waits in the caller's time while the store fails, then refuses", function()
        make { overflow = "block", block_timeout = 5 }
        store.answers = { scripted.fails() }
        add(batcher, 1, 100)
        local before = clock:now()
        local ok, _, code = batcher:add { n = 101 }
        assert.is_nil(ok)
        assert.is_true(code == "full" or code == "timeout")
        assert.near(before + 5, clock:now(), 1e-3)
        assert.is_true(store.calls >= 2)
        store.answers = { scripted.yes }
        assert(batcher:close())
        assert.same(scripted.range(1, 100), scripted.sorted(store.numbers))
    end)
end)

-- ---- random scenarios: rows go in, the store does what it likes, and nothing is lost or doubled ----

local function answers_of(random)
    local choices = {
        scripted.yes, scripted.yes, scripted.yes, scripted.yes,
        scripted.fails("retry it", "retry"),
        scripted.fails("without a class"),
        scripted.fails("hold it", "hold"),
        function()
            error("thrown by the store")
        end,
        function(batch)
            return nil, "a part of it", "retry", random(#batch + 1) - 1
        end,
        function(batch)
            return nil, "a part of it", "hold", random(#batch + 1) - 1
        end,
        function()
            return "nonsense"
        end,
        function()
            return nil
        end,
    }
    return function(batch)
        return choices[random(#choices)](batch)
    end
end

local function step(scenario)
    local random, batcher = scenario.random, scenario.batcher
    local choice = random(10)
    if choice <= 5 then
        for _ = 1, random(12) do
            scenario.n = scenario.n + 1
            local ok, _, code = batcher:add { n = scenario.n }
            if ok then
                scenario.accepted[#scenario.accepted + 1] = scenario.n
            else
                assert.is_true(code == "full" or code == "timeout", code)
            end
            scripted.conserved(batcher)
        end
    elseif choice <= 7 then
        scenario.clock:advance(random(100) / 20)
    elseif choice == 8 then
        batcher:poll()
    elseif choice == 9 then
        batcher:flush(random(3) - 1)
    elseif not scenario.options.inline then
        local batch = batcher:take()
        if batch then
            scripted.conserved(batcher)
            scenario.store:by_hand(batch)
        end
    end
    scripted.conserved(batcher)
end

local function run_scenario(seed, options, steps)
    local random = ids.random(seed)
    local store = scripted.store()
    store.answers = { answers_of(random) }
    function store.by_hand(self, batch)
        local ok, returned = pcall(function()
            return { self:write(batch) }
        end)
        local first, err, class, stored = nil, returned, nil, nil
        if ok then
            first, err, class, stored = returned[1], returned[2], returned[3], returned[4]
        end
        if first == true then
            batch:complete(true)
        else
            batch:complete(nil, err or "nonsense", class, stored)
        end
    end
    local clock = testing.clock(1000)
    local scenario = {
        random = random, store = store, clock = clock, n = 0, accepted = {}, options = options,
        batcher = assert(writebehind.batcher(with({
            store = store, schema = SCHEMA, table = "t", clock = clock, batch_size = 8, interval = 1,
            max_pending_rows = 60, retry = { initial = 0.1, max = 2 }, log = function() end,
            block_timeout = 3,
        }, options))),
    }
    for _ = 1, steps do
        step(scenario)
    end
    store.answers = { scripted.yes }
    assert(scenario.batcher:close())
    return scenario, scripted.conserved(scenario.batcher)
end

describe("rows are conserved at every step of a random scenario", function()
    local modes = {
        { overflow = "reject" }, { overflow = "reject", inline = false }, { overflow = "drop_oldest" },
        { overflow = "drop_oldest", inline = false }, { overflow = "drop_newest" },
        { overflow = "drop_newest", inline = false }, { overflow = "block" },
    }
    for i, options in ipairs(modes) do
        for seed = 1, 2 do
            local how = options.inline == false and " by hand" or ""
            it(("%s%s, seed %d"):format(options.overflow, how, seed), function()
                local scenario, stats = run_scenario(seed * 100 + i, options, 2500)
                assert.equal(#scenario.accepted, stats.accepted)
                assert.equal(0, stats.pending)
                assert.equal(0, stats.dead)
                assert.equal(#scenario.store.numbers, stats.stored)
                assert.is_true(stats.failures > 50)
                -- Nothing twice, nothing that wasn't accepted.
                local known, seen = {}, {}
                for _, n in ipairs(scenario.accepted) do
                    known[n] = true
                end
                for _, n in ipairs(scenario.store.numbers) do
                    assert.is_true(known[n])
                    assert.is_nil(seen[n])
                    seen[n] = true
                end
                if options.overflow == "reject" or options.overflow == "block" then
                    assert.equal(0, stats.dropped)
                    assert.same(scenario.accepted, scripted.sorted(scenario.store.numbers))
                end
            end)
        end
    end

    it("with an end of tries: what is not stored is dead, and counted", function()
        local options = { overflow = "reject", retry = { initial = 0.1, max = 1, attempts = 3 } }
        local scenario, stats = run_scenario(77, options, 2500)
        assert.equal(#scenario.accepted, stats.accepted)
        assert.is_true(stats.dead > 0)
        assert.equal(0, stats.dropped)
        assert.equal(#scenario.store.numbers, stats.stored)
        assert.equal(stats.accepted, stats.stored + stats.dead)
    end)

    for seed = 1, 4 do
        it("on the testing kit's store, seed " .. seed, function()
            local clock = testing.clock(1000)
            local store = testing.store { clock = clock, seed = seed, unique = "id", fail_rate = 0.2, throw_rate = 0.1,
                partial_rate = 0.15, lose_rate = 0.1, stall_rate = 0.1, stall = 3 }
            local batcher = assert(writebehind.batcher { store = store, schema = SCHEMA, table = "t", clock = clock,
                batch_size = 16, interval = 1, retry = { initial = 0.1, max = 1 }, log = function() end })
            local random = ids.random(seed)
            for n = 1, 3000 do
                assert(batcher:add { n = n })
                if random(20) == 1 then
                    clock:advance(random(30) / 10)
                end
                scripted.conserved(batcher)
            end
            assert(batcher:close(1e6))
            assert.equal(3000, scripted.conserved(batcher).stored)
            local numbers = {}
            for i, row in ipairs(store.rows) do
                numbers[i] = tonumber(row.n)
            end
            assert.same(scripted.range(1, 3000), scripted.sorted(numbers))
            assert.is_true(store.duplicates > 0)
        end)
    end
end)
