-- SPDX-License-Identifier: MIT
-- What policies cost that decide nothing new: an add with each of those that are asked in it, beside one without, and
-- the process's CPU a row from add to stored (in memory), also with a worker, which is asked on the thread that writes.
-- (retry_delay is asked only after a failure.) Usage: policies.lua WHO

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who = arg[1]
local COUNT, WARM = 32000, 8000
local at, user, agent, workspace, template = rows.values(1)

local function no() return false end
local function the_usual() end
local function drop() return "drop_oldest" end

local function batcher_with(policy)
    return rows.batcher { store = writebehind.memory { keep_rows = 1 }, policy = policy }
end

local function form_of(batcher)
    return function(from, to)
        for i = from, to do
            batcher:add { created_at = at, user_id = user, agent_id = agent, workspace_id = workspace,
                template_id = template, connection_count = 1, rx_packets = i, tx_packets = i }
        end
    end
end

local function alone(what, policy)
    local batcher = batcher_with(policy)
    local form = form_of(batcher)
    local function settle()
        assert(batcher:flush(60))
    end
    rows.alone(form, WARM, settle)
    collectgarbage()
    rows.sample(who, what .. ", ns", rows.alone(form, COUNT, settle))
    assert(batcher:close())
end

local function to_stored(what, policy)
    local batcher = batcher_with(policy)
    local form = form_of(batcher)
    form(1, WARM)
    assert(batcher:flush(60))
    collectgarbage()
    local began = os.clock()
    form(1, COUNT)
    assert(batcher:flush(60))
    rows.sample(who, "CPU a row, " .. what .. ", ns", (os.clock() - began) * 1e9 / COUNT)
    assert(batcher:close())
end

-- Each add finds no room, and the oldest row makes some.
local function full(what, options)
    options.store, options.inline = { write = function() return true end }, false
    options.max_pending_rows, options.interval, options.flush_at = 100, 3600, 1
    local batcher = rows.batcher(options)
    local form = form_of(batcher)
    form(1, WARM)
    collectgarbage()
    local began = rows.now()
    form(1, COUNT)
    rows.sample(who, what .. ", ns", (rows.now() - began) * 1e9 / COUNT)
    assert(batcher:stats().dropped == WARM + COUNT - 100 and batcher:close())
end

alone("add, no policy", nil)
alone("add, should_flush", { should_flush = no })
alone("add, route", { route = the_usual })
full("add where full, drop_oldest", { overflow = "drop_oldest" })
full("add where full, on_full", { policy = { on_full = drop } })
to_stored("no policy", nil)
to_stored("should_flush and route", { should_flush = no, route = the_usual })
to_stored("the same in a worker", writebehind.worker "bench.policy")
