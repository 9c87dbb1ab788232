-- A way to a NATS server on which messages and answers are lost (spec/support/nats_proxy_process.lua). It passes what
-- clients say on as it is, so it is for servers without TLS.

local process = require "spec.support.process"
local socket = require "socket"

local proxy = {}
proxy.__index = proxy

-- In front of the server at that URL; the caller ends it. A client hears of a cluster's other servers, and may go
-- there.
function proxy.start(url)
    local self = setmetatable({ dir = process.dir() }, proxy)
    local script = (os.getenv "WRITEBEHIND_ROOT" or ".") .. "/spec/support/nats_proxy_process.lua"
    process.start(("exec timeout 600 %s %s %s %s"):format(process.quote(process.interpreter()), process.quote(script),
        url:match "%d+$", self.dir))
    assert(process.wait(function()
        return process.exists(self.dir .. "/proxy")
    end))
    self.port, self.control = process.read(self.dir .. "/proxy"):match "^(%d+) (%d+)$"
    self.url = "nats://127.0.0.1:" .. self.port
    return self
end

function proxy:order(line)
    local link = assert(socket.connect("127.0.0.1", tonumber(self.control)))
    link:settimeout(process.PATIENCE)
    assert(link:send(line .. "\n"))
    local answer = assert(link:receive "*l")
    link:close()
    return answer
end

-- What happens to the next messages that are published with an answer wanted, a word each. Requests of JetStream's API
-- don't count.
--   ok       it comes through, and so does the answer
--   lost     the server has it; the connection ends, in place of the answer
--   silent   the server has it; there is no answer, and the connection stays
--   cut      the connection ends before the server has it
--   503      nobody has it: no responders
--   {…}      nobody has it: that JSON, without spaces, is the answer
function proxy:faults(...)
    self:order("faults " .. table.concat({ ... }, " "))
end

-- How many such messages came.
function proxy:published()
    return tonumber(self:order "published")
end

-- Ends all connections, and those to come at once.
function proxy:shut()
    self:order "shut"
end

function proxy:open()
    self:order "open"
end

function proxy:stop()
    self:order "quit"
    process.remove(self.dir)
end

return proxy
