-- SPDX-License-Identifier: MIT
-- What a long backlog costs. "growth": ns an add, and bytes of memory a row, while PostgreSQL is frozen and rows
-- pend, up to TOP. "waiting": ns an add and of a take with its completion, where few or many batches of 10 rows wait,
-- untried or each for its next try. Usage: backlog.lua WHO growth CONNINFO TOP | backlog.lua WHO waiting

local writebehind = require "writebehind"
local testing = require "writebehind.testing"
local rows = require "bench.rows"

local who, mode, conninfo, top = arg[1], arg[2], arg[3], tonumber(arg[4])
local POINTS = { 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000 }
local PAGE = 4096
local FEW, MANY, ROWS = 100, 10000, 10

local at, user, agent, workspace, template, json = rows.values(2)

local function resident()
    local file = assert(io.open "/proc/self/statm")
    local pages = file:read("*a"):match "^%d+ (%d+)"
    file:close()
    return pages * PAGE
end

local function add(batcher, from, to)
    local began = rows.now()
    for i = from, to do
        batcher:add_values(at, user, agent, workspace, template, json, 1, i, 86, i, 35, 1, 0, 0, 1, 12.5, false)
    end
    return (rows.now() - began) * 1e9 / (to - from + 1)
end

local function growth()
    local batcher = rows.batcher {
        store = writebehind.postgres { conninfo = conninfo }, max_pending_rows = math.huge,
        max_pending_bytes = math.huge, close_timeout = 0.001,
    }
    add(batcher, 1, 1000)
    assert(batcher:flush(60))
    os.execute(os.getenv "FREEZE")
    local before, last = resident(), 0
    for _, point in ipairs(POINTS) do
        if point <= top then
            rows.sample(who, ("add, up to %d pending, ns"):format(point), add(batcher, last + 1, point))
            rows.sample(who, ("memory, %d pending, bytes a row"):format(point), (resident() - before) / point)
            last = point
        end
    end
    assert(batcher:stats().pending == top)
    os.execute(os.getenv "THAW")
end

-- ---- waiting ----

local clock

-- A driven batcher with so many batches, each of which failed so many times.
local function with_batches(count, failures)
    clock = testing.clock()
    local batcher = rows.batcher {
        store = { write = function() return true end }, inline = false, clock = clock, batch_size = ROWS, flush_at = 1,
        interval = 3600, max_pending_rows = math.huge, max_pending_bytes = math.huge,
    }
    add(batcher, 1, count * ROWS)
    for _ = 1, failures * count do
        clock:advance(60)
        assert(batcher:take()):complete(nil, "not now")
    end
    return batcher
end

-- Takes and completes a tenth of the batches: ns each.
local function deliver(batcher, count)
    clock:advance(60)
    local began = rows.now()
    for _ = 1, count / 10 do
        assert(batcher:take()):complete(true)
    end
    return (rows.now() - began) * 1e9 / (count / 10)
end

local function measure(name, count, failures)
    local times = MANY / count -- as many calls, however few wait
    local adding, delivering = 0, 0
    for _ = 1, times do
        local batcher = with_batches(count, failures)
        adding = adding + add(batcher, 1, count)
        delivering = delivering + deliver(batcher, count)
        batcher:close(0)
    end
    rows.sample(who, ("add, %d batches %s, ns"):format(count, name), adding / times)
    rows.sample(who, ("take and complete, %d batches %s, ns"):format(count, name), delivering / times)
end

local function waiting()
    for _, count in ipairs { FEW, MANY } do
        measure("wait", count, 0)
        measure("wait for a retry", count, 1)
    end
end

local run = assert(({ growth = growth, waiting = waiting })[mode])
run()
