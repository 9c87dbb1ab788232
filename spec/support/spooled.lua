-- Batchers with a spool, for the specs: what a process that ends leaves, and who finds it. All have a folder `dir`, in
-- which the spool is; rows are numbered.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

local spooled = { SCHEMA = { { "n", "int8" }, { "note", "text", null = true } } }

-- What a child's script begins with. Its store is away, so that all rows stay: batcher(options), add(batcher, first,
-- last), and die(), by which no handler runs.
local CHILD = [[
    local writebehind = require "writebehind"
    local dir = ...
    local function batcher(options)
        local all = {
            store = writebehind.sqlite { path = dir .. "/away/rows.db" }, table = "t", interval = 0.01,
            schema = writebehind.schema { { "n", "int8" }, { "note", "text", null = true } },
            spool = { path = dir .. "/spool" }, close_timeout = 0.1,
        }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return assert(writebehind.batcher(all))
    end
    local function add(object, first, last, note)
        for n = first, last do
            assert(object:add { n = n, note = note })
        end
    end
    local function die()
        os.execute("kill -9 " .. io.open "/proc/self/stat":read "*l":match "^%d+")
    end
]]

-- Runs a script to its end, of whatever kind; { code, out, err }.
function spooled.run(dir, script)
    local path = process.write(("%s/%s.lua"):format(dir, process.unique()), CHILD .. script)
    return process.run(("timeout 300 %s %s %s; exit $?"):format(process.quote(process.interpreter()), path, dir))
end

-- Runs one that dies by itself.
function spooled.killed(dir, script)
    local result = spooled.run(dir, script .. "\ndie()")
    assert(result.code == 137, result.err)
    return result
end

-- Starts one that goes on; its id. `ready()` in it says that the spec may go on.
function spooled.start(dir, script)
    local word = process.unique()
    local text = CHILD .. ([[
        local function ready()
            local file = assert(io.open(dir .. "/ready.new", "w"))
            file:write(io.open "/proc/self/stat":read "*l":match "^%%d+")
            file:close()
            os.rename(dir .. "/ready.new", dir .. "/ready.%s")
        end
    ]]):format(word) .. script
    local path = process.write(("%s/%s.lua"):format(dir, word), text)
    process.start(("exec %s %s %s"):format(process.quote(process.interpreter()), path, dir))
    return assert(tonumber(process.wait(function()
        return process.exists(("%s/ready.%s"):format(dir, word)) and process.read(("%s/ready.%s"):format(dir, word))
    end)))
end

function spooled.is_alive(pid)
    local file = io.open(("/proc/%d/stat"):format(pid))
    local state = file and file:read("*a"):match "%) (%a)"
    if file then
        file:close()
    end
    return state ~= nil and state ~= "Z" and state ~= "X"
end

function spooled.kill(pid)
    process.run(("kill -9 %d"):format(pid))
    assert(process.wait(function()
        return not spooled.is_alive(pid)
    end), "it lives on")
end

-- A batcher in this process, its store, which is scripted unless there is another one, and what it says: lines "level
-- message".
function spooled.open(dir, options)
    local store, lines = scripted.store(), {}
    local all = {
        store = store, schema = writebehind.schema(spooled.SCHEMA), table = "t", interval = 0.01,
        retry = { initial = 0.01, max = 0.05 }, spool = { path = dir .. "/spool" },
        log = function(level, message)
            lines[#lines + 1] = level .. " " .. message
        end,
    }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return assert(writebehind.batcher(all)), all.store, lines
end

function spooled.count(batcher, name)
    return tonumber(batcher:stats()[name])
end

-- Waits until so many rows were taken over.
function spooled.adopts(batcher, rows)
    assert(process.wait(function()
        batcher:poll()
        return spooled.count(batcher, "adopted") >= rows
    end), "they are not taken over")
    assert(spooled.count(batcher, "adopted") == rows)
end

-- Waits until all is settled that it has, and says that rows are conserved.
function spooled.settles(batcher)
    assert(process.wait(function()
        batcher:poll()
        return spooled.count(batcher, "pending") == 0
    end), "they are not settled")
    return scripted.conserved(batcher)
end

-- The paths below the spool's folder, sorted; `words`: conditions of find.
function spooled.find(dir, words)
    local list = {}
    local found = process.run(("find %s/spool -mindepth 1 %s | sort"):format(dir, words or "")).out
    for path in found:gmatch "[^\n]+" do
        list[#list + 1] = path
    end
    return list
end

return spooled
