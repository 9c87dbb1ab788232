-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker that pushes each row, as JSON, to Grafana Loki as a line of a log, with LuaSocket:
--   store = writebehind.worker("loki", { url = "http://127.0.0.1:3100", tenant = "t1", time = "at",
--       labels = { app = "shop" }, label_columns = { "level" } })
-- A 400 says that some lines are refused; the others are in. So the batch is divided until the bad ones are found, and
-- what is in comes again: the same line at the same time in the same stream, which Loki keeps once. So it is where a
-- reply got lost. Let the schema generate an id, so that no two rows are the same line, and labels have few values.

local http = require "socket.http"
local ltn12 = require "ltn12"
local json = require "writebehind.json"

local CLASSES = { [400] = "reject", [413] = "reject", [401] = "hold", [403] = "hold", [404] = "hold" }

-- The lines of the batch by their labels.
local function streams_of(batch, args)
    local streams, by_key, columns = {}, {}, {}
    for _, name in ipairs(args.label_columns or {}) do
        columns[name] = batch:column(name)
    end
    for line, _, index in batch:lines() do
        local labels = {}
        for name, value in pairs(args.labels or {}) do
            labels[name] = value
        end
        for name, values in pairs(columns) do
            labels[name] = values[index] ~= json.null and tostring(values[index]) or nil -- NULL: no label
        end
        local key = json.encode(labels)
        if not by_key[key] then
            by_key[key] = { stream = labels, values = {} }
            streams[#streams + 1] = by_key[key]
        end
        local time = tostring(batch:unix_ns(index, args.time) or 0):gsub("LL$", "") -- of LuaJIT's integers
        table.insert(by_key[key].values, { time, line })
    end
    return streams
end

return function(args)
    return { write = function(_, batch)
        local body, reply = json.encode { streams = streams_of(batch, args) }, {}
        http.TIMEOUT = args.timeout or 10 -- seconds: no write waits without end
        local _, status = http.request { url = args.url .. "/loki/api/v1/push", method = "POST",
            source = ltn12.source.string(body), sink = ltn12.sink.table(reply),
            headers = { ["content-type"] = "application/json", ["content-length"] = #body,
                ["x-scope-orgid"] = args.tenant } }
        local text = table.concat(reply):sub(1, 500)
        return status == 204 or nil, ("Loki: %s: %s"):format(status, text), CLASSES[status]
    end }
end
