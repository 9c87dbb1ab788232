-- The policies of examples/policies, each in a batcher with a clock of the spec's own, and as a worker where it can be.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local ROOT = assert(os.getenv "WRITEBEHIND_ROOT")
local SCHEMA = writebehind.schema { { "tenant", "text", null = true }, { "n", "int8" } }

local function example(name)
    return dofile(("%s/examples/policies/%s.lua"):format(ROOT, name))
end

local clock

local function now()
    return clock:now()
end

before_each(function()
    clock = testing.clock(1700000000)
end)

local function batcher_on(store, policy, options)
    local given = { store = store, schema = SCHEMA, table = "t", clock = clock, flush_at = 1, interval = 60,
        retry = { initial = 0.001, max = 0.001 }, policy = policy, log = function() end }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    return assert(writebehind.batcher(given))
end

local function add(batcher, first, last)
    for n = first, last do
        assert(batcher:add { n = n })
    end
end

-- ---- adaptive ----

describe("examples/policies/adaptive.lua", function()
    local new = example "adaptive"
    local ARGS = { target = 1, least = 10, most = 200 }

    -- A store of which each row takes `cost` seconds; and the sizes of the batches that it was given.
    local function slow_store(cost)
        local store = { cost = cost, sizes = {} }
        function store:write(batch)
            clock:advance(#batch * self.cost)
            self.sizes[#self.sizes + 1] = #batch
            return not self.fails or nil, "it fails"
        end
        return store
    end

    it("grows batches to what the store writes in time, follows it down, and no further than it is told", function()
        local store = slow_store(0.02) -- 50 rows a second
        local batcher = batcher_on(store, new(ARGS), { batch_size = 200 })
        add(batcher, 1, 1000)
        assert.equal("10 20 30 40 50 60", table.concat(store.sizes, " ", 1, 6))
        for index = 7, #store.sizes do
            assert.is_true(store.sizes[index] >= 30 and store.sizes[index] <= 60)
        end
        store.cost, store.sizes = 0.2, {}
        add(batcher, 1001, 1200)
        assert.equal(10, store.sizes[#store.sizes])
        store.cost, store.sizes = 0, {}
        add(batcher, 1201, 9200)
        assert.equal(200, store.sizes[#store.sizes])
        assert(batcher:close())
        assert.equal(9200, scripted.conserved(batcher).stored)
        assert.equal(0, batcher:stats().policy_errors)
    end)

    it("makes batches smaller where writes fail", function()
        local store = slow_store(0)
        local batcher = batcher_on(store, new(ARGS), { batch_size = 200, max_pending_rows = 1e6 })
        add(batcher, 1, 1000)
        assert.is_true(store.sizes[#store.sizes] > 100)
        store.fails = true
        add(batcher, 1001, 3000)
        store.fails, store.sizes = false, {}
        clock:advance(1)
        add(batcher, 3001, 3001)
        assert(batcher:close())
        assert.is_true(store.sizes[#store.sizes - 1] < 100)
        assert.equal(3001, scripted.conserved(batcher).stored)
    end)

    it("decides in a worker", function()
        local path = package.path
        finally(function() package.path = path end)
        package.path = ROOT .. "/examples/policies/?.lua;" .. path
        local batcher = assert(writebehind.batcher { store = writebehind.memory(), schema = SCHEMA, table = "t",
            flush_at = 1, interval = 60,
            policy = writebehind.worker("adaptive", { target = 0, least = 1, most = 50 }) })
        for round = 1, 4 do
            add(batcher, 1, 50)
            assert.is_true(process.wait(function()
                return batcher:stats().stored == round * 50
            end))
        end
        assert(batcher:close())
        assert.equal(0, batcher:stats().policy_errors)
    end)
end)

-- ---- quota ----

describe("examples/policies/quota.lua", function()
    local new = example "quota"

    it("refuses what a tenant adds beyond its quota, until the next period, and nobody else's", function()
        local store = testing.store { clock = clock }
        local batcher = batcher_on(store, new { column = "tenant", rows = 3, seconds = 60, now = now,
            of = { big = 5 } })
        local function accepted(tenant)
            local count = 0
            for n = 1, 10 do
                local ok, message, code = batcher:add { tenant = tenant, n = n }
                count = count + (ok and 1 or 0)
                if not ok then
                    assert.equal("invalid", code)
                    assert.matches(tenant .. " has added %d rows in 60 s", message)
                end
            end
            return count
        end
        assert.same({ 3, 5, 3, 10 }, { accepted "small", accepted "big", accepted "other", accepted(nil) })
        assert.same({ 0, 0 }, { accepted "small", accepted "big" })
        clock:advance(60)
        assert.same({ 3, 5 }, { accepted "small", accepted "big" })
        assert.is_nil((batcher:add_values("small", 1)))
        assert(batcher:close())
        local stats = scripted.conserved(batcher)
        assert.equal(29, stats.stored)
        assert.equal(0, stats.policy_errors)
        assert.is_true(stats.rejected > 0)
    end)
end)

-- ---- breaker ----

describe("examples/policies/breaker.lua", function()
    local new = example "breaker"

    it("opens after failures in a row, looks again after a time, and loses nothing that was accepted", function()
        local store = testing.store { clock = clock, script = { "fail", "fail", "fail", "fail", "ok" } }
        local batcher = batcher_on(store, new { failures = 3, seconds = 30, now = now }, { inline = false })
        local function try(n)
            local ok, message = batcher:add { n = n }
            batcher:poll()
            clock:advance(1)
            return ok or message
        end
        assert.is_true(try(1))
        clock:advance(60) -- the interval
        for _ = 1, 3 do
            batcher:poll()
            clock:advance(1)
        end
        assert.is_true(try(2)) -- it is seen now
        assert.matches("^the store is down: ", try(3))
        local ok, _, code = batcher:add { n = 4 }
        assert.is_nil(ok)
        assert.equal("invalid", code)
        clock:advance(30)
        assert.is_true(try(5))
        assert(batcher:flush())
        clock:advance(30)
        for n = 6, 10 do
            assert.is_true(try(n))
        end
        assert(batcher:close())
        assert.equal(8, scripted.conserved(batcher).stored)
        assert.equal(0, batcher:stats().policy_errors)
    end)
end)

-- ---- sampling ----

describe("examples/policies/sampling.lua", function()
    local new = example "sampling"

    it("takes fewer rows the fuller it is, those that matter always, and all again when there is room", function()
        local store = testing.store { clock = clock }
        local policy = new { max_pending_rows = 1000, matters = function(row) return row.tenant == "vip" end }
        local batcher = batcher_on(store, policy, { inline = false, max_pending_rows = 1000, batch_size = 4096 })
        local function accepted(count, tenant)
            local sum, said = 0, nil
            for n = 1, count do
                local ok, message = batcher:add { tenant = tenant, n = n }
                sum, said = sum + (ok and 1 or 0), message or said
            end
            return sum, said
        end
        assert.equal(500, (accepted(500)))
        local sum, said = accepted(1000)
        assert.is_true(sum >= 250 and sum < 350)
        assert.equal("one of 16 is taken", said)
        assert.equal(100, (accepted(100, "vip")))
        assert.is_true(batcher:stats().pending >= 850)
        sum, said = accepted(1600)
        assert.is_true(sum >= 50 and sum <= 100)
        assert.equal("one of 64 is taken", said)
        assert(batcher:flush())
        accepted(64)
        assert.equal(500, (accepted(500)))
        assert(batcher:close())
        assert.equal(0, scripted.conserved(batcher).policy_errors)
    end)
end)
