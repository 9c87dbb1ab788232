-- A batcher's spool in one process: where it may be, what its files are, what there is room for, and what is said.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local sqlite = require "spec.support.sqlite"
local spooled = require "spec.support.spooled"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local LEAST = 16777216
local MEGABYTE = ("x"):rep(1000000)

describe("a spool", function()
    local dir

    before_each(function()
        dir = process.dir()
    end)

    after_each(function()
        collectgarbage()
        process.remove(dir)
    end)

    local function shell(text)
        local result = process.run(text)
        assert.equal(0, result.code, result.err)
        return result.out
    end

    local function refuses(spool, message)
        local ok, err = pcall(spooled.open, dir, { spool = spool })
        assert.is_false(ok)
        assert.equal(message, (tostring(err):gsub("^[^:]+:%d+: ", "")))
    end

    describe("is refused", function()
        it("where others can write", function()
            shell(("mkdir -m 777 %s/open; mkdir %s/group; chmod 720 %s/group"):format(dir, dir, dir))
            refuses({ path = dir .. "/open" }, ('batcher: option "spool.path" %s/open: others can write there '
                .. "(mode 777): chmod 700"):format(dir))
            refuses({ path = dir .. "/group" }, ('batcher: option "spool.path" %s/group: others can write there '
                .. "(mode 720): chmod 700"):format(dir))
        end)

        it("where the path is a link, a file, or in no folder", function()
            shell(("mkdir -m 700 %s/there; ln -s there %s/link; touch %s/file"):format(dir, dir, dir))
            refuses({ path = dir .. "/link" },
                ('batcher: option "spool.path" %s/link is a symbolic link: name the folder itself'):format(dir))
            refuses({ path = dir .. "/file" }, ('batcher: option "spool.path" %s/file is no folder'):format(dir))
            refuses({ path = dir .. "/no/such" },
                ('batcher: option "spool.path" %s/no/such can\'t be made: No such file or directory'):format(dir))
        end)

        it("in memory, if it is to outlive the machine", function()
            if process.run("stat -f -c %T /dev/shm").out ~= "tmpfs\n" then
                return pending "/dev/shm is not in memory here"
            end
            local path = "/dev/shm/wbspec." .. process.unique()
            finally(function()
                os.execute("rm -rf " .. path)
            end)
            refuses({ path = path, durability = "machine" }, ('batcher: option "spool.path" %s is in memory, which '
                .. 'does not outlive the machine: take a disk, or durability = "process"'):format(path))
            local batcher = spooled.open(dir, { spool = { path = path } })
            assert(batcher:add { n = 1 })
            assert.is_true(batcher:close())
        end)

        it("with options that are none", function()
            local word = 'batcher: option "spool": '
            for message, spool in pairs {
                ["expected a table, got true"] = true,
                ['option "path": expected a name (a string, not empty), got nothing'] = {},
                ['option "path": expected a name (a string, not empty), got ""'] = { path = "" },
                ['unknown option "size"'] = { path = dir, size = 1 },
                ['option "max_bytes": expected a whole number of at least 16777216, or math.huge, got 16777215'] = {
                    path = dir, max_bytes = LEAST - 1 },
                ['option "memory_bytes": expected a whole number of at least 1048576, or math.huge, got 1'] = {
                    path = dir, memory_bytes = 1 },
                ['option "durability": expected "process", "machine", got "disk"'] = {
                    path = dir, durability = "disk" },
                ['option "on_error": expected "memory", "reject", got "drop"'] = { path = dir, on_error = "drop" },
                ['option "sync": expected seconds, above 0, got 0'] = { path = dir, sync = 0 },
            } do
                refuses(spool, word .. message)
            end
            assert.same({}, spooled.find(dir))
        end)
    end)

    describe("on the disk", function()
        -- Kinds and modes, sorted.
        local function modes()
            return shell(("find %s/spool -printf '%%y%%m\\n' | sort -u | tr '\\n' ' '"):format(dir))
        end

        it("has files and folders of its user's alone, whatever the mask", function()
            local result = process.run(("umask 0; %s %s %s"):format(process.interpreter(),
                process.write(dir .. "/child.lua", [[
                    local writebehind = require "writebehind"
                    local batcher = writebehind.batcher { store = { write = function() return nil, "away" end },
                        schema = writebehind.schema { { "n", "int8" } }, table = "t", close_timeout = 0,
                        spool = { path = ... .. "/spool" } }
                    assert(batcher:add { n = 1 })]]), dir))
            assert.equal(0, result.code, result.err)
            assert.equal("d700 f600 ", modes())
            assert.equal(2, #spooled.find(dir, "-type f"))
        end)

        it("is empty again when all is stored and the batcher is gone", function()
            local batcher, store = spooled.open(dir)
            for n = 1, 20 do
                assert(batcher:add { n = n, note = MEGABYTE })
            end
            assert.is_true(batcher:flush())
            assert.equal(20, #store.numbers)
            -- What the open segment has, and one that is ready, is all that stays.
            assert(process.wait(function()
                return spooled.count(batcher, "spool_bytes") <= 2 * 4194304
            end))
            assert.is_true(batcher:close())
            batcher = nil -- luacheck: ignore
            collectgarbage()
            collectgarbage()
            assert.same({}, spooled.find(dir))
        end)

        it("is as large as stats() says", function()
            local batcher = spooled.open(dir, { store = scripted.store(scripted.fails()) })
            for n = 1, 9 do
                assert(batcher:add { n = n, note = MEGABYTE })
            end
            local bytes = 0
            assert(process.wait(function() -- the keeper may make one ready
                bytes = spooled.count(batcher, "spool_bytes")
                local sizes = shell(("cat %s/spool/*/*.seg | wc -c"):format(dir))
                return tonumber(sizes) == bytes
            end))
            assert.is_true(bytes >= 9000000)
            batcher:purge()
        end)
    end)

    describe("with sync", function()
        it("raises at its caller where there is none", function()
            local batcher = writebehind.batcher { store = scripted.store(), table = "t",
                schema = writebehind.schema(spooled.SCHEMA) }
            local ok, message = pcall(batcher.sync, batcher)
            assert.is_false(ok)
            assert.matches("batcher:sync: the batcher has no spool$", message)
        end)

        for _, durability in ipairs { "process", "machine" } do
            it("answers true once all outlives the " .. durability, function()
                if durability == "machine" and process.run("stat -f -c %T " .. dir).out == "tmpfs\n" then
                    return pending "the temporary folder is in memory here"
                end
                local batcher = spooled.open(dir, { spool = { path = dir .. "/spool", durability = durability } })
                assert.is_true(batcher:sync())
                for n = 1, 20 do
                    assert(batcher:add { n = n, note = MEGABYTE })
                    assert.is_true(batcher:sync(process.PATIENCE))
                end
                assert.is_true(batcher:close())
                assert.is_true(batcher:sync(process.PATIENCE))
            end)
        end
    end)

    describe("without room", function()
        local away

        -- A batcher whose store is away while `away` is set.
        local function open(on_error)
            away = true
            return spooled.open(dir, {
                store = scripted.store(function()
                    if away then
                        return nil, "away"
                    end
                    return true
                end),
                spool = { path = dir .. "/spool", max_bytes = LEAST, on_error = on_error },
            })
        end

        it("refuses rows, by on_error = \"reject\", until there is some again", function()
            local batcher, _, lines = open "reject"
            local ok, message, code, n = true, nil, nil, 0
            while ok do
                n = n + 1
                ok, message, code = batcher:add { n = n, note = MEGABYTE }
                assert.is_true(n < 20)
            end
            assert.equal("store", code)
            assert.matches("^spool: its files have %d+ bytes of 16777216 %(spool.max_bytes%)$", message)
            assert.is_true(n > 8)
            assert.same({ n - 1, 1 }, { spooled.count(batcher, "accepted"), spooled.count(batcher, "rejected") })
            assert.is_true(spooled.count(batcher, "spool_bytes") <= LEAST)
            assert.is_true(batcher:sync(process.PATIENCE))
            batcher:poll()
            assert.matches("new rows are refused", table.concat(lines, "\n"))
            away = false
            spooled.settles(batcher)
            assert(process.wait(function()
                return batcher:add { n = n, note = MEGABYTE }
            end))
            assert.is_true(batcher:close())
            assert.equal(n, spooled.count(batcher, "stored"))
        end)

        it("has them in memory alone, by on_error = \"memory\", and says so", function()
            local batcher, store, lines = open "memory"
            for n = 1, 30 do
                assert(batcher:add { n = n, note = MEGABYTE })
            end
            assert.is_true(spooled.count(batcher, "spool_bytes") <= LEAST)
            local ok, message, code = batcher:sync()
            assert.same({ nil, "store" }, { ok, code })
            assert.matches("^sync: up to %d+ of the pending rows are in memory alone, as the spool had no room",
                message)
            batcher:poll()
            assert.matches("%(spool.max_bytes%): new rows are in memory alone", table.concat(lines, "\n"))
            away = false
            spooled.settles(batcher)
            assert.is_true(batcher:sync(process.PATIENCE))
            assert.is_true(batcher:close())
            assert.equal(30, #store.numbers)
        end)
    end)

    describe("of rows that are settled", function()
        -- No row of the child's is left, whatever became of it.
        local function leaves_nothing(script)
            spooled.killed(dir, script)
            local batcher = spooled.open(dir)
            assert(process.wait(function()
                return #spooled.find(dir, "-type d") == 1
            end))
            assert.equal(0, spooled.count(batcher, "adopted"))
            assert.is_true(batcher:close())
        end

        it("has none that was purged", function()
            leaves_nothing [[
                local object = batcher()
                add(object, 1, 1000)
                object:flush(0)
                while object:stats().pending > 0 do object:purge() end]]
        end)

        for what, text in pairs { ["a file"] = 'dir .. "/dead"', ["a function"] = "function() end" } do
            it("has none that is dead, by " .. what, function()
                leaves_nothing(([[
                    local object = batcher { store = { write = function() return nil, "away" end },
                        retry = { attempts = 1 }, dead_letter = %s }
                    add(object, 1, 100)
                    object:flush(60)
                    assert(object:stats().dead == 100)]]):format(text))
            end)
        end

        it("has none that was dropped for newer ones", function()
            spooled.killed(dir, [[
                local object = batcher { store = { write = function() return nil, "away" end }, inline = false,
                    overflow = "drop_oldest", max_pending_rows = 10, interval = 60 }
                add(object, 1, 100)]]) -- nobody writes: what is taken could not be dropped
            local batcher, store = spooled.open(dir)
            spooled.adopts(batcher, 10)
            spooled.settles(batcher)
            assert.same(scripted.range(91, 100), scripted.sorted(store.numbers))
            assert.is_true(batcher:close())
        end)
    end)

    describe("of more rows than the memory has room for", function()
        local ROWS, NOTE = 3000, ("x"):rep(1000)
        local is_away

        -- What a store that is away leaves in the files: ROWS rows, of which the memory has a part.
        local function crowd(options)
            is_away = true
            local store = scripted.store(function()
                return not is_away or nil, "away"
            end)
            options.store, options.spool = store, { path = dir .. "/spool", memory_bytes = 1048576 }
            local batcher = spooled.open(dir, options)
            for n = 1, ROWS do
                assert(batcher:add { n = n, note = NOTE })
            end
            return batcher, store
        end

        for _, what in ipairs { "flush", "close" } do
            it("is waited for by " .. what, function()
                local batcher, store = crowd {}
                is_away = false
                assert.is_true(batcher[what](batcher, process.PATIENCE))
                assert.same(scripted.range(1, ROWS), scripted.sorted(store.numbers))
                assert.is_true(batcher:close())
            end)
        end

        it("is emptied by purge", function()
            local batcher, store = crowd {}
            assert.equal(ROWS, tonumber(batcher:purge()))
            assert.equal(0, spooled.count(batcher, "pending"))
            scripted.conserved(batcher)
            is_away = false
            assert(batcher:add { n = ROWS + 1 })
            assert.is_true(batcher:flush(process.PATIENCE))
            assert.same({ ROWS + 1 }, store.numbers)
            assert.is_true(batcher:close())
        end)

        it("gives room to newer ones, by overflow = \"drop_oldest\"", function()
            local batcher, store = crowd { overflow = "drop_oldest", max_pending_rows = 2500, interval = 60 }
            local stats = batcher:stats()
            assert.same({ ROWS - 2500, 2500 }, { tonumber(stats.dropped), tonumber(stats.pending) })
            for n = ROWS + 1, 3 * ROWS do -- over and over
                assert(batcher:add { n = n, note = NOTE })
            end
            is_away = false
            assert.is_true(batcher:flush(process.PATIENCE))
            local last = scripted.sorted(store.numbers)
            assert.same(scripted.range(3 * ROWS - #last + 1, 3 * ROWS), last)
            scripted.conserved(batcher)
            assert.is_true(batcher:close())
        end)

        it("gives room to newer ones where none of it is in memory", function()
            spooled.killed(dir, "add(batcher(), 1, 3000)")
            local batcher, store = spooled.open(dir, {
                overflow = "drop_oldest", max_pending_rows = 1000, inline = false, clock = testing.clock(1700000000),
            })
            for n = 3001, 4000 do
                assert(batcher:add { n = n })
                batcher:poll()
            end
            assert.is_true(batcher:flush(process.PATIENCE))
            scripted.conserved(batcher)
            local found = scripted.sorted(store.numbers)
            assert.equal(4000 - spooled.count(batcher, "dropped"), #found)
            assert.equal(4000, found[#found])
            assert.is_true(batcher:close())
        end)
    end)

    it("says at exit where the rows stay, and that is where they are", function()
        local result = spooled.run(dir, "add(batcher { store = { write = function() return nil, 'away' end } }, 1, 10)")
        assert.equal(0, result.code, result.err)
        local place = result.err:match "batcher t: warn: 10 accepted rows are not stored yet, and stay in (%S+)"
        assert.truthy(place, result.err)
        assert.equal(dir .. "/spool", (place:gsub("/[%x-]+:?$", "")))
        local batcher, store = spooled.open(dir)
        spooled.adopts(batcher, 10)
        spooled.settles(batcher)
        assert.same(scripted.range(1, 10), scripted.sorted(store.numbers))
        assert.is_true(batcher:close())
    end)

    it("is taken over by a driven batcher, when it is asked for work", function()
        spooled.killed(dir, "add(batcher(), 1, 10)")
        local clock = testing.clock(1700000000)
        local batcher, store = spooled.open(dir, { clock = clock, inline = false })
        assert(batcher:add { n = 11 })
        clock:advance(1)
        batcher:poll()
        spooled.settles(batcher)
        assert.equal(10, spooled.count(batcher, "adopted"))
        assert.same(scripted.range(1, 11), scripted.sorted(store.numbers))
        assert.is_true(batcher:close())
    end)

    it("is waited for by flush and close, once its rows are taken over", function()
        for _, what in ipairs { "flush", "close" } do
            spooled.killed(dir, "add(batcher(), 1, 20000)")
            local path = ("%s/%s.db"):format(dir, what)
            local batcher = spooled.open(dir, { store = writebehind.sqlite { path = path, create = true } })
            assert(process.wait(function()
                return spooled.count(batcher, "adopted") > 0
            end, nil, 0))
            assert.is_true(batcher[what](batcher, process.PATIENCE))
            assert.equal(spooled.count(batcher, "adopted"), sqlite.count(path, "t"))
            assert.is_true(batcher:close(process.PATIENCE))
            assert(process.wait(function()
                local next_one = spooled.open(dir)
                spooled.settles(next_one)
                return next_one:close()
            end))
        end
    end)
end)
