-- SPDX-License-Identifier: MIT
-- Rows go over a socket to a collector, on a cqueues controller.
-- In a checkout: eval "$(make -s env)"; lua5.4 examples/drivers/cqueues.lua    (needs cqueues)
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local drivers = require "writebehind.drivers.cqueues"
local writebehind = require "writebehind"
local loop = cqueues.new()
local listener = socket.listen("127.0.0.1", 0)
local _, _, port = listener:localname()

local function write(_, batch) -- yields to the loop
    local client = socket.connect("127.0.0.1", port)
    client:settimeout(10)
    client:write(batch:ndjson(), "\n")
    client:flush()
    local reply, err = client:read("*l")
    client:close()
    return reply == "stored" or nil, err or reply
end

local schema = writebehind.schema { { "at", "timestamptz" }, { "n", "int8" } }
local batcher = assert(writebehind.batcher { store = { write = write }, schema = schema, table = "t", batch_size = 99 })
local driver = assert(drivers.run(batcher, loop, { in_flight = 3 }))
loop:wrap(function() -- the program
    for n = 1, 1000 do assert(batcher:add { at = os.time(), n = n }) end
    print("closed", driver:close(), batcher:stats().stored .. " rows stored")
end)
loop:wrap(function() -- the collector
    while batcher:stats().stored < 1000 do
        local client = listener:accept(0.1)
        loop:wrap(function()
            if not client then return end
            repeat local line = client:read("*l") until line == "" or not line
            client:write("stored\n")
            client:close()
        end)
    end
end)
assert(loop:loop())
