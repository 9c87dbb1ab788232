-- SPDX-License-Identifier: MIT
-- Rows go over a socket to a collector, on libuv's loop.
-- In a checkout: eval "$(make -s env)"; lua5.4 examples/drivers/luv.lua    (needs luv)
local uv = require "luv"
local drivers = require "writebehind.drivers.luv"
local writebehind = require "writebehind"
local listener = uv.new_tcp()
assert(listener:bind("127.0.0.1", 0))
local port = listener:getsockname().port

local function write(_, batch) -- yields; a callback goes on with it
    local thread, client, text = coroutine.running(), uv.new_tcp(), batch:ndjson()
    client:connect("127.0.0.1", port, function(err)
        if err then return coroutine.resume(thread, nil, err) end
        client:write(text .. "\n")
        client:read_start(function(failed, reply) coroutine.resume(thread, reply, failed) end)
    end)
    local reply, err = coroutine.yield()
    client:close()
    return reply == "stored\n" or nil, err or "no answer"
end

assert(listener:listen(128, function() -- the collector
    local client, text = uv.new_tcp(), ""
    listener:accept(client)
    client:read_start(function(_, more)
        text = text .. (more or "")
        if not more then client:close() elseif text:find("\n\n$") then client:write("stored\n") end
    end)
end))
local schema = writebehind.schema { { "at", "timestamptz" }, { "n", "int8" } }
local batcher = assert(writebehind.batcher { store = { write = write }, schema = schema, table = "t", batch_size = 99 })
local driver = assert(drivers.run(batcher, uv, { in_flight = 3 }))
coroutine.wrap(function() -- the program
    for n = 1, 1000 do assert(batcher:add { at = os.time(), n = n }) end
    print("closed", driver:close(), batcher:stats().stored .. " rows stored")
    listener:close()
end)()
uv.run()
