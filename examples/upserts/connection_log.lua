-- SPDX-License-Identifier: MIT
-- A log of connections: a row at the connect, another at the disconnect, in whatever order they come, and one row in
-- the table: the earliest connect, and the first disconnect.
--   CREATE TABLE connection_log (id uuid PRIMARY KEY, agent_id uuid NOT NULL, connected_at timestamptz NOT NULL,
--                                disconnected_at timestamptz, reason text);
local writebehind = require "writebehind"

return function(store, options)
    local all = {
        store = store, table = "connection_log",
        schema = writebehind.schema {
            { "id", "uuid" }, { "agent_id", "uuid" }, { "connected_at", "timestamptz" },
            { "disconnected_at", "timestamptz", null = true }, { "reason", "text", null = true },
        },
        upsert = {
            key = { "id" }, merge = { connected_at = "min" },
            columns = {
                disconnected_at = "coalesce(t.disconnected_at, excluded.disconnected_at)",
                reason = "CASE WHEN t.disconnected_at IS NULL THEN excluded.reason ELSE t.reason END",
            },
        },
        dedupe = "ledger", -- an expression must not be evaluated twice
    }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return writebehind.batcher(all)
end
