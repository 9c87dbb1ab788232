-- Files of rows like those that programs report: made from a seed, the same on every Lua, with the rows of
-- spec/samples, which are written by hand, strewn in. Where WRITEBEHIND_SHARED names a folder with real ones, these
-- too.

local process = require "spec.support.process"
local random_of = require "writebehind.random"

local samples = {}

-- Lua 5.1 has no integers beyond 2^53: there they end with those.
samples.is_wide = math.type ~= nil or rawget(_G, "jit") ~= nil

local HAND_WRITTEN_EVERY = 500

local function pick(random, list)
    return list[random(#list) + 1]
end

local function uuid(random)
    return ("%04x%04x-%04x-4%03x-%04x-%06x%06x"):format(random(65536), random(65536), random(65536), random(4096),
        32768 + random(16384), random(2 ^ 24), random(2 ^ 24))
end

local function uuids(random, count)
    local list = {}
    for index = 1, count do
        list[index] = uuid(random)
    end
    return list
end

-- Between a minute's start and its end, in one of the spellings of RFC 3339.
local function time(random, day, minute)
    local fraction = random(3) == 0 and pick(random, { "", ".5", ".25", ".000001", ".999999" })
        or (".%06d"):format(random(1000000))
    return ("%sT%02d:%02d:%02d%s%s"):format(day, math.floor(minute / 60) % 24, minute % 60, random(60), fraction,
        random(4) == 0 and pick(random, { "+00:00", "+02:00", "-08:00", "+05:30" }) or "Z")
end

-- Mostly below a limit, seldom up to 18 digits, of either sign.
local function integer(random, limit)
    if random(40) > 0 then
        return ("%d"):format(random(limit))
    end
    return ("%s%d%08d%09d"):format(pick(random, { "", "-" }), 1 + random(9), random(1e8), random(1e9))
end

local function float(random)
    local kind = random(8)
    if kind < 2 then
        return ("%d"):format(random(300) - 1)
    elseif kind == 2 then
        return ("-%d.%d"):format(random(100), random(10))
    elseif kind == 3 then
        return ("0.%08d%08d"):format(random(1e8), random(1e8))
    elseif kind == 4 then
        return ("%d.%03de%s%d"):format(1 + random(9), random(1000), pick(random, { "", "+", "-" }), random(300))
    end
    return ("%d.%03d"):format(random(300), random(1000))
end

-- ---- texts, as JSON spells them ----

local PLAIN = { "rows", "batch", "store", "flush", "images", "articles", "2015", "index.html", "-", " " }
local STRANGE = { "ü", "漢字", "😀", "é", "Ω", "\\u00e9", "\\u6f22", "\\ud83d\\ude00", '\\"', "\\\\", "\\/", "\\n", "\\t",
    "\\r", "\\b", "\\f", "\\u0001", "\\u001f", "'", "%20", "\\\\N", ",", ";", "{", "]", "<&>", "\226\128\168" }

-- So many pieces between separators, a part of them strange.
local function text(random, count, separator)
    local pieces = {}
    for index = 1, count do
        pieces[index] = pick(random, random(12) == 0 and STRANGE or PLAIN)
    end
    return table.concat(pieces, separator)
end

-- Short, seldom long.
local function length(random)
    return random(60) == 0 and 200 + random(600) or random(12)
end

local function or_null(random, chance, value)
    return random(100) < chance and "null" or value
end

local function quoted(value)
    return '"' .. value .. '"'
end

-- ---- rows ----

local PROTOCOLS = { "ssh", "vscode", "jetbrains", "reconnecting_pty" }

local function nested(random, depth)
    local kind = random(depth > 0 and 7 or 5)
    if kind == 0 then
        return pick(random, { "null", "true", "false", "{}", "[]" })
    elseif kind == 1 then
        return float(random)
    elseif kind < 4 then
        return integer(random, 10)
    elseif kind == 4 then
        return quoted(text(random, random(4), " "))
    end
    local items = {}
    for index = 1, 1 + random(3) do
        items[index] = (kind == 5 and "" or ('"%s%d": '):format(text(random, 1), index)) .. nested(random, depth - 1)
    end
    return (kind == 5 and "[%s]" or "{%s}"):format(table.concat(items, ", "))
end

local function connections(random)
    local members = {}
    for _, name in ipairs(PROTOCOLS) do
        if random(3) == 0 then
            members[#members + 1] = ('"%s": %s'):format(name, random(10) == 0 and nested(random, 3) or 1 + random(3))
        end
    end
    return "{" .. table.concat(members, ", ") .. "}"
end

local AGENT_ROW = '{"created_at": "%s", "user_id": "%s", "agent_id": "%s", "workspace_id": "%s", "template_id": "%s", '
    .. '"connections_by_proto": %s, "connection_count": %d, "rx_packets": %s, "rx_bytes": %s, "tx_packets": %s, '
    .. '"tx_bytes": %s, "session_count_vscode": %d, "session_count_jetbrains": %d, '
    .. '"session_count_reconnecting_pty": %d, "session_count_ssh": %d, "connection_median_latency_ms": %s, "usage": %s}'

-- → a function that makes the next row of agents that report again and again.
local function agent_stats(random)
    local agents, users, templates = {}, uuids(random, 114), uuids(random, 8)
    for index = 1, 400 do
        agents[index] = { pick(random, users), uuid(random), uuid(random), pick(random, templates) }
    end
    return function(n)
        local agent = pick(random, agents)
        return AGENT_ROW:format(time(random, "2024-05-14", 480 + math.floor(n / 500)), agent[1], agent[2], agent[3],
            agent[4], or_null(random, 2, connections(random)), random(6), integer(random, 2000),
            integer(random, 3000000), integer(random, 1500), integer(random, 900000), random(3), random(2), random(2),
            random(2), or_null(random, 2, float(random)), or_null(random, 2, pick(random, { "true", "false" })))
    end
end

local LOG_ROW = '{"time": "%s", "remote_addr": "%s", "remote_user": %s, "method": "%s", "uri": "%s", '
    .. '"protocol": "HTTP/%s", "status": %d, "body_bytes": %s, "referrer": %s, "user_agent": "%s"}'

local function access_log(random)
    return function(n)
        return LOG_ROW:format(time(random, "2015-05-17", math.floor(n / 3)),
            ("192.0.2.%d"):format(random(256)), or_null(random, 90, quoted(text(random, 1 + random(3), " "))),
            pick(random, { "GET", "GET", "HEAD", "POST", "OPTIONS" }), "/" .. text(random, length(random), "/"),
            pick(random, { "1.0", "1.1" }), pick(random, { 200, 200, 206, 301, 304, 404, 500 }),
            or_null(random, 7, integer(random, 70000000)), or_null(random, 40, quoted("http://example.com/"
            .. text(random, length(random), "/"))), "Mozilla/5.0 " .. text(random, length(random), " "))
    end
end

-- ---- files ----

local MADE = {
    { name = "agent_stats", rows = 12000, seed = 1, maker = agent_stats },
    { name = "access_log", rows = 4000, seed = 2, maker = access_log },
}

local function lines_of(path)
    local lines = {}
    for line in io.lines(path) do
        lines[#lines + 1] = line
    end
    return lines
end

local function fitted(line)
    return samples.is_wide and line or (line:gsub("(:%s*%-?)(%d+)", function(before, digits)
        return #digits > 15 and before .. "9007199254740991" or nil
    end))
end

-- Writes the file into a folder; → its path.
local function make(kind, dir)
    local by_hand, lines = lines_of("spec/samples/" .. kind.name .. ".ndjson"), {}
    local next_row = kind.maker(random_of(kind.seed))
    for n = 1, kind.rows do
        local place = n % HAND_WRITTEN_EVERY
        lines[n] = fitted(by_hand[place] or next_row(n))
    end
    lines[#lines + 1] = ""
    local path = process.write(dir .. "/" .. kind.name .. ".ndjson", table.concat(lines, "\n"))
    local gzip = process.run("gzip -f " .. process.quote(path))
    assert(gzip.code == 0, gzip.err)
    return path .. ".gz"
end

-- A list of { label, name, path }: path(dir) writes the file into the folder, if it has to be made; → where it is.
function samples.list()
    local list, shared = {}, os.getenv "WRITEBEHIND_SHARED" or ""
    for _, kind in ipairs(MADE) do
        list[#list + 1] = { label = "made " .. kind.name, name = kind.name, path = function(dir)
            return make(kind, dir)
        end }
        local real = ("%s/data/%s.ndjson.gz"):format(shared, kind.name)
        if shared ~= "" and process.exists(real) then
            list[#list + 1] = { label = "real " .. kind.name, name = kind.name, path = function()
                return real
            end }
        end
    end
    return list
end

return samples
