-- What the specs of the example stores share: making one, delivering to it, checking it.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local sinks = {}

sinks.ROOT = assert(os.getenv "WRITEBEHIND_ROOT")

sinks.SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "at", "timestamptz" },
    { "n", "int4" }, { "note", "text", null = true } }

local AT = 1700000000.25
local NOTES = { "naïve \"☃\"\n", [13] = "bad", [14] = "worse" } -- see spec/support/services.lua

-- The function of examples/sinks/NAME.lua that makes a store of its arguments.
function sinks.example(name)
    return dofile(("%s/examples/sinks/%s.lua"):format(sinks.ROOT, name))
end

-- Lets `writebehind.worker` find the examples; the caller puts package.path back.
function sinks.find_workers()
    package.path = ("%s/examples/sinks/?.lua;%s/examples/worker/?.lua;%s"):format(sinks.ROOT, sinks.ROOT, package.path)
end

function sinks.assert_passes(make, options)
    local ok, faults = testing.check_store(make, options)
    assert(ok, type(faults) == "table" and table.concat(faults, "\n") or nil)
end

-- Adds rows 1 to `count` to a batcher on the store, and closes it. A store of this library has a thread and is
-- waited for, a scripted one is driven by a clock of its own. → the stats, and the dead rows' n by their errors
function sinks.deliver(store, count, options)
    local dead = {}
    local given = { store = store, schema = sinks.SCHEMA, table = "shop.notes", log = function() end, batch_size = 40,
        flush_at = 1, interval = 60, retry = { initial = 0.001, max = 0.01 },
        clock = type(store) == "table" and testing.clock(AT) or nil,
        dead_letter = function(row, err) dead[tonumber(row.n)] = err end }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    local batcher = assert(writebehind.batcher(given))
    for n = 1, count do
        assert(batcher:add { at = AT + n, n = n, note = NOTES[n] or n % 5 == 0 and "busy" or nil })
    end
    assert(batcher:close(process.PATIENCE))
    return scripted.conserved(batcher), dead
end

-- The n of JSON rows, sorted.
function sinks.numbers(lines)
    local list = {}
    for _, line in ipairs(lines) do
        list[#list + 1] = tonumber(line:match '"n":(%d+)')
    end
    return scripted.sorted(list)
end

-- 1 to `count`, but for those named.
function sinks.all_but(count, ...)
    local list, left_out = {}, {}
    for _, n in ipairs { ... } do
        left_out[n] = true
    end
    for n = 1, count do
        list[#list + 1] = not left_out[n] and n or nil
    end
    return list
end

return sinks
