-- The memory of a batcher is bounded by what it was told, however much goes through it.

local process = require "spec.support.process"

local MILLIONS = rawget(_G, "jit") and 2 or 10
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
    local store = writebehind.memory { keep_rows = tonumber(arg[3]) }
    local batcher = assert(writebehind.batcher { store = store, schema = schema, table = "t", overflow = "block",
        block_timeout = 300, max_pending_rows = math.huge, max_pending_bytes = pending_bytes })
    local start, most = resident "VmRSS", 0
    for n = 1, rows do
        assert(batcher:add_values(n, "a small row"))
        if n % 100000 == 0 then
            most = math.max(most, tonumber(batcher:stats().pending_bytes))
        end
    end
    assert(batcher:close(300))
    local stats = batcher:stats()
    assert(stats.accepted == rows and stats.stored == rows and stats.pending == 0)
    print(("%d %d %d"):format(start, resident "VmHWM", most))
]]

local function assert_bounded(keep_rows)
    local result = process.lua(SCRIPT, { MILLIONS * 1000000, ("%d"):format(PENDING_BYTES), keep_rows }, 600)
    assert.equal(0, result.code, result.err)
    local start, peak, most = result.out:match("(%d+) (%d+) (%d+)")
    assert.is_true(tonumber(most) <= PENDING_BYTES)
    local grown, limit = peak - start, 1.3 * PENDING_BYTES + 20 * 2 ^ 20
    assert.is_true(grown <= limit, ("grown by %.1f MiB, at most %.1f expected"):format(grown / 2 ^ 20, limit / 2 ^ 20))
end

describe("the memory of a batcher", function()
    it(("stays within its bound over %d million rows"):format(MILLIONS), function()
        assert_bounded(0)
    end)
end)
