-- Rows of one key (the option `coalesce`) and writes: what a write has in its hands is apart, what failed is one again
-- with what came meanwhile, and a bad row is found as any other.

local coalesced = require "spec.support.coalesced"
local scripted = require "spec.support.scripted"

local play, lazy, by_key = coalesced.play, coalesced.lazy, coalesced.by_key
local KEYED, SUMS = coalesced.KEYED, coalesced.SUMS
local fails = scripted.fails

describe("rows of a key that are being written", function()
    it("are apart, and one again with what came meanwhile once that failed", function()
        local given = lazy()
        given:add({ "a", 1 }, { "b", 2 })
        given.batcher:configure { interval = 0.001 }
        given.clock:advance(1)
        local batch = given.batcher:take()
        given:add({ "a", 10 }, { "c", 3 }, { "a", 20 })
        given:counts { pending = 5, pending_rows = 4, coalesced = 1 }
        assert.same({ 1, 2 }, { tonumber(batch:row(1).n), tonumber(batch:row(2).n) })
        batch:complete(nil, "not now")
        given:counts { pending = 5, pending_rows = 3, coalesced = 2, failures = 1 }
        given:add { "b", 4 }
        given:gives("a|31|-", "b|6|-", "c|3|-")
        given:counts { stored = 6, coalesced = 3 }
    end)

    it("are stored as they were where the write succeeds", function()
        local given = lazy { interval = 0.001 }
        given:add({ "a", 1 }, { "a", 2 })
        given.clock:advance(1)
        local batch = given.batcher:take()
        given:add { "a", 10 }
        batch:complete(true)
        given:counts { stored = 2, pending = 1, pending_rows = 1 }
        given:gives "a|10|-"
    end)

    it("leave what is stored of them with all its adds", function()
        local given = lazy { interval = 0.001 }
        given:add({ "a", 1 }, { "b", 1 }, { "c", 1 }, { "a", 1 }, { "c", 1 })
        given.clock:advance(1)
        local batch = given.batcher:take()
        given:add({ "a", 5 }, { "c", 5 })
        batch:complete(nil, "one is in", "retry", 1)
        given:counts { stored = 2, pending = 5, pending_rows = 3 }
        given:gives("b|1|-", "c|7|-", "a|5|-")
    end)

    it("keep the order of rows where it matters", function()
        local words = { key = { "key" }, merge = { n = "first", at = "last" } }
        local given = lazy({ interval = 0.001 }, words)
        given:add({ "a", 1, 1 }, { "b", 1, 1 })
        given.clock:advance(1)
        local batch = given.batcher:take()
        given:add({ "a", 2, 2 }, { "b", 2 })
        batch:complete(nil, "not now")
        given:add { "a", 3, 3 }
        given:gives("a|1|3", "b|1|1")
    end)

    for name, options in pairs { ["one batch"] = {}, ["many batches"] = { batch_size = 3 } } do
        it("are each once after an outage: " .. name, function()
            local given = play(SUMS, KEYED, options)
            for n = 1, 40 do
                given.answers[n] = fails()
            end
            local sum = 0
            for n = 1, 3000 do
                local key = ("k%02d"):format(math.random(0, 9))
                local stats = given:add { key, n }
                sum = sum + n
                assert.is_true(stats.pending_rows <= 10, stats.pending_rows)
                if n % 50 == 0 then
                    given.clock:advance(1.5)
                    given.batcher:poll()
                end
                if #given.answers == 0 then
                    given.answers = { fails() }
                end
            end
            given.answers = {}
            given:counts { stored = 0, pending = 3000, pending_rows = 10, coalesced = 2990 }
            given.writes = {}
            assert(given.batcher:close())
            local total, seen = 0, {}
            for _, rows in ipairs(given.writes) do
                local found, of_write = by_key(rows)
                total = total + of_write
                for key in pairs(found) do
                    assert.is_nil(seen[key])
                    seen[key] = true
                end
            end
            assert.equal(sum, total)
            given:counts { stored = 3000, pending_rows = 0, pending_bytes = 0 }
        end)
    end

    it("add up whatever the store does", function()
        for seed = 1, 20 do
            math.randomseed(seed)
            local given = play(SUMS, KEYED, { batch_size = 4, retry = { initial = 0.01, max = 0.1 } })
            local sum, stored = 0, 0
            given.write = function(self, batch)
                local rows = {}
                for row, index in batch:rows() do
                    rows[index] = self:text(row)
                end
                by_key(rows)
                local chance, count = math.random(), #rows
                if chance < 0.5 then
                    count = chance < 0.2 and 0 or math.random(0, #rows)
                end
                for index = 1, count do
                    stored = stored + tonumber(rows[index]:match("|(%-?%d+)|"))
                end
                if chance >= 0.5 then
                    return true
                elseif chance < 0.1 then
                    error "thrown"
                end
                return nil, "some", "retry", count
            end
            for n = 1, 300 do
                sum = sum + n
                given:add { tostring(math.random(7)), n }
                given.clock:advance(math.random() / 50)
            end
            assert(given.batcher:close())
            assert.equal(sum, stored)
            given:counts { stored = 300, pending_rows = 0, pending_bytes = 0 }
        end
    end)
end)

describe("bad rows among those of a key", function()
    local function refuse_13(_, rows)
        for index, row in ipairs(rows) do
            if row:find("|13|", 1, true) then
                return nil, "13 is bad", "reject", index - 1
            end
        end
        return true
    end

    it("are found, and dead with all their adds", function()
        local given = lazy { max_pending_rows = 100 }
        for call = 1, 100 do
            given.answers[call] = refuse_13
        end
        for key = 1, 20 do
            given:add({ ("k%02d"):format(key), 5 }, { ("k%02d"):format(key), key == 7 and 8 or 10 })
        end
        assert(given.batcher:close())
        given:counts { accepted = 40, stored = 38, dead = 2, pending_rows = 0, pending_bytes = 0, coalesced = 20 }
        assert.same({ { "k07|13|-", "13 is bad", "t" } }, given.dead)
    end)

    it("don't lose what comes while they are looked for", function()
        local given = lazy()
        local sum, stored, calls = 0, 0, 0
        for key = 1, 30 do
            given:add { ("k%02d"):format(key), key == 20 and 1300 or 1 }
            sum = sum + (key == 20 and 0 or 1)
        end
        given.write = function(_, batch)
            calls = calls + 1
            for row, index in batch:rows() do
                if tonumber(row.n) >= 1000 then
                    for key = 1, calls < 10 and 30 or 0 do
                        assert(given.batcher:add { key = ("k%02d"):format(key), n = 1 })
                        sum = sum + 1
                    end
                    return nil, "bad", "reject", index - 1
                end
                stored = stored + tonumber(row.n)
            end
            return true
        end
        assert(given.batcher:flush())
        assert(given.batcher:close())
        local stats = scripted.conserved(given.batcher)
        assert.is_true(stats.dead >= 1)
        assert.equal(#given.dead, 1)
        local dead = tonumber(given.dead[1][1]:match("|(%d+)|"))
        assert.equal(sum + 1300, stored + dead)
        given:counts { pending = 0, pending_rows = 0, pending_bytes = 0 }
    end)

    it("are told row by row", function()
        local given = lazy()
        given:add({ "a", 1 }, { "b", 2 }, { "c", 3 }, { "a", 4 }, { "b", 5 }, { "c", 6 })
        given.answers[1] = function()
            given:add { "b", 10 }
            return nil, "by row", { reject = { [1] = "bad" }, retry = { 2 } }
        end
        assert(given.batcher:flush())
        assert(given.batcher:close())
        assert.same({ { "a|5|-", "bad", "t" } }, given.dead)
        given:counts { accepted = 7, stored = 5, dead = 2, pending_rows = 0, pending_bytes = 0 }
        local sum = 0
        for index = 2, #given.writes do
            sum = sum + select(2, by_key(given.writes[index]))
        end
        assert.equal(17, sum)
    end)

    it("are dead after so many tries", function()
        local given = lazy { retry = { initial = 0.1, max = 0.1, attempts = 2 } }
        given.answers = { fails(), fails() }
        given:add({ "a", 1 }, { "b", 1 }, { "a", 1 })
        assert(given.batcher:close())
        given:counts { accepted = 3, dead = 3, stored = 0, pending_rows = 0, pending_bytes = 0 }
        assert.same({ "a|2|-", "b|1|-" }, { given.dead[1][1], given.dead[2][1] })
    end)
end)
