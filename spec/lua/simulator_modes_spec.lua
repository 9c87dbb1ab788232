-- One scenario, with its failures, stalls, partial answers, rejected rows and closes, played in every mode: it ends
-- in the same rows.

local process = require "spec.support.process"
local simulator = require "spec.support.simulator"
local worlds = require "spec.support.simulator_worlds"

local SEED = 11

describe("ten thousand steps with troubles", function()
    local steps = simulator.scenario(SEED, true)
    local dir, path

    before_each(function()
        dir, path = process.dir(), package.path
        package.path = ("%s/?.lua;%s"):format(os.getenv "WRITEBEHIND_ROOT" or ".", path)
    end)

    after_each(function()
        package.path = path
        process.remove(dir)
    end)

    -- What a mode ends in is the scenario's: all that was accepted, but what the store rejects, which is dead.
    local function ends_in(world, rejects)
        local play = simulator.play(steps, world)
        local lines = simulator.lines(world.rows())
        simulator.assert_same(simulator.expected(play, rejects), lines)
        simulator.assert_same(rejects and simulator.refused(play) or {}, simulator.lines(world.dead))
        simulator.assert_accounted(play, #lines)
        assert.equal(0, play.sums.dropped)
        return play, lines
    end

    it("end in the same rows driven, on a worker and native", function()
        local driven, worker, native = worlds.driven {}, worlds.worker(dir), worlds.sqlite(dir)
        local play, lines = ends_in(driven, true)
        assert.is_true(#lines > 10000 and play.sums.dead > 20)
        assert.is_true(play.sums.failures > driven.troubles and driven.store.duplicates > 0)

        local other, found = ends_in(worker, true)
        simulator.assert_same(lines, found)
        assert.is_true(other.sums.failures > worker.troubles)

        other, found = ends_in(native, true)
        simulator.assert_same(lines, found)
        assert.is_true(other.sums.failures > native.troubles)
        native.peer:finish()
    end)

    it("end in the same rows in memory, where nothing is rejected", function()
        local play, lines = ends_in(worlds.memory(), false)
        local _, found = ends_in(worlds.clocked(), false)
        simulator.assert_same(lines, found)
        local driven = worlds.driven {}
        simulator.play(steps, driven)
        simulator.assert_same(simulator.expected(play, true), simulator.lines(driven.rows()))
    end)
end)
