-- SPDX-License-Identifier: MIT
-- An API meter: the requests and bytes of each key and minute. A minute of a key is one row in memory, however many
-- requests it has, and one row in the table, however many processes count.
--   CREATE TABLE api_usage (api_key text, minute timestamptz, requests int8 NOT NULL, bytes int8 NOT NULL,
--                           PRIMARY KEY (api_key, minute));
local writebehind = require "writebehind"

local api_meter = {}

-- What `writebehind.batcher` takes, or `resty.batcher`.
function api_meter.options(store, options)
    local sums = { key = { "api_key", "minute" }, merge = { requests = "sum", bytes = "sum" } }
    local all = {
        store = store, table = "api_usage", interval = 5,
        schema = writebehind.schema {
            { "api_key", "text" }, { "minute", "timestamptz" }, { "requests", "int8" }, { "bytes", "int8" },
        },
        coalesce = sums, upsert = sums,
        dedupe = "ledger", -- a sum must not be done twice
    }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return all
end

-- Counts a request of so many bytes, at a time in seconds. Answers what the batcher's `add` does.
function api_meter.count(batcher, key, bytes, at)
    return batcher:add_values(key, math.floor(at / 60) * 60, 1, bytes)
end

return api_meter
