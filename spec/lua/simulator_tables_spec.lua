-- Ten thousand rows to several tables, in virtual time: tables fail for a while in every way there is, two at the most
-- at once, and no other table's rows wait for long. In the end each row is in its own table once.

local random_of = require "writebehind.random"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
local TABLES, STEPS, INTERVAL = 5, 10000, 1
local MOST_WAIT = 40 -- rows of a table that does not fail: 4 come in a second, and all may wait for retry.max

-- What a table that fails answers.
local FAILURES = {
    function() return nil, "later" end,
    function() return false, "no such table", "hold" end,
    function() return nil, "a bad row", "reject" end,
    function() error "thrown" end,
    function(batch, keep)
        local again = {}
        for row, index in batch:rows() do
            if index % 2 == 1 then
                again[#again + 1] = index
            else
                keep(row)
            end
        end
        return nil, "every second one", { retry = again }
    end,
    function(batch, keep) -- stores all, and the answer is lost
        for row in batch:rows() do
            keep(row)
        end
        return nil, "the answer was lost"
    end,
}

local Store = {}
Store.__index = Store

function Store:write(batch)
    local name = batch.table
    local function keep(row)
        self.rows[row.id] = self.rows[row.id] or { name, row.n }
    end
    local failure = self.failing[name]
    self.writes[name] = (self.writes[name] or 0) + 1
    if failure then
        return failure(batch, keep)
    end
    for row in batch:rows() do
        keep(row)
    end
    return true
end

local function name_of(n)
    return "t" .. n % TABLES
end

local function play(seed)
    local random, clock = random_of(seed), testing.clock(1700000000)
    local store = setmetatable({ rows = {}, failing = {}, writes = {} }, Store)
    local batcher = writebehind.batcher {
        store = store, schema = SCHEMA, table = "own", clock = clock, batch_size = 50, interval = INTERVAL,
        inline = false,
        retry = { initial = 1, max = 8 }, log = function() end, dead_letter = function() error "a good row is dead" end,
        policy = { route = function(row) return name_of(row.n) end },
    }
    local accepted = 0
    for step = 1, STEPS do
        assert(batcher:add { n = step })
        accepted = accepted + 1
        if random(100) == 0 then
            store.failing = {}
            for _ = 1, random(3) do
                store.failing["t" .. random(TABLES)] = FAILURES[random(#FAILURES) + 1]
            end
        end
        clock:advance(random(100) / 1000)
        batcher:poll()
        local stats = batcher:stats()
        assert.equal(accepted, stats.accepted)
        assert.equal(accepted, stats.stored + stats.pending)
        for name, table_stats in pairs(stats.tables) do
            local fails = table_stats.consecutive_failures > 0 or store.failing[name]
            if not fails and next(store.failing) then
                assert.is_true(table_stats.pending <= MOST_WAIT, name)
            end
        end
    end
    store.failing = {}
    assert(batcher:close(1e6))
    return store, batcher:stats()
end

describe("ten thousand rows to tables that fail", function()
    for seed = 1, 3 do
        it(("are each in its own table once (seed %d)"):format(seed), function()
            local store, stats = play(seed)
            assert.equal(STEPS, stats.stored)
            assert.is_true(stats.failures > 100)
            local seen = {}
            for _, row in pairs(store.rows) do
                local n = tonumber(row[2])
                assert.is_nil(seen[n])
                seen[n] = true
                assert.equal(name_of(n), row[1])
            end
            assert.equal(STEPS, #seen)
        end)
    end
end)
