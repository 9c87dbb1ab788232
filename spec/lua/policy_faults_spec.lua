-- What policy functions are shown, what they may do, and what becomes of those that go wrong.

local policy = require "spec.support.policy"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

-- A compiled trace of LuaJIT's may hold on to what it met.
local function collect()
    local jit = rawget(_G, "jit")
    if jit then
        jit.flush()
    end
    collectgarbage()
    collectgarbage()
end

describe("the view of a policy", function()
    -- What the function makes of the view of each decision, by its name.
    local function look(read)
        local seen = {}
        local function see(name, answer)
            return function(view)
                seen[name] = seen[name] or { read(view) }
                return answer
            end
        end
        local play = policy.play({
            should_flush = see "should_flush", on_full = see("on_full", "reject"), retry_delay = see("retry_delay", 1),
        }, { max_pending_rows = 4, inline = false, answer = policy.always(nil) })
        play:add(1, 4)
        play.batcher:add { n = 5 }
        play.batcher:flush(0)
        assert.same({ true, true, true },
            { seen.should_flush ~= nil, seen.on_full ~= nil, seen.retry_delay ~= nil })
        play.store.answer = nil
        play:close()
        return seen, play.batcher:stats()
    end

    it("has all of stats", function()
        local all = policy.play({}).batcher:stats()
        local seen = look(function(view)
            for name, value in pairs(all) do
                assert.equal(type(value), type(view[name]), name)
            end
            return view.accepted, view.pending, view.health, view.latency.count
        end)
        assert.same({ 1, 1, "ok", 0 }, seen.should_flush)
        assert.same({ 4, 4, "ok", 0 }, seen.on_full)
        assert.equal(4, seen.retry_delay[1])
        assert.equal(4, seen.retry_delay[2])
    end)

    it("has nil for what there is not", function()
        local seen = look(function(view)
            return view.nothing == nil and view[1] == nil and view[{}] == nil
        end)
        for _, answers in pairs(seen) do
            assert.same({ true }, answers)
        end
    end)

    it("can't be changed", function()
        local seen = look(function(view)
            local ok, message = pcall(function()
                view.rows = 0
            end)
            return ok, tostring(message):find("rows", 1, true) ~= nil, pcall(function()
                view.anything = 1
            end)
        end)
        for _, answers in pairs(seen) do
            assert.is_false(answers[1])
            assert.is_true(answers[2])
            assert.is_false(answers[3])
        end
    end)

    it("has the row that was just added, in should_flush", function()
        local rows = {}
        local play = policy.play {
            should_flush = function(view)
                rows[#rows + 1] = view.row or false
                return view.row and view.row.note == "paid"
            end,
        }
        local row = { n = 1, note = "seen" }
        assert(play.batcher:add(row))
        play:pass()
        assert(play.batcher:add_values(2, "paid"))
        assert.is_true(rawequal(row, rows[1]))
        assert.is_false(rows[2])
        assert.same({ n = 2, note = "paid" }, rows[3])
        assert.same({ "2 policy" }, play.store:told())
    end)
end)

describe("a policy function that goes wrong", function()
    it("loses nothing, is counted each time and logged by its name", function()
        for _, what in ipairs { "text", { "a table" }, setmetatable({}, { __tostring = error }), false } do
            local play = policy.play({
                should_flush = function()
                    error(what)
                end,
            }, { batch_size = 3 })
            play:add(1, 5)
            assert.same({ "3 size" }, play.store:told())
            play:pass()
            local stats = play:close()
            assert.same({ 5, 6 }, { stats.stored, stats.policy_errors })
            local lines = play:errors "should_flush"
            assert.equal(1, #lines) -- the others were held back
            assert.equal("table", type(lines[1].fields))
        end
    end)

    it("is one that yields where it can't, and the row is there once", function()
        local play = policy.play({
            retry_delay = function()
                coroutine.yield()
            end,
        }, { batch_size = 1, retry = { initial = 0.1, max = 0.1 },
            answer = function(_, call)
                return call.attempt > 1 or nil, "at first never"
            end })
        local co = coroutine.wrap(function()
            play:add(1)
            play:pass(1)
            return "done"
        end)
        local answer = co()
        while answer ~= "done" do
            answer = co()
        end
        play:close()
        assert.same({ 1 }, play.store:numbers())
    end)

    it("is one that waits in a yield: of what others add meanwhile it is asked all the same", function()
        if _VERSION == "Lua 5.1" and type(rawget(_G, "jit")) ~= "table" then
            return -- whose pcall can't be yielded across: the policy throws
        end
        local play = policy.play({
            route = function(row)
                if row.n == 1 then
                    coroutine.yield()
                end
                return "side"
            end,
        }, { inline = false })
        local first = coroutine.wrap(function()
            assert(play.batcher:add { n = 1 })
        end)
        first()
        play:add(2, 3)
        first()
        play:close()
        assert.same({ side = { 2, 3, 1 } }, play.store.tables)
    end)

    it("may be one that makes the log hook throw, too", function()
        local play = policy.play({ route = error }, { log = error })
        play:add(1, 3)
        assert.same({ 3, 3 }, { play:close().stored, play.batcher:stats().policy_errors })
    end)
end)

describe("inside a policy function", function()
    it("what is added is decided by the built-in rules", function()
        local play, depth, deepest = nil, 0, 0
        local function decide(answer)
            return function()
                depth = depth + 1
                deepest = math.max(deepest, depth)
                play.batcher:add { n = 1000 + play.batcher:stats().accepted }
                depth = depth - 1
                return answer
            end
        end
        play = policy.play({ route = decide "side", on_full = decide "drop_newest", should_flush = decide(false) }, {
            max_pending_rows = 10, inline = false,
        })
        for n = 1, 10 do
            play.batcher:add { n = n }
            scripted.conserved(play.batcher)
        end
        local stats = play:close()
        assert.equal(1, deepest)
        assert.equal(0, stats.policy_errors)
        assert.is_true(stats.rejected > 0 and stats.dropped > 0)
        for _, n in ipairs(play.store.tables.side) do
            assert.is_true(n < 1000)
        end
        for _, n in ipairs(play.store.tables.t) do
            assert.is_true(n >= 1000)
        end
    end)

    it("an add waits for room by the option overflow alone", function()
        local play, nested
        local function away()
            return nil, "away"
        end
        play = policy.play({
            on_full = policy.always "block",
            should_flush = function()
                if nested then
                    nested = false
                    local before = play.clock:now()
                    local ok, _, code = play.batcher:add { n = 99 }
                    assert.same({ nil, "full", 0 }, { ok, code, play.clock:now() - before })
                end
            end,
        }, { max_pending_rows = 3, block_timeout = 5, overflow = "reject", retry = { initial = 0.1, max = 0.2 },
            answer = away })
        play:add(1, 3)
        assert.is_nil((play.batcher:add { n = 4 })) -- waited, in vain
        play.store.answer = nil
        assert(play.batcher:flush())
        play.store.answer = away
        play:add(5, 6)
        nested = true
        play:add(7)
        assert.is_false(nested)
        play.store.answer = nil
        assert.equal(0, play:close().policy_errors)
    end)

    it("nothing is asked again for a row that waits for room", function()
        local asked = { route = 0, on_full = 0 }
        local function count(name, answer)
            return function()
                asked[name] = asked[name] + 1
                return answer
            end
        end
        local play = policy.play({ route = count("route", "side"), on_full = count("on_full", "block") }, {
            max_pending_rows = 3, block_timeout = 50, retry = { initial = 0.5, max = 0.5 },
            answer = function(_, call)
                return call.attempt > 5 or nil, "not yet"
            end,
        })
        play:add(1, 4)
        assert.same({ route = 4, on_full = 1 }, asked)
        play:close()
        assert.same({ side = { 1, 2, 3, 4 } }, play.store.tables)
    end)

    local METHODS = { "flush", "poll", "stats", "next_due", "fd", "close" }
    for _, method in ipairs(METHODS) do
        it("the batcher's own " .. method .. " does no harm", function()
            for _, name in ipairs { "should_flush", "on_full", "route", "retry_delay" } do
                local answers = { should_flush = true, on_full = "drop_newest", route = "side", retry_delay = 1 }
                local play
                play = policy.play({
                    [name] = function()
                        play.batcher[method](play.batcher)
                        return answers[name]
                    end,
                }, { max_pending_rows = 4, answer = function(_, call)
                    return call.attempt > 1 or nil, "at first never"
                end })
                for n = 1, 12 do
                    local ok, _, code = play.batcher:add { n = n }
                    assert.is_true(ok or code == "full" or code == "closed", code)
                    play:pass(1)
                end
                local stats = play:close()
                assert.equal(stats.accepted, stats.stored + stats.dropped)
                assert.equal(0, stats.pending)
            end
        end)
    end
end)

describe("a batcher with a policy", function()
    it("refuses what is none, by name", function()
        local function refused(wrong, options)
            local given = { store = testing.store(), schema = policy.schema, table = "t", policy = wrong }
            for name, value in pairs(options or {}) do
                given[name] = value
            end
            local ok, message = pcall(writebehind.batcher, given)
            assert.is_false(ok)
            assert.truthy(message:find('"policy"', 1, true), message)
        end
        for _, wrong in ipairs { 1, "by feeling", true, print, { should_flush = 1 }, { on_full = "reject" },
            { route = {} }, { retry_delay = 5 }, { when_full = print }, { print }, { worker = 1 } } do
            refused(wrong)
        end
        local memory = writebehind.memory()
        refused(memory, { store = memory })
        refused({ worker = memory }, { store = memory })
        for _, name in ipairs { "should_flush", "route", "retry_delay" } do
            refused({ worker = writebehind.worker "any", [name] = print }, { store = memory })
        end
    end)

    it("that decides nothing is as one without", function()
        local play = policy.play({}, { batch_size = 2 })
        play:add(1, 3)
        assert.same({ "2 size" }, play.store:told())
        assert.equal(3, play:close().stored)
    end)

    it("is not changed by what becomes of the table later", function()
        local decisions = { route = policy.always "first" }
        local play = policy.play(decisions)
        decisions.route = policy.always "second"
        play:add(1)
        play:close()
        assert.same({ first = { 1 } }, play.store.tables)
    end)

    it("that nobody closes is drained by its policy", function()
        local function make()
            local play = policy.play({
                route = policy.always "side",
                retry_delay = function(view)
                    return view.attempt < 3 and 1
                end,
            }, { answer = function(_, call)
                return call.numbers[1] > 5 or nil, "never"
            end, batch_size = 5 })
            play:add(1, 10)
            play.batcher = nil
            return play
        end
        local play = make()
        assert.is_true(process.wait(function()
            collect()
            return #play.dead == 5
        end))
        assert.same({ side = { 6, 7, 8, 9, 10 } }, play.store.tables)
    end)

    it("can be collected though its policy knows it", function()
        local weak = setmetatable({}, { __mode = "k" })
        local function make()
            local batcher
            batcher = assert(writebehind.batcher {
                store = writebehind.memory(), schema = policy.schema, table = "t", log = function() end,
                policy = {
                    should_flush = function()
                        return batcher:stats().pending > 1
                    end,
                },
            })
            assert(batcher:add { n = 1 })
            weak[batcher] = true
        end
        make()
        assert.is_true(process.wait(function()
            collect()
            return next(weak) == nil
        end))
    end)
end)
