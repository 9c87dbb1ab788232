-- SPDX-License-Identifier: MIT
-- An endpoint that takes measurements as NDJSON, an object a line, and answers how many rows it took: see nginx.conf
-- and table.sql. A body goes in as it comes, so it may be of any size.
local cjson = require "cjson"
local resty = require "writebehind.resty"
local writebehind = require "writebehind"

local ingest = {}

local TOLD = 20 -- refused lines that an answer names

ingest.schema = writebehind.schema {
    { "id", "uuid", generate = "uuidv7" }, -- one that the client gives makes its retry harmless
    { "at", "timestamptz" },
    { "device", "text", max = 64 },
    { "celsius", "float8" },
    { "labels", "jsonb", null = true },
}

local batcher = assert(resty.batcher("measurements", function()
    return {
        store = writebehind.postgres { conninfo = assert(os.getenv "DATABASE_URL", "DATABASE_URL is not set") },
        schema = ingest.schema,
        table = "measurements",
    }
end))

-- Gives the reader what comes from the client, and `take` what the reader answers, until that says that it is enough.
local function read_body(reader, take)
    if (tonumber(ngx.var.http_content_length) or 0) == 0 then
        return
    end
    local socket = assert(ngx.req.socket())
    local enough
    repeat
        local text, message = socket:receiveany(65536)
        if text then
            enough = take(reader:feed(text))
        elseif message ~= "closed" then
            error("reading the body: " .. message)
        end
    until enough or not text
end

function ingest.post()
    local reader, all, named, stopped = batcher:reader {}, { accepted = 0, refused = 0 }, {}, nil
    local function take(accepted, refused, message, more, rest)
        if not accepted then -- nothing can be read, or added
            accepted, refused, message = more, rest, refused
        end
        all.accepted, stopped = all.accepted + accepted, stopped or message
        for _, refusal in ipairs(refused) do
            all.refused = all.refused + 1
            if #named < TOLD then
                named[#named + 1] = { line = refusal.line, message = refusal.message }
            end
        end
        return stopped
    end
    read_body(reader, take)
    if not stopped then
        take(reader:finish())
    end
    all.message, all.lines = stopped, named[1] and named or nil
    ngx.status = stopped and 503 or all.refused > 0 and 422 or 200 -- luacheck: ignore 122
    ngx.header.content_type = "application/json" -- luacheck: ignore 122
    ngx.say(cjson.encode(all))
end

return ingest
