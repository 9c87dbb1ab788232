-- SPDX-License-Identifier: MIT
-- Requests and bytes of each API key and minute, in the table `api_usage` in PostgreSQL: see nginx.conf and table.sql.
local meter = require "coalesce.api_meter" -- examples/coalesce/api_meter.lua
local resty = require "writebehind.resty"
local writebehind = require "writebehind"

local api_meter = {}

local batcher = assert(resty.batcher("api_meter", function()
    return meter.options(writebehind.postgres {
        conninfo = assert(os.getenv "DATABASE_URL", "DATABASE_URL is not set"),
    })
end))

function api_meter.count()
    local var = ngx.var
    local ok, message, code = meter.count(batcher, var.api_key, tonumber(var.bytes_sent), ngx.now())
    if not ok and code ~= "full" then -- of which the batcher itself tells, now and then
        ngx.log(ngx.ERR, "a request is not metered: ", message)
    end
end

return api_meter
