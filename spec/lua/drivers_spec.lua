-- The drivers of event loops, each on its real loop: a store that yields there, over a socket, with several
-- batches under way; nothing stops the loop, whatever the store's peer does.

local ids = require "spec.support.ids"
local loops = require "spec.support.loops"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
local FROZEN = 5 -- seconds

local function batcher_of(write, given)
    local options = { store = { write = write }, schema = SCHEMA, table = "t", batch_size = 10, flush_at = 1,
        interval = 0.05, retry = { initial = 0.01, max = 0.05 }, log = function() end }
    for key, value in pairs(given or {}) do
        options[key] = value
    end
    return assert(writebehind.batcher(options))
end

local function add(batcher, first, last)
    for n = first, last do
        assert.is_true(batcher:add { n = n })
    end
end

local function line_of(batch)
    local numbers = {}
    for row in batch:rows() do
        numbers[#numbers + 1] = tostring(tonumber(row.n))
    end
    return table.concat(numbers, ",")
end

for _, name in ipairs { "plain", "cqueues", "luv" } do
    local kit, missing = loops.kit(name)

    describe("the driver on " .. name, function()
        if not kit then
            pending(missing)
            return
        end
        local server, flying, most_flying

        before_each(function()
            kit = loops.kit(name)
            flying, most_flying = 0, 0
        end)

        after_each(function()
            if server then
                server:stop()
                server = nil
            end
        end)

        -- A store's write: one round trip to the server.
        local function ask(_, batch)
            flying = flying + 1
            most_flying = math.max(most_flying, flying)
            local reply, err = kit.request(server.port, line_of(batch))
            flying = flying - 1
            if reply == "stored" then
                return true
            end
            return nil, "no reply: " .. tostring(err)
        end

        it("has as many deliveries under way as it is allowed, each completed once", function()
            server = loops.server(3) -- answers when three wait: fewer at once would wait for ever
            local batcher = batcher_of(ask)
            local driver = assert(kit.driver.run(batcher, kit.loop, { in_flight = 3 }))
            kit.run(function()
                add(batcher, 1, 90)
                assert.is_true(driver:flush(process.PATIENCE))
                assert.equal(90, scripted.conserved(batcher).stored)
                assert.is_true(driver:close(process.PATIENCE))
            end)
            assert.equal(3, most_flying)
            assert.same(scripted.range(1, 90), scripted.sorted(server:numbers()))
            assert.equal(9, batcher:stats().batches)
            assert.equal(0, batcher:stats().failures)
        end)

        it("has one delivery under way unless told otherwise, and wakes up for what is old", function()
            server = loops.server(1)
            local reasons = {}
            local batcher = batcher_of(ask, { on_flush = function(report)
                reasons[report.reason] = (reasons[report.reason] or 0) + tonumber(report.rows)
            end })
            assert(kit.driver.run(batcher, kit.loop))
            kit.run(function()
                add(batcher, 1, 33)
                for _ = 1, process.PATIENCE * 100 do
                    if batcher:stats().stored == 33 then
                        break
                    end
                    kit.sleep(0.01)
                end
                assert.equal(33, scripted.conserved(batcher).stored)
                assert(batcher:close(process.PATIENCE)) -- the object's own close stands for the driver's
            end)
            assert.equal(1, most_flying)
            assert.same({ size = 30, age = 3 }, reasons)
            assert.same(scripted.range(1, 33), scripted.sorted(server:numbers()))
        end)

        it("lets the loop go on while the store's peer is frozen", function()
            server = loops.server(1)
            local batcher = batcher_of(ask)
            local driver = assert(kit.driver.run(batcher, kit.loop, { in_flight = 2 }))
            local ticks, ticking, at_the_end, cpu = 0, true, nil, nil
            kit.spawn(function()
                while ticking do
                    kit.sleep(0.01)
                    ticks = ticks + 1
                end
            end)
            kit.run(function()
                server:freeze(FROZEN)
                local began, cpu_began = process.now(), os.clock()
                add(batcher, 1, 40)
                local ok, message, code = batcher:flush(0.5)
                assert.is_nil(ok)
                assert.matches("40 rows", message)
                assert.equal("timeout", code)
                assert.equal(40, scripted.conserved(batcher).pending)
                add(batcher, 41, 60)
                assert.is_true(driver:flush(process.PATIENCE))
                at_the_end, cpu = process.now() - began, os.clock() - cpu_began
                ticking = false
                assert.is_true(driver:close(process.PATIENCE))
            end)
            assert.is_true(at_the_end > FROZEN / 2)
            assert.is_true(ticks > 10 * FROZEN, ticks .. " ticks of 0.01 s")
            assert.is_true(cpu < FROZEN / 3, "it waits, and does not ask again and again: " .. cpu .. " s of work")
            assert.equal(2, most_flying)
            assert.same(scripted.range(1, 60), scripted.sorted(server:numbers()))
        end)

        it("takes a store's answers as every driven object does", function()
            local stored, calls = {}, 0
            local answers = {
                function() error("thrown") end,
                function() return "yes" end,
                function() return end,
                function() return nil, "err", "perhaps" end,
                function() return nil, "err", "retry", 99 end,
                function(batch) batch:complete(nil, "by hand") return true end,
                function() return nil, "away" end,
                function() return nil, "four are in", "retry", 4 end,
            }
            local batcher = batcher_of(function(_, batch)
                calls = calls + 1
                kit.sleep(0.001)
                local left = tonumber(batch:row(1).n)
                if answers[calls] then
                    return answers[calls](batch)
                end
                stored[#stored + 1] = left
                return true
            end)
            local driver = assert(kit.driver.run(batcher, kit.loop))
            kit.run(function()
                add(batcher, 1, 10)
                assert.is_true(driver:flush(process.PATIENCE))
                assert.is_true(driver:close())
            end)
            assert.same({ 5 }, stored)
            local stats = scripted.conserved(batcher)
            assert.equal(10, stats.stored)
            assert.equal(#answers, stats.failures)
        end)

        it("closes within its deadline, and may be closed again", function()
            local release = false
            local batcher = batcher_of(function()
                while not release do
                    kit.sleep(0.01)
                end
                return true
            end)
            local driver = assert(kit.driver.run(batcher, kit.loop))
            kit.run(function()
                add(batcher, 1, 25)
                local ok, message, code = driver:close(0.2)
                assert.is_nil(ok)
                assert.matches("close: 25 rows are not settled", message)
                assert.equal("timeout", code)
                local _, _, closed = batcher:add { n = 26 }
                assert.equal("closed", closed)
                release = true
                for _ = 1, 20 do -- what was under way ends; the rest is left alone
                    kit.sleep(0.01)
                end
                assert.equal(15, scripted.conserved(batcher).pending)
                assert.is_true(driver:close(process.PATIENCE))
                assert.is_true(driver:close(0))
            end)
            assert.equal(25, scripted.conserved(batcher).stored)
        end)

        it("drives a tracker, its chunks beside each other", function()
            local now_flying, most, seen = 0, 0, {}
            local tracker = assert(writebehind.tracker { table = "t", key = "id", column = "at", interval = 0.05,
                chunk = 10, log = function() end, store = { touch = function(_, marks)
                    now_flying = now_flying + 1
                    most = math.max(most, now_flying)
                    kit.sleep(0.05)
                    now_flying = now_flying - 1
                    for _, id in ipairs(marks:ids()) do
                        seen[#seen + 1] = id
                    end
                    return true, #marks - 1, 1
                end } })
            local driver = assert(kit.driver.run(tracker, kit.loop, { in_flight = 4 }))
            kit.run(function()
                for n = 1, 40 do
                    assert(tracker:add(ids.uuid(n)))
                end
                assert.is_true(driver:flush(process.PATIENCE))
                assert.equal(36, scripted.conserved(tracker).updated)
                assert.is_true(driver:close())
            end)
            assert.equal(40, #seen)
            assert.equal(4, most)
            assert.equal(4, scripted.conserved(tracker).unmatched)
        end)

        it("may be flushed by a hook", function()
            local flushed, batcher = nil, nil
            batcher = batcher_of(function()
                kit.sleep(0.001)
                return true
            end, { on_flush = function()
                if flushed == nil then
                    assert(batcher:add { n = 4 })
                    flushed = batcher:flush(process.PATIENCE)
                end
            end })
            local driver = assert(kit.driver.run(batcher, kit.loop))
            kit.run(function()
                add(batcher, 1, 3)
                for _ = 1, process.PATIENCE * 100 do
                    if flushed ~= nil then
                        break
                    end
                    kit.sleep(0.01)
                end
                assert.is_true(flushed)
                assert.equal(4, scripted.conserved(batcher).stored)
                assert.is_true(driver:close(process.PATIENCE))
            end)
        end)

        it("lets the loop have its turn beside a store that never yields", function()
            local batcher = batcher_of(function()
                return true
            end, { batch_size = 1 })
            local driver = assert(kit.driver.run(batcher, kit.loop))
            local ticks_before = 0
            kit.run(function()
                add(batcher, 1, 1000)
                while batcher:stats().pending > 0 do
                    ticks_before = ticks_before + 1
                    kit.sleep(0)
                end
                assert.is_true(driver:close())
            end)
            assert.is_true(ticks_before > 1)
            assert.equal(1000, scripted.conserved(batcher).stored)
        end)

        it("has an example that runs", function()
            local root = os.getenv "WRITEBEHIND_ROOT" or "."
            local result = process.run(("timeout 60 %s %s"):format(process.quote(process.interpreter()),
                process.quote(root .. "/examples/drivers/" .. name .. ".lua")))
            assert.equal("", result.err)
            assert.matches("closed%s+true%s+1000 rows stored", result.out)
            assert.equal(0, result.code)
        end)

        it("says what it can't drive", function()
            local function refuses(what, object, options, loop)
                local ok, message = pcall(kit.driver.run, object, loop or kit.loop, options)
                assert.is_false(ok)
                assert.matches(what, message, 1, true)
            end
            local batcher = batcher_of(scripted.yes)
            refuses('unknown option "most"', batcher, { most = 3 })
            refuses('option "in_flight"', batcher, { in_flight = 0 })
            refuses("loop", batcher, nil, 42)
            refuses("got a table", {})
            refuses("threaded", batcher_of(nil, { store = writebehind.memory() }))
            refuses("clock", batcher_of(scripted.yes, { clock = testing.clock(1) }))
            refuses("block", batcher_of(scripted.yes, { overflow = "block" }))
            local driver = assert(kit.driver.run(batcher, kit.loop))
            refuses("has a driver", batcher)
            assert.has_error(function()
                driver:flush() -- not in a coroutine
            end)
            kit.run(function()
                assert.is_true(driver:close())
            end)
        end)
    end)
end

describe("the plain loop", function()
    local poll = require("writebehind.core").process.poll

    it("ends when its tasks have, in the order of their times", function()
        local loop = require("writebehind.drivers.plain").loop()
        local order, again = {}, 0
        for _, ms in ipairs { 60, 20, 40, 0 } do
            loop:spawn(function()
                loop:sleep(ms / 1000)
                order[#order + 1] = ms
                loop:sleep(0) -- on a busy machine, to after others whose time has come
                again = again + 1
            end)
        end
        loop:run()
        assert.same({ 0, 20, 40, 60 }, order)
        assert.equal(4, again)
        loop:run()
    end)

    it("raises a task's error, and goes on with the others", function()
        local loop = require("writebehind.drivers.plain").loop()
        local ended = 0
        for n = 1, 3 do
            loop:spawn(function()
                if n == 2 then
                    error("the second one")
                end
                ended = ended + 1
            end)
        end
        assert.error_matches(function()
            loop:run()
        end, "the second one")
        loop:run()
        assert.equal(2, ended)
    end)

    it("asks poll(2) for descriptors, and times out", function()
        local batcher = batcher_of(scripted.yes, { inline = false })
        local readable, sleeper = { fd = batcher:fd() }, {}
        assert.equal(0, poll({ readable, sleeper }, 0))
        assert.is_false(readable.ready)
        add(batcher, 1, 10)
        assert.equal(1, poll({ sleeper, readable }, 60))
        assert.is_true(readable.ready)
        assert.is_false(sleeper.ready)
        assert.equal(1, batcher:poll())
        assert.equal(0, poll({ readable }, 0.001))
        assert.has_error(function()
            poll({ { fd = 0, mode = "x" } }, 0)
        end)
        assert.has_error(function()
            poll({ 1 }, 0)
        end)
        assert.has_error(function()
            poll({}, -1)
        end)
        assert(batcher:close())
    end)
end)

-- On cqueues such a yield goes to the controller, which resumes it.
for _, name in ipairs { "plain", "luv" } do
    describe("the driver on " .. name, function()
        it("tries again what a store dropped in the middle", function()
            local kit, missing = loops.kit(name)
            if not kit then
                pending(missing)
                return
            end
            local calls = 0
            local batcher = batcher_of(function()
                calls = calls + 1
                if calls == 1 then
                    coroutine.yield() -- to nobody who would resume it
                end
                return true
            end)
            local driver = assert(kit.driver.run(batcher, kit.loop))
            kit.run(function()
                add(batcher, 1, 10)
                for _ = 1, process.PATIENCE * 20 do
                    kit.sleep(0.05)
                    collectgarbage()
                    if batcher:stats().stored == 10 then
                        break
                    end
                end
                assert.is_true(driver:close(process.PATIENCE))
            end)
            assert.equal(2, calls)
            assert.equal(1, scripted.conserved(batcher).failures)
        end)
    end)
end
