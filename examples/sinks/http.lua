-- SPDX-License-Identifier: MIT
-- A store that posts each batch as NDJSON. The batch's id goes along: where a reply was lost, the same batch comes
-- again with the same id, and the server can tell.   lua5.4 examples/sinks/http.lua http://127.0.0.1:8080/rows
local http = require "socket.http" -- LuaSocket
local ltn12 = require "ltn12"

http.TIMEOUT = 5 -- seconds: no write waits without end

-- What an answer means for the rows: refused rows are looked for one by one, a server that does not know us (or
-- not this place) keeps all rows waiting and raises the alarm, and anything else passes.
local CLASSES = { [400] = "reject", [422] = "reject", [401] = "hold", [403] = "hold", [404] = "hold" }

local Http = {}
Http.__index = Http

function Http:write(batch)
    local body = assert(batch:ndjson())
    local headers = { ["content-type"] = "application/x-ndjson", ["content-length"] = #body }
    headers["idempotency-key"] = batch.id
    local ok, status, _, line = http.request { url = self.url, method = "POST", headers = headers, redirect = false,
        source = ltn12.source.string(body) }
    if ok and status >= 200 and status < 300 then
        return true
    end
    return nil, self.url .. ": " .. tostring(line or status), CLASSES[status]
end

local function new(url)
    return setmetatable({ url = url }, Http)
end

if arg and (arg[0] or ""):match("http%.lua$") then
    local writebehind = require "writebehind"
    local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "note", "text" } }
    local batcher = writebehind.batcher { store = new(arg[1]), schema = schema, table = "notes" }
    assert(batcher:add { note = "hello" })
    os.exit(batcher:close(10) and 0 or 1)
end
return new
