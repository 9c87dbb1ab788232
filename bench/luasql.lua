-- SPDX-License-Identifier: MIT
-- The peer that a Lua program has at hand: luasql, and one INSERT of 1,000 rows after the other.
-- Usage: luasql.lua WHO PLACE CONNINFO COUNT

local luasql = require "luasql.postgres"
local rows = require "bench.rows"

local who, place, conninfo, count = arg[1], arg[2], arg[3], tonumber(arg[4])
local ROWS = 1000
local INSERT = "INSERT INTO " .. rows.table .. [[ (id, created_at, user_id, agent_id, workspace_id, template_id,
    connections_by_proto, connection_count, rx_packets, rx_bytes, tx_packets, tx_bytes, session_count_vscode,
    session_count_jetbrains, session_count_reconnecting_pty, session_count_ssh, connection_median_latency_ms, usage)
    VALUES ]]
local ROW = "(gen_random_uuid(), to_timestamp(%.6f), '%s', '%s', '%s', '%s', '%s', %d, %d, %d, %d, %d, %d, %d, %d, "
    .. "%d, %.17g, %s)"

local function text(at, user, agent, workspace, template, json, ...)
    local numbers = { ... }
    numbers[#numbers] = tostring(numbers[#numbers])
    return ROW:format(at, user, agent, workspace, template, json, (table.unpack or unpack)(numbers))
end

local connection = assert(luasql.postgres():connect(conninfo))
local began, cpu = rows.now(), os.clock()
for from = 1, count, ROWS do
    local list = {}
    for i = from, math.min(from + ROWS - 1, count) do
        list[#list + 1] = text(rows.values(i))
    end
    assert(connection:execute(INSERT .. table.concat(list, ", ")) == #list)
end
local took, used = rows.now() - began, os.clock() - cpu
connection:close()
rows.sample(who, place .. ", rows/s", count / took)
rows.sample(who, place .. ", CPU a row, ns", used * 1e9 / count)
