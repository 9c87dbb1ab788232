-- SPDX-License-Identifier: MIT
-- Rows that wait for a large batch, and an event that does not: when an order is paid, what came before it and the
-- payment are delivered at once. flush(0) marks all that waits as due and does not wait for it; the thread of a
-- native store takes it from there, a scripted store is called here.   lua5.4 examples/sinks/business_event.lua
local Flushing = {}
Flushing.__index = Flushing

-- As batcher:add. A store that is away does not make the row any less accepted: it is tried again.
function Flushing:add(row)
    local ok, message, code = self.batcher:add(row)
    if ok and self.is_event(row) then
        self.batcher:flush(0)
    end
    return ok, message, code
end

-- is_event(row) says which rows end the waiting.
local function new(batcher, is_event)
    return setmetatable({ batcher = batcher, is_event = is_event }, Flushing)
end

if arg and (arg[0] or ""):match("business_event%.lua$") then
    local writebehind = require "writebehind"
    local store = { write = function(_, batch)
        print(("%d rows: %s"):format(#batch, table.concat(batch:column "event", ", ")))
        return true
    end }
    local schema = writebehind.schema { { "event", "text" } }
    local batcher = writebehind.batcher { store = store, schema = schema, table = "events", interval = 60 }
    local events = new(batcher, function(row)
        return row.event == "paid"
    end)
    for event in ("seen seen basket paid seen"):gmatch("%a+") do
        assert(events:add { event = event })
    end
    assert(batcher:close())
end
return new
