-- What the services of spec/support/service.lua answer: function(state, request) → status, body, headers each. A row
-- whose note is "bad" is refused; where a service answers for each item, one whose note is "busy" fails the first
-- time that it comes.

local cjson = require "cjson"

local services = {}

local function lines_of(text)
    local lines = {}
    for line in text:gmatch "[^\n]+" do
        lines[#lines + 1] = line
    end
    return lines
end

local function keep(state, line)
    state.stored[#state.stored + 1] = line
end

-- True the first time that it is asked for this key.
local function is_new(state, key)
    local is_known = state.seen[key]
    state.seen[key] = true
    return not is_known
end

local function is_busy(state, note, key)
    return note == "busy" and is_new(state, "busy " .. key)
end

-- ---- ClickHouse ----

local function exception(status, code, text)
    return status, ("Code: %d. DB::Exception: %s"):format(code, text), { ["X-ClickHouse-Exception-Code"] = code }
end

local TABLES = { ["`shop`.`notes`"] = true, ["`check`"] = true }

-- The block is in as a whole or not at all; of two with the same token the second is left out.
function services.clickhouse(state, request)
    if request.headers["x-clickhouse-key"] ~= "secret" then
        return exception(403, 516, "Authentication failed. (AUTHENTICATION_FAILED)")
    elseif not TABLES[request.query.query:match "^INSERT INTO (%S+) FORMAT JSONEachRow$"] then
        return exception(404, 60, "Unknown table. (UNKNOWN_TABLE)")
    end
    local lines = lines_of(request.body)
    for _, line in ipairs(lines) do
        local note = cjson.decode(line).note
        if note == "bad" then
            return exception(400, 27, "Cannot parse input. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)")
        elseif note == "worse" then
            return exception(500, 349, "Cannot insert NULL. (CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN)")
        end
    end
    if is_new(state, request.query.insert_deduplication_token) then
        for _, line in ipairs(lines) do
            keep(state, line)
        end
    end
    return 200, ""
end

-- ---- Elasticsearch ----

local function document(state, action, line)
    local note = cjson.decode(line).note
    if note == "bad" then
        return 400, { type = "document_parsing_exception", reason = "failed to parse field [n]" }
    elseif is_busy(state, note, action._id) then
        return 429, { type = "es_rejected_execution_exception", reason = "rejected execution of operation" }
    elseif not is_new(state, action._id) then
        return 409, { type = "version_conflict_engine_exception", reason = "document already exists" }
    end
    keep(state, line)
    return 201
end

function services.elasticsearch(state, request)
    if request.path ~= "/_bulk" or request.headers["content-type"] ~= "application/x-ndjson" then
        return 406, '{"error":"Content-Type header is not supported","status":406}'
    elseif request.body:sub(-1) ~= "\n" then
        return 400, '{"error":{"type":"illegal_argument_exception",'
            .. '"reason":"The bulk request must be terminated by a newline [\\n]"},"status":400}'
    end
    local items, lines = {}, lines_of(request.body)
    for position = 1, #lines, 2 do
        local status, err = document(state, cjson.decode(lines[position]).create, lines[position + 1])
        items[#items + 1] = { create = { status = status, error = err } }
    end
    return 200, cjson.encode { items = items }
end

-- ---- Loki ----

-- What is refused is told in a 400, and the rest is in. The same line at the same time in a stream is kept once.
function services.loki(state, request)
    if request.headers["x-scope-orgid"] ~= "t1" then
        return 401, "no org id"
    end
    local ignored, total = 0, 0
    for _, stream in ipairs(cjson.decode(request.body).streams) do
        local labels = ("%s/%s"):format(stream.stream.app, stream.stream.level or "")
        for _, value in ipairs(stream.values) do
            total = total + 1
            if cjson.decode(value[2]).note == "bad" then
                ignored = ignored + 1
            elseif is_new(state, labels .. " " .. value[1] .. " " .. value[2]) then
                keep(state, ('{"labels":"%s","time":"%s","row":%s}'):format(labels, value[1], value[2]))
            end
        end
    end
    if ignored > 0 then
        return 400, ("entry with timestamp … ignored, reason: 'entry too far behind', total ignored: %d out of %d")
            :format(ignored, total)
    end
    return 204, ""
end

-- ---- SQS ----

local function sqs_error(kind)
    return 400, ('{"__type":"com.amazonaws.sqs#%s","message":"%s"}'):format(kind, kind)
end

-- A FIFO queue: what has a known deduplication id is taken and not kept.
function services.sqs(state, request)
    local entries, bytes, failed = cjson.decode(request.body).Entries, 0, {}
    for _, entry in ipairs(entries) do
        bytes = bytes + #entry.MessageBody
    end
    if request.headers["x-amz-target"] ~= "AmazonSQS.SendMessageBatch" then
        return sqs_error "UnknownOperationException"
    elseif #entries == 0 then
        return sqs_error "EmptyBatchRequest"
    elseif #entries > 10 then
        return sqs_error "TooManyEntriesInBatchRequest"
    elseif bytes > 256 * 1024 then
        return sqs_error "BatchRequestTooLong"
    end
    for _, entry in ipairs(entries) do
        local note = cjson.decode(entry.MessageBody).note
        if note == "bad" then
            failed[#failed + 1] = { Id = entry.Id, SenderFault = true, Code = "InvalidMessageContents",
                Message = "Invalid characters found." }
        elseif is_busy(state, note, entry.MessageDeduplicationId) then
            failed[#failed + 1] = { Id = entry.Id, SenderFault = false, Code = "InternalError", Message = "try again" }
        elseif is_new(state, entry.MessageDeduplicationId) then
            keep(state, entry.MessageBody)
        end
    end
    return 200, #failed > 0 and cjson.encode { Failed = failed } or '{"Successful":[]}'
end

return services
