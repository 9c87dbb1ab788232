-- Two processes with a spool that has far more rows than their memory: one that adds, with its store away, until it is
-- killed; and its heir, with a store that counts. arg: which, the folder, how many rows, the memory in bytes. Each
-- prints a line: the memory that it had before, the most that it had, and what took how long.

local system = require "system"
local writebehind = require "writebehind"

local what, dir, rows, memory = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local NOTE = ("x"):rep(1000)
local LOOK = 1000 -- rows from one look at the memory to the next

-- ---- what it has of the machine's memory ----

local most = { RssAnon = 0, RssFile = 0 }

local function resident(name)
    local file = assert(io.open "/proc/self/status")
    local kilobytes = file:read("*a"):match(name .. ":%s+(%d+)")
    file:close()
    return assert(tonumber(kilobytes), name) * 1024
end

local function look()
    for name, bytes in pairs(most) do
        most[name] = math.max(bytes, resident(name))
    end
end

local function open(store)
    return assert(writebehind.batcher {
        store = store, table = "t", schema = writebehind.schema { { "n", "int8" }, { "note", "text" } },
        interval = 0.01, batch_size = 1000, retry = { initial = 0.01, max = 1 }, log = function() end,
        max_pending_rows = 1e9, max_pending_bytes = 1e12,
        spool = { path = dir .. "/spool", memory_bytes = memory, max_bytes = math.huge },
    })
end

local function say(before, took, ...)
    print(("%d %d %d %.3f"):format(before, most.RssAnon, most.RssFile, took), ...)
end

-- ---- an outage ----

local function add_all(before)
    local batcher = open(writebehind.sqlite { path = dir .. "/away/rows.db" })
    local longest, took, row = 0, 0, { n = 0, note = NOTE }
    for n = 1, rows do
        row.n = n
        local began = system.monotime()
        assert(batcher:add(row))
        local seconds = system.monotime() - began
        took, longest = took + seconds, math.max(longest, seconds)
        if n % LOOK == 0 then
            look()
        end
    end
    say(before, took, ("%.6f"):format(longest))
    io.stdout:flush()
    os.execute("kill -9 " .. io.open "/proc/self/stat":read "*l":match "^%d+")
end

-- ---- its heir ----

-- A bit a number: which are there, and how many more than once.
local function counter()
    local seen, count, again = {}, 0, 0
    return function(n)
        local at, bit = math.floor(n / 32), 2 ^ (n % 32)
        local word = seen[at] or 0
        if math.floor(word / bit) % 2 == 1 then
            again = again + 1
        else
            seen[at], count = word + bit, count + 1
        end
        return count, again
    end
end

local function store_all(before)
    local note, count, again, wrong, first = counter(), 0, 0, 0, nil
    local began = system.monotime()
    local batcher = open { write = function(_, batch)
        first = first or system.monotime() - began
        for row in batch:rows() do
            local n = tonumber(row.n)
            count, again = note(n)
            if n < 1 or n > rows or #row.note ~= #NOTE then
                wrong = wrong + 1
            end
        end
        return true
    end }
    local stats
    repeat
        batcher:poll()
        look()
        stats = batcher:stats()
    until count >= rows and tonumber(stats.pending) == 0
    local took = system.monotime() - began
    assert(batcher:close(60))
    say(before, took, ("%.3f"):format(first), count, again, wrong, tonumber(stats.adopted), tonumber(stats.accepted))
end

local roles = { add = add_all, store = store_all }
collectgarbage()
roles[what](resident "RssAnon")
