-- SPDX-License-Identifier: MIT
-- A store that appends NDJSON to a gzip file and starts a new one where that grows too large: PATH, PATH.1 (the last
-- one), up to PATH.<keep>; with lua-zlib. Each batch is a gzip member by itself, so large batches compress better:
--   store = writebehind.worker("gzip", { path = "/var/log/notes.ndjson.gz", max_bytes = 2 ^ 26, keep = 10 })
-- Stored means given to the system. What a failed write left becomes zeros, which gzip ignores at the end of a file,
-- and is written over. A file of an earlier run may end in half a member, so it is not continued.

local zlib = require "zlib"

local GZIP = 15 + 16 -- zlib's windowBits: the largest window, gzip's header

local function rotate(path, keep)
    for n = keep, 1, -1 do
        os.rename(path .. (n > 1 and "." .. n - 1 or ""), path .. "." .. n)
    end
end

-- Writes the text at that place, and zeros over what is behind it. → true, or nil and why
local function write_at(path, mode, size, text)
    local file, why = io.open(path, mode)
    if not file then
        return nil, why
    end
    local zeros = ("\0"):rep(file:seek("end") - size - #text)
    file:seek("set", size)
    local written, why_not = file:write(text, zeros)
    local closed, why_too = file:close() -- the end of what was buffered
    return written and closed or nil, why_not or why_too
end

return function(args)
    local path, size, is_torn = args.path, nil, false -- size: of the members that are whole

    return { write = function(_, batch)
        local member = zlib.deflate(6, GZIP)(assert(batch:ndjson()), "finish")
        local file, _, code = io.open(path, "rb")
        local is_full = not size or not is_torn and size > 0 and size + #member > (args.max_bytes or 2 ^ 26)
        if file and file:close() and is_full then
            rotate(path, args.keep or 10)
            file, code = nil, 2
        end
        size = file and size or 0
        local ok, why = write_at(path, code == 2 and "wb" or "r+b", size, member) -- 2: there is none, or it was moved
        is_torn = not ok and not write_at(path, "r+b", size, "")
        size = ok and size + #member or size
        return ok, why
    end }
end
