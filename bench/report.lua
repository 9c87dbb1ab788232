-- SPDX-License-Identifier: MIT
-- The figures of a run: medians of the samples of all rounds, ratios first, each beside its aim. As text, or as the
-- Markdown of bench/README.md. What a program gives that no part below names is an error: nothing is lost unseen.
-- Usage: report.lua text|markdown SAMPLES

local form, path = arg[1], arg[2]

local COLUMNS = { "lua5.4", "luajit", "go" }

-- Of each part: the unit, what there is, in this order, and ratios { what, peer, peer's what, aims by column }.
local PARTS = {
    {
        title = "One add", unit = "ns",
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
}

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
            local other = figures[peer_what][peer == "same" and who or peer]
            if own and other then
                local aim = aims[who] or ""
                local text = ("%s: %s / %s%s"):format(who, what, peer == "same" and "" or peer .. "'s ", peer_what)
                each(text, own / other, aim, aim ~= "" and not met(own / other, aim) and "missed" or "")
            end
        end
    end
end

local function columns_of(part)
    local list = {}
    for _, who in ipairs(COLUMNS) do
        for _, what in ipairs(part) do
            if figures[what][who] then
                list[#list + 1] = who
                break
            end
        end
    end
    return list
end

local function shown(value)
    if not value then
        return "–"
    end
    local text = value >= 100 and ("%.0f"):format(value) or ("%.3g"):format(value)
    local digits = text:match "^%d+$"
    return digits and digits:reverse():gsub("(%d%d%d)(%d)", "%1,%2"):gsub("(%d%d%d)(%d)", "%1,%2"):reverse() or text
end

local writers = { text = {}, markdown = {} }

function writers.text.ratios()
    for _, part in ipairs(PARTS) do
        each_ratio(part, function(text, value, aim, said)
            print(("%-70s %6.2f  %s"):format(text, value, aim == "" and "" or "aim " .. aim .. " " .. said))
        end)
    end
end

function writers.text.figures(part)
    local columns = columns_of(part)
    local line = ("%-46s"):format(part.title .. ", " .. part.unit)
    for _, who in ipairs(columns) do
        line = line .. ("%12s"):format(who)
    end
    print("\n" .. line)
    for _, what in ipairs(part) do
        line = ("  %-44s"):format(what)
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

function writers.markdown.figures(part)
    local columns = columns_of(part)
    print(("\n| %s, %s | %s |\n| --- |%s"):format(part.title, part.unit, table.concat(columns, " | "),
        (" ---: |"):rep(#columns)))
    for _, what in ipairs(part) do
        local cells = {}
        for i, who in ipairs(columns) do
            cells[i] = shown(figures[what][who])
        end
        print(("| %s | %s |"):format(what, table.concat(cells, " | ")))
    end
end

local writer = assert(writers[form], "usage: report.lua text|markdown SAMPLES")
writer.ratios()
for _, part in ipairs(PARTS) do
    if #columns_of(part) > 0 then
        writer.figures(part)
    end
end
