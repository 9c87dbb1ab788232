-- SPDX-License-Identifier: MIT
-- A store on cosockets, and the collector that it talks to: see nginx.conf.
local resty = require "writebehind.resty"
local writebehind = require "writebehind"
local sink, store, batcher = {}, {}, nil

function store:write(batch) -- yields, so that several can be under way; what it throws is a failed try
    local socket, body = ngx.socket.tcp(), batch:ndjson()
    socket:settimeouts(1000, 5000, 5000)
    assert(socket:connect(self.host, self.port))
    assert(socket:send { "POST ", self.path, " HTTP/1.0\r\nContent-Length: ", tostring(#body), "\r\n\r\n", body })
    local status = assert(socket:receive "*l")
    socket:close()
    return status:find " 204 " and true or nil, "the collector said: " .. status
end

function sink.start(url)
    store.host, store.port, store.path = url:match "^http://(.-):(%d+)(/.*)"
    local schema = { { "id", "uuid", generate = "uuidv7" }, { "at", "timestamptz" }, { "uri", "text" } }
    batcher = assert(resty.batcher("requests", {
        store = store, in_flight = 4, schema = writebehind.schema(schema), table = "requests", interval = 0.5,
    }))
end

function sink.add()
    local ok, err = batcher:add { at = ngx.now(), uri = ngx.var.request_uri }
    if not ok then ngx.log(ngx.ERR, "a row is lost: ", err) end
end

function sink.collect()
    ngx.req.read_body()
    local path = ngx.req.get_body_file() -- of a large body
    local body = path and assert(io.open(path, "rb")):read "*a" or ngx.req.get_body_data()
    local file = assert(io.open(ngx.config.prefix() .. "collected.ndjson", "ab"))
    file:write(body)
    file:close()
    ngx.exit(204)
end

return sink
