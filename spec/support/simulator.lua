-- A seeded scenario of ten thousand steps, and playing it in a world: rows are conserved at every step, and what
-- was accepted is remembered.
--
-- A world has open() → batcher, wait(seconds), patience (the seconds that a flush or close may take) and, for a
-- scenario with troubles, befall(step) and relieve(step, batcher), between which rows are added. A trouble is a list of
-- answers of a store, which a world makes of what it has: see spec.support.simulator_worlds.

local random_of = require "writebehind.random"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

local simulator = {
    STEPS = 10000,
    REFUSED = "refused by the store", -- the note of a row that every store rejects
    SHARE = 0.5, -- where none is given
}

simulator.schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" },
    { "note", "text", null = true }, { "share", "float8", default = simulator.SHARE } }

-- ---- answers of a store ----

local KINDS = {
    function() return { "ok" } end,
    function() return { "fail" } end,
    function() return { "fail", "hold", "no such table" } end,
    function(random) return { "partial", random(80) } end,
    function() return { "throw" } end,
    function() return { "lose" } end,
    function(random) return { "stall", random(40) } end,
    function() return { "rows", { retry = { 1 } } } end,
    function() return { "rows" } end,
    function() return { "fail", "reject", "a bad row" } end,
}

-- Answers for testing.store, by default of every kind but rejections of good rows.
function simulator.answers(random, count, with_rejects)
    local list = {}
    for index = 1, count do
        list[index] = KINDS[random(with_rejects and #KINDS or #KINDS - 2) + 1](random)
    end
    return list
end

function simulator.script(seed, count, with_rejects)
    return simulator.answers(random_of(seed), count, with_rejects)
end

-- ---- a scenario: a list of steps, the same for the same seed ----

-- What happens, and how often of a thousand steps.
local CHANCES = {
    { "add", 550 }, { "burst", 60 }, { "values", 150 }, { "invalid", 40 }, { "poll", 100 }, { "wait", 80 },
    { "flush_now", 15 }, { "flush", 3 }, { "reopen", 2 },
}
local WITH_TROUBLES = {
    { "add", 538 }, { "burst", 60 }, { "values", 150 }, { "invalid", 40 }, { "poll", 100 }, { "wait", 80 },
    { "flush_now", 15 }, { "flush", 3 }, { "reopen", 2 }, { "trouble", 8 }, { "refused", 4 },
}

local function draw(random, chances)
    local at = random(1000)
    for _, chance in ipairs(chances) do
        at = at - chance[2]
        if at < 0 then
            return chance[1]
        end
    end
end

function simulator.scenario(seed, with_troubles)
    local random, steps = random_of(seed), {}
    for index = 1, simulator.STEPS do
        local step = { op = draw(random, with_troubles and WITH_TROUBLES or CHANCES), size = random(50) + 1,
            seconds = random(3000) / 1000 }
        if step.op == "trouble" then
            step.answers = simulator.answers(random, random(8) + 1)
        end
        steps[index] = step
    end
    return steps
end

-- ---- the steps ----

local function row_of(n, note)
    return { n = n, note = note or n % 3 > 0 and "row " .. n or nil, share = n % 2 > 0 and n / 8 or nil }
end

-- Adds the next row; remembers it where it was accepted.
local function add(play, add_row, note)
    local n = play.n + 1
    play.n = n
    local row = row_of(n, note)
    local ok, _, code = add_row(play.batcher, row)
    if ok then
        row.share = row.share or simulator.SHARE
        play.accepted[#play.accepted + 1] = row
    else
        assert(code == "full", code)
    end
end

local function add_table(batcher, row)
    return batcher:add(row)
end

local function add_positions(batcher, row)
    return batcher:add_values(row.n, row.note, row.share)
end

local OPS = {}

function OPS.add(play)
    add(play, add_table)
end

function OPS.values(play)
    add(play, add_positions)
end

function OPS.burst(play, step)
    for _ = 1, step.size do
        add(play, add_table)
    end
end

-- Any number in a row. A good one comes after them: a store that takes others is known to mean the rows.
function OPS.refused(play, step)
    for _ = 1, step.size do
        add(play, add_table, simulator.REFUSED)
    end
    add(play, add_table)
end

function OPS.invalid(play)
    local ok, _, code = play.batcher:add { n = "none" }
    assert(not ok and code == "invalid", code)
    play.invalid = play.invalid + 1
end

function OPS.poll(play)
    play.batcher:poll()
end

function OPS.wait(play, step)
    play.world.wait(step.seconds)
end

function OPS.flush_now(play)
    play.batcher:flush(0)
end

function OPS.flush(play)
    assert(play.batcher:flush(play.world.patience))
    assert(play.batcher:stats().pending == 0)
end

function OPS.trouble(play, step)
    play.world.befall(step)
    OPS.burst(play, step)
    play.world.relieve(step, play.batcher)
end

-- Adds up what a closed batcher counted.
local function account(play, stats)
    assert(stats.pending == 0)
    for _, name in ipairs { "accepted", "stored", "dead", "dropped", "rejected", "failures" } do
        play.sums[name] = (play.sums[name] or 0) + stats[name]
    end
end

-- Every other one first in no time at all, which refuses rows, whatever is still pending.
local function close(play, hurried)
    if hurried then
        local ok, _, code = play.batcher:close(0)
        assert(ok or code == "timeout", code)
    end
    assert(play.batcher:close(play.world.patience))
end

function OPS.reopen(play, step)
    close(play, step.size % 2 == 0)
    local ok, _, code = play.batcher:add(row_of(0))
    assert(not ok and code == "closed", code)
    account(play, scripted.conserved(play.batcher))
    play.sums.rejected = play.sums.rejected - 1
    play.batcher, play.opened, play.last = play.world.open(), #play.accepted, {}
end

-- ---- playing ----

local SETTLED = { "stored", "dead", "dropped" }

-- The law, and what follows from it: all that was accepted is counted, and what is settled stays so.
local function check(play)
    local stats = scripted.conserved(play.batcher)
    assert(stats.accepted == #play.accepted - play.opened, "not all that was accepted is counted")
    for _, name in ipairs(SETTLED) do
        assert(stats[name] >= (play.last[name] or 0), "fewer rows are " .. name .. " than before")
    end
    play.last = stats
end

-- → { accepted = rows, invalid = count, sums = of the batchers' stats }
function simulator.play(steps, world)
    local play = { world = world, n = 0, accepted = {}, opened = 0, last = {}, invalid = 0, sums = {} }
    play.batcher = world.open()
    for index, step in ipairs(steps) do
        local ok, message = pcall(OPS[step.op], play, step)
        if ok then
            ok, message = pcall(check, play)
        end
        if not ok then
            error(("step %d, %s: %s"):format(index, step.op, message), 0)
        end
    end
    close(play)
    account(play, scripted.conserved(play.batcher))
    return play
end

-- ---- what ended up stored ----

local function line_of(row)
    return ("%d|%s|%.17g"):format(tonumber(row.n), row.note or "", row.share)
end

-- Rows as lines, by their number; their ids are all different.
function simulator.lines(rows)
    local lines, ids = {}, {}
    table.sort(rows, function(a, b)
        return tonumber(a.n) < tonumber(b.n)
    end)
    for index, row in ipairs(rows) do
        lines[index] = line_of(row)
        assert(not ids[row.id], "an id twice: " .. tostring(row.id))
        ids[row.id] = true
    end
    return lines
end

-- The lines of what was accepted: `kept`, without what a store rejects, or all.
function simulator.expected(play, kept)
    local lines = {}
    for _, row in ipairs(play.accepted) do
        if not kept or row.note ~= simulator.REFUSED then
            lines[#lines + 1] = line_of(row)
        end
    end
    return lines
end

-- The lines of what every store rejects.
function simulator.refused(play)
    local lines = {}
    for _, row in ipairs(play.accepted) do
        lines[#lines + 1] = row.note == simulator.REFUSED and line_of(row) or nil
    end
    return lines
end

-- Raises where two lists of lines are not the same, at the first that differs.
function simulator.assert_same(expected, lines)
    for index = 1, math.max(#expected, #lines) do
        if expected[index] ~= lines[index] then
            error(("row %d of %d is %s, expected %s of %d"):format(index, #lines, tostring(lines[index]),
                tostring(expected[index]), #expected), 2)
        end
    end
end

-- The store's own count agrees with the batchers', and the batchers' with what was accepted.
function simulator.assert_accounted(play, stored)
    local sums = play.sums
    assert(#play.accepted == sums.accepted, "not all that was accepted is counted")
    assert(stored == sums.stored, "the store has other rows than were counted")
    assert(play.invalid == sums.rejected, "not all that was refused is counted")
    assert(sums.accepted == sums.stored + sums.dead + sums.dropped)
end

return simulator
