-- The process behind spec.support.nats_proxy: passes a client's connection to a NATS server on, operation by operation,
-- but for the faults that it is told of. Two ports of loopback: for clients, and for the spec, which sends a line and
-- gets one.
--   lua nats_proxy_process.lua SERVER_PORT DIR

local socket = require "socket"

local server_port, dir = tonumber(arg[1]), arg[2]
local faults, pairs_of, published, shut = {}, {}, 0, false

local listener = assert(socket.bind("127.0.0.1", 0))
local control = assert(socket.bind("127.0.0.1", 0))

-- How many last words of an operation's line are sizes of what follows it: of its headers, and of all.
local LENGTHS = { PUB = 1, HPUB = 2, MSG = 1, HMSG = 2 }

-- Takes the first operation out of a buffer: its words, its bytes, and what is left; nil where it is not whole.
local function operation(buffer)
    local _, at = buffer:find("\r\n", 1, true)
    if not at then
        return nil
    end
    local words = {}
    for word in buffer:sub(1, at):gmatch "%S+" do
        words[#words + 1] = word
    end
    local lengths = LENGTHS[words[1]]
    local size = at + (lengths and tonumber(words[#words]) + 2 or 0)
    if #buffer < size then
        return nil
    end
    for _ = 1, lengths or 0 do
        words[#words] = nil
    end
    return words, buffer:sub(1, size), buffer:sub(size + 1)
end

local function send(to, bytes)
    to:settimeout(60)
    return to:send(bytes)
end

local function cut(pair)
    pair.client:close()
    pair.server:close()
    pairs_of[pair.client], pairs_of[pair.server] = nil, nil
end

-- The number of the subscription that an inbox belongs to.
local function subscription(pair, subject)
    for pattern, sid in pairs(pair.subscriptions) do
        if subject == pattern or subject:sub(1, #pattern - 1) == pattern:match "^(.*%.)[*>]$" then
            return sid
        end
    end
    error("nobody waits for " .. subject)
end

local function answer(pair, reply, fault)
    local sid = subscription(pair, reply)
    if fault == "503" then
        local status = "NATS/1.0 503\r\n\r\n"
        return send(pair.client, ("HMSG %s %s %d %d\r\n%s\r\n"):format(reply, sid, #status, #status, status))
    end
    return send(pair.client, ("MSG %s %s %d\r\n%s\r\n"):format(reply, sid, #fault, fault))
end

local from_client, from_server = {}, {}

function from_client.SUB(pair, words, bytes)
    pair.subscriptions[words[2]] = words[#words]
    return send(pair.server, bytes)
end

-- A message to JetStream, or a request of its API, which has no fault.
function from_client.PUB(pair, words, bytes)
    local subject, reply = words[2], words[3]
    if not reply or subject:find "^%$JS%." then
        return send(pair.server, bytes)
    end
    published = published + 1
    local fault = table.remove(faults, 1) or "ok"
    if fault == "cut" then
        return cut(pair)
    elseif fault == "503" or fault:find "^{" then
        return answer(pair, reply, fault)
    end
    pair.fate[reply] = fault
    return send(pair.server, bytes)
end
from_client.HPUB = from_client.PUB

function from_server.MSG(pair, words, bytes)
    local fate = pair.fate[words[2]]
    pair.fate[words[2]] = nil
    if fate == "lost" then
        return cut(pair)
    elseif fate ~= "silent" then
        return send(pair.client, bytes)
    end
end
from_server.HMSG = from_server.MSG

-- Reads what there is, and passes on what is whole of it.
local function pump(from)
    local pair = pairs_of[from]
    from:settimeout(0)
    local bytes, reason, partial = from:receive(65536)
    local buffer = pair.buffers[from] .. (bytes or partial)
    local handlers, to = from_client, pair.server
    if from == pair.server then
        handlers, to = from_server, pair.client
    end
    local words, whole, rest = operation(buffer)
    while words do
        buffer = rest
        local handler = handlers[words[1]:upper()]
        if handler then
            handler(pair, words, whole)
        else
            send(to, whole)
        end
        if not pairs_of[from] then
            return
        end
        words, whole, rest = operation(buffer)
    end
    pair.buffers[from] = buffer
    if reason == "closed" then
        cut(pair)
    end
end

local function accept()
    local client = listener:accept()
    local server = not shut and client and socket.connect("127.0.0.1", server_port)
    if not server then
        return client and client:close()
    end
    client:setoption("tcp-nodelay", true)
    server:setoption("tcp-nodelay", true)
    local pair = { client = client, server = server, subscriptions = {}, fate = {},
        buffers = { [client] = "", [server] = "" } }
    pairs_of[client], pairs_of[server] = pair, pair
end

local orders = {}

function orders.faults(words)
    faults = {}
    for word in words:gmatch "%S+" do
        faults[#faults + 1] = word
    end
end

function orders.shut()
    shut = true
    for _, pair in pairs(pairs_of) do
        cut(pair)
    end
end

function orders.open()
    shut = false
end

function orders.published()
    return published
end

local function obey()
    local spec = control:accept()
    spec:settimeout(60)
    local verb, rest = (spec:receive "*l" or ""):match "^(%l+) ?(.*)$"
    local said = verb and orders[verb] and orders[verb](rest)
    spec:send(tostring(said or "ok") .. "\n")
    spec:close()
    return verb ~= "quit"
end

local function port(of)
    local _, number = of:getsockname()
    return number
end

local file = assert(io.open(dir .. "/proxy.new", "w"))
file:write(port(listener), " ", port(control))
file:close()
os.rename(dir .. "/proxy.new", dir .. "/proxy")

local going = true
while going do
    local readers = { listener, control }
    for from in pairs(pairs_of) do
        readers[#readers + 1] = from
    end
    for _, from in ipairs((socket.select(readers))) do
        if from == listener then
            accept()
        elseif from == control then
            going = obey()
        elseif pairs_of[from] then
            pump(from)
        end
    end
end
