-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker for a service that takes few items a request and answers for each of them, as Amazon
-- SQS does (10 messages, 256 KiB in sum), with LuaSocket:
--   store = writebehind.worker("sqs", { url = "http://127.0.0.1:4566", queue = "https://…/notes.fifo", group = "g" })
-- Requests are not signed: a proxy has to. A batch is as many requests as it takes. What a failed request carried, and
-- what was not sent then, comes again: a FIFO queue (it needs a group) leaves out for 5 minutes what it has, by the
-- row's generated id; another one holds a row twice where a reply got lost. A row is dead where it is too long, or the
-- service calls it invalid; what is throttled, say, comes again.

local http = require "socket.http"
local ltn12 = require "ltn12"
local json = require "writebehind.json"

local ITEMS, BYTES = 10, 256 * 1024

return function(args)
    return { write = function(_, batch)
        local verdict, entries, bytes, why, broken = { reject = {}, retry = {} }, {}, 0, nil, nil
        local function deliver() -- what is in `entries`; nothing more once a request failed
            local body, reply, answer = json.encode { QueueUrl = args.queue, Entries = entries }, {}, nil
            if not broken and #entries > 0 then
                http.TIMEOUT = args.timeout or 10 -- seconds: no write waits without end
                local _, status = http.request { url = args.url, method = "POST", source = ltn12.source.string(body),
                    sink = ltn12.sink.table(reply), headers = { ["content-type"] = "application/x-amz-json-1.0",
                        ["content-length"] = #body, ["x-amz-target"] = "AmazonSQS.SendMessageBatch" } }
                answer = status == 200 and json.decode(table.concat(reply))
                broken = not answer and ("SQS: %s: %s"):format(status, reply[1] or "")
            end
            for _, entry in ipairs(answer and answer.Failed or broken and entries or {}) do
                why = broken or ("SQS: %s: %s"):format(entry.Code, entry.Message)
                local is_bad = not broken and entry.SenderFault and entry.Code:find "^Invalid"
                verdict.reject[tonumber(entry.Id)] = is_bad and why or nil
                verdict.retry[#verdict.retry + 1] = not is_bad and tonumber(entry.Id) or nil
            end
            entries, bytes = {}, 0
        end
        for line, id, index in batch:lines() do
            if #entries == ITEMS or #entries > 0 and bytes + #line > BYTES then
                deliver()
            end
            local entry = { Id = tostring(index), MessageBody = line, MessageGroupId = args.group,
                MessageDeduplicationId = args.group and id }
            entries[#entries + 1], bytes = #line <= BYTES and entry or nil, bytes + #line
            why = #line > BYTES and "SQS: the row is longer than a message" or why
            verdict.reject[index] = #line > BYTES and why or nil
        end
        deliver()
        return not why or nil, why, why and verdict
    end }
end
