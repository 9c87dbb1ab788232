-- Seeded scenarios of ten thousand steps, played in virtual time on a store that fails in every way there is. Rows are
-- conserved at every step, and what is stored in the end is what was accepted.

local simulator = require "spec.support.simulator"
local worlds = require "spec.support.simulator_worlds"

local ANSWERS = 100000 -- more than there are writes

describe("ten thousand steps", function()
    for seed = 1, 3 do
        it(("store what was accepted once, through every failure (seed %d)"):format(seed), function()
            local world = worlds.driven { script = simulator.script(seed, ANSWERS) }
            local play = simulator.play(simulator.scenario(seed), world)
            assert.is_true(play.sums.failures > 100)
            assert.is_true(world.store.duplicates > 0)
            assert.equal(#world.store.calls, world.looks)
            simulator.assert_accounted(play, #world.store.rows)
            simulator.assert_same(simulator.expected(play), simulator.lines(world.store.rows))
        end)
    end

    it("are played the same way twice, up to the first failure", function()
        local function calls_of()
            local world, lines = worlds.driven { seed = 5, fail_rate = 0.3, partial_rate = 0.1, lose_rate = 0.1,
                stall_rate = 0.05, throw_rate = 0.1 }, {}
            simulator.play(simulator.scenario(4), world)
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
            local world = worlds.driven({ script = simulator.script(7, ANSWERS, true) }, { max_pending_rows = 100,
                overflow = overflow, block_timeout = 5 })
            local play = simulator.play(simulator.scenario(6), world)
            assert.is_true(play.sums.failures > 100)
            assert.is_true(play.sums.dead > 0)
            assert.equal(overflow:match("^drop") ~= nil, play.sums.dropped > 0)
            assert.equal(#play.accepted, play.sums.accepted)
            assert.equal(play.sums.dead, #world.dead)
            local accepted = {}
            for _, line in ipairs(simulator.expected(play)) do
                accepted[line] = true
            end
            assert.is_true(#world.store.rows >= play.sums.stored) -- a row whose reply was lost may be dropped after
            for _, line in ipairs(simulator.lines(world.store.rows)) do
                assert.is_true(accepted[line])
                accepted[line] = nil
            end
        end)
    end
end)
