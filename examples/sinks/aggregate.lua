-- SPDX-License-Identifier: MIT
-- A store that sums counters by key, so that a thousand rows become a few updates. What comes of a batch is given
-- to sink(totals, batch), which answers as a store does; totals[key][column] is a sum. Where a reply may get lost,
-- let the sink remember batch.id, or sums are added twice.   lua5.4 examples/sinks/aggregate.lua
local Aggregate = {}
Aggregate.__index = Aggregate

function Aggregate:write(batch)
    local totals, keys = {}, batch:column(self.key)
    for _, name in ipairs(self.sum) do
        for index, value in ipairs(batch:column(name)) do
            local total = totals[keys[index]] or {}
            totals[keys[index]] = total
            total[name] = (total[name] or 0) + value
        end
    end
    return self.sink(totals, batch)
end

-- key: the column to sum by; sum: a list of the columns to sum, none of which may be NULL.
local function new(key, sum, sink)
    return setmetatable({ key = key, sum = sum, sink = sink }, Aggregate)
end

if arg and (arg[0] or ""):match("aggregate%.lua$") then
    local writebehind = require "writebehind"
    local store = new("page", { "hits", "bytes" }, function(totals)
        for page, total in pairs(totals) do
            print(page, total.hits, total.bytes)
        end
        return true
    end)
    local schema = writebehind.schema { { "page", "text" }, { "hits", "int8", default = 1 }, { "bytes", "int8" } }
    local batcher = writebehind.batcher { store = store, schema = schema, table = "pages" }
    for n = 1, 1000 do
        assert(batcher:add { page = "/" .. n % 3, bytes = n })
    end
    assert(batcher:close())
end
return new
