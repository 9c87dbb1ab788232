-- SPDX-License-Identifier: MIT
-- One add of a full row of agent statistics (17 columns, uuids and JSON as text), beside building that row
-- as a Lua table; and one mark of a tracker. Into the memory store: what an add costs its caller, wall time.

local writebehind = require "writebehind"
local rows = require "bench.rows"

local ROUNDS, COUNT = 9, 200000
local lua = arg[1]

local function new_batcher()
    return writebehind.batcher {
        store = writebehind.memory { keep_rows = 1 }, schema = writebehind.agent_stats.schema,
        table = "workspace_agent_stats", overflow = "block", block_timeout = 60,
    }
end

local at, user, agent, workspace, template, json = rows.values(1)

local function build_tables()
    local row
    for i = 1, COUNT do
        row = {
            created_at = at, user_id = user, agent_id = agent, workspace_id = workspace, template_id = template,
            connections_by_proto = json, connection_count = 1, rx_packets = i, rx_bytes = 86, tx_packets = i,
            tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0,
            session_count_reconnecting_pty = 0, session_count_ssh = 1, connection_median_latency_ms = 12.5,
            usage = false,
        }
    end
    return row
end

local function add_values(batcher)
    for i = 1, COUNT do
        batcher:add_values(at, user, agent, workspace, template, json, 1, i, 86, i, 35, 1, 0, 0, 1, 12.5, false)
    end
end

local function add_tables(batcher)
    for i = 1, COUNT do
        batcher:add {
            created_at = at, user_id = user, agent_id = agent, workspace_id = workspace, template_id = template,
            connections_by_proto = json, connection_count = 1, rx_packets = i, rx_bytes = 86, tx_packets = i,
            tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0,
            session_count_reconnecting_pty = 0, session_count_ssh = 1, connection_median_latency_ms = 12.5,
            usage = false,
        }
    end
end

local tracker = writebehind.tracker {
    store = writebehind.memory(), table = "workspaces", key = "id", column = "last_used_at", interval = 3600,
}
local hot = {}
for i = 1, 1000 do
    hot[i] = select(4, rows.values(i))
end

local function mark()
    for i = 1, COUNT do
        tracker:add(hot[i % 1000 + 1])
    end
end

local batcher = new_batcher()
local measures = {
    { "table", build_tables }, { "add_values", add_values }, { "add", add_tables }, { "mark", mark },
}
local times = {}
for round = 0, ROUNDS do
    for _, measure in ipairs(measures) do
        local name, body = measure[1], measure[2]
        local began = rows.now()
        body(batcher)
        if round > 0 then -- the first warms up
            times[name] = times[name] or {}
            table.insert(times[name], (rows.now() - began) * 1e9 / COUNT)
        end
    end
end
assert(batcher:close())

local ns = {}
for name, list in pairs(times) do
    ns[name] = rows.median(list)
end
rows.ratio(lua .. ": add_values of 17 columns / building the row as a table", ns.add_values / ns.table)
rows.ratio(lua .. ": add of that table, building it included / building it", ns.add / ns.table)
rows.ratio(lua .. ": add_values / 250 ns", ns.add_values / 250, lua == "lua5.4" and "aim: <= 1" or nil)
rows.figure(lua .. ": building the row as a table", ns.table, "ns")
rows.figure(lua .. ": add_values", ns.add_values, "ns")
rows.figure(lua .. ": add, building the table included", ns.add, "ns")
rows.figure(lua .. ": tracker add, 1,000 hot ids", ns.mark, "ns")
