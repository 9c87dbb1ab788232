-- SPDX-License-Identifier: MIT
-- Each add by itself, while PostgreSQL is frozen in the middle of a write: percentiles, and a histogram. In turns of
-- 1,000 calls with a control that reads the clock for about as long as an add takes, and does nothing else: so both
-- meet whatever else the machine does, as often.
-- Usage: frozen.lua WHO CONNINFO HISTOGRAM (a file that gets lines of who, bucket, count; FREEZE and THAW are commands)

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who, conninfo, histogram = arg[1], arg[2], arg[3]
local COUNT, TURN, PER_DECADE = 400000, 1000, 10
local now = rows.now
local at, user, agent, workspace, template, json = rows.values(2)

local batcher = rows.batcher {
    store = writebehind.postgres { conninfo = conninfo }, max_pending_rows = math.huge,
    max_pending_bytes = math.huge, close_timeout = 0.001,
}

local function zeros()
    local list = {}
    for i = 1, COUNT do
        list[i] = 0
    end
    return list
end

local function add(list, from, to)
    for i = from, to do
        local began = now()
        batcher:add_values(at, user, agent, workspace, template, json, 1, i, 86, i, 35, 1, 0, 0, 1, 12.5, false)
        list[i] = now() - began
    end
end

local reads = 1 -- of the clock, in a call of the control

local function read_clock(list, from, to)
    for i = from, to do
        local began = now()
        for _ = 2, reads do
            now()
        end
        list[i] = now() - began
    end
end

local function turns(adds, clocks, count)
    for from = 1, count, TURN do
        add(adds, from, from + TURN - 1)
        read_clock(clocks, from, from + TURN - 1)
    end
end

local function tell(name, list)
    table.sort(list)
    for _, share in ipairs { 0.5, 0.99, 0.999, 0.9999 } do
        rows.sample(name, ("add while frozen, p%g, us"):format(share * 100), list[math.ceil(COUNT * share)] * 1e6)
    end
    rows.sample(name, "add while frozen, the longest, us", list[COUNT] * 1e6)
end

-- By powers of 10 ^ (1 / PER_DECADE) ns; in the file the middle of each.
local function write_histogram(name, list)
    local counts, file = {}, assert(io.open(histogram, "a"))
    for _, seconds in ipairs(list) do
        local bucket = math.floor(math.log(math.max(seconds * 1e9, 1)) / math.log(10) * PER_DECADE)
        counts[bucket] = (counts[bucket] or 0) + 1
    end
    for bucket, count in pairs(counts) do
        file:write(("%s\t%.4g\t%d\n"):format(name, 10 ^ ((bucket + 0.5) / PER_DECADE), count))
    end
    assert(file:close())
end

local function median_of_first(list, count)
    local first = {}
    for i = 1, count do
        first[i] = list[i]
    end
    return rows.median(first)
end

local adds, clocks = zeros(), zeros()
turns(adds, clocks, 10 * TURN) -- with the flusher at work: warms up
assert(batcher:flush(60))
os.execute(os.getenv "FREEZE")
turns(adds, clocks, 10 * TURN) -- the flusher has what it now can't get rid of
reads = math.max(1, math.floor(median_of_first(adds, 10 * TURN) / median_of_first(clocks, 10 * TURN) + 0.5))
local before = batcher:stats().stored
collectgarbage()
turns(adds, clocks, COUNT)
local stats = batcher:stats()
assert(stats.stored == before and stats.rejected == 0)
os.execute(os.getenv "THAW")
tell(who, adds)
tell("clock", clocks)
write_histogram(who, adds)
write_histogram("clock", clocks)
