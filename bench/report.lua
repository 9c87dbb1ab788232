-- SPDX-License-Identifier: MIT
-- The figures of a run: medians of the samples of all rounds, ratios first, each beside its aim. As text, as the
-- Markdown of bench/README.md, or as data for bench/charts.gp, a block a part. What a program gives that no part
-- below names is an error: nothing is lost unseen. Usage: report.lua text|markdown|data SAMPLES

local form, path = arg[1], arg[2]

local COLUMNS = { "lua5.4", "luajit", "go", "psql", "pgbench", "luasql", "sqlite3", "clock" }

-- Of each part: what there is, in this order, and its ratios: { what, peer, peer's what, aims by column }. A peer that
-- is a number is a limit; "same" is the same Lua.
local PARTS = {
    {
        title = "One add, ns",
        "stats:add, fresh", "stats:add, reused", "add, JSON a table", "add, JSON text", "add_values",
        "stats:add, fresh, flat out", "add_values, flat out", "build a table",
        ratios = {
            { "stats:add, fresh", "go", "stats:add, fresh", { ["lua5.4"] = "<= 0.8", luajit = "<= 0.45" } },
            { "stats:add, reused", "go", "stats:add, reused", { ["lua5.4"] = "<= 0.8", luajit = "<= 0.45" } },
            { "add, JSON a table", "go", "stats:add, fresh", { ["lua5.4"] = "<= 1.0", luajit = "<= 0.6" } },
            { "add, JSON text", "go", "stats:add, fresh", { ["lua5.4"] = "<= 1.0", luajit = "<= 0.6" } },
            { "add_values", "go", "stats:add, reused", { ["lua5.4"] = "<= 0.5", luajit = "<= 0.4" } },
            { "add_values", "same", "build a table" },
            { "stats:add, fresh, flat out", "go", "stats:add, fresh, flat out" },
        },
    },
    {
        title = "One add while the database is frozen, us",
        "add while frozen, p50, us", "add while frozen, p99, us", "add while frozen, p99.9, us",
        "add while frozen, p99.99, us", "add while frozen, the longest, us",
        ratios = {
            { "add while frozen, p99.99, us", 50, "50 us", { ["lua5.4"] = "<= 1", luajit = "<= 1" } },
            { "add while frozen, p99.99, us", "clock", "add while frozen, p99.99, us" },
            { "add while frozen, the longest, us", 1000, "1 ms", { ["lua5.4"] = "<= 1", luajit = "<= 1" } },
            { "add while frozen, the longest, us", "clock", "add while frozen, the longest, us" },
        },
    },
    {
        title = "One add of a tracker",
        "1,000 hot ids, ns", "1 M ids, the first time, ns", "1 M ids, the second time, ns",
        "1 M ids, the first time: the longest, us", "1 M ids, the second time: the longest, us",
        ratios = {
            { "1,000 hot ids, ns", "go", "1,000 hot ids, ns" },
            { "1 M ids, the first time, ns", "go", "1 M ids, the first time, ns" },
            { "1 M ids, the second time, ns", "go", "1 M ids, the second time, ns",
                { ["lua5.4"] = "<= 0.6", luajit = "<= 0.6" } },
            { "1 M ids, the first time: the longest, us", 1000, "1 ms", { ["lua5.4"] = "<= 1", luajit = "<= 1" } },
            { "1 M ids, the first time: the longest, us", "go", "1 M ids, the first time: the longest, us" },
        },
    },
    {
        title = "A tracker's flush, ms",
        "10 ids: the writes, ms", "10 ids: a flush, ms", "100,000 ids: the writes, ms", "100,000 ids: a flush, ms",
        ratios = {
            { "10 ids: the writes, ms", "psql", "10 ids: the writes, ms" },
            { "100,000 ids: the writes, ms", "psql", "100,000 ids: the writes, ms" },
        },
    },
    {
        title = "From add to commit",
        "into PostgreSQL, rows/s", "into PostgreSQL, CPU a row, ns", "into SQLite, rows/s",
        "into SQLite, CPU a row, ns",
        ratios = {
            { "into PostgreSQL, rows/s", "psql", "into PostgreSQL, rows/s",
                { ["lua5.4"] = ">= 0.97", luajit = ">= 0.97" } },
            { "into PostgreSQL, rows/s", "go", "into PostgreSQL, rows/s" },
            { "into PostgreSQL, rows/s", "luasql", "into PostgreSQL, rows/s" },
            { "into PostgreSQL, CPU a row, ns", 600, "600 ns", { ["lua5.4"] = "<= 1", luajit = "<= 1" } },
            { "into SQLite, rows/s", "sqlite3", "into SQLite, rows/s" },
        },
    },
    {
        title = "writebehind load",
        "CSV into PostgreSQL, rows/s", "CSV into PostgreSQL, CPU a row, ns", "NDJSON into PostgreSQL, rows/s",
        "NDJSON into PostgreSQL, CPU a row, ns", "CSV into SQLite, rows/s", "CSV into SQLite, CPU a row, ns",
        ratios = {
            { "CSV into PostgreSQL, rows/s", "psql", "CSV into PostgreSQL, rows/s",
                { ["lua5.4"] = ">= 0.9", luajit = ">= 0.9" } },
            { "NDJSON into PostgreSQL, rows/s", "psql", "CSV into PostgreSQL, rows/s",
                { ["lua5.4"] = ">= 0.8", luajit = ">= 0.8" } },
            { "CSV into SQLite, rows/s", "sqlite3", "CSV into SQLite, rows/s",
                { ["lua5.4"] = ">= 0.9", luajit = ">= 0.9" } },
        },
    },
    {
        title = "Policies that decide what is decided without them",
        "add, no policy, ns", "add, should_flush, ns", "add, route, ns", "add where full, drop_oldest, ns",
        "add where full, on_full, ns", "CPU a row, no policy, ns",
        "CPU a row, should_flush and route, ns",
        "CPU a row, the same in a worker, ns",
        ratios = {
            { "add, should_flush, ns", "same", "add, no policy, ns" },
            { "add, route, ns", "same", "add, no policy, ns" },
            { "add where full, on_full, ns", "same", "add where full, drop_oldest, ns" },
        },
    },
    {
        title = "Batches that wait, ns",
        "add, 100 batches wait, ns", "add, 10000 batches wait, ns",
        "take and complete, 100 batches wait, ns", "take and complete, 10000 batches wait, ns",
        "add, 100 batches wait for a retry, ns", "add, 10000 batches wait for a retry, ns",
        "take and complete, 100 batches wait for a retry, ns",
        "take and complete, 10000 batches wait for a retry, ns",
        ratios = {
            { "add, 10000 batches wait, ns", "same", "add, 100 batches wait, ns" },
            { "take and complete, 10000 batches wait, ns", "same", "take and complete, 100 batches wait, ns" },
            { "take and complete, 10000 batches wait for a retry, ns", "same",
                "take and complete, 100 batches wait for a retry, ns" },
        },
    },
    { title = "One add of a key that waits, ns", ratios = {} },
    {
        title = "A write of 1,000 rows of a key, ms",
        "new keys, COPY, ms", "new keys, COPY and ledger, ms", "new keys, upsert, ms",
        "keys that are there, upsert, ms",
        ratios = {
            { "new keys, COPY and ledger, ms", "same", "new keys, COPY, ms",
                { ["lua5.4"] = "<= 1.2", luajit = "<= 1.2" } },
            { "new keys, upsert, ms", "same", "new keys, COPY, ms", { ["lua5.4"] = "<= 1.82", luajit = "<= 1.82" } },
            { "keys that are there, upsert, ms", "pgbench", "keys that are there, upsert, ms",
                { ["lua5.4"] = "<= 1.11", luajit = "<= 1.11" } },
        },
    },
    {
        title = "One add while rows pend, ns",
        ratios = { { "add, up to 10000000 pending, ns", "same", "add, up to 10000 pending, ns" } },
    },
    { title = "Memory while rows pend, bytes a row", ratios = {} },
}

for _, point in ipairs { 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000 } do
    table.insert(PARTS[#PARTS - 1], ("add, up to %d pending, ns"):format(point))
    table.insert(PARTS[#PARTS], ("memory, %d pending, bytes a row"):format(point))
end

for _, call in ipairs { "add", "add_values" } do
    for _, count in ipairs { 100, 10000, 100000 } do
        local part, plain = PARTS[#PARTS - 3], ("%s, %d keys, ns"):format(call, count)
        local coalesced = plain:gsub("ns$", "coalesce, ns")
        table.insert(part, plain)
        table.insert(part, coalesced)
        table.insert(part.ratios, { coalesced, "same", plain, { ["lua5.4"] = "<= 1.3", luajit = "<= 1.3" } })
    end
end

local function median(list)
    table.sort(list)
    return list[math.floor((#list + 1) / 2)]
end

local function read()
    local known, figures = {}, {}
    for _, part in ipairs(PARTS) do
        for _, what in ipairs(part) do
            known[what], figures[what] = true, {}
        end
    end
    for line in io.lines(path) do
        local who, what, value = line:match "^([^\t]+)\t([^\t]+)\t([^\t]+)$"
        if not known[what] then
            error("report: not in its list: " .. line)
        end
        figures[what][who] = figures[what][who] or {}
        table.insert(figures[what][who], (assert(tonumber(value), line)))
    end
    for _, of in pairs(figures) do
        for who, list in pairs(of) do
            of[who] = median(list)
        end
    end
    return figures
end

local figures = read()

local function met(value, aim)
    local order, limit = aim:match "^(%S+) (%S+)$"
    return order == "<=" and value <= tonumber(limit) or order == ">=" and value >= tonumber(limit)
end

-- Calls each(text, value, aim or "", "" or what is to be said of it) for the ratios of a part that has both figures.
local function each_ratio(part, each)
    for _, ratio in ipairs(part.ratios) do
        local what, peer, peer_what, aims = ratio[1], ratio[2], ratio[3], ratio[4] or {}
        for _, who in ipairs { "lua5.4", "luajit" } do
            local own = figures[what][who]
            local other = type(peer) == "number" and peer or figures[peer_what][peer == "same" and who or peer]
            if own and other then
                local aim = aims[who] or ""
                local whose = (peer == "same" or type(peer) == "number") and "" or peer .. "'s"
                local text = ("%s: %s / %s"):format(who, what, peer_what == what and whose
                    or whose .. (whose == "" and "" or " ") .. peer_what)
                each(text, own / other, aim, aim ~= "" and not met(own / other, aim) and "missed" or "")
            end
        end
    end
end

-- The columns of a part that have a figure, and the lines that have one.
local function shape(part)
    local columns, lines = {}, {}
    for _, who in ipairs(COLUMNS) do
        for _, what in ipairs(part) do
            if figures[what][who] then
                columns[#columns + 1] = who
                break
            end
        end
    end
    for _, what in ipairs(part) do
        if next(figures[what]) then
            lines[#lines + 1] = what
        end
    end
    return columns, lines
end

local function shown(value)
    if not value then
        return "–"
    end
    local text = value >= 100 and ("%.0f"):format(value) or ("%.3g"):format(value)
    local digits = text:match "^%d+$"
    return digits and digits:reverse():gsub("(%d%d%d)(%d)", "%1,%2"):gsub("(%d%d%d)(%d)", "%1,%2"):reverse() or text
end

local writers = { text = {}, markdown = {}, data = {} }

function writers.text.ratios()
    for _, part in ipairs(PARTS) do
        each_ratio(part, function(text, value, aim, said)
            print(("%-82s %6.2f  %s"):format(text, value, aim == "" and "" or "aim " .. aim .. " " .. said))
        end)
    end
end

function writers.text.figures(part, columns, lines)
    local line = ("%-54s"):format(part.title)
    for _, who in ipairs(columns) do
        line = line .. ("%12s"):format(who)
    end
    print("\n" .. line)
    for _, what in ipairs(lines) do
        line = ("  %-52s"):format(what)
        for _, who in ipairs(columns) do
            line = line .. ("%12s"):format((shown(figures[what][who]):gsub("–", "-")))
        end
        print(line)
    end
end

function writers.markdown.ratios()
    print "| ratio | | aim |\n| --- | ---: | --- |"
    for _, part in ipairs(PARTS) do
        each_ratio(part, function(text, value, aim, said)
            print(("| %s | %.2f | %s |"):format(text, value, aim .. (said == "" and "" or ", " .. said)))
        end)
    end
end

function writers.markdown.figures(part, columns, lines)
    print(("\n| %s | %s |\n| --- |%s"):format(part.title, table.concat(columns, " | "),
        (" ---: |"):rep(#columns)))
    for _, what in ipairs(lines) do
        local cells = {}
        for i, who in ipairs(columns) do
            cells[i] = shown(figures[what][who])
        end
        print(("| %s | %s |"):format(what, table.concat(cells, " | ")))
    end
end

function writers.data.ratios() end

function writers.data.figures(part, columns, lines)
    print(("# %s\n\"\" \"%s\""):format(part.title, table.concat(columns, '" "')))
    for _, what in ipairs(lines) do
        local cells = { what:match "(%d+) pending" or '"' .. what:gsub(", ", ",\\n") .. '"' }
        for _, who in ipairs(columns) do
            cells[#cells + 1] = figures[what][who] or "NaN"
        end
        print(table.concat(cells, " "))
    end
    print "\n"
end

local writer = assert(writers[form], "usage: report.lua text|markdown|data SAMPLES")
writer.ratios()
for _, part in ipairs(PARTS) do
    local columns, lines = shape(part)
    if #lines > 0 then
        writer.figures(part, columns, lines)
    end
end
