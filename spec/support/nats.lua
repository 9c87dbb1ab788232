-- NATS servers with JetStream for a spec (scripts/nats), and what is in their streams, as a client of the spec's own
-- (spec/support/nats_client.lua) sees it. Each spec starts its own servers, in a folder of its own, and closes them.

local cjson = require "cjson"
local client = require "spec.support.nats_client"
local mime = require "mime"
local process = require "spec.support.process"

local nats = {}
local servers = {}
servers.__index = servers

-- Errors of JetStream, by the numbers that it gives them.
nats.NO_MESSAGE = 10037
nats.NO_STREAM = 10059
local NOT_NOW = 10008 -- the cluster has no leader at the moment

-- A server that a spec has left behind ends by itself.
local LIFE = 900

local function word(text)
    return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

-- lua-cjson makes a float of each number.
local function whole_numbers(value)
    if type(value) == "table" then
        for key, member in pairs(value) do
            value[key] = whole_numbers(member)
        end
        return value
    end
    return math.tointeger and type(value) == "number" and math.tointeger(value) or value
end

local function decode(text)
    return whole_numbers(cjson.decode(text))
end

local function lines_of(options)
    local lines = {}
    local function add(...)
        lines[#lines + 1] = string.format(...)
    end
    if options.max_payload then
        add("max_payload: %d", options.max_payload)
    end
    if options.token then
        add("authorization { token: %s }", word(options.token))
    elseif options.user then
        add("authorization { user: %s, password: %s }", word(options.user), word(options.password))
    end
    if options.tls then
        add("tls { cert_file: %s, key_file: %s%s }", word(options.tls.cert), word(options.tls.key),
            options.tls.ca and (", ca_file: %s, verify: true"):format(word(options.tls.ca)) or "")
    end
    lines[#lines + 1] = options.config
    return table.concat(lines, "\n")
end

function servers:script(verb, ...)
    local words = { ("NATS_LIFE=%d"):format(LIFE),
        process.quote((os.getenv "WRITEBEHIND_ROOT" or ".") .. "/scripts/nats"), verb, process.quote(self.dir), ... }
    local result = process.run(table.concat(words, " "))
    if result.code ~= 0 then
        error(result.err, 3)
    end
    return (result.out:gsub("\n$", ""))
end

-- options, all of them optional:
--   nodes                      1, or a cluster of 3
--   max_payload                bytes
--   user and password, token   what a client has to say; login: as whom the spec itself comes, where `config` has users
--   tls                        { cert, key, ca }, paths: clients must use TLS, and with `ca` have a certificate of it
--   config                     more lines for the servers' configuration
-- → urls (a text, parted by commas), dir, nodes.
function nats.start(options)
    options = options or {}
    local self = setmetatable({ root = process.dir(), nodes = options.nodes or 1 }, servers)
    self.dir = self.root .. "/servers"
    self:login(options)
    local ok, answer = pcall(self.script, self, "start", tostring(self.nodes), process.quote(lines_of(options)))
    if not ok then
        self:close()
        error(answer, 2)
    end
    self.urls, self.url = answer, {}
    for url in answer:gmatch "[^,]+" do
        self.url[#self.url + 1] = url
    end
    return self
end

function servers:login(options)
    local as = options.login or options
    self.as = { user = as.user, password = as.password, token = as.token, tls = options.tls and true }
end

-- Ends all, and removes what they stored.
function servers:close()
    self:drop_link()
    self:script "stop"
    process.remove(self.root)
end

-- ---- nodes ----

function servers:kill(node)
    self:script("kill", node)
end

-- Ends it in order, as a node that is taken out for maintenance.
function servers:stop(node)
    self:script("stop", node)
end

function servers:pause(node)
    self:script("pause", node)
end

function servers:continue(node)
    self:script("continue", node)
end

-- Starts one that has ended; empty: without what it had stored. It may need a while until it takes part: see ready.
function servers:start_node(node, empty)
    self:script("start-node", node, empty and "--empty" or "")
end

-- Waits until JetStream answers on each node that has not been ended, and a cluster has a leader.
function servers:ready()
    self:script "ready"
end

-- All of them again with other options (of nats.start, without nodes) and what they have stored.
function servers:restart(options)
    self:drop_link()
    self:script "stop"
    self:login(options)
    process.write(self.dir .. "/lines", lines_of(options) .. "\n")
    for node = 1, self.nodes do
        self:start_node(node)
    end
    self:ready()
end

function servers:pid(node)
    return tonumber(process.read(("%s/%d/pid"):format(self.dir, node)):match "%d+")
end

function servers:log(node)
    return process.read(("%s/%d/log"):format(self.dir, node))
end

-- A page of a node's monitor, as a table: "varz", "connz", "jsz?streams=true".
function servers:monitor(node, page)
    local port = process.read(("%s/%d/monitor"):format(self.dir, node)):match "%d+"
    local result = process.run(("curl -s -S -f -m 10 'http://127.0.0.1:%s/%s'"):format(port, page))
    assert(result.code == 0, result.err)
    return decode(result.out)
end

-- The node that leads the cluster, or nil. Each is asked whether it does: the others may name one that has ended.
function servers:leader()
    for node = 1, self.nodes do
        local ok, page = pcall(self.monitor, self, node, "jsz")
        if ok and page.meta_cluster and page.meta_cluster.leader == "n" .. node then
            return node
        end
    end
end

-- ---- clients ----

-- A client of one node; nil and why there is none. options: of nats_client.connect, where they differ.
function servers:client(node, options)
    local all = { port = tonumber(self.url[node or 1]:match "%d+$") }
    for _, given in ipairs { self.as, options } do
        for name, value in pairs(given) do
            all[name] = value
        end
    end
    return client.connect(all)
end

function servers:drop_link()
    if self.link then
        self.link:close()
        self.link = nil
    end
end

-- Connects to the next node that answers.
function servers:find_link()
    for i = 0, self.nodes - 1 do
        local node = ((self.linked or 0) + i) % self.nodes + 1
        local link, reason = self:client(node, { seconds = 3 })
        if link then
            self.link, self.linked = link, node
            return true
        end
        self.reason = reason
    end
    return false
end

-- Asks until there is an answer, of whatever node; for what may be asked twice.
function servers:request(subject, body, headers)
    local seconds = 1 -- an answer that is lost never comes, one that is slow shall
    local answer = process.wait(function()
        if not self.link and not self:find_link() then
            return nil
        end
        local message, reason = self.link:request(subject, body, headers, seconds)
        if not message and reason ~= "no responders" then
            self:drop_link()
            seconds = math.min(2 * seconds, 16)
        end
        self.reason = reason
        return message
    end, nil, 0.1)
    return answer or error(("%s: no answer: %s"):format(subject, self.reason), 2)
end

-- ---- JetStream ----

-- JetStream's API: `name` as in "STREAM.INFO.orders", `request` a table. → its answer, or nil and its error:
-- { code, err_code, description }.
function servers:api(name, request)
    local body = request and cjson.encode(request) or ""
    local answer
    assert(process.wait(function()
        answer = decode(self:request("$JS.API." .. name, body).data)
        return not (answer.error and answer.error.err_code == NOT_NOW)
    end, nil, 0.1))
    if answer.error then
        return nil, answer.error
    end
    return answer
end

function servers:must(name, request)
    local answer, reason = self:api(name, request)
    return answer or error(("%s: %s"):format(name, cjson.encode(reason)), 3)
end

-- The config of a stream, of JetStream's own names, or its name alone: file storage and as many replicas as there are
-- nodes, all subjects of its name ("orders.>"), if nothing else is said. Times are nanoseconds.
function servers:create_stream(config)
    local whole = { storage = "file", num_replicas = self.nodes, retention = "limits", discard = "old" }
    for name, value in pairs(type(config) == "table" and config or { name = config }) do
        whole[name] = value
    end
    whole.subjects = whole.subjects or { whole.name .. ".>" }
    self:must("STREAM.CREATE." .. whole.name, whole)
    return self:stream_config(whole.name)
end

function servers:stream_config(stream)
    return self:stream_info(stream).config
end

-- Changes what is named of a stream's config.
function servers:update_stream(stream, changes)
    local config = self:stream_config(stream)
    for name, value in pairs(changes) do
        config[name] = value
    end
    return self:must("STREAM.UPDATE." .. stream, config).config
end

function servers:delete_stream(stream)
    self:must("STREAM.DELETE." .. stream)
end

function servers:purge_stream(stream)
    self:must("STREAM.PURGE." .. stream)
end

-- { config, state = { messages, bytes, first_seq, last_seq, … }, cluster = { leader, replicas } }
function servers:stream_info(stream)
    return self:must("STREAM.INFO." .. stream)
end

function servers:count(stream)
    return self:stream_info(stream).state.messages
end

-- The node that leads a stream. It is waited for while there is none; false where none came.
function servers:stream_leader(stream)
    return process.wait(function()
        local cluster = self:stream_info(stream).cluster
        return not cluster and 1 or tonumber((cluster.leader or ""):match "^n(%d+)$")
    end)
end

-- Waits until all replicas of a stream have what its leader has.
function servers:in_step(stream)
    return process.wait(function()
        local info = self:stream_info(stream)
        local current = 1
        for _, replica in ipairs(info.cluster and info.cluster.replicas or {}) do
            if replica.current and not replica.offline and (replica.lag or 0) == 0 then
                current = current + 1
            end
        end
        return current == info.config.num_replicas
    end)
end

-- Has the stream's leader hand over to another node, which is what it answers.
function servers:step_down(stream)
    local before = self:stream_leader(stream)
    self:must("STREAM.LEADER.STEPDOWN." .. stream)
    return process.wait(function()
        local leader = self:stream_leader(stream)
        return leader ~= before and leader
    end)
end

-- Publishes into a stream; → the answer: { stream, seq, duplicate }, or nil and the error. headers: "Nats-Msg-Id", …
-- It asks again where no answer came: without an id a message may be there twice then.
function servers:publish(subject, data, headers)
    local answer = decode(self:request(subject, data, headers).data)
    if answer.error then
        return nil, answer.error
    end
    return answer
end

local function stored(message)
    return {
        seq = message.seq,
        subject = message.subject,
        headers = message.hdrs and client.parse_headers((mime.unb64(message.hdrs))) or {},
        data = message.data and mime.unb64(message.data) or "",
        time = message.time,
    }
end

-- The message of that number as its leader has it: { seq, subject, headers, data, time }; nil where there is none.
function servers:message(stream, seq)
    local answer, reason = self:api("STREAM.MSG.GET." .. stream, { seq = seq })
    if not answer and reason.err_code ~= nats.NO_MESSAGE then
        error(cjson.encode(reason), 2)
    end
    return answer and stored(answer.message)
end

-- All messages of a stream, or those of a subject ("orders.*"), in their order.
function servers:messages(stream, subject)
    local list, seq = {}, 1
    while true do
        local answer, reason = self:api("STREAM.MSG.GET." .. stream, { seq = seq, next_by_subj = subject or ">" })
        if not answer then
            assert(reason.err_code == nats.NO_MESSAGE, reason.description)
            return list
        end
        list[#list + 1] = stored(answer.message)
        seq = answer.message.seq + 1
    end
end

-- A pull consumer, durable where it has a durable_name; → its name.
function servers:create_consumer(stream, config)
    local whole = { ack_policy = "explicit", deliver_policy = "all" }
    for name, value in pairs(config or {}) do
        whole[name] = value
    end
    local durable = whole.durable_name
    local name = durable and ("DURABLE.CREATE.%s.%s"):format(stream, durable) or "CREATE." .. stream
    return self:must("CONSUMER." .. name, { stream_name = stream, config = whole }).name
end

function servers:consumer_info(stream, consumer)
    return self:must(("CONSUMER.INFO.%s.%s"):format(stream, consumer))
end

-- Up to that many messages that wait for a consumer: { subject, headers, data, reply }. ack: they are acknowledged.
function servers:fetch(stream, consumer, count, ack)
    assert(self.link or self:find_link(), self.reason)
    local link, inbox = self.link, "_INBOX." .. process.unique()
    local sid = link:subscribe(inbox)
    local list = {}
    link:publish(("$JS.API.CONSUMER.MSG.NEXT.%s.%s"):format(stream, consumer),
        cjson.encode { batch = count, no_wait = true }, nil, inbox)
    while #list < count do
        local message, reason = link:next(sid)
        assert(message, reason)
        if message.status then
            break -- no more of them
        end
        list[#list + 1] = message
        if ack then
            link:publish(message.reply, "+ACK")
        end
    end
    link:unsubscribe(sid)
    assert(link:flush())
    return list
end

-- ---- certificates ----

-- An authority's certificate and key, one for servers of 127.0.0.1 and localhost, and one for clients: the paths of ca,
-- cert, key, client_cert and client_key in that folder.
function nats.certificates(dir)
    local result = process.run(([[
        set -e
        cd %s
        key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        openssl req -x509 $key -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
        echo subjectAltName=IP:127.0.0.1,DNS:localhost >names
        for who in server client; do
            openssl req $key -subj "/CN=$who" -keyout $who.key -out $who.csr
            openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out $who.pem
        done]]):format(process.quote(dir)))
    assert(result.code == 0, result.err)
    return { ca = dir .. "/ca.pem", cert = dir .. "/server.pem", key = dir .. "/server.key",
        client_cert = dir .. "/client.pem", client_key = dir .. "/client.key" }
end

return nats
