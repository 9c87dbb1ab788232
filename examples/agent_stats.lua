-- SPDX-License-Identifier: MIT
-- Agents report what they did; each report is a row of workspace_agent_stats and marks its workspace as used.
-- Usage: lua examples/agent_stats.lua [URL]     sqlite:agent_stats.db, or postgresql://…

local writebehind = require "writebehind"

local url = arg[1] or "sqlite:agent_stats.db"
local store = assert(writebehind.open(url, { create = true }))

-- The tables. The workspaces are another program's in real life; here there are two.
local dialect = store:kind()
assert(store:execute(writebehind.agent_stats.ddl[dialect]))
local workspaces = writebehind.schema { { "id", "uuid" }, { "last_used_at", "timestamptz", null = true } }
assert(store:execute(workspaces:ddl(dialect, "workspaces")))
local ids = { "018bcfe5-6be8-7000-ba42-000000000001", "018bcfe5-6be8-7000-ba42-000000000002" }
for _, id in ipairs(ids) do
    assert(store:execute(("INSERT INTO workspaces (id) SELECT '%s' WHERE NOT EXISTS "
        .. "(SELECT 1 FROM workspaces WHERE id = '%s')"):format(id, id)))
end

local tracker = writebehind.tracker {
    store = store, table = "workspaces", key = "id", column = "last_used_at", precision = "exact",
}
local stats = writebehind.agent_stats.batcher { store = store, tracker = tracker, overflow = "block" }

-- 100 reports of each workspace's agent, ten seconds apart.
local now = os.time()
for report = 1, 100 do
    for index, workspace in ipairs(ids) do
        assert(stats:add(now - 1000 + 10 * report,
            ("018bcfe5-6be8-7000-a000-%012x"):format(index), -- agent
            "018bcfe5-6be8-7000-b000-000000000001", -- template
            "018bcfe5-6be8-7000-c000-000000000001", -- user
            workspace, {
                connections_by_proto = { ssh = 1 }, connection_count = 1, session_count_ssh = 1,
                rx_packets = 7 * report, rx_bytes = 900 * report, tx_packets = 5 * report,
                tx_bytes = 300 * report, connection_median_latency_ms = 12.5, usage = true,
            }))
    end
end

assert(stats:close())
assert(tracker:close())
local done, used = stats:stats(), tracker:stats()
print(("%d reports stored in %d writes, %d pending, %d dead"):format(done.stored, done.flushes, done.pending,
    done.dead))
print(("%d marks of %d workspaces: %d updated, %d unmatched"):format(used.marked, used.unique, used.updated,
    used.unmatched))
