-- A seeded scenario of ten thousand steps, played in virtual time on a store that fails in every way there is,
-- and on native stores in real time. Rows are conserved at every step, and what is stored in the end is what was
-- accepted.

local process = require "spec.support.process"
local random_of = require "writebehind.random"
local scripted = require "spec.support.scripted"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local STEPS = 10000
local START = 1700000000
local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" },
    { "note", "text", null = true }, { "share", "float8", default = 0.5 } }

local function quiet()
end

-- ---- a scenario: a list of steps, the same for the same seed ----

-- What happens, and how often of a thousand steps.
local CHANCES = {
    { "add", 550 }, { "burst", 60 }, { "values", 150 }, { "invalid", 40 }, { "poll", 100 }, { "wait", 80 },
    { "flush_now", 15 }, { "flush", 3 }, { "reopen", 2 },
}

local function draw(random)
    local at = random(1000)
    for _, chance in ipairs(CHANCES) do
        at = at - chance[2]
        if at < 0 then
            return chance[1]
        end
    end
end

local function scenario(seed)
    local random, steps = random_of(seed), {}
    for index = 1, STEPS do
        steps[index] = { op = draw(random), size = random(50) + 1, seconds = random(3000) / 1000 }
    end
    return steps
end

-- ---- playing it: a world opens batchers and lets time pass ----

local function row_of(n)
    return { n = n, note = n % 3 > 0 and "row " .. n or nil, share = n % 2 > 0 and n / 8 or nil }
end

