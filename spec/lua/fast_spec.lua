-- SPDX-License-Identifier: MIT
-- LuaJIT's fast path of a tracker's add beside the C binding: whatever is marked, both give the same answer, keep
-- the same times and count the same. The other specs run under LuaJIT on the fast path; those of wrong use and of
-- the tracker run here once more without it.

local core = require "writebehind.core"
local fast = require "writebehind.forms.fast"
local ids = require "spec.support.ids"
local writebehind = require "writebehind"

local null = require("cjson").null
local ID = ids.uuid(7)
local c_add = core.variant("tracker").__index.add

if type(rawget(_G, "jit")) ~= "table" then
    it("is LuaJIT's alone", function()
        assert.is_false(fast.enabled)
        local tracker = writebehind.tracker { store = writebehind.memory(), table = "w", key = "id", column = "at" }
        assert.equal(c_add, tracker.add)
    end)
    return
end

local function new(more)
    local options = { store = writebehind.memory(), table = "w", key = "id", column = "at", interval = 3600 }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    local tracker = assert(writebehind.tracker(options))
    return tracker, options.store
end

local function results(...)
    return { n = select("#", ...), ... }
end

-- What is no usual id, or none at all.
local function unusual()
    return { null, true, 7, 0 / 0, "", "a", "\0", ID .. "0", ID:sub(1, 35), ID:sub(1, 16), ID:gsub("-", "_"),
        ID:gsub("7$", "g"), ID:upper(), {}, print, io.stdout, coroutine.create(function() end),
        require("ffi").new("int64_t", 5) }
end

describe("a mark of the fast path", function()
    it("gives what C gives, compiled and not", function()
        local by_fast, by_c = new(), new()
        assert.are_not.equal(c_add, by_fast.add)
        local list, random = unusual(), ids.random(3)
        local times = { 5, 1e300, "yesterday", "2024-05-14T08:00:00Z", true, 1715673600.5 }
        for n = 1, 3000 do
            local id = n % 3 > 0 and ids.uuid(n % 700) or list[random(#list)]
            local at = n % 5 == 0 and times[random(#times)] or nil
            assert.same(results(c_add(by_c, id, at)), results(by_fast:add(id, at)))
        end
        local expected, got = by_c:stats(), by_fast:stats()
        for _, name in ipairs { "accepted", "rejected", "marked", "pending" } do
            assert.equal(expected[name], got[name])
        end
    end)

    it("keeps the id that was given, with the time of now", function()
        local tracker, store = new { precision = "exact" }
        local before = os.time()
        for n = 1, 200 do
            store:put("w", ids.uuid(n), 1)
            assert.is_true(tracker:add(ids.uuid(n)))
        end
        assert.is_true(tracker:flush(30))
        local after = os.time() + 1
        for n = 1, 200 do
            local at = store:time("w", ids.uuid(n))
            assert.is_true(at >= before and at <= after, at)
        end
        assert.equal(200, tracker:stats().updated)
    end)

    it("is refused alike when there is no room and when the tracker is closed", function()
        local more = { store = writebehind.postgres { conninfo = "host=127.0.0.1 port=1" }, max_pending_ids = 20,
            close_timeout = 0.01, log = function() end }
        local by_fast, by_c = new(more), new(more)
        assert.are_not.equal(c_add, by_fast.add)
        local function both(n, wanted)
            local expected = results(c_add(by_c, ids.uuid(n)))
            assert.same(expected, results(by_fast:add(ids.uuid(n))))
            assert.equal(wanted, expected[3])
        end
        for n = 1, 100 do
            both(n, n > 20 and "full" or nil)
        end
        by_c:close(0)
        by_fast:close(0)
        for n = 1, 100 do
            both(n, "closed")
        end
    end)

    it("leaves wrong selves to C", function()
        local tracker, store = new()
        local batcher = writebehind.batcher { store = store, table = "t",
            schema = writebehind.schema { { "n", "int8" } } }
        for _, self in ipairs { 5, "x", {}, batcher, store, print } do
            local ok, message = pcall(tracker.add, self, ID)
            assert.is_false(ok)
            assert.equal(select(2, pcall(c_add, self, ID)), message)
        end
    end)

    it("raises at the line of the caller", function()
        local tracker = new()
        local line = debug.getinfo(1, "l").currentline + 2
        local _, message = pcall(function()
            tracker.add(5, ID)
        end)
        assert.truthy(message:find("fast_spec.lua:" .. line .. ":", 1, true), message)
    end)

    it("goes on to C after the tracker was collected by hand", function()
        local tracker = new()
        assert.is_true(tracker:add(ID))
        debug.getmetatable(tracker).__gc(tracker)
        local ok, message = pcall(tracker.add, tracker, ID)
        assert.is_false(ok)
        assert.truthy(message:find("collected", 1, true), message)
    end)

    it("does not keep its tracker", function()
        local weak = setmetatable({ (new()) }, { __mode = "v" })
        collectgarbage()
        collectgarbage()
        assert.is_nil(weak[1])
    end)
end)

describe("without the fast path", function()
    setup(function()
        fast.enabled = false
    end)
    teardown(function()
        fast.enabled = true
    end)
    for _, name in ipairs { "binding_spec", "reference_tracker_spec" } do
        local chunk = assert(loadfile("spec/lua/" .. name .. ".lua"))
        describe(name, setfenv(chunk, getfenv(1))) -- luacheck: globals setfenv getfenv
    end
end)
