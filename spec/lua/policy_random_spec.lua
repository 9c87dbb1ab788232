-- Policies that decide at random, sometimes wrongly, over stores that fail at random: the law holds at every step,
-- and every accepted row ends once: stored in the table that it was routed to, dead, or dropped.

local ids = require "spec.support.ids"
local policy = require "spec.support.policy"
local scripted = require "spec.support.scripted"

local MODES = { "reject", "drop_oldest", "drop_newest", "block" }
local WRONG = { 12, true, {}, "", 0 / 0, -5, "nonsense" }

local function one_in(random, n)
    return random(n) == 1
end

local Game = {}
Game.__index = Game

-- What is seen inside a store can't be thrown there: it would be a failed try.
function Game:hold(truth, message)
    self.fault = self.fault or not truth and message
end

-- Throws or answers wrongly, once in ten times each.
local function stumble(game)
    game.asked = game.asked + 1
    if one_in(game.random, 20) then
        error(one_in(game.random, 2) and "no idea" or { "no idea" })
    elseif one_in(game.random, 20) then
        return true, WRONG[game.random(#WRONG)]
    end
end

-- ---- the policy of a game ----

local function add(game, by_values)
    game.n = game.n + 1
    local n = game.n
    game.table_of[n] = "t"
    local ok, message, code
    if by_values then
        ok, message, code = game.batcher:add_values(n, nil)
    else
        ok, message, code = game.batcher:add { n = n }
    end
    if ok then
        game.accepted[#game.accepted + 1] = n
    else
        assert(code == "full" or code == "timeout", message)
    end
    scripted.conserved(game.batcher)
end

-- From inside a decision: the built-in rules decide.
local function add_nested(game)
    game.nested[game.n + 1] = true
    add(game)
end

local function should_flush(game, view)
    assert(view.rows >= 1 and view.attempt == 0 and view.age >= 0)
    if one_in(game.random, 40) then
        add_nested(game)
    end
    local wrong, answer = stumble(game)
    if wrong then
        return answer
    end
    return one_in(game.random, 12)
end

local function on_full(game, view)
    assert(view.pending > 0)
    if one_in(game.random, 30) then
        add_nested(game)
    end
    local wrong, answer = stumble(game)
    if wrong then
        return answer
    end
    return MODES[game.random(#MODES)]
end

local function route(game, row)
    game.table_of[row.n] = "t"
    local wrong, answer = stumble(game)
    if wrong then
        game.table_of[row.n] = answer == "nonsense" and answer or "t" -- which is as good a name as any
        return answer
    end
    local place = game.random(6) - 1
    game.table_of[row.n] = place == 0 and "t" or "table_" .. place
    return place > 0 and "table_" .. place or nil
end

local function retry_delay(game, view, err)
    assert(type(err) == "string" and view.attempt >= 1 and view.rows >= 1, err)
    assert(view.class == "retry" or view.class == "hold", view.class)
    local wrong, answer = stumble(game)
    if wrong then
        return answer
    end
    if game.gives_up and one_in(game.random, 8) then
        return false
    elseif one_in(game.random, 8) then
        return nil
    end
    return (game.random(40) - 1) / 20
end

local function of(game, decide)
    return function(...)
        return decide(game, ...)
    end
end

-- ---- its store ----

local ANSWERS = {
    function()
        return nil, "retry it", "retry"
    end,
    function()
        return nil, "hold it", "hold"
    end,
    function()
        error "thrown by the store"
    end,
    function(game, batch)
        return nil, "a part of it", "retry", game.random(#batch + 1) - 1
    end,
    function()
        return "nonsense"
    end,
}

local function answer(game, batch, call)
    game:hold(pcall(scripted.conserved, game.batcher))
    local last = 0
    for _, n in ipairs(call.numbers) do
        game:hold(game.table_of[n] == call.table, "a row in a wrong table")
        game:hold(game.nested[n] or n > last, "rows out of order")
        last = game.nested[n] and last or n
    end
    for _, n in ipairs(game.calm and {} or call.numbers) do
        if n % 97 == 0 then
            return nil, n .. " is bad", "reject"
        end
    end
    if game.calm or not one_in(game.random, 3) then
        return true
    end
    return ANSWERS[game.random(#ANSWERS)](game, batch)
end

-- ---- playing ----

local function complete(batch, ok, first, err, class, stored)
    if ok and first == true then
        batch:complete(true)
    else
        batch:complete(nil, tostring(err or first), class, stored)
    end
end

-- Several batches, in no order, of which one may be forgotten.
local function by_hand(game)
    local batches = {}
    for index = 1, game.random(4) do
        batches[index] = game.batcher:take()
    end
    while #batches > 0 do
        local batch = table.remove(batches, game.random(#batches))
        if not one_in(game.random, 15) then
            complete(batch, pcall(game.play.store.write, game.play.store, batch))
        end
        scripted.conserved(game.batcher)
    end
    collectgarbage()
end

local function step(game)
    local random = game.random
    local choice = random(10)
    if choice <= 6 then
        for _ = 1, random(10) do
            add(game, one_in(random, 2))
        end
    elseif choice <= 8 then
        game.play.clock:advance(random(60) / 20)
    elseif game.inline == false then
        by_hand(game)
        game.batcher:poll()
    elseif choice == 9 then
        game.batcher:poll()
    else
        game.batcher:flush(random(3) - 1)
    end
    scripted.conserved(game.batcher)
end

local function new_game(seed, options)
    local game = setmetatable({
        random = ids.random(seed), n = 0, accepted = {}, table_of = {}, nested = {}, asked = 0,
        inline = options.inline, gives_up = options.gives_up,
    }, Game)
    local decisions = { route = of(game, route), should_flush = of(game, should_flush), on_full = of(game, on_full) }
    if options.delays then
        decisions.retry_delay = of(game, retry_delay)
    end
    game.play = policy.play(decisions, {
        answer = of(game, answer), inline = options.inline, overflow = options.overflow, batch_size = 16,
        flush_at = 0.8, interval = 1, max_pending_rows = 100, block_timeout = 2, retry = { initial = 0.1, max = 1 },
    })
    game.batcher = game.play.batcher
    return game
end

-- Counts each number once, in the table that it belongs to.
local function count_stored(game, ends)
    local count = 0
    for name, numbers in pairs(game.play.store.tables) do
        for _, n in ipairs(numbers) do
            assert.is_nil(ends[n])
            assert.equal(game.table_of[n], name)
            ends[n], count = "stored", count + 1
        end
    end
    return count
end

local function count_dead(game, ends)
    for _, dead in ipairs(game.play.dead) do
        assert.is_nil(ends[dead.n])
        assert.equal(game.table_of[dead.n], dead.table)
        assert.is_string(dead.err)
        ends[dead.n] = "dead"
    end
    return #game.play.dead
end

local function assert_settled(game)
    assert.is_falsy(game.fault)
    local stats, ends, dropped = scripted.conserved(game.batcher), {}, 0
    assert.equal(0, stats.pending)
    assert.equal(#game.accepted, stats.accepted)
    assert.equal(game.n - #game.accepted, stats.rejected)
    assert.equal(stats.stored, count_stored(game, ends))
    assert.equal(stats.dead, count_dead(game, ends))
    for _, n in ipairs(game.accepted) do
        dropped = dropped + (ends[n] and 0 or 1)
        ends[n] = nil
    end
    assert.equal(stats.dropped, dropped)
    assert.is_nil(next(ends)) -- nothing that was not accepted
    return stats
end

describe("a policy that decides at random", function()
    local kinds = {
        { name = "with all decisions", delays = true, overflow = "reject" },
        { name = "that gives up", delays = true, gives_up = true, overflow = "drop_oldest" },
        { name = "without retry_delay", overflow = "drop_newest" },
        { name = "with add that may wait", delays = true, overflow = "block" },
        { name = "with batches taken by hand", delays = true, gives_up = true, overflow = "reject", inline = false },
        { name = "by hand, without retry_delay", overflow = "drop_oldest", inline = false },
    }
    for index, options in ipairs(kinds) do
        for seed = 1, 3 do
            it(("%s, seed %d: every row ends once, where it belongs"):format(options.name, seed), function()
                local game = new_game(seed * 1000 + index, options)
                for number = 1, 1000 do
                    local ok, message = pcall(step, game)
                    if game.fault or not ok then
                        error(("step %d: %s"):format(number, tostring(game.fault or message)), 0)
                    end
                end
                game.calm = true
                assert(game.batcher:close(1e6))
                local stats = assert_settled(game)
                assert.is_true(game.n > 3000 and stats.stored > 200 and stats.failures > 50, stats.stored)
                assert.is_true(stats.dead > 0, "dead")
                assert.is_true(stats.policy_errors > 100 and stats.policy_errors < game.asked, stats.policy_errors)
            end)
        end
    end
end)