-- Adds the next row; remembers it where it was accepted.
local function add(play, add_row)
    local n = play.n + 1
    play.n = n
    local ok, _, code = add_row(play.batcher, n)
    if ok then
        play.accepted[#play.accepted + 1] = n
    else
        assert(code == "full", code)
    end
end

local function add_table(batcher, n)
    return batcher:add(row_of(n))
end

local function add_positions(batcher, n)
    local row = row_of(n)
    return batcher:add_values(row.n, row.note, row.share)
end

local OPS = {}

function OPS.add(play)
    add(play, add_table)
end

function OPS.values(play)
    add(play, add_positions)
end

function OPS.burst(play, step)
    for _ = 1, step.size do
        add(play, add_table)
    end
end

function OPS.invalid(play)
    local ok, _, code = play.batcher:add { n = "none" }
    assert(not ok and code == "invalid", code)
    play.invalid = play.invalid + 1
end

function OPS.poll(play)
    play.batcher:poll()
end

function OPS.wait(play, step)
    play.world.wait(step.seconds)
end

function OPS.flush_now(play)
    play.batcher:flush(0)
end

function OPS.flush(play)
    assert(play.batcher:flush(play.world.patience))
    assert(play.batcher:stats().pending == 0)
end

-- Adds up what a closed batcher counted.
local function account(play, stats)
    assert(stats.pending == 0)
    for _, name in ipairs { "accepted", "stored", "dead", "dropped", "rejected", "failures" } do
        play.sums[name] = (play.sums[name] or 0) + stats[name]
    end
end

function OPS.reopen(play)
    assert(play.batcher:close(play.world.patience))
    local ok, _, code = play.batcher:add(row_of(0))
    assert(not ok and code == "closed", code)
    account(play, scripted.conserved(play.batcher))
    play.sums.rejected = play.sums.rejected - 1
    play.batcher = play.world.open()
end

local function play_through(steps, world)
    local play = { world = world, n = 0, accepted = {}, invalid = 0, sums = {} }
    play.batcher = world.open()
    for index, step in ipairs(steps) do
        local ok, message = pcall(OPS[step.op], play, step)
        if not ok then
            error(("step %d, %s: %s"):format(index, step.op, message), 0)
        end
        scripted.conserved(play.batcher)
    end
    assert(play.batcher:close(world.patience))
    account(play, scripted.conserved(play.batcher))
    return play
end

-- ---- worlds ----

local function options_of(store, more)
    local options = { store = store, schema = SCHEMA, table = "t", batch_size = 64, interval = 1, log = quiet,
        close_timeout = 1e5 }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return options
end

-- In virtual time, on a testing store that looks at the law from inside each write.
local function driven_world(settings, more)
    local clock = testing.clock(START)
    local world = { patience = 1e6, looks = 0 }
    settings.clock, settings.unique = clock, "id"
    world.store = testing.store(settings)
    local write = world.store.write
    function world.store.write(store, batch)
        scripted.conserved(world.batcher)
        world.looks = world.looks + 1
        return write(store, batch)
    end
    function world.open()
        world.batcher = writebehind.batcher(options_of(world.store, more))
        return world.batcher
    end
    function world.wait(seconds)
        clock:advance(seconds)
    end
    more = more or {}
    more.clock = clock
    return world
end

local function native_world(store)
    return {
        patience = process.PATIENCE, wait = quiet,
        open = function()
            return assert(writebehind.batcher(options_of(store, { interval = 0.02, overflow = "block",
                block_timeout = process.PATIENCE })))
        end,
    }
end

-- ---- what ended up stored ----

local function line_of(row)
    return ("%d|%s|%.17g"):format(tonumber(row.n), row.note or "", row.share)
end

-- Rows as lines, by their number; their ids are all different.
local function lines_of(rows)
    local lines, ids = {}, {}
    table.sort(rows, function(a, b)
        return tonumber(a.n) < tonumber(b.n)
    end)
    for index, row in ipairs(rows) do
        lines[index] = line_of(row)
        assert(not ids[row.id], "an id twice: " .. row.id)
        ids[row.id] = true
    end
    return lines
end

local function expected_of(play)
    local lines = {}
    for index, n in ipairs(play.accepted) do
        local row = row_of(n)
        row.share = row.share or 0.5
        lines[index] = line_of(row)
    end
    return lines
end

local function assert_same(expected, lines)
    assert.equal(#expected, #lines)
    for index, line in ipairs(expected) do
        assert.equal(line, lines[index])
    end
end

-- The store's own count agrees with the batchers'.
local function assert_accounted(play, stored)
    assert.equal(#play.accepted, play.sums.accepted)
    assert.equal(stored, play.sums.stored)
    assert.equal(play.sums.accepted, play.sums.stored + play.sums.dead + play.sums.dropped)
end

-- ---- scripts of failures ----

local KINDS = {
    function() return "ok" end,
    function() return "fail" end,
    function() return { "fail", "hold", "no such table" } end,
    function(random) return { "partial", random(80) } end,
    function() return "throw" end,
    function() return "lose" end,
    function(random) return { "stall", random(40) } end,
    function() return { "fail", "reject", "a bad row" } end,
}

-- A script of that many answers of the first `kinds` kinds.
local function script_of(seed, count, kinds)
    local random, script = random_of(seed), {}
    for index = 1, count do
        script[index] = KINDS[random(kinds) + 1](random)
    end
    return script
end

local WITHOUT_REJECTS, ALL = #KINDS - 1, #KINDS

describe("ten thousand steps", function()
    for seed = 1, 3 do
        local steps = scenario(seed)

        it(("in virtual time store what was accepted once, through every failure (seed %d)"):format(seed), function()
            local world = driven_world { script = script_of(seed, 100000, WITHOUT_REJECTS) }
            local play = play_through(steps, world)
            assert.is_true(play.sums.failures > 100)
            assert.is_true(world.store.duplicates > 0)
            assert.equal(#world.store.calls, world.looks)
            assert_accounted(play, #world.store.rows)
            assert.equal(play.invalid, play.sums.rejected)
            assert_same(expected_of(play), lines_of(world.store.rows))
        end)
    end

    it("are played the same way twice, up to the first failure", function()
        local function calls_of()
            local world, lines = driven_world { seed = 5, fail_rate = 0.3, partial_rate = 0.1, lose_rate = 0.1,
                stall_rate = 0.05, throw_rate = 0.1 }, {}
            play_through(scenario(4), world)
            for index, call in ipairs(world.store.calls) do
                lines[index] = ("%d %s %s"):format(call.rows, call.reason, call.answer)
            end
            return lines
        end
        -- Delays are jittered by the batcher's own random numbers, so that where retries fall may differ, but
        -- not what is asked of the store up to the first.
        local first, second = calls_of(), calls_of()
        local index = 1
        while first[index]:match("ok$") do
            assert.equal(first[index], second[index])
            index = index + 1
        end
        assert.equal(first[index], second[index])
    end)

    for _, overflow in ipairs { "reject", "drop_oldest", "drop_newest", "block" } do
        it(("conserve rows where the store rejects and there is little room: %s"):format(overflow), function()
            local world = driven_world({ script = script_of(7, 100000, ALL) }, { max_pending_rows = 100,
                overflow = overflow, block_timeout = 5 })
            local play = play_through(scenario(6), world)
            assert.is_true(play.sums.failures > 100)
            assert.is_true(play.sums.dead > 0)
            assert.equal(overflow:match("^drop") ~= nil, play.sums.dropped > 0)
            assert.equal(#play.accepted, play.sums.accepted)
            local accepted = {}
            for _, line in ipairs(expected_of(play)) do
                accepted[line] = true
            end
            assert.is_true(#world.store.rows >= play.sums.stored) -- a row whose reply was lost may be dropped after
            for _, line in ipairs(lines_of(world.store.rows)) do
                assert.is_true(accepted[line])
                accepted[line] = nil
            end
        end)
    end

    it("without a failure store the same in virtual time, in memory and in SQLite", function()
        local steps, dir = scenario(8), process.dir()
        local driven, memory = driven_world {}, writebehind.memory()
        local play = play_through(steps, driven)
        local lines = lines_of(driven.store.rows)
        assert.is_true(#lines > 10000)
        assert_accounted(play, #lines)
        assert_same(expected_of(play), lines)

        play = play_through(steps, native_world(memory))
        assert_accounted(play, #lines)
        assert_same(lines, lines_of(memory:rows "t"))

        local path = dir .. "/simulator.db"
        play = play_through(steps, native_world(writebehind.sqlite { path = path, create = true }))
        assert_accounted(play, #lines)
        assert.equal(#lines, tonumber(sqlite.sql(path, "SELECT count(DISTINCT id) FROM t;")))
        local stored = sqlite.lines(path, "SELECT n, coalesce(note, ''), share FROM t ORDER BY n;")
        for index, line in ipairs(stored) do
            local n, note, share = line:match("^(%d+)|(.-)|(.*)$")
            stored[index] = ("%s|%s|%.17g"):format(n, note, tonumber(share))
        end
        assert_same(lines, stored)
        process.remove(dir)
    end)
end)
