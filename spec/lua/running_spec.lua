-- What is done to a batcher while it runs: purge, configure and room, of each form; what the log says of its limits.

local core = require "writebehind.core"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
local huge = math.huge

local FORMS = {
    driven = { store = scripted.store },
    ["driven with a policy"] = { store = scripted.store, policy = { route = function() return "elsewhere" end } },
    threaded = { store = writebehind.memory },
    hooked = { store = writebehind.memory, on_flush = function() end },
}

local function batcher_of(form, given)
    local lines = {}
    local options = { schema = SCHEMA, table = "t", interval = 3600, max_pending_rows = 10,
        log = form ~= "threaded" and function(level, message) lines[#lines + 1] = level .. ": " .. message end or nil }
    for name, value in pairs(FORMS[form]) do
        options[name] = value
    end
    options.store = options.store()
    for name, value in pairs(given or {}) do
        options[name] = value
    end
    return assert(writebehind.batcher(options)), lines
end

local function add(batcher, count)
    for n = 1, count do
        assert.is_true(batcher:add { n = n })
    end
end

for form in pairs(FORMS) do
    describe("a running batcher, " .. form, function()
        it("drops what waits", function()
            local batcher = batcher_of(form)
            assert.equal(0, tonumber(batcher:purge()))
            add(batcher, 5)
            assert.equal(5, tonumber(batcher:purge()))
            assert.is_true(batcher:flush())
            local stats = scripted.conserved(batcher)
            assert.equal(5, tonumber(stats.dropped))
            assert.equal(0, tonumber(stats.pending))
            add(batcher, 2)
            assert.is_true(batcher:close())
            assert.equal(2, tonumber(batcher:stats().stored))
            assert.equal(0, tonumber(batcher:purge()))
        end)

        it("says how much room there is", function()
            local batcher = batcher_of(form, { max_pending_bytes = 1000 })
            local rows, bytes = batcher:room()
            assert.equal(10, tonumber(rows))
            assert.equal(1000, tonumber(bytes))
            add(batcher, 2)
            rows, bytes = batcher:room()
            assert.equal(8, tonumber(rows))
            assert.equal(1000 - tonumber(batcher:stats().pending_bytes), tonumber(bytes))
            batcher:configure { max_pending_rows = huge, max_pending_bytes = huge }
            rows, bytes = batcher:room()
            assert.equal(huge, rows)
            assert.equal(huge, bytes)
            batcher:configure { max_pending_rows = 1 } -- what waits is due then: a thread may have it
            if form:find "driven" then
                assert.equal(0, tonumber((batcher:room())))
            end
            assert.is_true(batcher:close())
            assert.equal(1, tonumber((batcher:room())))
        end)

        it("takes other options", function()
            local batcher = batcher_of(form)
            add(batcher, 2)
            assert.is_true(batcher:next_due() > 1000)
            assert.is_true(batcher:configure { interval = 1000 })
            assert.is_true(batcher:next_due() <= 1000)
            assert.is_true(batcher:configure {})
            assert.is_true(batcher:close())
            assert.is_true(batcher:configure { retry = { attempts = 3 } })
        end)

        it("changes all or nothing, and names what is wrong or can't change", function()
            local batcher = batcher_of(form)
            local function wrong(changes, message)
                local ok, text = pcall(batcher.configure, batcher, changes)
                assert.is_false(ok)
                assert.is_truthy(text:find(message, 1, true), text)
            end
            wrong({ max_pending_rows = 1, interval = -1 }, 'option "interval": expected seconds, 0 or more, got -1')
            wrong({ max_pending_rows = 1, retry = { initial = 3, max = 2 } },
                'option "retry": initial (3) is above max (2)')
            wrong({ max_pending_rows = 1, retry = { often = 1 } }, 'option "retry": unknown option "often"')
            wrong({ max_pending_rows = 1, tabel = "x" }, 'batcher:configure: unknown option "tabel"')
            for _, name in ipairs { "table", "schema", "store", "name", "clock", "policy", "dedupe", "dead_letter",
                "on_flush", "log", "events", "ids", "inline" } do
                wrong({ max_pending_rows = 1, [name] = 1 },
                    ('batcher:configure: option "%s": can\'t change while the batcher runs'):format(name))
            end
            wrong(nil, "batcher:configure: expected a table of options, got nothing")
            assert.equal(10, tonumber((batcher:room())))
            assert.is_true(batcher:close())
        end)
    end)
end

describe("a running batcher", function()
    it("changes each option that the core calls live, and no other", function()
        local batcher, count = batcher_of "driven", 0
        for _, entry in ipairs(core.options.batcher) do
            local part = entry.name:match "^retry%.(.*)"
            local value = entry.type == "choice" and "reject" or entry.type == "share" and 0.5 or 1
            local changes = part and { retry = { [part] = value } } or { [entry.name] = value }
            assert.equal(entry.live, (pcall(batcher.configure, batcher, changes)), entry.name)
            count = count + (entry.live and 1 or 0)
        end
        assert.equal(14, count)
        assert.is_true(batcher:close())
    end)

    it("keeps of retry what it is not given, and lets the other ceiling give way", function()
        local batcher = batcher_of("driven", { retry = { initial = 2, max = 8, attempts = 5 } })
        local function now()
            local own = core.raw.options(batcher)
            return own["retry.initial"], own["retry.max"], own["retry.attempts"]
        end
        batcher:configure { retry = { attempts = 3 } }
        assert.same({ 2, 8, 3 }, { now() })
        batcher:configure { retry = { max = 1 } }
        assert.same({ 1, 1, 3 }, { now() })
        batcher:configure { retry = { initial = 4 } }
        assert.same({ 4, 4, 3 }, { now() })
        assert.is_true(batcher:close())
    end)

    it("never shows a scripted store more rows than batch_size is by now", function()
        local store = scripted.store()
        local batcher = batcher_of("driven", { store = store, max_pending_rows = 100, inline = false })
        add(batcher, 20)
        batcher:configure { batch_size = 3 }
        assert.is_true(batcher:close())
        for _, batch in ipairs(store.batches) do
            assert.is_true(batch.rows <= 3)
        end
        assert.equal(7, #store.batches)
    end)

    it("refuses or drops as it is told", function()
        local batcher = batcher_of("driven", { inline = false })
        add(batcher, 2)
        assert.is_true(batcher:configure { max_pending_rows = 2 })
        local ok, _, code = batcher:add { n = 3 }
        assert.is_nil(ok)
        assert.equal("full", code)
        assert.is_true(batcher:configure { overflow = "drop_newest" })
        assert.is_true(batcher:add { n = 3 })
        assert.equal(1, tonumber(batcher:stats().dropped))
        assert.is_true(batcher:configure { overflow = "drop_oldest" })
        assert.is_true(batcher:add { n = 4 })
        assert.equal(2, tonumber(batcher:stats().dropped))
        assert.is_true(batcher:close())
        assert.equal(2, tonumber(batcher:stats().stored))
    end)

    it("that nobody may stop can't be told to block", function()
        local batcher = batcher_of("driven", { inline = false })
        assert.error_matches(function()
            batcher:configure { overflow = "block" }
        end, 'batcher:configure: option "inline": false leaves nobody who makes room')
        assert.is_true(batcher:close())
    end)

    it("blocks, and no longer, as it is told", function()
        local clock = testing.clock(0)
        local batcher = batcher_of("driven", { store = scripted.store(scripted.fails()), clock = clock,
            max_pending_rows = 2, retry = { initial = 3600, max = 3600 } })
        add(batcher, 2)
        batcher:configure { overflow = "block", block_timeout = 5 }
        local before = clock:now()
        local _, _, code = batcher:add { n = 3 }
        assert.equal("full", code)
        assert.is_true(clock:now() - before >= 5 and clock:now() - before < 60)
        batcher:configure { overflow = "reject" }
        before = clock:now()
        _, _, code = batcher:add { n = 3 }
        assert.equal("full", code)
        assert.equal(before, clock:now())
        assert.equal(2, tonumber(batcher:purge()))
        assert.is_true(batcher:close())
    end)

    it("keeps what is being written when it is purged from inside its store", function()
        local batcher
        local store = scripted.store(function()
            batcher:purge()
            return true
        end)
        batcher = batcher_of("driven", { store = store, batch_size = 2, inline = false })
        add(batcher, 6)
        assert.is_true(batcher:close())
        local stats = scripted.conserved(batcher)
        assert.equal(2, tonumber(stats.stored))
        assert.equal(4, tonumber(stats.dropped))
    end)

    it("says that it is nearly full, once, and that there is room again", function()
        local batcher, lines = batcher_of("driven", { inline = false })
        add(batcher, 10)
        batcher:add { n = 11 }
        assert.is_true(batcher:flush())
        assert.same({
            "warn: nearly full: 8 rows of at most 10 are pending (max_pending_rows)",
            "warn: full: new rows are refused, 10 rows of " .. 10 * 50 .. " bytes are pending",
            "info: there is room again: 0 rows of 0 bytes are pending",
        }, lines)
        assert.is_true(batcher:close())
    end)

    it("says with a colon what it is", function()
        for _, name in ipairs { "purge", "configure" } do
            assert.error_matches(function()
                batcher_of("driven")[name]()
            end, "batcher:" .. name .. ": expected a living batcher as self, got nil")
        end
    end)
end)
