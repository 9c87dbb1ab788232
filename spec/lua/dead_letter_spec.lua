-- Rows that are given up: to a file, to a function, or to the log.

local cjson = require "cjson"
local process = require "spec.support.process"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local SCHEMA = writebehind.schema {
    { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text", null = true },
}

-- A scripted store that rejects a batch with a row whose n is divisible by ten.
local function picky(stored)
    return {
        write = function(_, batch)
            for row in batch:rows() do
                if tonumber(row.n) % 10 == 0 then
                    return nil, "row " .. tostring(row.n) .. " is bad", "reject"
                end
            end
            for row in batch:rows() do
                stored[#stored + 1] = tonumber(row.n)
            end
            return true
        end,
    }
end

local function run(options)
    local clock, stored = testing.clock(1715673600), {}
    options.store, options.schema, options.table, options.clock = picky(stored), SCHEMA, "t", clock
    options.log = options.log or function() end
    local batcher = writebehind.batcher(options)
    for n = 1, 100 do
        assert(batcher:add { n = n, note = 'a "note"\n' .. n })
    end
    assert(batcher:close())
    local stats = batcher:stats()
    assert.equal(90, stats.stored)
    assert.equal(10, stats.dead)
    assert.equal(0, stats.pending)
    table.sort(stored)
    return stored
end

describe("dead_letter", function()
    it("is a file: a JSON object a line, with the row, its error, its table and the time", function()
        local dir = process.dir()
        run { dead_letter = dir .. "/dead.ndjson" }
        local count = 0
        for line in io.lines(dir .. "/dead.ndjson") do
            count = count + 1
            local dead = cjson.decode(line)
            assert.equal("t", dead.table)
            assert.equal(0, dead.row.n % 10)
            assert.equal(("a \"note\"\n%d"):format(dead.row.n), dead.row.note)
            assert.truthy(dead.row.id:find "^%x+%-%x+%-7")
            assert.truthy(dead.error:find("is bad", 1, true))
            assert.truthy(dead.at:find "^2024%-05%-14T08:%d%d:%d%d%.%d+Z$")
        end
        assert.equal(10, count)
        process.remove(dir)
    end)

    it("is a function: each row as a table, and its error", function()
        local dead = {}
        local stored = run { dead_letter = function(row, why)
            dead[#dead + 1] = tonumber(row.n)
            assert.truthy(why:find("is bad", 1, true))
        end }
        table.sort(dead)
        assert.same({ 10, 20, 30, 40, 50, 60, 70, 80, 90, 100 }, dead)
        assert.equal(90, #stored)
    end)

    it("that throws loses no other row, and is logged", function()
        local calls, lines = 0, {}
        run {
            dead_letter = function()
                calls = calls + 1
                error "no room for the dead"
            end,
            log = function(_, message)
                lines[#lines + 1] = message
            end,
        }
        assert.equal(10, calls)
        assert.truthy(table.concat(lines, "\n"):find("no room for the dead", 1, true))
    end)

    it("that is a file that can't be written says what is lost", function()
        local lines = {}
        run {
            dead_letter = "/nonexistent/dead.ndjson",
            log = function(_, message)
                lines[#lines + 1] = message
            end,
        }
        assert.truthy(table.concat(lines, "\n"):find("/nonexistent/dead.ndjson", 1, true))
    end)

    it("hears of the rows of a threaded batcher from poll, flush and close", function()
        local dir, dead = process.dir(), {}
        local store = writebehind.sqlite { path = dir .. "/x.db", create = true }
        local batcher = writebehind.batcher {
            store = store, schema = writebehind.schema { { "x", "float8" } }, table = "t", log = function() end,
            dead_letter = function(row, why)
                dead[#dead + 1] = { row.x, why }
            end,
        }
        assert(batcher:add_values(1.5))
        assert(batcher:add_values(0 / 0))
        assert(batcher:add_values(2.5))
        assert(batcher:flush(60))
        assert.equal(1, #dead)
        assert.is_true(dead[1][1] ~= dead[1][1])
        assert.truthy(dead[1][2]:find("NaN", 1, true))
        assert(batcher:close(60))
        process.remove(dir)
    end)

    it("stays the file it was when the process changes its directory", function()
        local dir = process.dir()
        local result = process.lua([[
            local writebehind, testing = require "writebehind", require "writebehind.testing"
            local lfs = require "lfs"
            assert(lfs.chdir(arg[1]))
            local batcher = writebehind.batcher {
                store = { write = function() return nil, "away" end }, clock = testing.clock(0), table = "t",
                schema = writebehind.schema { { "n", "int8" } }, retry = { attempts = 1 }, dead_letter = "dead",
                log = function() end,
            }
            assert(lfs.chdir "/")
            assert(batcher:add_values(1))
            assert(batcher:close())
        ]], { dir }, 60)
        assert.equal(0, result.code, result.err)
        assert.truthy(process.read(dir .. "/dead"):find('"row":{"n":1}', 1, true))
        process.remove(dir)
    end)

    it("has to be a path or a function", function()
        for _, wrong in ipairs { 1, "", true, {} } do
            local ok, message = pcall(writebehind.batcher, { store = writebehind.memory(), schema = SCHEMA, table = "t",
                dead_letter = wrong })
            assert.is_false(ok)
            assert.truthy(message:find("dead_letter", 1, true))
        end
    end)
end)
