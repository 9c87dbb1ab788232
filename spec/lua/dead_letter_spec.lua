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

    -- Good rows are stored, dead ones wait for a file that takes them, and it is said once.
    for kind, make in pairs {
        ["a FIFO"] = "mkfifo %s", ["a FIFO that somebody reads"] = "mkfifo %s; (timeout 60 cat %s >/dev/null &)",
        ["a symbolic link"] = "ln -s elsewhere %s", ["a link to nowhere"] = "ln -s /nowhere/at/all %s",
        ["a folder"] = "mkdir %s", ["a device"] = "mknod %s c 1 7",
    } do
        it("is no file where it is " .. kind, function()
            local dir, lines = process.dir(), {}
            local path = dir .. "/dead"
            local made = process.run("cd " .. dir .. "; touch elsewhere; " .. make:gsub("%%s", path))
            if made.code ~= 0 then
                return -- a device wants rights that not everybody has
            end
            local clock, stored = testing.clock(1715673600), {}
            local batcher = writebehind.batcher { store = picky(stored), schema = SCHEMA, table = "t", clock = clock,
                dead_letter = path, log = function(level, text)
                    lines[#lines + 1] = level .. " " .. text
                end }
            for n = 1, 100 do
                assert(batcher:add { n = n })
                if n % 25 == 0 then
                    assert(batcher:flush())
                end
            end
            assert.equal(90, #stored)
            local text = table.concat(lines, "\n")
            local _, said = text:gsub("dead rows can't be written, they are kept", "")
            assert.equal(1, said, text)
            assert.truthy(text:find(path, 1, true))
            assert.equal("", process.read(dir .. "/elsewhere"))
            process.run("rm -rf " .. path)
            clock:advance(2)
            assert(batcher:add { n = 110 })
            assert(batcher:add { n = 111 }) -- a witness that the store takes others
            assert(batcher:close())
            batcher:poll()
            local count = 0
            for line in io.lines(path) do
                count = count + 1
                assert.equal(0, cjson.decode(line).row.n % 10)
            end
            assert.equal(11, count)
            assert.truthy(table.concat(lines, "\n"):find("written after all", 1, true))
            process.remove(dir)
        end)
    end

    it("is a file for its owner alone, whose lines are whole", function()
        local dir = process.dir()
        local path = process.write(dir .. "/half", '{"at":"2024')
        run { dead_letter = path }
        local lines = {}
        for line in io.lines(path) do
            lines[#lines + 1] = line
        end
        assert.equal('{"at":"2024', lines[1])
        assert.equal(11, #lines)
        for i = 2, 11 do
            assert.equal("t", cjson.decode(lines[i]).table)
        end
        run { dead_letter = dir .. "/new" }
        assert.equal("600\n", process.run("stat -c %a " .. dir .. "/new").out)
        process.remove(dir)
    end)

    it("is as careful as the files of rejects and of SQLite", function()
        local dir = process.dir()
        local root = process.quote(os.getenv "WRITEBEHIND_ROOT" or ".")
        process.write(dir .. "/in.csv", "n\nx\n")
        local command = ("cd %s && %s bin/writebehind load --store sqlite:%s --table t --rejects %s %s"):format(
            root, process.interpreter(), dir .. "/t.db", "%s", dir .. "/in.csv")
        local target = writebehind.sqlite { path = dir .. "/t.db", create = true }
        assert(target:execute "CREATE TABLE t (n int8)")
        process.run("cd " .. dir .. "; mkfifo fifo; touch elsewhere; ln -s elsewhere link")
        for _, name in ipairs { "fifo", "link" } do
            local result = process.run("timeout 60 sh -c " .. process.quote(command:format(dir .. "/" .. name)))
            assert.is_true(result.code ~= 0 and result.code ~= 124, result.err)
            assert.truthy(result.err:find(dir .. "/" .. name, 1, true), result.err)
        end
        local store = writebehind.sqlite { path = dir .. "/new.db", create = true }
        assert(store:execute "CREATE TABLE t (n int8)")
        assert.equal("600\n", process.run("stat -c %a " .. dir .. "/new.db").out)
        local ok, message = writebehind.sqlite({ path = dir .. "/fifo", create = true }):execute "SELECT 1"
        assert.is_nil(ok)
        assert.truthy(message:find("it is no regular file", 1, true), message)
        process.remove(dir)
    end)

    it("takes back what a full disk cuts, and says what is lost at the end", function()
        local dir = process.dir()
        local script = process.write(dir .. "/script.lua", [[
            local writebehind = require "writebehind"
            local batcher = writebehind.batcher { table = "t", batch_size = 1, inline = false, close_timeout = 1,
                schema = writebehind.schema { { "n", "int8" }, { "note", "text" } }, dead_letter = arg[1] .. "/dead",
                store = { write = function(_, batch)
                    for row in batch:rows() do
                        if row.n % 2 == 0 then
                            return nil, "bad", "reject"
                        end
                    end
                    return true
                end } }
            for n = 1, 60 do
                assert(batcher:add { n = n, note = ("x"):rep(300) })
                batcher:flush(0.1)
            end
            batcher:close()]])
        local result = process.run(("trap '' XFSZ; ulimit -f 8; %s %s %s"):format(process.interpreter(), script, dir))
        assert.equal(0, result.code, result.err)
        local count = 0
        for line in io.lines(dir .. "/dead") do
            count = count + 1
            assert.equal("t", cjson.decode(line).table)
        end
        assert.is_true(count > 5 and count < 30)
        assert.truthy(result.err:find("dead rows can't be written, they are kept", 1, true), result.err)
        assert.truthy(result.err:find("dead rows are lost: can't write to", 1, true), result.err)
        process.remove(dir)
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
