-- Wrong use raises at its caller, and the message names the option that is wrong.

local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local function scripted()
    return {
        write = function()
            return true
        end,
        touch = function()
            return true
        end,
    }
end

-- Calls make(options) and asserts that it raises here, naming `name`.
local function refuses(make, options, name)
    local ok, message = pcall(function()
        make(options)
    end)
    assert.is_false(ok, ("option %s was taken"):format(name))
    assert.is_string(message)
    assert.matches("options_spec.lua:%d+:", message)
    assert.is_truthy(message:find(name, 1, true), ("%q is not named in: %s"):format(name, message))
end

local function with(base, extra)
    local options = {}
    for key, value in pairs(base) do
        options[key] = value
    end
    for key, value in pairs(extra) do
        options[key] = value
    end
    return options
end

local function NAN()
    return 0 / 0
end

-- For each option: values that are wrong.
local WRONG = {
    batcher = {
        store = { 1, "postgresql://", {}, { write = 1 } },
        schema = { {}, "schema", 5 },
        table = { "", 5, {}, true },
        batch_size = { 0, -1, 1.5, "10", NAN(), {} },
        flush_at = { 0, -0.5, 1.01, "0.8", NAN() },
        batch_bytes = { 0, -1, 1.5, "big", NAN() },
        interval = { -1, "1", NAN(), {} },
        max_pending_rows = { 0, -1, 0.5, "many", NAN() },
        max_pending_bytes = { 0, -1, 0.5, "many", NAN() },
        overflow = { "explode", 1, true },
        block_timeout = { -1, "1", NAN() },
        retry = { 5, "often", true },
        write_timeout = { -1, "1", NAN() },
        dedupe = { "no_such_column", 5, true, "n" },
        dead_letter = { 5, true },
        close_timeout = { -1, "1", NAN() },
        on_flush = { 5, "print", true },
        log = { 5, "print", true },
        policy = { 5, "policy" },
        clock = { 5, "clock", os.time },
        inline = { 1, "no" },
    },
    tracker = {
        store = { 1, "postgresql://", {}, { touch = 1 } },
        table = { "", 5, {} },
        key = { "", 5, {} },
        column = { "", 5, {} },
        interval = { -1, "1", NAN() },
        insert = { 1, "yes", true }, -- the store is scripted
        precision = { "rough", 5, true },
        min_advance = { -1, "1", NAN() },
        chunk = { 0, -1, 1.5, "1" },
        retry = { 5, "often" },
        close_timeout = { -1, "1", NAN() },
        on_flush = { 5, "print" },
        log = { 5, "print" },
        clock = { 5, "clock" },
    },
    retry = {
        initial = { -1, "1", NAN(), {} },
        max = { -1, "1", NAN(), {} },
        attempts = { 0, -1, 1.5, "3", NAN() },
    },
}

local BASE = {
    batcher = { store = scripted(), schema = schema, table = "t" },
    tracker = { store = scripted(), table = "t", key = "id", column = "at" },
}

-- With a store of the library's.
local REQUIRED = { batcher = { "store", "schema", "table" }, tracker = { "store", "table" } }

for _, noun in ipairs { "batcher", "tracker" } do
    local make, base = writebehind[noun], BASE[noun]

    describe("the options of a " .. noun, function()
        it("are a table", function()
            for _, wrong in ipairs { 5, "text", true } do
                refuses(make, wrong, noun)
            end
            refuses(make, nil, noun)
        end)

        it("are known by name", function()
            refuses(make, with(base, { batchsize = 5 }), "batchsize")
            refuses(make, with(base, { Interval = 5 }), "Interval")
            refuses(make, with(base, { "first" }), noun)
        end)

        for name, list in pairs(WRONG[noun]) do
            it("are checked: " .. name, function()
                for _, wrong in ipairs(list) do
                    refuses(make, with(base, { [name] = wrong }), name)
                end
            end)
        end

        for name, list in pairs(WRONG.retry) do
            it("are checked: retry." .. name, function()
                for _, wrong in ipairs(list) do
                    refuses(make, with(base, { retry = { [name] = wrong } }), name)
                end
            end)
        end

        it("are checked: what retry does not know", function()
            refuses(make, with(base, { retry = { tries = 5 } }), "tries")
        end)

        it("must be given where there is no default", function()
            for _, name in ipairs(REQUIRED[noun]) do
                local options = with(base, { store = writebehind.memory() })
                options[name] = nil
                refuses(make, options, name)
            end
        end)

        it("make a native store driven where there is a clock of the caller's", function()
            local object = make(with(base, { store = writebehind.memory(), clock = testing.clock(0) }))
            assert.equal(0, object:poll())
            assert(object:close())
        end)

        it("may all be given, and math.huge attempts and fractions are fine", function()
            local object = make(with(base, {
                interval = 0.25, retry = { initial = 0.5, max = 2, attempts = math.huge }, close_timeout = 1.5,
                write_timeout = 2.5, clock = testing.clock(5), on_flush = function() end, log = function() end,
            }))
            assert.is_truthy(object)
            assert(object:close())
        end)
    end)
end

describe("the options of a batcher, together,", function()
    it("take every overflow mode and both bounds", function()
        for _, mode in ipairs { "reject", "block", "drop_oldest", "drop_newest" } do
            local batcher = writebehind.batcher(with(BASE.batcher, { overflow = mode, max_pending_rows = 10,
                max_pending_bytes = 100000, batch_size = 5, flush_at = 1, batch_bytes = 5000, dedupe = "id" }))
            assert(batcher:close())
        end
    end)
end)

