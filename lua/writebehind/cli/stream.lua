-- SPDX-License-Identifier: MIT
-- writebehind stream: a stream of NATS JetStream, as a batcher's store and a pump want it. `create` makes it: what was
-- delivered goes, a stream that is full refuses what is new, a message that is sent again is known. `info` says how
-- it is.

local core = require "writebehind.core"
local json = require "writebehind.json"
local process = core.process

local shown = process.shown

local DUPLICATES_NS = 120e9
local PATIENCE_S = 10

local function complain(message)
    io.stderr:write("writebehind: ", shown(message), "\n")
    return 1
end

-- → what JetStream answers; nil and a message
local function ask(args, what, body)
    local options = { servers = args.store, stream = args.stream }
    local text, message = core.nats_api(options, ("$JS.API.STREAM.%s.%s"):format(what, args.stream), body, PATIENCE_S)
    local answer = text and json.decode(text)
    if not answer then
        return nil, message or "what answers is no JetStream"
    elseif answer.error then
        return nil, ('stream "%s": %s (%d)'):format(args.stream, answer.error.description, answer.error.err_code or 0)
    end
    return answer
end

local function most(number)
    return number > 0 and (" of at most %d"):format(number) or ""
end

local function cluster_of(answer)
    local cluster = answer.cluster or {}
    local count = answer.config.num_replicas
    local words = { ("%d replica%s"):format(count, count == 1 and "" or "s") }
    if cluster.leader then
        words[#words + 1] = "leader " .. cluster.leader
    end
    for _, replica in ipairs(cluster.replicas or {}) do
        local state = replica.offline and "offline" or replica.current and "current" or "behind"
        words[#words + 1] = ("%s %s"):format(replica.name, state)
    end
    return table.concat(words, ", ")
end

local function tell(answer)
    local config, state = answer.config, answer.state
    print(("stream %s: subjects %s, %s, discards %s"):format(shown(config.name),
        shown(table.concat(config.subjects or {}, " ")), config.retention, config.discard))
    print(("  %d messages%s, %d bytes%s, %d consumers"):format(state.messages, most(config.max_msgs), state.bytes,
        most(config.max_bytes), state.consumer_count))
    print("  " .. shown(cluster_of(answer)))
    return 0
end

local commands = {}

function commands.create(args)
    local answer, message = ask(args, "CREATE", json.encode {
        name = args.stream, subjects = { args.stream .. ".>" }, retention = args.retention, discard = "new",
        storage = "file", num_replicas = args.replicas, max_bytes = args.max_bytes or -1,
        duplicate_window = DUPLICATES_NS,
    })
    if not answer then
        return complain(message)
    end
    return tell(answer)
end

function commands.info(args)
    local answer, message = ask(args, "INFO", "")
    if not answer then
        return complain(message)
    end
    return tell(answer)
end

local function run(args)
    return commands[args.what](args)
end

return { run = run }
