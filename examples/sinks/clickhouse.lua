-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker that inserts each batch into ClickHouse over HTTP, as JSONEachRow, with LuaSocket:
--   store = writebehind.worker("clickhouse", { url = "http://127.0.0.1:8123", user = "default", password = "" })
-- The batch's id is the insert's deduplication token: a batch whose reply got lost comes again with the same id, and
-- is left out (in a table that is not replicated, by its setting non_replicated_deduplication_window). A batch is one
-- block, which is in as a whole or not at all, where its rows are of one partition.

local http = require "socket.http"
local ltn12 = require "ltn12"
local escape = require("socket.url").escape

-- What a row is to blame for: statuses, and codes of exceptions (the value of a bound, a string, a NULL, a decimal, a
-- boolean, a constraint, an enum) that come as 500. What a person has to set right holds all rows; the rest passes.
local CLASSES = { [400] = "reject", [413] = "reject", [401] = "hold", [403] = "hold", [404] = "hold" }
local OF_ROWS = { ["69"] = 1, ["131"] = 1, ["349"] = 1, ["407"] = 1, ["467"] = 1, ["469"] = 1, ["691"] = 1 }

return function(args)
    return { write = function(_, batch)
        local query = ("INSERT INTO %s FORMAT JSONEachRow"):format((batch.table:gsub("[^.]+", "`%0`")))
        local body, reply = batch:ndjson(), {}
        http.TIMEOUT = args.timeout or 10 -- seconds: no write waits without end
        local _, status, headers = http.request {
            url = ("%s/?date_time_input_format=best_effort&async_insert=0&insert_deduplication_token=%s&query=%s")
                :format(args.url, batch.id, escape(query)),
            method = "POST", source = ltn12.source.string(body), sink = ltn12.sink.table(reply),
            headers = { ["content-length"] = #body, ["x-clickhouse-user"] = args.user or "default",
                ["x-clickhouse-key"] = args.password or "" },
        }
        local code = headers and headers["x-clickhouse-exception-code"] -- comes with 200 too
        if status == 200 and not code then
            return true
        end
        local why = ("ClickHouse: %s: %s"):format(status, table.concat(reply):sub(1, 500))
        return nil, why, OF_ROWS[code] and "reject" or CLASSES[status]
    end }
end
