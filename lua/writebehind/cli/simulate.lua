-- SPDX-License-Identifier: MIT
-- writebehind simulate: agents report at their own pace, through an agent_stats batcher. Each report marks the
-- agent's workspace as used, through a tracker. The same seed and start play the same.

local writebehind = require "writebehind"
local process = require("writebehind.core").process
local agent_stats = require "writebehind.agent_stats"
local progress = require "writebehind.cli.progress"
local random_of = require "writebehind.random"
local tables = require "writebehind.cli.tables"

local SLICE_S = 0.1 -- the longest sleep
local TEMPLATES = 5
local USERS_PER_AGENT = 0.5
local EXIT_S = 1 -- how long the process's exit waits for rows that were given up
local INTERRUPTED = 130

local WORKSPACES = "workspaces"

-- ---- a world from a seed ----

-- A uuid of version 7 for a time.
local function uuid_at(random, unix_s)
    local ms = math.floor(unix_s * 1000)
    return ("%08x-%04x-7%03x-%04x-%06x%06x"):format(math.floor(ms / 65536), ms % 65536, random(4096),
        32768 + random(16384), random(16777216), random(16777216))
end

local function uuids(count, random, unix_s)
    local list = {}
    for index = 1, count do
        list[index] = uuid_at(random, unix_s)
    end
    return list
end

