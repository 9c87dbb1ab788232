-- add_many: what add would do with each row, in its order, whatever the rows and the batcher are.

local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local COLUMNS = {
    { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text", null = true },
    { "tags", "jsonb", null = true },
}

local function batcher_of(options)
    local all = {
        schema = writebehind.schema(COLUMNS), table = "t", store = writebehind.memory(), log = function() end,
    }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return assert(writebehind.batcher(all)), all.store
end

-- A scripted store that keeps the numbers it is given, and how many came at once.
local function numbers_store()
    local store = { numbers = {}, sizes = {} }
    function store.write(_, batch)
        store.sizes[#store.sizes + 1] = #batch
        for row in batch:rows() do
            store.numbers[#store.numbers + 1] = tonumber(row.n)
        end
        return true
    end
    return store
end

local function rows_of(first, last)
    local rows = {}
    for n = first, last do
        rows[#rows + 1] = { n = n, note = "note " .. n }
    end
    return rows
end

local FORMS = {
    threaded = function() return {} end,
    ["with hooks"] = function() return { on_flush = function() end } end,
    driven = function() return { store = numbers_store() } end,
    ["driven, by hand"] = function() return { store = numbers_store(), inline = false } end,
    ["with a policy"] = function() return { policy = { route = function() end } } end,
    ["driven, with a policy"] = function()
        return { store = numbers_store(), policy = { should_flush = function(view) return view.rows == 7 end } }
    end,
    ["in virtual time"] = function() return { clock = testing.clock() } end,
    lenient = function() return { schema = writebehind.schema(COLUMNS, { lenient = true }) } end,
}

local function numbers_in(store)
    if store.numbers then
        return store.numbers
    end
    local numbers = {}
    for i, row in ipairs(store:rows "t") do
        numbers[i] = tonumber(row.n)
    end
    return numbers
end

for form, options_of in pairs(FORMS) do
    describe("add_many of a batcher, " .. form .. ",", function()
        it("takes many rows in their order", function()
            local batcher, store = batcher_of(options_of())
            for from = 1, 4001, 1000 do
                local accepted, refused = batcher:add_many(rows_of(from, from + 999))
                assert.same({ 1000, {} }, { accepted, refused })
            end
            assert(batcher:close())
            assert.equal(5000, scripted.conserved(batcher).stored)
            assert.same(scripted.range(1, 5000), numbers_in(store))
        end)

        it("takes usual and unusual rows in their order, and says which it refuses", function()
            local batcher, store = batcher_of(options_of())
            local rows, good, bad = {}, {}, {}
            for n = 1, 400 do
                rows[n] = { n = n }
                if n % 17 == 0 then
                    rows[n] = { n = n, unknown = true }
                elseif n % 13 == 0 then
                    rows[n] = { n = 1.5 }
                elseif n % 11 == 0 then
                    rows[n].note = ("x"):rep(n * 1000)
                elseif n % 7 == 0 then
                    rows[n].tags = { a = { n } }
                elseif n % 5 == 0 then
                    rows[n].id = ("00000000-0000-4000-8000-%012d"):format(n)
                end
                if n % 17 == 0 or n % 13 == 0 then
                    bad[#bad + 1] = n
                else
                    good[#good + 1] = n
                end
            end
            local accepted, refused = batcher:add_many(rows)
            assert.equal(#good, accepted)
            for i, one in ipairs(refused) do
                assert.same({ bad[i], "invalid" }, { one.index, one.code })
                assert.truthy(one.message:find(one.index % 17 == 0 and "unknown" or "not a whole number", 1, true))
            end
            assert.equal(#bad, #refused)
            assert.equal(#bad, scripted.conserved(batcher).rejected)
            assert(batcher:close())
            assert.same(good, numbers_in(store))
        end)

        it("takes none of no rows, and raises for what is no row before it takes any", function()
            local batcher = batcher_of(options_of())
            assert.same({ 0, {} }, { batcher:add_many {} })
            for _, wrong in ipairs { 5, "x", { { n = 1 }, 5 }, { { n = 1 }, { n = 2 }, false } } do
                local ok, message = pcall(batcher.add_many, batcher, wrong)
                assert.is_false(ok)
                assert.matches("table expected", message)
            end
            assert.equal(0, batcher:stats().accepted)
            assert(batcher:close())
            local accepted, refused = batcher:add_many { { n = 1 }, { n = 2 } }
            assert.same({ 0, 2, "closed" }, { accepted, #refused, refused[2].code })
        end)
    end)
end

describe("add_many", function()
    it("fills batches as adds do, and delivers what is due in between", function()
        local store = numbers_store()
        local batcher = batcher_of { store = store, batch_size = 10, flush_at = 1, max_pending_rows = 10 }
        assert.equal(95, (batcher:add_many(rows_of(1, 95))))
        assert.same({ 10, 10, 10, 10, 10, 10, 10, 10, 10 }, store.sizes)
        assert(batcher:close())
        assert.same(scripted.range(1, 95), store.numbers)
    end)

    it("refuses what finds no room, one by one", function()
        local batcher = batcher_of { store = numbers_store(), inline = false, max_pending_rows = 100 }
        local accepted, refused = batcher:add_many(rows_of(1, 150))
        assert.same({ 100, 50 }, { accepted, #refused })
        assert.same({ 101, "full" }, { refused[1].index, refused[1].code })
        assert.same({ 150, "full" }, { refused[50].index, refused[50].code })
        assert.equal(50, scripted.conserved(batcher).rejected)
        assert(batcher:close())
    end)

    it("waits for room where the option overflow says so", function()
        local store = numbers_store()
        local batcher = batcher_of { store = store, batch_size = 1000, max_pending_rows = 30, overflow = "block" }
        assert.same({ 100, {} }, { batcher:add_many(rows_of(1, 100)) })
        assert.equal(0, scripted.conserved(batcher).rejected)
        assert(batcher:close())
        assert.same(scripted.range(1, 100), store.numbers)

        local threaded, memory = batcher_of { max_pending_rows = 30, overflow = "block" }
        assert.same({ 1000, {} }, { threaded:add_many(rows_of(1, 1000)) })
        assert(threaded:close())
        assert.same(scripted.range(1, 1000), numbers_in(memory))
    end)

    it("drops the oldest or the newest where the option overflow says so", function()
        for mode, kept in pairs { drop_oldest = { 91, 100 }, drop_newest = { 1, 10 } } do
            local store = numbers_store()
            local batcher = batcher_of { store = store, inline = false, max_pending_rows = 10, overflow = mode }
            assert.same({ 100, {} }, { batcher:add_many(rows_of(1, 100)) })
            assert.equal(90, scripted.conserved(batcher).dropped)
            assert(batcher:close())
            assert.same(scripted.range(kept[1], kept[2]), store.numbers)
        end
    end)

    it("outlives a list that its store changes while it is read", function()
        local rows = rows_of(1, 100)
        local batcher
        batcher = batcher_of { batch_size = 10, flush_at = 1, store = { write = function()
            for i = 51, 100 do
                rows[i] = nil
            end
            return true
        end } }
        assert.same({ 50, {} }, { batcher:add_many(rows) })
        assert(batcher:close())
    end)
end)
