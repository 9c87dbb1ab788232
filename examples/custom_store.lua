-- SPDX-License-Identifier: MIT
-- A scripted store: each batch becomes a file of NDJSON, a JSON object a line. The file is named after the
-- batch's id, which is the same at every attempt, and put in place whole: a write that is repeated leaves no
-- second copy, one that fails half-way leaves none. The ids grow with time, so `cat rows-*` is in order.
-- Usage: lua examples/custom_store.lua [PREFIX]

local writebehind = require "writebehind"

local function file_store(prefix)
    local store = {}

    -- true, or nil, error [, class]; without a class, and for an error that it throws, "retry".
    function store.write(_, batch)
        local path = prefix .. batch.id .. ".ndjson"
        local file, why = io.open(path .. ".part", "wb")
        if not file then
            return nil, why, "hold" -- no row's fault: they wait, the log says why, it is tried again
        end
        local ok, failed = file:write(batch:ndjson())
        ok = file:close() and ok
        if not ok then
            return nil, failed or path .. ": not written"
        end
        ok, failed = os.rename(path .. ".part", path)
        return ok, failed -- not its third answer, which is no class
    end

    return store
end

local schema = writebehind.schema { { "n", "int4" }, { "note", "text" } }
local batcher = writebehind.batcher {
    store = file_store(arg[1] or "rows-"), schema = schema, table = "rows", batch_size = 100,
}
for n = 1, 250 do
    assert(batcher:add { n = n, note = "row " .. n })
end
assert(batcher:close())
print(("%d rows in %d files"):format(batcher:stats().stored, batcher:stats().flushes))
