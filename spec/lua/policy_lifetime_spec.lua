-- Claims of a batcher with a policy, where what they need goes before them.

local core = require "writebehind.core"
local policy = require "writebehind.forms.policy"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "n", "int8" } }

local function batcher_with(decisions)
    return writebehind.batcher {
        store = { write = function() return true end }, schema = SCHEMA, table = "own", batch_size = 1, inline = false,
        policy = decisions, log = function() end,
    }
end

local function collect()
    collectgarbage()
    collectgarbage()
end

-- An object whose finalizer is given `held`, under each Lua. Nothing else may hold that.
local function finalized(held, finish)
    if _VERSION == "Lua 5.1" then
        local object = newproxy(true) -- luacheck: globals newproxy
        getmetatable(object).__gc = function() finish(held) end
        return object
    end
    return setmetatable(held, { __gc = finish })
end

describe("a claim of a batcher with a policy", function()
    it("has its table still for a finalizer that runs after its batcher's", function()
        local name = ("elsewhere"):rep(10)
        local seen = "no finalizer ran"

        local function play()
            local held = {}
            local keeper = finalized(held, function(own) seen = own.batch.table end)
            local batcher = batcher_with { route = function() return name end }
            assert(batcher:add { n = 1 })
            held.batch = batcher:take()
            assert.equal(name, held.batch.table)
            held.batch:complete(true)
            assert.equal(name, held.batch.table)
            return keeper ~= nil -- until here
        end

        assert.is_true(play())
        collect()
        assert.equal(name, seen)
    end)

    it("comes back where its retry_delay can't be asked when it is collected", function()
        local batcher = batcher_with { retry_delay = function() return 1 end }
        assert(batcher:add { n = 1 })
        core.helpers.retry = function() error("no asking") end
        finally(function() core.helpers.retry = policy.retry end)
        batcher:take()
        collect()
        assert.equal(1, batcher:stats().failures)
        assert.is_true(batcher:flush(5))
        assert.equal(1, batcher:stats().stored)
    end)
end)
