-- A small server that answers as a real service does, for the specs of the example stores: a process on loopback
-- (spec/support/service_process.lua), which is told what goes wrong.

local http = require "socket.http"
local process = require "spec.support.process"

local service = {}
service.__index = service

-- Starts the service of that name; the caller ends it. `dir`: a folder for it alone.
function service.start(root, name, dir)
    process.start(("exec timeout 300 %s %s %s %s %s"):format(process.quote(process.interpreter()),
        process.quote(root .. "/spec/support/service_process.lua"), process.quote(root), name, process.quote(dir)))
    assert(process.wait(function()
        return process.exists(dir .. "/port")
    end))
    return setmetatable({ url = ("http://127.0.0.1:%s"):format(process.read(dir .. "/port")) }, service)
end

-- What happens to the next requests, a word each: see service_process.lua.
function service:faults(...)
    assert(http.request(self.url .. "/_spec/faults", table.concat({ ... }, " ")))
end

-- The rows that are stored, JSON texts; from the first, or the one of that number.
function service:stored(first)
    local lines = {}
    for line in assert(http.request(self.url .. "/_spec/stored", tostring(first or 1))):gmatch "[^\n]+" do
        lines[#lines + 1] = line
    end
    return lines
end

function service:requests()
    return tonumber((assert(http.request(self.url .. "/_spec/requests"))))
end

function service:stop()
    http.request(self.url .. "/_spec/quit")
end

return service
