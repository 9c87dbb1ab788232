-- SPDX-License-Identifier: MIT
-- What an add of a full row (17 columns, uuids as text) costs its caller, in ns of wall time: each form of it, beside
-- building such a row as a Lua table. Into the memory store. "Alone" are calls in runs that fill no batch: nothing is
-- written meanwhile. "Flat out" are calls as fast as they come, with the flusher at work.
-- Usage: adds.lua WHO

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who = arg[1]
local COUNT, WARM = 32000, 8000 -- less than max_pending_rows

local at, user, agent, workspace, template, json = rows.values(2)
local batcher = rows.batcher { store = writebehind.memory { keep_rows = 1 } }
local stats = writebehind.agent_stats.batcher { store = writebehind.memory { keep_rows = 1 } }
local reused = { connections_by_proto = { vscode = 2, ssh = 1 }, connection_count = 1, rx_packets = 0, rx_bytes = 86,
    tx_packets = 0, tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0,
    session_count_reconnecting_pty = 0, session_count_ssh = 1, connection_median_latency_ms = 12.5, usage = false }

-- Each makes the calls `from` to `to`, as a program would write them: the row's table stands in the call.
local forms = {}

function forms.build(from, to)
    local row
    for i = from, to do
        row = {
            created_at = at, user_id = user, agent_id = agent, workspace_id = workspace, template_id = template,
            connections_by_proto = json, connection_count = 1, rx_packets = i, rx_bytes = 86, tx_packets = i,
            tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0, session_count_reconnecting_pty = 0,
            session_count_ssh = 1, connection_median_latency_ms = 12.5, usage = false,
        }
    end
    return row
end

function forms.add_values(from, to)
    for i = from, to do
        batcher:add_values(at, user, agent, workspace, template, json, 1, i, 86, i, 35, 1, 0, 0, 1, 12.5, false)
    end
end

function forms.add_text(from, to)
    for i = from, to do
        batcher:add {
            created_at = at, user_id = user, agent_id = agent, workspace_id = workspace, template_id = template,
            connections_by_proto = json, connection_count = 1, rx_packets = i, rx_bytes = 86, tx_packets = i,
            tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0, session_count_reconnecting_pty = 0,
            session_count_ssh = 1, connection_median_latency_ms = 12.5, usage = false,
        }
    end
end

function forms.add_table(from, to)
    for i = from, to do
        batcher:add {
            created_at = at, user_id = user, agent_id = agent, workspace_id = workspace, template_id = template,
            connections_by_proto = { vscode = 2, ssh = 1 }, connection_count = 1, rx_packets = i, rx_bytes = 86,
            tx_packets = i, tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0,
            session_count_reconnecting_pty = 0, session_count_ssh = 1, connection_median_latency_ms = 12.5,
            usage = false,
        }
    end
end

function forms.stats_fresh(from, to)
    for i = from, to do
        stats:add(at, agent, template, user, workspace, {
            connections_by_proto = { vscode = 2, ssh = 1 }, connection_count = 1, rx_packets = i, rx_bytes = 86,
            tx_packets = i, tx_bytes = 35, session_count_vscode = 1, session_count_jetbrains = 0,
            session_count_reconnecting_pty = 0, session_count_ssh = 1, connection_median_latency_ms = 12.5,
            usage = false,
        })
    end
end

function forms.stats_reused(from, to)
    for i = from, to do
        reused.rx_packets, reused.tx_packets = i, i
        stats:add(at, agent, template, user, workspace, reused)
    end
end

local function settle()
    assert(batcher:flush(60) and stats:flush(60))
end

local function alone(form, count)
    return rows.alone(form, count, settle)
end

local function flat_out(form, count)
    settle()
    local began = rows.now()
    form(1, count)
    return (rows.now() - began) * 1e9 / count
end

local measures = {
    { "build a table", alone, forms.build },
    { "stats:add, fresh", alone, forms.stats_fresh },
    { "stats:add, reused", alone, forms.stats_reused },
    { "add, JSON a table", alone, forms.add_table },
    { "add, JSON text", alone, forms.add_text },
    { "add_values", alone, forms.add_values },
    { "stats:add, fresh, flat out", flat_out, forms.stats_fresh },
    { "add_values, flat out", flat_out, forms.add_values },
}

for _, measure in ipairs(measures) do
    local what, way, form = measure[1], measure[2], measure[3]
    way(form, WARM)
    collectgarbage()
    rows.sample(who, what, way(form, COUNT))
end
assert(batcher:close() and batcher:stats().rejected == 0)
assert(stats:close() and stats:stats().rejected == 0)
