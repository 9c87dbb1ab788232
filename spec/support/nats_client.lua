-- A client of NATS for the specs, of the text protocol itself: it shares nothing with the library, so it sees what any
-- other client would. One connection to one server. It waits with a deadline, and reads only while it is asked to.

local cjson = require "cjson"
local process = require "spec.support.process"
local socket = require "cqueues.socket"

local client = {}
client.__index = client

local MOST = 65536 -- bytes of a read

-- Of the socket's errors some are numbers; the end of what is to be read is none at all.
local function why(code)
    return code and require("cqueues.errno").strerror(code) or "closed by the server"
end

-- Reads something into the buffer; false and why not.
function client:fill(deadline)
    local left = deadline - process.now()
    if left <= 0 then
        return false, "timeout"
    end
    self.socket:settimeout(left)
    local bytes, code = self.socket:read(-MOST)
    if not bytes then
        self.socket:clearerr()
        if process.now() >= deadline then
            return false, "timeout"
        end
        self.closed = true
        return false, why(code)
    end
    self.pieces[#self.pieces + 1] = bytes
    self.size = self.size + #bytes
    return true
end

function client:buffer()
    if #self.pieces ~= 1 then
        self.pieces = { table.concat(self.pieces) }
    end
    return self.pieces[1]
end

function client:consume(count)
    local buffer = self:buffer()
    self.pieces, self.size = { buffer:sub(count + 1) }, #buffer - count
    return buffer:sub(1, count)
end

-- How long the first line in the buffer is, with its end. It stays there until what belongs to it is there too.
function client:line(deadline)
    while true do
        local at = self:buffer():find("\r\n", 1, true)
        if at then
            return at + 1
        end
        local ok, reason = self:fill(deadline)
        if not ok then
            return nil, reason
        end
    end
end

-- A message's headers: a table of name to value, and the status of its first line. Two values of one name are lines of
-- one text.
local function parse_headers(text)
    local headers = {}
    local status = text:match "^NATS/1%.0 ?(%d*)"
    for name, value in text:gmatch "\r\n([^:\r\n]+):[ ]*([^\r\n]*)" do
        headers[name] = headers[name] and headers[name] .. "\n" .. value or value
    end
    return headers, tonumber(status)
end
client.parse_headers = parse_headers

local function message(words, header_bytes, payload)
    local subject, sid, reply = words[1], words[2], #words == 3 and words[3] or nil
    local headers, status = parse_headers(payload:sub(1, header_bytes))
    return { subject = subject, sid = sid, reply = reply, headers = headers, status = status,
        data = payload:sub(header_bytes + 1) }
end

-- What the server says, by its first word. That many last words of a line are sizes of what follows it: of the headers,
-- and of all.
local LENGTHS = { MSG = 1, HMSG = 2 }
local on = {}

function on.INFO(self, rest)
    self.info = cjson.decode(rest)
end

function on.PING(self)
    self:send "PONG\r\n"
end

function on.PONG(self)
    self.pongs = self.pongs + 1
end

on["+OK"] = function() end

on["-ERR"] = function(self, rest)
    self.errors[#self.errors + 1] = rest:match "^'(.*)'" or rest
end

-- Takes one whole operation of the server's out of the buffer; true, or nil and why there is none.
function client:step(deadline)
    local length, reason = self:line(deadline)
    if not length then
        return nil, reason
    end
    local line = self:buffer():sub(1, length - 2)
    local verb, rest = line:match "^(%S+)%s*(.-)%s*$"
    local lengths = LENGTHS[verb]
    if not lengths then
        self:consume(length)
        assert(on[verb], line)(self, rest)
        return true
    end
    local words = {}
    for word in rest:gmatch "%S+" do
        words[#words + 1] = word
    end
    local total = tonumber(table.remove(words))
    local header_bytes = lengths == 2 and tonumber(table.remove(words)) or 0
    while self.size < length + total + 2 do
        local ok
        ok, reason = self:fill(deadline)
        if not ok then
            return nil, reason
        end
    end
    self:consume(length)
    local got = message(words, header_bytes, self:consume(total + 2):sub(1, -3))
    local queue = self.queues[got.sid]
    if queue then
        queue[#queue + 1] = got
    end
    return true
end

-- True, or nil and why not.
function client:send(bytes)
    self.socket:settimeout(process.PATIENCE)
    local ok, code = self.socket:write(bytes)
    if not ok then
        self.socket:clearerr()
        self.closed = true
        return nil, why(code)
    end
    return true
end

-- What a connection begins with; true, or nil and why it is none.
function client:shake_hands(options, seconds)
    local deadline = process.now() + seconds
    self.socket:settimeout(seconds)
    local ok, code = self.socket:connect()
    if not ok then
        return nil, why(code)
    end
    local reason
    ok, reason = self:step(deadline) -- INFO
    if not ok then
        return nil, reason
    end
    if options.tls then
        self.socket:settimeout(seconds)
        ok, code = self.socket:starttls()
        if not ok then
            return nil, why(code)
        end
    end
    return self:flush(math.max(deadline - process.now(), 0), ("CONNECT %s\r\n"):format(cjson.encode {
        verbose = false, pedantic = false, headers = true, no_responders = true, protocol = 1, lang = "lua",
        version = "0", name = "spec", tls_required = options.tls or false,
        user = options.user, pass = options.password, auth_token = options.token,
    }))
end

-- options: port; user and password, or token; tls (true: whatever certificate the server has); seconds (10).
-- → a client, or nil and why there is none.
function client.connect(options)
    local self = setmetatable({ pieces = { "" }, size = 0, pongs = 0, errors = {}, queues = {}, sids = 0, tokens = 0 },
        client)
    self.socket = socket.connect("127.0.0.1", options.port)
    self.socket:onerror(function(_, _, code)
        return code
    end)
    self.socket:setmode("b", "bn")
    local ok, reason = self:shake_hands(options, options.seconds or 10)
    if not ok then
        self:close()
        return nil, reason
    end
    return self
end

function client:close()
    self.closed = true
    self.socket:close()
end

-- Takes what the server says until the predicate answers something; that, or nil and why not: what the server said was
-- wrong, the end of the connection, or "timeout".
function client:take(predicate, seconds)
    local deadline = process.now() + (seconds or process.PATIENCE)
    while true do
        local answer = predicate()
        if answer then
            return answer
        end
        if #self.errors > 0 then
            return nil, table.remove(self.errors, 1)
        end
        local ok, reason = self:step(deadline)
        if not ok then
            return nil, #self.errors > 0 and table.remove(self.errors, 1) or reason
        end
    end
end

-- Waits until the server has taken all that was sent; true, or nil and what it said instead. `first` is sent with the
-- question: to an end that is shut already, a second write would fail before what was said is read.
function client:flush(seconds, first)
    local pongs = self.pongs + 1
    local ok, reason = self:send((first or "") .. "PING\r\n")
    if ok then
        ok, reason = self:take(function()
            return self.pongs >= pongs
        end, seconds)
    end
    if ok and #self.errors > 0 then
        return nil, table.remove(self.errors, 1)
    end
    return ok, reason
end

-- headers: a table of name to value. It may be refused later: see flush.
function client:publish(subject, body, headers, reply)
    body = body or ""
    local to = reply and subject .. " " .. reply or subject
    if not headers then
        return self:send(("PUB %s %d\r\n"):format(to, #body) .. body .. "\r\n")
    end
    local lines = { "NATS/1.0" }
    for name, value in pairs(headers) do
        lines[#lines + 1] = ("%s: %s"):format(name, value)
    end
    local text = table.concat(lines, "\r\n") .. "\r\n\r\n"
    return self:send(("HPUB %s %d %d\r\n"):format(to, #text, #text + #body) .. text .. body .. "\r\n")
end

-- → what `next` takes the messages by.
function client:subscribe(subject, queue)
    self.sids = self.sids + 1
    local sid = tostring(self.sids)
    self.queues[sid] = {}
    assert(self:send(("SUB %s %s%s\r\n"):format(subject, queue and queue .. " " or "", sid)))
    return sid
end

function client:unsubscribe(sid)
    self.queues[sid] = nil
    return self:send(("UNSUB %s\r\n"):format(sid))
end

-- The next message of a subscription: { subject, data, headers, reply, status }; or nil and why there is none.
function client:next(sid, seconds)
    return self:take(function()
        return table.remove(self.queues[sid], 1)
    end, seconds)
end

-- The answer, or nil and why there is none: "no responders", "timeout", what the server said was wrong, the end of the
-- connection.
function client:request(subject, body, headers, seconds)
    if not self.inbox then
        self.inbox = "_INBOX." .. process.unique()
        self.answers = self:subscribe(self.inbox .. ".*")
    end
    self.tokens = self.tokens + 1
    local reply = self.inbox .. "." .. self.tokens
    local ok, reason = self:publish(subject, body, headers, reply)
    if not ok then
        return nil, reason
    end
    local answer
    answer, reason = self:take(function()
        local got = table.remove(self.queues[self.answers], 1)
        return got and got.subject == reply and got -- an earlier request's may come late
    end, seconds)
    if answer and answer.status == 503 and answer.data == "" then
        return nil, "no responders"
    end
    return answer, reason
end

return client
