-- SPDX-License-Identifier: MIT
-- writebehind spool: what processes left in a spool, without their program. `ls` says what there is, `check` what
-- of it is damaged, `export` writes the rows that wait as lines that `writebehind replay` reads, `drain` stores them.

local writebehind = require "writebehind"
local raw = require("writebehind.core").raw
local process = require("writebehind.core").process

local shown = process.shown

local LOOK_S, MOST_WAIT_S, RETRY_S = 0.05, 10, 2

local function complain(message)
    io.stderr:write("writebehind: ", shown(message), "\n")
    return 1
end

-- → the segments below the path, in the order of their folders and files; nil and a message
local function look(path)
    local found, message = raw.spool_look(path)
    if not found then
        return nil, message
    end
    table.sort(found, function(a, b) return a.file < b.file end)
    return found
end

local function owner_of(segment)
    return segment.kind ~= "" and segment.kind .. " " .. segment.name or "put aside"
end

local function time(seconds)
    return seconds > 0 and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)) or "-"
end

local commands = {}

local LINE = "%-24s %-5s %10s %10s %10s  %-20s  %s"

function commands.ls(found)
    print(LINE:format("OWNER", "HELD", "WAITING", "IN DOUBT", "BYTES", "SINCE", "FILE"))
    for _, segment in ipairs(found) do
        local damage = segment.damage and ": " .. shown(segment.damage) or ""
        print(LINE:format(shown(owner_of(segment)), segment.held and "yes" or "no", ("%d"):format(segment.waiting),
            ("%d"):format(segment.in_doubt), ("%d"):format(segment.bytes), time(segment.first),
            shown(segment.file) .. damage))
    end
    return 0
end

function commands.check(found)
    local damaged, waiting = 0, 0
    for _, segment in ipairs(found) do
        waiting = waiting + segment.waiting
        if segment.damage then
            damaged = damaged + 1
            print(("%s: %s"):format(shown(segment.file), shown(segment.damage)))
        end
    end
    print(("%d files, %d damaged, %d rows wait"):format(#found, damaged, waiting))
    return damaged > 0 and 1 or 0
end

function commands.export(found, args)
    for _, segment in ipairs(found) do
        if not args.name or segment.name == args.name then
            local text, message, code = raw.spool_export(segment.file)
            if text then
                io.stdout:write(text)
            elseif code ~= "invalid" or not segment.damage then
                return complain(message)
            end
        end
    end
    return 0
end

-- ---- drain ----

-- The owners that nobody is any more, each with the newest of its segments that has a schema.
local function orphans(found, name)
    local list, known = {}, {}
    for _, segment in ipairs(found) do
        local wanted = segment.kind == "batcher" and not segment.held and (not name or segment.name == name)
        if wanted and segment.rows > 0 then
            if not known[segment.name] then
                list[#list + 1] = segment.name
            end
            known[segment.name] = segment
        end
    end
    return list, known
end

-- Waits until what there is was taken over, and stored.
local function finish(batcher, waiting, args)
    local last = process.now() + MOST_WAIT_S
    while tonumber(batcher:stats().adopted) < waiting and process.now() < last do
        process.sleep(LOOK_S)
    end
    local ok, message = batcher:flush(args.give_up)
    local stats = batcher:stats()
    return ok and stats.dead == 0, message or stats.last_error, tonumber(stats.stored)
end

local function drain(segment, waiting, args)
    local schema, message = raw.spool_schema(segment.file)
    local store
    if schema then
        store, message = writebehind.open(args.store)
    end
    if not store then
        return complain(message)
    end
    local batcher
    batcher, message = writebehind.batcher {
        store = store, schema = schema, table = segment.table, name = segment.name, dedupe = args.dedupe,
        spool = { path = args.path }, max_pending_rows = math.huge, max_pending_bytes = math.huge,
        dead_letter = args.path .. "/dead.ndjson", retry = { initial = 0.1, max = RETRY_S },
        close_timeout = RETRY_S,
    }
    if not batcher then
        return complain(message)
    end
    local ok, why, stored = finish(batcher, waiting, args)
    batcher:close(RETRY_S)
    print(("%s: %d rows stored%s"):format(shown(segment.name), stored, ok and "" or ", not all: " .. shown(why)))
    return ok and 0 or 1
end

function commands.drain(found, args)
    local names, segments = orphans(found, args.name)
    local code = 0
    for _, name in ipairs(names) do
        local waiting = 0
        for _, segment in ipairs(found) do
            waiting = waiting + (segment.name == name and not segment.held and segment.waiting or 0)
        end
        code = math.max(code, drain(segments[name], waiting, args))
    end
    if #names == 0 then
        print "nothing is left"
    end
    return code
end

local function run(args)
    local found, message = look(args.path)
    if not found then
        return complain(message)
    end
    return commands[args.what](found, args)
end

return { run = run }
