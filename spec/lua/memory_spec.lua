-- The memory of a batcher is bounded by what it was told, however much goes through it.

local process = require "spec.support.process"

local MILLIONS = 10
local PENDING_BYTES = 32 * 2 ^ 20

local SCRIPT = [[
    local writebehind = require "writebehind"

    local function resident(field)
        for line in io.lines "/proc/self/status" do
            local kib = line:match("^" .. field .. ":%s*(%d+) kB")
            if kib then
                return tonumber(kib) * 1024
            end
        end
    end

    local rows, pending_bytes = tonumber(arg[1]), tonumber(arg[2])
    local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text" } }
    local overflow = arg[3]
    local away = overflow ~= "block"
    local store = away and writebehind.sqlite { path = "/nonexistent/none.db", create = false }
        or writebehind.memory { keep_rows = 0 }
    local batcher = assert(writebehind.batcher { store = store, schema = schema, table = "t", overflow = overflow,
        block_timeout = 300, max_pending_rows = math.huge, max_pending_bytes = pending_bytes, close_timeout = 0.1,
        log = function() end })
    local start, most = resident "VmRSS", 0
    for n = 1, rows do
        assert(batcher:add_values(n, "a small row") or overflow == "reject")
        if n % 100000 == 0 then
            most = math.max(most, tonumber(batcher:stats().pending_bytes))
        end
    end
    assert(batcher:close(away and 0 or 300) or away)
    local stats = batcher:stats()
    assert(stats.accepted + stats.rejected == rows)
    assert(stats.accepted == stats.stored + stats.pending + stats.dead + stats.dropped)
    if away then
        assert(stats.pending > 100000 and most > pending_bytes / 2)
    else
        assert(stats.stored == rows and stats.pending == 0)
    end
    print(("%d %d %d"):format(start, resident "VmHWM", most))
]]

local function assert_bounded(millions, overflow)
    local result = process.lua(SCRIPT, { millions * 1000000, ("%d"):format(PENDING_BYTES), overflow }, 600)
    assert.equal(0, result.code, result.err)
    local start, peak, most = result.out:match("(%d+) (%d+) (%d+)")
    assert.is_true(tonumber(most) <= PENDING_BYTES)
    local grown, limit = peak - start, 1.3 * PENDING_BYTES + 20 * 2 ^ 20
    assert.is_true(grown <= limit, ("grown by %.1f MiB, at most %.1f expected"):format(grown / 2 ^ 20, limit / 2 ^ 20))
end

describe("the memory of a batcher", function()
    it(("stays within its bound over %d million rows"):format(MILLIONS), function()
        assert_bounded(MILLIONS, "block")
    end)

    for _, overflow in ipairs { "reject", "drop_oldest", "drop_newest" } do
        it(("stays within its bound while the store is away: %s"):format(overflow), function()
            assert_bounded(2, overflow)
        end)
    end
end)
