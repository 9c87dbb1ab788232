-- SPDX-License-Identifier: MIT
-- A store that appends NDJSON to a file and starts a new one where that grows too large: PATH, PATH.1 (the last one),
-- up to PATH.<keep>. Stored means given to the system.   lua5.4 examples/sinks/file.lua /tmp/notes.ndjson
local File = {}
File.__index = File

function File:rotate()
    for n = self.keep, 1, -1 do
        os.rename(self.path .. (n > 1 and "." .. n - 1 or ""), self.path .. "." .. n)
    end
end

-- What a failed write left behind `size` is written over; where that is longer, its rest becomes empty lines.
function File:write(batch)
    local text = assert(batch:ndjson())
    if self.size > 0 and self.size + #text > self.max_bytes then
        self:rotate()
    end
    local file = io.open(self.path, "r+b")
    self.size = file and self.size or 0 -- there is none yet, or it was moved away
    file = file or assert(io.open(self.path, "wb"))
    text = text .. ("\n"):rep(file:seek("end") - self.size - #text)
    file:seek("set", self.size)
    local written, why = file:write(text)
    local closed, why_not = file:close() -- the end of what was buffered
    self.size = self.size + (written and closed and #text or 0)
    return written and closed or nil, why or why_not
end

local function new(path, max_bytes, keep)
    local file = io.open(path, "rb") -- of an earlier run, whose last line may be cut short
    local size = file and #(file:read("*a"):match("^.*\n") or "") or 0
    return setmetatable({ path = path, size = size, max_bytes = max_bytes or 2 ^ 24, keep = keep or 5 }, File)
end

if arg and (arg[0] or ""):match("file%.lua$") then
    local batch = { ndjson = function() return '{"note":"hello"}\n' end } -- or give the store to a batcher
    print(new(arg[1]):write(batch))
end
return new
