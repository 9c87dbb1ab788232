-- The process behind spec.support.service: an HTTP server on a free port of loopback that answers as one of the
-- services of spec/support/services.lua does, but for the faults that it is told. Its own paths begin with "/_spec/".
-- It ends when it is told to, or after a minute without a request.
--   lua service_process.lua ROOT NAME DIR

local socket = require "socket"

local root, name, dir = arg[1], arg[2], arg[3]
local service = assert(dofile(root .. "/spec/support/services.lua")[name])
local state = { stored = {}, seen = {}, requests = 0 }
local faults = {}

-- A request without its body, or nil.
local function read_request(client)
    local method, path, query = (client:receive "*l" or ""):match "^(%u+) ([^?%s]*)%??(%S*)"
    if not method then
        return nil
    end
    local headers, parameters = {}, {}
    for line in function() return client:receive "*l" end do
        if line == "" then
            break
        end
        local key, value = line:match "^(.-):%s*(.*)$"
        headers[key:lower()] = value
    end
    for key, value in query:gmatch "([^&=]+)=([^&]*)" do
        parameters[key] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex)
            return string.char(tonumber(hex, 16))
        end)
    end
    return { method = method, path = path, query = parameters, headers = headers }
end

-- LuaSocket waits for more where nothing is to be read.
local function read_body(client, length)
    return length > 0 and client:receive(length) or ""
end

local OWN = {}

-- What to do with the next requests, a word each: a status, JSON (which is the reply, with 200), "cut" (close, with
-- half the request read), "lost" (do it, and close), "torn" (do it, and send less than was announced), "ok".
function OWN.faults(body)
    for word in body:gmatch "%S+" do
        faults[#faults + 1] = word
    end
    return ""
end

function OWN.stored(first)
    return table.concat(state.stored, "\n", tonumber(first))
end

function OWN.requests()
    return tostring(state.requests)
end

local function answer(client, status, body, headers)
    local text = ("HTTP/1.1 %s Status\r\nContent-Length: %d\r\nConnection: close\r\n"):format(status, #body)
    for key, value in pairs(headers or {}) do
        text = text .. key .. ": " .. value .. "\r\n"
    end
    return client:send(text .. "\r\n" .. body)
end

local function serve(client, request, fault)
    local length = tonumber(request.headers["content-length"] or 0)
    if fault == "cut" then
        return read_body(client, math.floor(length / 2))
    end
    request.body = read_body(client, length)
    if tonumber(fault) or fault:find "^{" then
        return answer(client, tonumber(fault) or 200, tonumber(fault) and "the spec says so" or fault)
    end
    local status, body, headers = service(state, request)
    if fault == "torn" then
        client:send(("HTTP/1.1 %s Status\r\nContent-Length: %d\r\n\r\n"):format(status, #body + 10) .. body)
    elseif fault ~= "lost" then
        answer(client, status, body, headers)
    end
end

local server = assert(socket.bind("127.0.0.1", 0))
server:settimeout(60)
local _, port = server:getsockname()
local file = assert(io.open(dir .. "/port.new", "w"))
file:write(port)
file:close()
os.rename(dir .. "/port.new", dir .. "/port")

local own
repeat
    local client = server:accept()
    if not client then
        break
    end
    client:settimeout(60)
    local request = read_request(client)
    own = request and request.path:match "^/_spec/(%l+)$"
    if own and OWN[own] then
        answer(client, 200, OWN[own](read_body(client, tonumber(request.headers["content-length"] or 0))))
    elseif request and not own then
        state.requests = state.requests + 1
        serve(client, request, table.remove(faults, 1) or "ok")
    end
    client:close()
until own == "quit"
