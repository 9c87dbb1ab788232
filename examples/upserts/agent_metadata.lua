-- SPDX-License-Identifier: MIT
-- What agents say of themselves: of each agent and name the newest value is kept, however late an older one comes; in
-- memory too, before rows are counted, so a flush writes each agent and name once.
--   CREATE TABLE agent_metadata (agent_id uuid, name text, value text, collected_at timestamptz NOT NULL,
--                                PRIMARY KEY (agent_id, name));
local writebehind = require "writebehind"

return function(store, options)
    local newest = { key = { "agent_id", "name" }, newest = "collected_at" }
    local all = {
        store = store, table = "agent_metadata", interval = 5,
        schema = writebehind.schema {
            { "agent_id", "uuid" }, { "name", "text" }, { "value", "text", null = true },
            { "collected_at", "timestamptz" },
        },
        coalesce = newest, upsert = newest,
    }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return writebehind.batcher(all)
end