describe("methods of a batcher and a tracker", function()
    local batcher, tracker

    before_each(function()
        batcher, tracker = writebehind.batcher(BASE.batcher), writebehind.tracker(BASE.tracker)
    end)

    after_each(function()
        batcher:close()
        tracker:close()
    end)

    local function raises(action)
        local ok, message = pcall(action)
        assert.is_false(ok)
        assert.matches("options_spec.lua:%d+:", message)
    end

    it("raise for a timeout that is none", function()
        for _, object in ipairs { batcher, tracker } do
            for _, method in ipairs { "flush", "close" } do
                for _, wrong in ipairs { -1, "soon", {}, NAN() } do
                    raises(function()
                        object[method](object, wrong)
                    end)
                end
            end
        end
    end)

    it("raise for a row that is no table", function()
        for _, wrong in ipairs { 5, "row", true } do
            raises(function()
                batcher:add(wrong)
            end)
        end
        raises(function()
            batcher:add()
        end)
    end)

    it("refuse a row with a wrong value or name, as a thing of the world", function()
        for _, row in ipairs { { n = 2.5 }, { n = "many" }, {}, { n = 1, other = 2 }, { n = 1, [1] = 2 } } do
            local ok, message, code = batcher:add(row)
            assert.is_nil(ok)
            assert.is_string(message)
            assert.equal("invalid", code)
        end
        assert.equal(5, batcher:stats().rejected)
        assert.equal(0, batcher:stats().accepted)
    end)

    it("refuse an id that is none, as a thing of the world", function()
        for _, id in ipairs { "", "short", ("x"):rep(36), ("0"):rep(36) } do
            local ok, message, code = tracker:add(id)
            assert.is_nil(ok)
            assert.is_string(message)
            assert.equal("invalid", code)
        end
        assert.equal(0, tracker:stats().marked)
    end)
end)

describe("the options of a store", function()
    it("of PostgreSQL are checked", function()
        refuses(writebehind.postgres, nil, "postgres")
        refuses(writebehind.postgres, "host=x", "postgres")
        refuses(writebehind.postgres, {}, "conninfo")
        refuses(writebehind.postgres, { conninfo = 5 }, "conninfo")
        refuses(writebehind.postgres, { conninfo = "a\0b" }, "conninfo")
        refuses(writebehind.postgres, { conninfo = "host=x", port = 5 }, "port")
    end)

    it("of SQLite are checked", function()
        refuses(writebehind.sqlite, nil, "sqlite")
        refuses(writebehind.sqlite, {}, "path")
        refuses(writebehind.sqlite, { path = 5 }, "path")
        refuses(writebehind.sqlite, { path = "" }, "path")
        refuses(writebehind.sqlite, { path = "x.db", create = 1 }, "create")
        refuses(writebehind.sqlite, { path = "x.db", mode = "w" }, "mode")
    end)

    it("of memory are checked", function()
        refuses(writebehind.memory, { keep_rows = -1 }, "keep_rows")
        refuses(writebehind.memory, { keep_rows = "all" }, "keep_rows")
        refuses(writebehind.memory, { rows = 5 }, "rows")
        assert.is_truthy(writebehind.memory { keep_rows = 0 })
        assert.is_truthy(writebehind.memory())
    end)

    it("are told apart by URL", function()
        assert.equal("postgresql", writebehind.open("postgresql://localhost/x"):kind())
        assert.equal("sqlite", writebehind.open("sqlite:stats.db"):kind())
        refuses(writebehind.open, nil, "open")
        refuses(writebehind.open, 5, "open")
    end)

    it("name a URL that none can open", function()
        local ok, store, message = pcall(writebehind.open, "gopher://x")
        assert.is_falsy(ok and store)
        assert.matches("gopher", tostring(ok and message or store), 1, true)
    end)
end)

describe("the options of agent_stats", function()
    it("are those of a batcher", function()
        refuses(writebehind.agent_stats.batcher, nil, "agent_stats")
        refuses(writebehind.agent_stats.batcher, {}, "store")
        refuses(writebehind.agent_stats.batcher, { store = scripted(), size = 5 }, "size")
        refuses(writebehind.agent_stats.batcher, { store = scripted(), interval = -1 }, "interval")
    end)
end)

describe("a schema", function()
    local function wrong(columns, ...)
        for _, name in ipairs { ... } do
            refuses(writebehind.schema, columns, name)
        end
    end

    it("is a list of columns", function()
        wrong(nil, "table")
        wrong(5, "table")
        wrong({}, "column")
        wrong({ "id" }, "column")
        wrong({ {} }, "column")
        wrong({ { 5, "int8" } }, "column")
        wrong({ { "", "int8" } }, "column")
    end)

    it("knows its types", function()
        wrong({ { "size", "int16" } }, "size", "int16")
        wrong({ { "size" } }, "type")
        wrong({ { "size", 8 } }, "type")
    end)

    it("has no column twice", function()
        wrong({ { "size", "int8" }, { "size", "int4" } }, "size")
    end)

    it("knows what a column may have", function()
        wrong({ { "size", "int8", nul = true } }, "size", "nul")
        wrong({ { "size", "int8", null = 1 } }, "size", "null")
        wrong({ { "size", "int8", default = "much" } }, "size")
        wrong({ { "size", "int2", default = 40000 } }, "size")
        wrong({ { "id", "uuid", generate = "uuidv9" } }, "id", "generate")
        wrong({ { "size", "int8", generate = "uuidv7" } }, "size")
    end)
end)
