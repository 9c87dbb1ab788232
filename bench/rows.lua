-- SPDX-License-Identifier: MIT
-- What the benchmarks share: rows of agent statistics made from a seeded generator, time, medians.

local process = require("writebehind.core").process

local rows = { now = process.now }

local state = 1

-- Park and Miller's minimal standard generator: the same on every Lua.
local function random(limit)
    state = state * 48271 % 2147483647
    return state % limit
end

local function uuid()
    local parts = {}
    for i = 1, 8 do
        parts[i] = ("%04x"):format(random(65536))
    end
    return ("%s%s-%s-4%s-a%s-%s%s%s"):format(parts[1], parts[2], parts[3], parts[4]:sub(2), parts[5]:sub(2),
        parts[6], parts[7], parts[8])
end

local ids = {}
for i = 1, 1000 do
    ids[i] = { uuid(), uuid(), uuid(), ids[(i - 1) % 20 + 1] and ids[(i - 1) % 20 + 1][4] or uuid() }
end

local JSON = { "{}", '{"ssh":1}', '{"vscode":2,"ssh":1}', '{"jetbrains":1}' }
local START = 1715673600

-- The values of row `i` in the order of the schema's given columns, as multiple results.
function rows.values(i)
    local id = ids[i % 1000 + 1]
    return START + i * 0.000731, id[1], id[2], id[3], id[4], JSON[i % 4 + 1], i % 4, i, i * 86, i, i * 35,
        i % 3, 0, 0, i % 2, 12.5, false
end

function rows.median(list)
    local sorted = {}
    for i, value in ipairs(list) do
        sorted[i] = value
    end
    table.sort(sorted)
    return sorted[math.floor((#sorted + 1) / 2)]
end

-- A line for the summary: ratios come first in it.
function rows.ratio(text, value, aim)
    print(("= %-72s %6.2f   %s"):format(text, value, aim or ""))
end

function rows.figure(text, value, unit)
    print(("  %-72s %10.0f %s"):format(text, value, unit))
end

return rows
