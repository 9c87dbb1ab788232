-- SPDX-License-Identifier: MIT
-- Rows that wait for a large batch, and an event that does not: when an order is paid, what came before it and the
-- payment are flushed at once.   lua5.4 examples/sinks/business_event.lua

-- A policy that flushes on the rows of which is_event(row) is true.
local function flush_on(is_event)
    return {
        should_flush = function(view)
            return view.row ~= nil and is_event(view.row)
        end,
    }
end

if arg and (arg[0] or ""):match("business_event%.lua$") then
    local writebehind = require "writebehind"
    local store = { write = function(_, batch)
        print(("%s: %d rows: %s"):format(batch.reason, #batch, table.concat(batch:column "event", ", ")))
        return true
    end }
    local batcher = writebehind.batcher {
        store = store, schema = writebehind.schema { { "event", "text" } }, table = "events", interval = 60,
        policy = flush_on(function(row) return row.event == "paid" end),
    }
    for event in ("seen seen basket paid seen"):gmatch("%a+") do
        assert(batcher:add { event = event })
    end
    assert(batcher:close())
end
return flush_on
