-- SPDX-License-Identifier: MIT
-- Each request is a row of the table `requests` in PostgreSQL: see nginx.conf and table.sql.
local resty = require "writebehind.resty"
local writebehind = require "writebehind"

local access_log = {}

-- The table's columns, in Lua, since nginx has to start while the database is down. Should they not fit the table,
-- the error log says so, and the rows wait.
access_log.schema = writebehind.schema {
    { "id", "uuid", generate = "uuidv7" }, -- by which no row gets in twice, and which sorts by time
    { "at", "timestamptz" },
    { "remote_addr", "text" },
    { "method", "text", null = true }, -- NULL where what came was no request
    { "uri", "text", null = true },
    { "status", "int2" },
    { "bytes_sent", "int8" },
    { "request_time", "float8" }, -- seconds
    { "referer", "text", null = true },
    { "user_agent", "text", null = true },
}

local batcher = assert(resty.batcher("access_log", function()
    return {
        store = writebehind.postgres { conninfo = assert(os.getenv "DATABASE_URL", "DATABASE_URL is not set") },
        schema = access_log.schema,
        table = "requests",
    }
end))

local function as_hex(byte)
    return ("\\x%02X"):format(byte:byte())
end

-- A client may send any bytes, and text is UTF-8: what is not plain ASCII is escaped, as in nginx's own log.
local function printable(text)
    return text and (text:gsub("[%c\\\128-\255]", as_hex))
end

function access_log.add()
    local var = ngx.var
    local ok, message, code = batcher:add {
        at = ngx.req.start_time(),
        remote_addr = var.remote_addr,
        method = var.request_method ~= "" and var.request_method or nil,
        uri = printable(var.request_uri),
        status = tonumber(var.status),
        bytes_sent = tonumber(var.bytes_sent),
        request_time = tonumber(var.request_time),
        referer = printable(var.http_referer),
        user_agent = printable(var.http_user_agent),
    }
    if not ok and code ~= "full" then -- of which the batcher itself tells, now and then
        ngx.log(ngx.ERR, "not in the access log: ", message)
    end
end

return access_log
