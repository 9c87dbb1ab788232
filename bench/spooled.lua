-- SPDX-License-Identifier: MIT
-- What a spool costs: an add of a full row (17 columns) with one, beside the same add without. Into the memory store.
-- "adds": ns, in runs that fill no batch. "each": every add timed, at some 20,000 rows a second: us, the longest of
-- 10,000 (p99.99) and of all. Usage: spooled.lua WHO adds|each FOLDER

local writebehind = require "writebehind"
local rows = require "bench.rows"

local who, mode, folder = arg[1], arg[2], arg[3]
local COUNT, RUN, EACH, PACE = 96000, 800, 200000, 50e-6
local KINDS = { "without", "process", "machine" }

local function batcher(durability)
    return rows.batcher {
        store = writebehind.memory { keep_rows = 1 }, name = durability, max_pending_rows = 1e6,
        spool = durability ~= "without" and { path = folder, durability = durability } or nil,
    }
end

local batchers = {}
for _, kind in ipairs(KINDS) do
    batchers[kind] = batcher(kind)
end

local function add(kind, i)
    batchers[kind]:add_values(rows.values(i))
end

local function flush()
    for _, kind in ipairs(KINDS) do
        assert(batchers[kind]:flush(60))
    end
end

local function adds()
    local spent = { without = 0, process = 0, machine = 0 }
    for from = 1, COUNT + 10 * RUN, RUN do
        flush()
        for _, kind in ipairs(KINDS) do
            local began = rows.now()
            for i = from, from + RUN - 1 do
                add(kind, i)
            end
            spent[kind] = spent[kind] + (from > 10 * RUN and rows.now() - began or 0)
        end
    end
    for _, kind in ipairs(KINDS) do
        rows.sample(who, "spool, " .. kind, spent[kind] * 1e9 / COUNT)
    end
end

-- In turns of 1,000, so that what else the machine does is in all of them.
local function each()
    local times = { without = {}, process = {}, machine = {} }
    for from = 1, EACH, 1000 do
        for _, kind in ipairs(KINDS) do
            local list, due = times[kind], rows.now()
            for i = from, from + 999 do
                due = due + PACE
                repeat until rows.now() >= due
                local began = rows.now()
                add(kind, i)
                list[#list + 1] = rows.now() - began
            end
        end
    end
    for _, kind in ipairs(KINDS) do
        local list = times[kind]
        table.sort(list)
        rows.sample(who, ("spool, %s, p99.99"):format(kind), list[math.ceil(#list * 0.9999)] * 1e6)
        rows.sample(who, ("spool, %s, longest"):format(kind), list[#list] * 1e6)
    end
end

if mode == "adds" then
    adds()
else
    each()
end
for _, kind in ipairs(KINDS) do
    assert(batchers[kind]:close(60))
end
