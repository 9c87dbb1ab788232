-- SPDX-License-Identifier: MIT
-- Rows a second from the first add to the last commit, with a batcher's defaults, and the process's CPU a row (in
-- SQLite that is all the work there is). Usage: stored.lua WHO PLACE URL COUNT

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who, place, url, count = arg[1], arg[2], arg[3], tonumber(arg[4])

local batcher = rows.batcher { store = assert(writebehind.open(url)), overflow = "block", block_timeout = 60 }
assert(batcher:add_values(rows.values(0))) -- the connection is not what is measured
assert(batcher:flush(60))
collectgarbage()
local began, cpu = rows.now(), os.clock()
for i = 1, count do
    assert(batcher:add_values(rows.values(i)))
end
assert(batcher:flush(120))
local took, used = rows.now() - began, os.clock() - cpu
assert(batcher:stats().stored == count + 1 and batcher:close())
rows.sample(who, place .. ", rows/s", count / took)
rows.sample(who, place .. ", CPU a row, ns", used * 1e9 / count)
