-- SPDX-License-Identifier: MIT
-- One add of a tracker, the id a uuid as text: of 1,000 ids again and again, of a million that are new, and of the
-- same million again; and the longest single add of a million. Nothing is flushed. Usage: tracker.lua WHO

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who = arg[1]
local COUNT, HOT, TIMES = 1000000, 1000, 200

local function new_tracker()
    return assert(writebehind.tracker { store = writebehind.memory(), table = "workspaces", interval = 86400,
        close_timeout = 0.001, log = function() end })
end

local ids = {}
for i = 1, COUNT do
    ids[i] = rows.uuid()
end
collectgarbage()

-- Adds the ids up to `last`, so many times: ns a call.
local function pass(tracker, last, times)
    local began = rows.now()
    for _ = 1, times do
        for i = 1, last do
            tracker:add(ids[i])
        end
    end
    return (rows.now() - began) * 1e9 / last / times
end

local function longest(tracker)
    local most = 0
    for i = 1, COUNT do
        local id = ids[i]
        local began = rows.now()
        tracker:add(id)
        most = math.max(most, rows.now() - began)
    end
    return most * 1e6
end

local tracker = new_tracker()
pass(tracker, HOT, 10)
rows.sample(who, "1,000 hot ids, ns", pass(tracker, HOT, TIMES))
tracker = new_tracker()
rows.sample(who, "1 M ids, the first time, ns", pass(tracker, COUNT, 1))
rows.sample(who, "1 M ids, the second time, ns", pass(tracker, COUNT, 1))
tracker = new_tracker()
rows.sample(who, "1 M ids, the first time: the longest, us", longest(tracker))
rows.sample(who, "1 M ids, the second time: the longest, us", longest(tracker))
assert(tracker:stats().pending == 2 * COUNT)
