-- The worlds that a scenario of spec.support.simulator is played in: on a scripted store driven in virtual time, on a
-- worker's store, and on native stores. Each makes of a trouble what can befall its store, and shows in the end
-- rows() – what is stored – dead – the rows given up, by dead_letter – and troubles – how many failures it caused.

local peers = require "spec.support.sqlite_peer"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local simulator = require "spec.support.simulator"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local worlds = {}

local START = 1700000000
local SECOND = 0.0005 -- in real time, for a second of the scenario's
local NAP = 0.001

local function quiet()
end

local function new_world(world)
    world.dead, world.troubles, world.befall, world.relieve = {}, 0, quiet, quiet
    return world
end

-- Adds the answers that fail to the troubles.
local function count_troubles(world, step)
    for _, answer in ipairs(step.answers) do
        world.troubles = world.troubles + ((answer[1] == "ok" or answer[1] == "stall") and 0 or 1)
    end
end

-- Opens batchers with these options, and those that all have.
local function opener(world, options)
    local all = {
        schema = simulator.schema, table = "t", batch_size = 64, interval = 1, log = quiet, close_timeout = 1e5,
        dead_letter = function(row)
            world.dead[#world.dead + 1] = row
        end,
    }
    for name, value in pairs(options) do
        all[name] = value
    end
    return function()
        world.batcher = assert(writebehind.batcher(all))
        return world.batcher
    end
end

-- ---- driven, in virtual time ----

local function has_refused(batch)
    for row in batch:rows() do
        if row.note == simulator.REFUSED then
            return true
        end
    end
    return false
end

-- On a testing store of these settings, which looks at the law from inside each write. `more`: the batcher's options.
function worlds.driven(settings, more)
    local clock = testing.clock(START)
    local world = new_world { patience = 1e6, looks = 0 }
    settings.clock, settings.unique, settings.script = clock, "id", settings.script or {}
    local store, planned = testing.store(settings), 0
    local write = store.write
    function store.write(self, batch)
        scripted.conserved(world.batcher)
        world.looks = world.looks + 1
        if has_refused(batch) then
            return nil, "such a row is never taken", "reject"
        end
        return write(self, batch)
    end

    local options = { store = store, clock = clock }
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    world.store, world.open = store, opener(world, options)
    function world.wait(seconds)
        clock:advance(seconds)
    end
    function world.befall(step)
        count_troubles(world, step)
        planned = math.max(planned, #store.calls)
        for _, answer in ipairs(step.answers) do
            planned = planned + 1
            settings.script[planned] = answer
        end
    end
    function world.rows()
        return store.rows
    end
    return world
end

-- ---- on threads, in real time ----

local function real_world(options)
    local world = new_world { patience = process.PATIENCE }
    options.interval, options.retry = SECOND, { initial = SECOND, max = 4 * SECOND }
    world.open = opener(world, options)
    function world.wait(seconds)
        process.sleep(seconds * SECOND)
    end
    return world
end

-- On a worker's store that fails as it is told, in a file, and keeps its files in `dir`.
function worlds.worker(dir)
    local world = real_world {
        store = writebehind.worker("spec.support.simulator_store", { dir = dir, refused = simulator.REFUSED }),
    }
    process.write(dir .. "/rows", "")
    function world.befall(step)
        count_troubles(world, step)
        local file = assert(io.open(dir .. "/answers", "ab"))
        for _, answer in ipairs(step.answers) do
            local argument = type(answer[2]) ~= "table" and answer[2] or ""
            assert(file:write(answer[1], " ", argument, "\n"))
        end
        assert(file:close())
    end
    function world.rows()
        local rows = {}
        for line in io.lines(dir .. "/rows") do
            local id, n, share, note = line:match "^(.-)|(.-)|(.-)|(.*)$"
            rows[#rows + 1] = { id = id, n = n, share = tonumber(share), note = note }
        end
        return rows
    end
    return world
end

-- Nothing befalls it.
function worlds.memory()
    local store = writebehind.memory()
    local world = real_world { store = store }
    function world.rows()
        return store:rows "t"
    end
    return world
end

-- The same worked by its caller, in virtual time.
function worlds.clocked()
    local clock, store = testing.clock(START), writebehind.memory()
    local world = new_world { patience = 1e6 }
    world.open = opener(world, { store = store, clock = clock })
    function world.wait(seconds)
        clock:advance(seconds)
    end
    function world.rows()
        return store:rows "t"
    end
    return world
end

-- ---- SQLite ----

local REFUSE = [[CREATE TRIGGER refuse BEFORE INSERT ON t WHEN NEW.note = '%s'
    BEGIN SELECT RAISE(ABORT, 'such a row is never taken'); END;]]

-- Has what is pending written now, and waits until that failed as the function says of the stats.
local function insist(world, batcher, has_failed)
    world.troubles = world.troubles + 1
    batcher:flush(0)
    assert(process.wait(function()
        return has_failed(scripted.conserved(batcher))
    end, nil, NAP), "no write failed")
end

-- What begins a trouble, and what waits for its failure and ends it.
local TROUBLES = { locked = {}, moved = {}, slow = {}, none = { befall = quiet, relieve = quiet } }

-- Another connection holds the lock for as long as it takes.
function TROUBLES.locked.befall(world)
    world.peer:lock()
    world.failures = world.batcher:stats().failures
end

function TROUBLES.locked.relieve(world, _, batcher)
    insist(world, batcher, function(stats)
        return stats.failures > world.failures
    end)
    world.peer:unlock()
end

-- The table is elsewhere meanwhile.
function TROUBLES.moved.befall(world)
    world.peer:run "ALTER TABLE t RENAME TO elsewhere;"
end

function TROUBLES.moved.relieve(world, _, batcher)
    insist(world, batcher, function(stats)
        return stats.health == "holding"
    end)
    world.peer:run "ALTER TABLE elsewhere RENAME TO t;"
end

-- The lock is held for less than a write's patience, mostly.
function TROUBLES.slow.befall(world)
    world.peer:lock()
end

function TROUBLES.slow.relieve(world, step, batcher)
    batcher:flush(0)
    world.wait(step.answers[1][2] / 8)
    world.peer:unlock()
end

-- By the first answer of the trouble.
local function trouble_of(step)
    local answer = step.answers[1]
    if answer[2] == "hold" then
        return TROUBLES.moved
    end
    return answer[1] == "ok" and TROUBLES.none or answer[1] == "stall" and TROUBLES.slow or TROUBLES.locked
end

-- On a file in `dir`, with a table and a trigger that refuses rows; another process has a connection to it too.
function worlds.sqlite(dir)
    local path = dir .. "/simulator.db"
    sqlite.sql(path, simulator.schema:ddl("sqlite", "t") .. ";\n" .. REFUSE:format(simulator.REFUSED))
    local world = real_world { store = writebehind.sqlite { path = path }, write_timeout = 0.05 }
    world.peer = peers.open(path, dir)
    function world.befall(step)
        trouble_of(step).befall(world, step)
    end
    function world.relieve(step, batcher)
        trouble_of(step).relieve(world, step, batcher)
    end
    function world.rows()
        local rows = {}
        for _, line in ipairs(sqlite.lines(path, "SELECT id, n, printf('%!.17g', share), note FROM t;")) do
            local id, n, share, note = line:match "^(.-)|(.-)|(.-)|(.*)$"
            rows[#rows + 1] = { id = id, n = n, share = tonumber(share), note = note }
        end
        return rows
    end
    return world
end

return worlds
