-- SPDX-License-Identifier: MIT
-- Into DIR: the DDL of both dialects, and COUNT rows as the file that psql's \copy reads fastest.
-- Usage: prepare.lua DIR COUNT

local writebehind = require "writebehind"
local rows = require "bench.rows"

local dir, count = arg[1], tonumber(arg[2])

local function write(name, text)
    local file = assert(io.open(dir .. "/" .. name, "wb"))
    assert(file:write(text))
    assert(file:close())
end

-- The only batch of a driven batcher.
local function binary()
    local batcher = rows.batcher {
        store = { write = function() return true end }, batch_size = count, flush_at = 1, batch_bytes = 2 ^ 30,
        max_pending_rows = count, max_pending_bytes = 2 ^ 30, interval = 3600, inline = false,
    }
    for i = 1, count do
        batcher:add_values(rows.values(i))
    end
    local batch = assert(batcher:take())
    assert(#batch == count)
    local stream = assert(batch:copy_binary())
    batch:complete(true)
    return stream
end

for dialect, ddl in pairs(writebehind.agent_stats.ddl) do
    write(dialect .. ".sql", ddl)
end
write("rows.bin", binary())
