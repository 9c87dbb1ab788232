-- The decisions of a caller's own: when to flush, what becomes of a row without room, and what every policy
-- function is shown.

local policy = require "spec.support.policy"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

describe("should_flush", function()
    it("seals what is open where it answers truth, whatever the truth", function()
        for _, truth in ipairs { true, "an event", 0, {} } do
            local play = policy.play {
                should_flush = function(view)
                    return view.rows == 3 and truth
                end,
            }
            play:add(1, 7)
            assert.same({ "3 policy", "3 policy" }, play.store:told())
            assert.equal(1, scripted.conserved(play.batcher).pending)
            assert.equal(0, play:close().policy_errors)
            assert.same({ "3 policy", "3 policy", "1 close" }, play.store:told())
            assert.same(scripted.range(1, 7), play.store.tables.t)
        end
    end)

    it("is asked once after each row taken, not after one refused", function()
        local asked = {}
        local play = policy.play({
            should_flush = function(view)
                asked[#asked + 1] = view.rows
            end,
        }, { max_pending_rows = 3, inline = false })
        play:add(1, 3)
        local ok, _, code = play.batcher:add { n = 4 }
        assert.same({ nil, "full" }, { ok, code })
        ok, _, code = play.batcher:add { n = "no number" }
        assert.same({ nil, "invalid" }, { ok, code })
        assert.same({ 1, 2, 3 }, asked)
        assert.equal(0, play:close().policy_errors)
    end)

    it("is shown how the last write ended, and retry_delay its own", function()
        local seen = {}
        local function see(view)
            local last = view.last
            seen[#seen + 1] = last and { tonumber(last.rows), last.ok, last.error } or "none"
            return last and assert(last.elapsed >= 0) and nil
        end
        local play = policy.play({ should_flush = see, retry_delay = see }, {
            batch_size = 2, retry = { initial = 0.5, max = 0.5 },
            answer = function(batch)
                return batch.attempt > 1 or nil, "not at once"
            end,
        })
        play:add(1, 2)
        play:add(3)
        play:pass(1)
        play:add(4)
        local failed = { 2, false, "not at once" }
        assert.same({ "none", "none", failed, failed, failed, { 2, true }, failed }, seen)
        assert.equal(0, play:close().policy_errors)
    end)

    it("is asked in poll too, while anything is open", function()
        local asked, answer = 0, false
        local play = policy.play {
            should_flush = function()
                asked = asked + 1
                return answer
            end,
        }
        play:pass(5)
        assert.equal(0, asked)
        play:add(1)
        assert.equal(1, asked)
        assert.equal(0, play:pass(5))
        assert.equal(2, asked)
        answer = true
        assert.equal(1, play:pass(5))
        assert.equal(3, asked)
        assert.same({ "1 policy" }, play.store:told())
        assert.equal(0, play:pass(5))
        assert.equal(3, asked)
    end)

    it("adds to the thresholds that there are", function()
        local no = policy.always(false)
        local play = policy.play({ should_flush = no }, { batch_size = 4, interval = 2 })
        play:add(1, 5)
        assert.same({ "4 size" }, play.store:told())
        assert.equal(1, play:pass(2))
        assert.same({ "4 size", "1 age" }, play.store:told())
        play:add(6)
        assert(play.batcher:flush())
        assert.same({ "4 size", "1 age", "1 flush" }, play.store:told())
    end)

    it("is alone with an endless interval and a full batch", function()
        local due = false
        local play = policy.play {
            should_flush = function()
                return due
            end,
        }
        play:add(1, 1000)
        assert.equal(0, play:pass(1e6))
        due = true
        assert.equal(1, play:pass())
        assert.same({ "1000 policy" }, play.store:told())
    end)

    it("sees rows, bytes and age of what is open", function()
        local seen = {}
        local play = policy.play {
            should_flush = function(view)
                seen[#seen + 1] = { rows = view.rows, bytes = view.bytes, age = view.age, attempt = view.attempt }
                return view.age >= 10
            end,
        }
        play:add(1)
        play.clock:advance(4)
        play:add(2)
        play:pass(5.5)
        play:pass(0.5)
        play:add(3)
        assert.equal(5, #seen)
        for index, expected in ipairs { { 1, 0 }, { 2, 4 }, { 2, 9.5 }, { 2, 10 }, { 1, 0 } } do
            assert.equal(expected[1], seen[index].rows)
            assert.near(expected[2], seen[index].age, 1e-5)
            assert.equal(0, seen[index].attempt)
        end
        assert.is_true(seen[1].bytes > 0 and seen[2].bytes > seen[1].bytes)
        assert.equal(seen[1].bytes, seen[5].bytes)
        assert.same({ "2 policy" }, play.store:told())
    end)

    it("does not hurry what waits for its next try, nor is held up by it", function()
        local play = policy.play({
            should_flush = policy.always(true),
            retry_delay = policy.always(60),
        }, {
            answer = function(_, call)
                if call.numbers[1] == 1 and call.attempt == 1 then
                    return nil, "not now"
                end
                return true
            end,
        })
        play:add(1)
        assert.equal(1, #play.store.calls)
        play:add(2, 3)
        play:pass(59)
        for _, call in ipairs(play.store.calls) do
            assert.equal(1, call.attempt)
        end
        play:pass(1.1)
        assert.same({ 1, 2, 3 }, play.store:numbers())
        assert.equal(0, scripted.conserved(play.batcher).pending)
    end)

    it("without inline work makes the batch due, in poll or to be taken", function()
        local play = policy.play({ should_flush = policy.always(true) }, { inline = false })
        play:add(1)
        assert.equal(0, #play.store.calls)
        assert.equal(0, play.batcher:next_due())
        local batch = assert(play.batcher:take())
        assert.equal("policy", batch.reason)
        assert.equal("t", batch.table)
        batch:complete(true)
        play:add(2)
        assert.equal(1, play:pass())
        assert.same({ "1 policy" }, play.store:told())
        assert.equal(2, scripted.conserved(play.batcher).stored)
    end)

    it("leaves a threaded batcher threaded", function()
        local dir = process.dir()
        local batcher = assert(writebehind.batcher {
            store = writebehind.sqlite { path = dir .. "/x.db", create = true }, schema = policy.schema, table = "t",
            interval = math.huge, flush_at = 1, log = function() end,
            policy = {
                should_flush = function(view)
                    return view.rows >= 2
                end,
            },
        })
        assert(batcher:add { n = 1 })
        assert(batcher:add { n = 2 })
        assert(batcher:add { n = 3 })
        assert.is_true(process.wait(function() -- nothing but its own thread is there to write
            return batcher:stats().stored == 2
        end))
        assert.has_error(function()
            batcher:take()
        end)
        assert.is_true(batcher:close(process.PATIENCE))
        assert.equal(3, scripted.conserved(batcher).stored)
        process.remove(dir)
    end)
end)

describe("on_full", function()
    -- Three rows are room; the policy answers what `answers` has for it, row by row.
    local function full(answers, options)
        local play
        play = policy.play({
            on_full = function(view)
                play.views[#play.views + 1] = view.pending
                return answers[math.min(#play.views, #answers)]
            end,
        }, options)
        play.views = {}
        return play
    end

    it("is asked where there is no room, and only there", function()
        local play = full({ "reject" }, { max_pending_rows = 3, inline = false })
        play:add(1, 3)
        assert.same({}, play.views)
        for n = 4, 5 do
            local ok, message, code = play.batcher:add { n = n }
            assert.is_nil(ok)
            assert.is_string(message)
            assert.equal("full", code)
        end
        assert.same({ 3, 3 }, play.views)
        assert(play.batcher:flush())
        play:add(6)
        assert.same({ 3, 3 }, play.views)
        local stats = play:close()
        assert.equal(2, stats.rejected)
        assert.equal(0, stats.policy_errors)
        assert.same({ 1, 2, 3, 6 }, play.store:numbers())
    end)

    it("goes before the option overflow, row by row", function()
        local play = full({ "drop_newest", "reject", "drop_newest" }, {
            max_pending_rows = 3, inline = false, overflow = "drop_oldest",
        })
        play:add(1, 4)
        local ok, _, code = play.batcher:add { n = 5 }
        assert.same({ nil, "full" }, { ok, code })
        play:add(6)
        local stats = play:close()
        assert.equal(2, stats.dropped)
        assert.equal(1, stats.rejected)
        assert.same({ 1, 2, 3 }, play.store:numbers())
    end)

    it("may drop the oldest rows for the new one", function()
        local play = full({ "drop_oldest" }, { max_pending_rows = 10, batch_size = 5, inline = false })
        play:add(1, 14)
        local stats = play:close()
        assert.is_true(stats.dropped >= 4)
        assert.equal(14, stats.accepted)
        local stored = play.store:numbers()
        assert.equal(14 - stats.dropped, #stored)
        assert.equal(14, stored[#stored])
    end)

    it("may wait for room: a driven batcher writes in the middle of add", function()
        local play = full({ "block" }, {
            max_pending_rows = 3,
            answer = function(_, call)
                return call.attempt > 1 or nil, "at first never"
            end,
        })
        play:add(1, 20)
        assert.is_true(#play.views >= 6 and #play.store.calls >= 12)
        local stats = play:close()
        assert.equal(20, stats.stored)
        assert.equal(0, stats.policy_errors)
        assert.same(scripted.range(1, 20), play.store.tables.t)
    end)

    it("waits in the caller's time, at most block_timeout", function()
        local play = full({ "block" }, {
            max_pending_rows = 3, block_timeout = 5, retry = { initial = 0.1, max = 1 },
            answer = function()
                return nil, "away"
            end,
        })
        play:add(1, 3)
        local before = play.clock:now()
        local ok, _, code = play.batcher:add { n = 4 }
        assert.is_nil(ok)
        assert.is_true(code == "full" or code == "timeout")
        assert.near(before + 5, play.clock:now(), 1e-2)
        assert.equal(3, scripted.conserved(play.batcher).pending)
        play.store.answer = nil
        assert.equal(3, play:close().stored)
    end)

    it("can't wait where add does no work: the row is refused", function()
        local play = full({ "block" }, { max_pending_rows = 3, inline = false })
        play:add(1, 3)
        local ok, message, code = play.batcher:add { n = 4 }
        assert.same({ nil, "full" }, { ok, code })
        assert.is_string(message)
        assert.equal(3, play:close().stored)
    end)

    for _, wrong in ipairs { "sometimes", 1, {}, true } do
        it("that answers with " .. tostring(wrong):gsub(":.*", "") .. " leaves it to the option overflow", function()
            local play = full({ wrong }, { max_pending_rows = 3, inline = false, overflow = "drop_newest" })
            play:add(1, 5)
            local stats = play:close()
            assert.equal(2, stats.dropped)
            assert.equal(2, stats.policy_errors)
            assert.is_true(#play:errors "on_full" >= 1)
            assert.same({ 1, 2, 3 }, play.store:numbers())
        end)
    end

    it("that throws leaves it to the option overflow", function()
        local play = policy.play({
            on_full = function()
                error "no idea"
            end,
        }, { max_pending_rows = 3, inline = false, overflow = "reject" })
        play:add(1, 3)
        local ok, _, code = play.batcher:add { n = 4 }
        assert.same({ nil, "full" }, { ok, code })
        assert.equal(1, play:close().policy_errors)
        local lines = play:errors "on_full"
        assert.equal(1, #lines)
        assert.truthy(lines[1].message:find("no idea", 1, true))
    end)

    it("is asked for room in bytes too", function()
        local play = full({ "drop_newest" }, { max_pending_bytes = 4096, batch_bytes = 1024, inline = false })
        for n = 1, 100 do
            assert(play.batcher:add { n = n, note = ("x"):rep(100) })
            assert.is_true(scripted.conserved(play.batcher).pending_bytes <= 4096)
        end
        local stats = play:close()
        assert.equal(#play.views, stats.dropped)
        assert.is_true(stats.dropped > 50)
        assert.same(scripted.range(1, stats.stored), play.store:numbers())
    end)
end)

describe("on_full of a threaded batcher", function()
    local dir, batcher
    before_each(function()
        dir = process.dir()
    end)
    after_each(function()
        batcher:close(0)
        process.remove(dir)
    end)

    -- Its store is missing until the function is called.
    local function away(decisions, options)
        local all = {
            store = writebehind.sqlite { path = dir .. "/later/x.db", create = true }, schema = policy.schema,
            table = "t", max_pending_rows = 10, interval = 0.01, retry = { initial = 0.01, max = 0.05 },
            log = function() end, policy = decisions,
        }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        batcher = assert(writebehind.batcher(all))
        return function(seconds)
            process.start(("sleep %g; mkdir %s/later"):format(seconds, dir))
        end
    end

    it("may refuse and drop", function()
        local mode = "reject"
        local appear = away {
            on_full = function()
                return mode
            end,
        }
        for n = 1, 10 do
            assert(batcher:add { n = n })
        end
        local ok, _, code = batcher:add { n = 11 }
        assert.same({ nil, "full" }, { ok, code })
        mode = "drop_newest"
        assert(batcher:add { n = 12 })
        local stats = scripted.conserved(batcher)
        assert.same({ 1, 1, 10 }, { stats.rejected, stats.dropped, stats.pending })
        appear(0)
        assert(batcher:close(process.PATIENCE))
        assert.equal(10, scripted.conserved(batcher).stored)
    end)

    it("may wait until there is room", function()
        local asked = 0
        local appear = away({
            on_full = function()
                asked = asked + 1
                return "block"
            end,
        }, { block_timeout = process.PATIENCE })
        for n = 1, 10 do
            assert(batcher:add { n = n })
        end
        appear(0.2)
        assert(batcher:add { n = 11 })
        assert.equal(1, asked)
        assert(batcher:close(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.equal(11, stats.stored)
        assert.equal(0, stats.policy_errors)
    end)
end)
