-- SPDX-License-Identifier: MIT
-- What a tracker with `insert` keeps (docs/api.md), by a batcher: of each id the time it was last used, in memory and
-- in the table. This one takes further columns; a tracker needs less memory and passes by rows that others have locked.
--   CREATE TABLE used (id uuid PRIMARY KEY, last_used_at timestamptz);
local writebehind = require "writebehind"

return function(store, table_name)
    local newest = { key = { "id" }, merge = { last_used_at = "max" } }
    return writebehind.batcher {
        store = store, table = table_name or "used", interval = 60,
        schema = writebehind.schema { { "id", "uuid" }, { "last_used_at", "timestamptz" } },
        coalesce = newest, upsert = newest,
    }
end