-- Agents in the order in which they report, again and again.
local function new_agents(args, random, start_s)
    local agents, count = {}, args.agents
    local templates = uuids(math.min(TEMPLATES, count), random, start_s)
    local users = uuids(math.ceil(count * USERS_PER_AGENT), random, start_s)
    for index = 1, count do
        agents[index] = {
            index = index, phase_s = random(1000000) / 1e6 * args.report_every, id = uuid_at(random, start_s),
            workspace_id = uuid_at(random, start_s), template_id = templates[random(#templates) + 1],
            user_id = users[random(#users) + 1],
        }
    end
    table.sort(agents, function(a, b)
        return a.phase_s < b.phase_s or a.phase_s == b.phase_s and a.index < b.index
    end)
    return agents
end

-- What an agent reports: three in ten have nobody connected.
local function new_report(random)
    if random(10) < 3 then
        return { rx_packets = random(3), rx_bytes = random(300), tx_packets = random(3), tx_bytes = random(300) }
    end
    local ssh, vscode = random(3), random(2)
    return {
        connections_by_proto = ('{"TCP":%d,"UDP":1}'):format(ssh + vscode), connection_count = ssh + vscode + 1,
        rx_packets = random(10000), rx_bytes = random(10000000), tx_packets = random(10000),
        tx_bytes = random(10000000), session_count_ssh = ssh, session_count_vscode = vscode,
        connection_median_latency_ms = random(200000) / 1000, usage = ssh + vscode > 0,
    }
end

-- ---- tables ----

-- Ids are given; the schema says "generated" only so that the column becomes the primary key.
local function workspaces_schema(generate)
    return writebehind.schema { { "id", "uuid", generate = generate }, { "last_used_at", "timestamptz" } }
end

local function make_tables(store)
    local ok, message = tables.ensure(store, WORKSPACES, function(kind)
        return workspaces_schema("uuidv7"):ddl(kind, WORKSPACES)
    end)
    if not ok then
        return nil, message
    end
    return tables.ensure(store, agent_stats.table, function(kind)
        return agent_stats.ddl[kind]
    end)
end

-- The rows of the workspaces, whose times the tracker then moves forward.
local function add_workspaces(self)
    local batcher = writebehind.batcher {
        store = self.store, table = WORKSPACES, overflow = "block", schema = workspaces_schema(),
    }
    for _, agent in ipairs(self.agents) do
        local ok, message = batcher:add { id = agent.workspace_id, last_used_at = self.start_s - 86400 }
        if not ok then
            return nil, message
        end
    end
    local ok, message = batcher:close(self.args.close_timeout)
    local stats = batcher:stats()
    if not ok or stats.dead > 0 then
        return nil, ("workspaces: %s"):format(message or stats.last_error)
    end
    return true
end

-- ---- playing ----

local function state_of(self)
    local stats = self.stats:stats()
    return { rows = stats.accepted, pending = stats.pending, dead = stats.dead, refused = self.refused,
        position = self.played_s, size = self.args.seconds }
end

local function look(self)
    self.stats:poll()
    self.tracker:poll()
    if self.progress:is_due() then
        self.progress:show(state_of(self))
    end
    return not process.interrupted()
end

-- Waits until `played_s` seconds are played. False: interrupted.
local function wait_for(self, played_s)
    self.played_s = played_s
    local due_s = self.args.speed > 0 and self.began_s + played_s / self.args.speed or 0
    while true do
        local left_s = due_s - process.now()
        if left_s <= 0 then
            return true
        elseif not look(self) then
            return false
        end
        process.sleep(math.min(left_s, SLICE_S))
    end
end

local function report(self, agent, played_s)
    local ok, message = self.stats:add(self.start_s + played_s, agent.id, agent.template_id, agent.user_id,
        agent.workspace_id, new_report(self.random))
    if not ok then
        self.refused = self.refused + 1
        self.progress:note("refused: " .. message)
    end
end

local function play(self)
    local round_s, played = 0, 0
    while round_s < self.args.seconds do
        for _, agent in ipairs(self.agents) do
            local at_s = round_s + agent.phase_s
            if at_s >= self.args.seconds then
                return
            elseif not wait_for(self, at_s) or played % 64 == 0 and not look(self) then
                return
            end
            report(self, agent, at_s)
            played = played + 1
        end
        round_s = round_s + self.args.report_every
    end
end

-- ---- the beginning and the end ----

local function open_play(self)
    local function log(level, message)
        self.progress:note(level .. ": " .. message)
    end
    self.tracker = writebehind.tracker { store = self.store, table = WORKSPACES, key = "id",
        column = "last_used_at", interval = 1, precision = "exact", close_timeout = EXIT_S, log = log }
    self.stats = agent_stats.batcher { store = self.store, tracker = self.tracker, overflow = "block",
        block_timeout = self.args.close_timeout, close_timeout = EXIT_S, log = log }
end

local function finish(self)
    self.stats:close(self.args.close_timeout)
    self.tracker:close(self.args.close_timeout)
    look(self)
    self.progress:finish(state_of(self))
    local stats, marks = self.stats:stats(), self.tracker:stats()
    io.stdout:write(("stored %d of %d rows, %d dead, %d pending\n"):format(stats.stored, stats.accepted,
        stats.dead, stats.pending))
    io.stdout:write(("marked %d, %d workspaces updated, %d unmatched, %d pending\n"):format(marks.accepted,
        marks.updated, marks.unmatched, marks.pending))
    io.stdout:write(("elapsed %.2f s\n"):format(self.progress:elapsed_s()))
    if process.interrupted() then
        return INTERRUPTED
    end
    return (self.refused > 0 or stats.stored < stats.accepted or marks.stored < marks.accepted) and 1 or 0
end

local function prepare(self)
    local message, ok
    self.store, message = tables.open(self.args.store, true)
    if not self.store then
        return nil, message
    end
    ok, message = make_tables(self.store)
    if not ok then
        return nil, message
    end
    return add_workspaces(self)
end

local simulate = {}

-- Runs the command; the exit code: 0 where every row and mark is stored, 1 where one is not, 130 after an
-- interrupt.
function simulate.run(args)
    local self = { args = args, refused = 0, played_s = 0 }
    self.random = random_of(args.seed)
    self.start_s = args.start or process.time()
    self.agents = new_agents(args, self.random, self.start_s)
    self.progress = progress.new { stream = io.stderr, is_terminal = process.isatty(2), now = process.now,
        quiet = args.quiet }
    local ok, message = prepare(self)
    if not ok then
        io.stderr:write("writebehind: ", process.shown(tostring(message)), "\n")
        return 1
    end
    process.on_interrupt()
    self.began_s = process.now()
    open_play(self)
    play(self)
    return finish(self)
end

return simulate
