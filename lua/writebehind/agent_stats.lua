-- SPDX-License-Identifier: MIT
-- The table of agent statistics: its schema, its DDL with the indexes, and a batcher that takes one report
-- of an agent at a time. With a tracker, each accepted report also marks its workspace as used.

local core = require "writebehind.core"
local direct = require "writebehind.forms.direct"
local hooks = require "writebehind.forms.hooks"

local TABLE = "workspace_agent_stats"

local schema = core.schema {
    { "id", "uuid", generate = "uuidv7" },
    { "created_at", "timestamptz" },
    { "user_id", "uuid" },
    { "agent_id", "uuid" },
    { "workspace_id", "uuid" },
    { "template_id", "uuid" },
    { "connections_by_proto", "jsonb", default = "{}" },
    { "connection_count", "int8", default = 0 },
    { "rx_packets", "int8", default = 0 },
    { "rx_bytes", "int8", default = 0 },
    { "tx_packets", "int8", default = 0 },
    { "tx_bytes", "int8", default = 0 },
    { "session_count_vscode", "int8", default = 0 },
    { "session_count_jetbrains", "int8", default = 0 },
    { "session_count_reconnecting_pty", "int8", default = 0 },
    { "session_count_ssh", "int8", default = 0 },
    { "connection_median_latency_ms", "float8", default = -1 },
    { "usage", "bool", default = false },
}

local COVERED = [[ INCLUDE (session_count_vscode, session_count_jetbrains, session_count_reconnecting_pty,
    session_count_ssh, connection_median_latency_ms)]]

local INDEXES = [[
CREATE INDEX IF NOT EXISTS idx_agent_stats_created_at ON workspace_agent_stats (created_at);
CREATE INDEX IF NOT EXISTS idx_agent_stats_user_id ON workspace_agent_stats (user_id);
CREATE INDEX IF NOT EXISTS workspace_agent_stats_template_id_created_at_user_id_idx
    ON workspace_agent_stats (template_id, created_at, user_id)%s
    WHERE connection_count > 0;
]]

-- SQL text that makes the table and its indexes.
local function ddl(dialect, covered)
    local create = schema:ddl(dialect, TABLE):gsub(";?%s*$", ";\n")
    return create .. INDEXES:format(covered)
end

-- What a report says besides its fields, in this order.
local REPORTED = { "created_at", "agent_id", "template_id", "user_id", "workspace_id" }

local agent_stats = {
    table = TABLE,
    schema = schema,
    ddl = { postgresql = ddl("postgresql", COVERED), sqlite = ddl("sqlite", "") },
}

local Stats = {}
Stats.__index = Stats

local function is_stats(value)
    return type(value) == "table" and getmetatable(value) == Stats
end

local function check_self(self, name)
    if not is_stats(self) then
        error(("agent stats: %s: expected a batcher of agent statistics as self, got %s (methods are called with "
            .. "a colon)"):format(name, core.raw.kind(self) or type(self)), 3)
    end
end

-- Methods that are the batcher's.
for _, name in ipairs { "flush", "close", "poll", "fd", "next_due", "health", "take", "stats" } do
    Stats[name] = function(self, timeout)
        check_self(self, name)
        hooks.check_timeout(timeout, "agent stats", name)
        return self.batcher[name](self.batcher, timeout)
    end
end

function Stats.__close(self)
    self.batcher:close()
end

-- Adds one report. `now` is a time as every timestamptz takes it, the ids are text or 16 bytes; an absent
-- field is its column's default. → true; or nil, message, code, and nothing is marked; or true, message, code where
-- the row was accepted and its workspace could not be marked.
function Stats:add(now, agent_id, template_id, user_id, workspace_id, stats)
    if getmetatable(self) ~= Stats then
        check_self(self, "add")
    elseif type(stats) ~= "table" then
        error(("agent stats: a table of fields expected, got %s"):format(type(stats)), 2)
    end
    local tracker = self.tracker
    if not tracker then
        return self.batcher:add_mixed(stats, now, user_id, agent_id, workspace_id, template_id)
    end
    local ok, message, code = self.batcher:add_mixed(stats, now, user_id, agent_id, workspace_id, template_id)
    if not ok then
        return nil, message, code
    end
    ok, message, code = tracker:add(workspace_id, now)
    if not ok then
        return true, message, code
    end
    return true
end

local function is_tracker(value)
    return value == nil or core.raw.kind(value) == "tracker" or type(value) == "table" and value.add ~= nil
end

-- A batcher of agent statistics. Options as writebehind.batcher's; `table` is preset, `schema` is this
-- module's, `tracker` is the tracker that each report marks its workspace in.
function agent_stats.batcher(options)
    if type(options) ~= "table" then
        error("agent_stats.batcher: a table of options expected, got " .. type(options), 2)
    elseif options.schema ~= nil then
        error("agent_stats.batcher: the schema is preset: leave the option `schema` out", 2)
    elseif not is_tracker(options.tracker) then
        error(('agent_stats.batcher: option "tracker": expected a tracker, got %s'):format(
            core.raw.kind(options.tracker) or type(options.tracker)), 2)
    end
    local given = { table = TABLE, schema = schema }
    for name, value in pairs(options) do
        if name ~= "tracker" then
            given[name] = value
        end
    end
    local ok, batcher, message, code = pcall(require("writebehind").batcher, given)
    if not ok then
        error((tostring(batcher):gsub("^[^:]+:%d+: ", "")), 2)
    elseif not batcher then
        return nil, message, code
    end
    local stats = setmetatable({ batcher = batcher, tracker = options.tracker }, Stats)
    stats.add = not options.tracker and (direct.adder(batcher, stats, REPORTED, Stats.add) or
        core.raw.adder(batcher, stats, REPORTED)) or nil
    return stats
end

return agent_stats
