-- SPDX-License-Identifier: MIT
-- The inside of a worker that decides: its module's should_flush, route and retry_delay, asked in its private Lua
-- state by the flusher's thread. What is wrong is thrown as text; the built-in rule decides then.

local module = require "writebehind.worker.module"
local policy = require "writebehind.forms.policy"
local view = require "writebehind.forms.view"

local script = {}

local DECISIONS = { should_flush = true, route = true, retry_delay = true, close = true }

-- A module that decides nothing is a mistake, and so is a function whose name is no decision's. Names that begin
-- with an underscore are the module's own.
local function check(given, name)
    local found = false
    for key, value in pairs(given) do
        local own = type(key) == "string" and key:sub(1, 1) == "_"
        if not own and (not DECISIONS[key] or type(value) ~= "function") then
            return ("the policy of the worker %q has %s (a %s); expected the functions should_flush, route and " ..
                "retry_delay; on_full stays with the caller"):format(name, tostring(key), type(value))
        end
        found = found or not own and key ~= "close"
    end
    return not found and ("the policy of the worker %q decides nothing: it has none of the functions " ..
        "should_flush, route, retry_delay"):format(name) or nil
end

local function view_of(class, stats, rows, bytes, age, attempt, table_name, ...)
    local own = {
        rows = rows, bytes = bytes, age = age, attempt = attempt, class = class, table = table_name,
        last = view.last(stats.last_error, ...),
    }
    return view.of(own, function(_, name) return stats[name] end)
end

-- → { should_flush =, route =, retry_delay =, close = }, the first three where the module has them; or nil,
-- message, class
function script.open(name, args, log)
    local given, message, class = module.find(name, args, log, "a policy")
    if not given then
        return nil, message, class
    end
    local wrong = check(given, name)
    if wrong then
        return nil, wrong, "hold"
    end

    local function ask(decision, argument, more)
        return module.call(name, log, function() return given[decision](argument, more) end)
    end
    local decisions = { close = module.closer(given, name, log) }

    -- (stats, rows, bytes, age, attempt, table, rows, elapsed and ok of the last write) → truth
    decisions.should_flush = given.should_flush and function(...)
        return (ask("should_flush", view_of(nil, ...)))
    end

    -- (row) → a table's name, or nil for the batcher's own; false and why the row is refused
    decisions.route = given.route and function(row)
        local table_name, why = ask("route", row)
        if table_name == false then
            return false, policy.refusal(why)
        elseif table_name ~= nil and (type(table_name) ~= "string" or table_name:find("\0", 1, true)) then
            error(policy.wrong(table_name, "the name of a table"), 0)
        end
        return table_name
    end

    -- (err, class, and what should_flush is given) → seconds, false to give up, or nil for the option retry
    decisions.retry_delay = given.retry_delay and function(err, ...)
        local delay, not_one = policy.delay((ask("retry_delay", view_of(...), err)))
        if not_one then
            error(not_one, 0)
        end
        return delay
    end

    return decisions
end

return script
