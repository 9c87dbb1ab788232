-- SPDX-License-Identifier: MIT
-- When each API key was last used, in the table `api_keys` in PostgreSQL: see nginx.conf and table.sql.
local resty = require "writebehind.resty"
local writebehind = require "writebehind"

local last_used = {}

local tracker = assert(resty.tracker("last_used", function()
    return {
        store = writebehind.postgres { conninfo = assert(os.getenv "DATABASE_URL", "DATABASE_URL is not set") },
        table = "api_keys",
        key = "id",
        column = "last_used_at",
        interval = 60,       -- however often a key is used, each worker writes its time once a minute
        precision = "exact", -- the time of its last use, not that of the write
    }
end))

-- Is it a key of yours, and may it come in? That is yours to say here, in a cache or a token's signature. A key that
-- is not in the table marks nothing.
function last_used.check()
    local key = ngx.var.http_x_api_key
    if not key then
        return ngx.exit(401)
    end
    local ok, message, code = tracker:add(key)
    if code == "invalid" then
        return ngx.exit(401) -- it is not even a uuid
    elseif not ok and code ~= "full" then
        ngx.log(ngx.ERR, "the use of a key is not noted: ", message) -- which is no reason to turn it away
    end
end

return last_used
