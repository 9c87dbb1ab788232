-- SPDX-License-Identifier: MIT
-- The text whose rows may not be settled yet, so that a dead row is reported with its line and as it came. It goes in
-- two halves: when the newer one is full, the older one's rows are waited for, and it is forgotten.

local raw = require("writebehind.core").raw

local ROWS, BYTES = 65536, 16 * 1024 * 1024 -- of a half

local Window = {}
Window.__index = Window

-- Text that the reader is given next.
function Window:push(text)
    self.chunks[#self.chunks + 1] = { from = self.fed, text = text }
    self.fed = self.fed + #text
end

function Window:is_full()
    return raw.remembered(self.reader) - self.older >= ROWS or self.fed - self.began >= BYTES
end

-- Forgets the rows of the older half, which are settled, and the text before the newer one's.
local function forget(self)
    raw.forget(self.reader, self.older)
    while self.chunks[2] and self.chunks[2].from <= self.kept do
        table.remove(self.chunks, 1)
    end
end

-- Begins another half. `wait`: a function of a ticket that waits until it is settled; false: it gave up. → the same
function Window:turn(batcher, wait)
    if self.ticket and not wait(self.ticket) then
        return false
    end
    forget(self)
    self.ticket, self.older = raw.seal(batcher), raw.remembered(self.reader)
    self.kept, self.began = raw.offset(self.reader), self.fed
    return true
end

-- The text of a place.
function Window:text(place)
    local parts, at, stop = {}, place.offset, place.offset + place.bytes
    for _, chunk in ipairs(self.chunks) do
        local from, to = math.max(at, chunk.from), math.min(stop, chunk.from + #chunk.text)
        if from < to then
            parts[#parts + 1] = chunk.text:sub(from - chunk.from + 1, to - chunk.from)
        end
    end
    return table.concat(parts)
end

local window = {}

-- The window over the text of a reader of core.raw.
function window.new(reader)
    raw.remember(reader)
    return setmetatable({ reader = reader, chunks = {}, fed = 0, began = 0, older = 0, kept = 0 }, Window)
end

return window
