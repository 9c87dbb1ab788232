-- SPDX-License-Identifier: MIT
-- The lines whose rows are not known to be settled, so that a load that stops early can say which they are.

local Pending = {}
Pending.__index = Pending

function Pending:push(line, raw)
    local count = self.count + 1
    self.count, self.lines[count], self.raws[count] = count, line, raw
end

function Pending:clear()
    self.count, self.lines, self.raws = 0, {}, {}
end

-- Calls `take` with the line and the raw text of each.
function Pending:each(take)
    for index = 1, self.count do
        take(self.lines[index], self.raws[index])
    end
end

local pending = {}

function pending.new()
    local self = setmetatable({}, Pending)
    self:clear()
    return self
end

return pending
