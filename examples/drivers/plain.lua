-- SPDX-License-Identifier: MIT
-- Rows go over a socket to a collector, on the loop that comes with the driver: for a program without one.
-- In a checkout: eval "$(make -s env)"; lua5.4 examples/drivers/plain.lua    (needs LuaSocket)
local plain = require "writebehind.drivers.plain"
local socket = require "socket"
local writebehind = require "writebehind"
local loop = plain.loop()
local listener = assert(socket.bind("127.0.0.1", 0))
local _, port = listener:getsockname()

local function receive(client)
    client:settimeout(0)
    loop:wait(client:getfd(), "r", 10)
    return client:receive() -- a short line comes whole
end

local function write(_, batch) -- yields to the loop
    local client = assert(socket.connect("127.0.0.1", port))
    client:send(#batch .. " rows\n")
    local reply, err = receive(client)
    client:close()
    return reply == "stored" or nil, err or reply
end

local schema = writebehind.schema { { "at", "timestamptz" }, { "n", "int8" } }
local batcher = assert(writebehind.batcher { store = { write = write }, schema = schema, table = "t", batch_size = 99 })
local driver = assert(plain.run(batcher, loop, { in_flight = 3 }))
loop:spawn(function() -- the program
    for n = 1, 1000 do assert(batcher:add { at = os.time(), n = n }) end
    print("closed", driver:close(), batcher:stats().stored .. " rows stored")
end)
loop:spawn(function() -- the collector
    while batcher:stats().stored < 1000 do
        local client = loop:wait(listener:getfd(), "r", 0.1) and listener:accept()
        loop:spawn(function()
            if client then client:send(receive(client) and "stored\n" or "no\n") client:close() end
        end)
    end
end)
loop:run()
