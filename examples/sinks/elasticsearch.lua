-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker that indexes each row as a document, by Elasticsearch's _bulk, with LuaSocket:
--   store = writebehind.worker("elasticsearch", { url = "http://127.0.0.1:9200", authorization = "ApiKey …" })
-- The index is the batch's table (which a policy may route), the document's _id the row's generated id: a document
-- that is there already is stored. Each document has a verdict of its own: what is refused for what it says is dead,
-- what met a full queue or a blocked index comes again, alone.

local http = require "socket.http"
local ltn12 = require "ltn12"
local json = require "writebehind.json"

local CLASSES = { [400] = "reject", [413] = "reject", [401] = "hold", [403] = "hold", [404] = "hold" }
local ACTION = '{"create":{"_index":%s,"_id":"%s"}}\n%s\n'

-- What to answer for the verdicts on the documents, which come in the order in which those were sent.
local function answer_of(items)
    local first, verdict = nil, { reject = {}, retry = {} }
    for index, item in ipairs(items) do
        local status, err = item.create.status, item.create.error or {}
        if status >= 300 and status ~= 409 then -- 409: it is there
            local why = ("Elasticsearch: %d %s: %s"):format(status, err.type, err.reason)
            verdict.reject[index] = status == 400 and why or nil
            verdict.retry[#verdict.retry + 1] = status ~= 400 and index or nil
            first = first or why
        end
    end
    return not first or nil, first, first and verdict
end

return function(args)
    return { write = function(_, batch)
        local actions, reply, index_name = {}, {}, json.encode(batch.table)
        for line, id, index in batch:lines() do
            actions[index] = ACTION:format(index_name, assert(id, "the schema generates no id"), line)
        end
        local body = table.concat(actions)
        http.TIMEOUT = args.timeout or 10 -- seconds: no write waits without end
        local _, status = http.request { url = args.url .. "/_bulk?filter_path=items.*.status,items.*.error",
            method = "POST", source = ltn12.source.string(body), sink = ltn12.sink.table(reply),
            headers = { ["content-type"] = "application/x-ndjson", ["content-length"] = #body,
                authorization = args.authorization } }
        local text = table.concat(reply)
        local answer = status == 200 and json.decode(text)
        if answer and answer.items and #answer.items == #batch then
            return answer_of(answer.items)
        end
        return nil, ("Elasticsearch: %s: %s"):format(status, text:sub(1, 500)), CLASSES[status]
    end }
end
