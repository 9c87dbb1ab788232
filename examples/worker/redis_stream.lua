-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker that appends each row, as JSON, to a Redis stream with LuaSocket (lua-socket):
--   store = writebehind.worker("redis_stream", { host = "127.0.0.1", port = 6379, stream = "notes" })
-- A batch is one script, which Redis runs as a whole; it marks the batch's id at its end, so that a try whose reply
-- got lost is not repeated into a second copy, and one that failed is. What a person has to set right holds the rows.

local socket = require "socket"

local APPEND = [[
if redis.call("EXISTS", KEYS[2]) == 0 then
    for _, row in ipairs(ARGV) do redis.call("XADD", KEYS[1], "*", "row", row) end
    redis.call("SET", KEYS[2], 1, "EX", 86400)
end]]
local HELD = { ["-WRONGTYPE"] = "hold", ["-NOAUTH"] = "hold", ["-NOPERM"] = "hold" }

local function encoded(word)
    return ("$%d\r\n%s\r\n"):format(#word, word)
end

return function(args)
    local store, link = {}, nil

    function store.write(_, batch)
        local rows, count = batch:ndjson():gsub("([^\n]+)\n?", encoded)
        local head = encoded "EVAL" .. encoded(APPEND) .. encoded "2" .. encoded(args.stream)
        local request = ("*%d\r\n"):format(count + 5) .. head .. encoded(args.stream .. ":" .. batch.id) .. rows
        link = link or assert(socket.connect(args.host, args.port))
        link:settimeout(args.timeout or 10)
        link:send(request)
        local reply, err = link:receive "*l"
        if not reply then -- the next try connects again
            link:close()
            link = nil
            return nil, "Redis: " .. err
        end
        return reply:sub(1, 1) ~= "-" or nil, "Redis: " .. reply, HELD[reply:match "^%S+"]
    end

    return store
end
