-- SPDX-License-Identifier: MIT
-- What the benchmarks share: rows of agent statistics made from a seeded generator, time, medians, and the line in
-- which a program gives a figure: who, what, value, with tabs between. bench/report.lua takes medians of these.

local monotime = require("system").monotime -- in ns, where the library's own clock has µs
local writebehind = require "writebehind"

local rows = { now = monotime, table = writebehind.agent_stats.table }

local state = 1

-- Park and Miller's minimal standard generator, of 31 bits: the same on every Lua.
local function random()
    state = state * 48271 % 2147483647
    return state
end

function rows.uuid()
    local a, b, c, d = random(), random(), random(), random()
    return ("%08x-%04x-4%03x-a%03x-%08x%04x"):format(a, b % 65536, math.floor(b / 65536) % 4096, c % 4096, d,
        math.floor(c / 4096) % 65536)
end

local ids = {}
for i = 1, 1000 do
    local template = ids[(i - 1) % 20 + 1]
    ids[i] = { rows.uuid(), rows.uuid(), rows.uuid(), template and template[4] or rows.uuid() }
end

local JSON = { "{}", '{"ssh":1}', '{"vscode":2,"ssh":1}', '{"jetbrains":1}' }
local START = 1715673600

-- The values of row `i` in the order of the schema's given columns, as multiple results.
function rows.values(i)
    local id = ids[i % 1000 + 1]
    return START + i * 0.000731, id[1], id[2], id[3], id[4], JSON[i % 4 + 1], i % 4, i, i * 86, i, i * 35,
        i % 3, 0, 0, i % 2, 12.5, false
end

-- A batcher of these rows; what it has to say goes nowhere.
function rows.batcher(options)
    options.schema, options.table = writebehind.agent_stats.schema, rows.table
    options.log = options.log or function() end
    return assert(writebehind.batcher(options))
end

local RUN = 800 -- less than flush_at

-- ns a call of `form(from, to)`, which makes so many: in runs that fill no batch, so nothing is written meanwhile.
function rows.alone(form, count, settle)
    local spent = 0
    for from = 1, count, RUN do
        settle()
        local began = rows.now()
        form(from, from + RUN - 1)
        spent = spent + rows.now() - began
    end
    return spent * 1e9 / count
end

function rows.median(list)
    local sorted = {}
    for i, value in ipairs(list) do
        sorted[i] = value
    end
    table.sort(sorted)
    return sorted[math.floor((#sorted + 1) / 2)]
end

function rows.sample(who, what, value)
    print(("%s\t%s\t%.6g"):format(who, what, value))
end

-- A line for the summary: ratios come first in it.
function rows.ratio(text, value, aim)
    print(("= %-72s %6.2f   %s"):format(text, value, aim or ""))
end

return rows
