-- What becomes of rows where a store says of each whether it is stored, rejected or to come again.

local process = require "spec.support.process"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "n", "int4" } }

-- A driven batcher whose store has `write`, on a clock of its own. It keeps what was written, what is dead and why.
local function driven(write, options)
    local seen = { writes = {}, dead = {}, reports = {}, clock = testing.clock(1700000000) }
    local given = {
        store = { write = function(_, batch)
            seen.writes[#seen.writes + 1] = { rows = batch:column "n", id = batch.id, attempt = batch.attempt }
            return write(batch, #seen.writes)
        end },
        schema = SCHEMA, table = "t", clock = seen.clock, log = function() end,
        dead_letter = function(row, why) seen.dead[#seen.dead + 1] = row.n .. " " .. why end,
        on_flush = function(report) seen.reports[#seen.reports + 1] = report end,
    }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    seen.batcher = writebehind.batcher(given)
    return seen
end

local function add(seen, count)
    for n = 1, count do
        assert(seen.batcher:add { n = n })
    end
end

local function counts(seen)
    local stats = seen.batcher:stats()
    return { stats.stored, stats.dead, stats.pending }
end

describe("rows that a store names", function()
    it("are five of five hundred: one write, if they are bad; two, if they are to come again", function()
        local bad = { reject = { [1] = "a", [3] = "b", [250] = "c", [499] = "d", [500] = "e" } }
        local seen = driven(function() return nil, "five are bad", bad end)
        add(seen, 500)
        assert(seen.batcher:flush())
        assert.same({ 495, 5, 0 }, counts(seen))
        assert.equal(1, #seen.writes)
        table.sort(seen.dead)
        assert.same({ "1 a", "250 c", "3 b", "499 d", "500 e" }, seen.dead)
        assert.same({ false, "reject", "five are bad", 500 }, { seen.reports[1].ok, seen.reports[1].class,
            seen.reports[1].error, seen.reports[1].rows })

        seen = driven(function(_, write)
            if write == 1 then
                return nil, "too busy", { retry = { 1, 3, 250, 499, 500 } }
            end
            return true
        end)
        add(seen, 500)
        assert(seen.batcher:flush())
        assert.same({ 500, 0, 0 }, counts(seen))
        assert.same({ 1, 3, 250, 499, 500 }, seen.writes[2].rows)
        assert.equal(2, seen.writes[2].attempt)
        assert.not_equal(seen.writes[1].id, seen.writes[2].id)
        assert.equal(2, #seen.writes)
    end)

    it("may be of both kinds, and the others go on at once", function()
        local seen = driven(function(_, write)
            if write == 1 then
                return nil, "some", { reject = { [2] = true }, retry = { 4 } }
            end
            return true
        end, { batch_size = 5, flush_at = 1, inline = false, retry = { initial = 10, max = 10 } })
        add(seen, 7)
        seen.batcher:poll()
        assert.same({ 3, 1, 3 }, counts(seen))
        assert.same({ "2 some" }, seen.dead)
        assert.equal("ok", (seen.batcher:health()))
        assert(seen.batcher:flush())
        assert.same({ 6, 1, 0 }, counts(seen))
    end)

    it("are all rejected: none is dead without a witness, and one that comes decides", function()
        local broken = true
        local seen = driven(function(batch)
            local fates, any = {}, false
            for row, index in batch:rows() do
                if broken or row.n == 2 then
                    fates[index], any = "no " .. row.n, true
                end
            end
            if any then
                return nil, "refused", { reject = fates }
            end
            return true
        end, { inline = false })
        add(seen, 3)
        seen.batcher:flush(5)
        assert.same({ 0, 0, 3 }, counts(seen))
        broken = false
        assert(seen.batcher:flush())
        assert.same({ 2, 1, 0 }, counts(seen))
        assert.same({ "2 no 2" }, seen.dead)
    end)

    it("that are a hundred rejected ones are held as a sample of them is", function()
        local broken = true
        local seen = driven(function(batch)
            local fates = {}
            for row, index in batch:rows() do
                fates[index] = broken and "no " .. row.n or nil
            end
            if broken then
                return nil, "refused", { reject = fates }
            end
            return true
        end, { inline = false })
        add(seen, 100)
        seen.batcher:flush(60)
        assert.same({ 0, 0, 100 }, counts(seen))
        assert.equal("holding", (seen.batcher:health()))
        assert.is_true(#seen.writes < 60)
        broken = false
        assert(seen.batcher:flush())
        assert.same({ 100, 0, 0 }, counts(seen))
    end)

    it("are dead of their last try, where tries are counted", function()
        local seen = driven(function(batch)
            for row, index in batch:rows() do
                if row.n == 2 then
                    return nil, "again and again", { retry = { index } }
                end
            end
            return true
        end, { retry = { attempts = 3 } })
        add(seen, 3)
        assert(seen.batcher:flush())
        assert.same({ 2, 1, 0 }, counts(seen))
        assert.same({ "2 again and again" }, seen.dead)
        assert.equal(3, #seen.writes)
    end)

    it("come again when the policy says so, which is not asked of those that are rejected", function()
        local asked = {}
        local seen = driven(function(_, write)
            if write == 1 then
                return nil, "some", { reject = { [1] = "bad" }, retry = { 2 } }
            elseif write == 2 then
                return nil, "bad", { reject = { [1] = "still" } }
            end
            return true
        end, { policy = { retry_delay = function(view, err)
            asked[#asked + 1] = view.class .. " " .. err
            return 1
        end } })
        add(seen, 3)
        assert(seen.batcher:close())
        assert.same({ "retry some" }, asked)
        assert.same({ 2, 1, 0 }, counts(seen))
    end)

    it("may be lent by hand, and complete answers true", function()
        local seen = driven(function() return true end, { inline = false })
        add(seen, 4)
        seen.clock:advance(1)
        local batch = seen.batcher:take() or error "no batch"
        for message, rows in pairs {
            ["no row is named"] = {}, ["named twice"] = { reject = { [1] = "x" }, retry = { 1 } },
            ["indexes of rows, from 1 to 4"] = { retry = { 5 } }, ["expected { reject ="] = { rejects = { "x" } },
        } do
            local ok, told = pcall(batch.complete, batch, nil, "err", rows)
            assert.is_false(ok)
            assert.truthy(told:find(message, 1, true), told)
        end
        assert.is_true(batch:complete(nil, "err", { reject = { [4] = "x" } }))
        assert.same({ 3, 1, 0 }, counts(seen))
    end)
end)

describe("an answer by row that is none", function()
    local WRONG = {
        {}, { reject = {} }, { reject = {}, retry = {} }, { retry = { 0 } }, { retry = { 4 } }, { retry = { 1.5 } },
        { retry = { "1" } }, { retry = { 1, 1 } }, { retry = 1 }, { reject = { [0] = "x" } },
        { reject = { [4] = "x" } },
        { reject = { "x" }, retry = { 1 } }, { reject = { a = "x" } }, { reject = { {} } }, { reject = { false } },
        { reject = { 5 } }, { rejected = { "x" } }, { "x" }, { reject = { "x" }, other = true },
        setmetatable({}, { __index = function() return { 1 } end, __pairs = error }),
    }

    it("is a failed try that says what was wrong, and takes no row for stored", function()
        local seen = driven(function(_, write)
            if WRONG[write] then
                return nil, "err", WRONG[write]
            end
            return true
        end)
        add(seen, 3)
        assert(seen.batcher:flush(1e6))
        assert.same({ 3, 0, 0 }, counts(seen))
        assert.equal(#WRONG + 1, #seen.writes)
        for index = 1, #WRONG do
            assert.same({ 1, 2, 3 }, seen.writes[index].rows)
            assert.truthy(seen.reports[index].error:find("a table of rows that can't be read: ", 1, true),
                seen.reports[index].error)
            assert.equal("retry", seen.reports[index].class)
        end
    end)

    it("has an error all the same where none is given", function()
        local seen = driven(function(_, write)
            return write > 1, nil, { reject = { [2] = true } }
        end)
        add(seen, 2)
        assert(seen.batcher:flush(1e6))
        assert.same({ 2, 0, 0 }, counts(seen)) -- false and no error is no answer

        seen = driven(function(_, write)
            return write > 1 or nil, nil, { reject = { [2] = true } }
        end)
        add(seen, 2)
        assert(seen.batcher:flush(1e6))
        assert.same({ "2 some rows were not stored" }, seen.dead)
    end)
end)

describe("false and an error", function()
    it("is nil and an error, of a write and of a touch", function()
        local seen = driven(function(_, write)
            if write == 1 then
                return false, "bad", "reject", 1
            end
            return true
        end)
        add(seen, 3)
        assert(seen.batcher:flush())
        assert.same({ "bad", "reject" }, { seen.reports[1].error, seen.reports[1].class })
        assert.same({ 3, 0, 0 }, counts(seen))

        local calls, reports = 0, {}
        local tracker = writebehind.tracker {
            store = { touch = function()
                calls = calls + 1
                if calls == 1 then
                    return false, "later", "hold"
                end
                return true
            end },
            clock = testing.clock(1700000000), log = function() end,
            on_flush = function(report) reports[#reports + 1] = report end,
        }
        assert(tracker:add "018bcfe5-6be8-7000-ba42-55942e14460b")
        assert(tracker:flush())
        assert.same({ "later", "hold" }, { reports[1].error, reports[1].class })
    end)
end)

describe("a worker", function()
    local MODULE = [[
        local writes = 0
        return { write = function(_, batch)
            writes = writes + 1
            local file = assert(io.open(%q, "a"))
            file:write(#batch, "\n")
            file:close()
            if writes == 1 then
                collectgarbage()
                return nil, "some", { reject = { [2] = "no " .. batch:row(2).n }, retry = { 4, 5 } }
            end
            return true
        end }]]
    local dir, path = nil, package.path

    before_each(function()
        dir = process.dir()
        process.write(dir .. "/by_row.lua", MODULE:format(dir .. "/writes"))
        package.path = dir .. "/?.lua;" .. path
    end)
    after_each(function()
        package.path = path
        process.remove(dir)
    end)

    local function deliver(options)
        local dead = {}
        local given = {
            store = writebehind.worker "by_row", schema = SCHEMA, table = "t", log = function() end, interval = 60,
            retry = { initial = 0.01, max = 0.01 }, dead_letter = function(row, why) dead[#dead + 1] = row.n .. why end,
        }
        for name, value in pairs(options or {}) do
            given[name] = value
        end
        local batcher = writebehind.batcher(given)
        for n = 1, 6 do
            assert(batcher:add { n = n })
        end
        assert(batcher:close(process.PATIENCE))
        assert.same({ "2no 2" }, dead)
        assert.equal(5, batcher:stats().stored)
        assert.equal("6\n2\n", process.read(dir .. "/writes"))
    end

    it("answers by row", function()
        deliver()
    end)

    it("answers by row where a policy decides about tries", function()
        deliver { policy = { retry_delay = function() return 0.01 end } }
    end)
end)

describe("the documents", function()
    it("have every answer that a store may give, and no other", function()
        local listed, told = {}, {}
        for entry, forms in pairs(require("writebehind.forms.answer").forms) do
            for _, form in ipairs(forms) do
                listed[#listed + 1] = ("| `%s` | `%s` | %s |"):format(entry, form[1], form[2])
            end
        end
        local text = process.read(assert(os.getenv "WRITEBEHIND_ROOT") .. "/docs/api.md")
        for line in text:match("\n| of | answer |[^\n]*\n[^\n]*\n(.-)\n\n"):gmatch "[^\n]+" do
            told[#told + 1] = line
        end
        table.sort(listed)
        table.sort(told)
        assert.same(listed, told)
    end)
end)
