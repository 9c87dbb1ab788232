-- What a process that was killed has left in its spool, and who takes it over: each row once, whoever looks, and
-- whatever state the files are in.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local spooled = require "spec.support.spooled"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local LOOKS = 2.5 -- seconds, in which who has a spool looks at it again

describe("rows that a killed process left", function()
    local dir, children

    before_each(function()
        dir, children = process.dir(), {}
        sqlite.sql(dir .. "/rows.db", "PRAGMA journal_mode = wal; CREATE TABLE t (n integer, note text);")
    end)

    after_each(function()
        for _, pid in ipairs(children) do
            if spooled.is_alive(pid) then
                spooled.kill(pid)
            end
        end
        collectgarbage()
        process.remove(dir)
    end)

    local function start(script)
        local pid = spooled.start(dir, script)
        children[#children + 1] = pid
        return pid
    end

    local function shell(text)
        local result = process.run(text)
        assert.equal(0, result.code, result.err)
        return (result.out:gsub("\n$", ""))
    end

    local function in_sqlite(options)
        options = options or {}
        options.store = writebehind.sqlite { path = dir .. "/rows.db" }
        options.dedupe = "ledger"
        return spooled.open(dir, options)
    end

    -- All of them, once, go to who looks now.
    local function takes(first, last, options)
        local batcher, store, lines = spooled.open(dir, options)
        spooled.adopts(batcher, last - first + 1)
        spooled.settles(batcher)
        assert.same(scripted.range(first, last), scripted.sorted(store.numbers))
        assert.is_true(batcher:close())
        return lines
    end

    local function folders()
        return spooled.find(dir, "-mindepth 1 -maxdepth 1 -type d")
    end

    it("are taken over, each once, and it is said", function()
        spooled.killed(dir, "add(batcher(), 1, 5000)")
        local batcher, store, lines = spooled.open(dir)
        spooled.adopts(batcher, 5000)
        spooled.settles(batcher)
        assert.same(scripted.range(1, 5000), scripted.sorted(store.numbers))
        assert.is_true(batcher:close())
        assert.equal("warn spool: took over 5000 rows that another process had left", lines[1])
    end)

    it("are taken over although nobody adds a row, and only once", function()
        spooled.killed(dir, "add(batcher(), 1, 1000)")
        local batcher = in_sqlite()
        assert(process.wait(function()
            return sqlite.count(dir .. "/rows.db", "t") == 1000
        end))
        assert.is_true(batcher:close(process.PATIENCE))
        local other = in_sqlite()
        assert(other:add { n = 1001 })
        assert.is_true(other:flush(process.PATIENCE))
        assert.equal(0, spooled.count(other, "adopted"))
        assert.is_true(other:close(process.PATIENCE))
        assert.equal(1001, sqlite.count(dir .. "/rows.db", "t"))
    end)

    it("of two objects of one name are for two objects of that name", function()
        spooled.killed(dir, [[
            add(batcher(), 1, 10)
            add(batcher(), 11, 30)]])
        local one, one_store = spooled.open(dir)
        spooled.adopts(one, 10)
        process.sleep(LOOKS)
        assert.equal(10, spooled.count(one, "adopted"))
        local other, other_store = spooled.open(dir)
        spooled.adopts(other, 20)
        spooled.settles(one)
        spooled.settles(other)
        assert.same(scripted.range(1, 10), scripted.sorted(one_store.numbers))
        assert.same(scripted.range(11, 30), scripted.sorted(other_store.numbers))
        assert.is_true(one:close())
        assert.is_true(other:close())
    end)

    it("of another name are left alone, until one of that name comes", function()
        spooled.killed(dir, "add(batcher { name = 'other' }, 1, 10)")
        local batcher = spooled.open(dir)
        process.sleep(LOOKS)
        assert.equal(0, spooled.count(batcher, "adopted"))
        assert.equal(2, #folders())
        assert.is_true(batcher:close())
        takes(1, 10, { name = "other" })
    end)

    it("stay those of a process that lives, until it does not", function()
        local pid = start [[
            local object = batcher()
            add(object, 1, 100)
            ready()
            while true do object:poll() end]]
        local batcher, store = spooled.open(dir)
        process.sleep(LOOKS)
        assert.equal(0, spooled.count(batcher, "adopted"))
        spooled.kill(pid)
        spooled.adopts(batcher, 100)
        spooled.settles(batcher)
        assert.same(scripted.range(1, 100), scripted.sorted(store.numbers))
        assert.is_true(batcher:close())
    end)

    it("are stored once although two take over at the same time", function()
        for first = 1, 4001, 500 do
            spooled.killed(dir, ("add(batcher(), %d, %d)"):format(first, first + 499))
        end
        local script = [[
            local object = batcher { store = writebehind.sqlite { path = dir .. "/rows.db" }, dedupe = "ledger" }
            ready()
            while true do object:poll() end]]
        local one, other = start(script), start(script)
        assert(process.wait(function()
            return sqlite.count(dir .. "/rows.db", "t") >= 4500
        end))
        spooled.kill(one)
        spooled.kill(other)
        local last = in_sqlite()
        assert(process.wait(function()
            return #folders() == 1
        end))
        assert.is_true(last:close(process.PATIENCE))
        assert.equal("4500|4500", sqlite.sql(dir .. "/rows.db", "SELECT count(*), count(DISTINCT n) FROM t;"))
    end)

    it("are nobody's once it is dead, although its children live", function()
        spooled.killed(dir, ([[
            add(batcher(), 1, 10)
            os.execute("sleep 300 >/dev/null 2>&1 & echo $! >%s/one")
            local pipe = io.popen("echo $$; exec sleep 300", "r")
            local file = io.open("%s/other", "w")
            file:write(pipe:read "*l")
            file:close()
            add(batcher(), 11, 20)]]):format(dir, dir))
        for _, name in ipairs { "one", "other" } do
            children[#children + 1] = assert(tonumber(process.read(dir .. "/" .. name)))
        end
        assert.is_true(spooled.is_alive(children[1]) and spooled.is_alive(children[2]))
        takes(1, 10)
    end)

    it("are stored as they were where its write is in doubt, from several segments too", function()
        -- Its write is done, and it does not hear of it: its rows are covered, and in the table.
        spooled.killed(dir, [[
            local object = batcher {
                batch_bytes = 67108864, interval = 60,
                store = { write = function(_, batch)
                    local file = io.open(dir .. "/write", "a")
                    for row in batch:rows() do file:write(batch.id, " ", row.n, "\n") end
                    file:close()
                    die()
                end },
            }
            add(object, 1, 9, ("x"):rep(1000000))
            object:flush(60)]])
        assert.equal(9, select(2, process.read(dir .. "/write"):gsub("\n", "")))
        -- Who took it over died when it had the first of its segments.
        local own = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
        shell(("cd %s/spool; f=$(ls); mkdir -m 700 $own; cp $f/owner $own/; mv $f $own/; mv $own/$f/*1.seg $own/")
            :format(dir):gsub("$own", own))
        assert.is_true(#spooled.find(dir, "-name '*.seg'") > 2)
        local calls, ids = 0, {}
        local batcher = spooled.open(dir, { store = { write = function(_, batch)
            calls = calls + 1
            for row in batch:rows() do
                ids[#ids + 1] = ("%s %d\n"):format(batch.id, tonumber(row.n))
            end
            return true
        end } })
        spooled.adopts(batcher, 9)
        spooled.settles(batcher)
        local lines = {}
        for line in process.read(dir .. "/write"):gmatch "[^\n]+" do
            lines[#lines + 1] = ("%s %d\n"):format(line:match "^(%S+) (%d+)")
        end
        table.sort(ids)
        table.sort(lines)
        assert.same(lines, ids)
        assert.equal(1, calls)
        assert.is_true(batcher:close())
    end)

    it("are not held up by a folder whose owner died before it was one", function()
        spooled.killed(dir, "add(batcher(), 1, 10)")
        local old, new = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
        shell(("cd %s/spool; mkdir -m 700 %s %s; touch %s/owner %s/owner; touch -d '1 hour ago' %s"):format(dir, old,
            new, old, new, old))
        local lines = takes(1, 10)
        assert.equal(1, #lines)
        assert.same({ dir .. "/spool/" .. new }, spooled.find(dir, "-name cccccccc*"))
        assert.same({}, spooled.find(dir, "-name bbbbbbbb*"))
    end)

    describe("in files that are damaged", function()
        -- Two rows a segment, the last of which is open; the paths of the segments.
        local function leave()
            spooled.killed(dir, "add(batcher(), 1, 7, ('x'):rep(1500000))")
            local segments = spooled.find(dir, "-name '*.seg'")
            assert.is_true(#segments >= 4)
            return segments
        end

        local function bad()
            return spooled.find(dir, "-name '*.bad'")
        end

        -- What is left is taken over, what is not is put aside, and said once.
        local function puts_aside(numbers, said)
            local batcher, store, lines = spooled.open(dir)
            spooled.adopts(batcher, #numbers)
            spooled.settles(batcher)
            assert.same(numbers, scripted.sorted(store.numbers))
            assert.is_true(batcher:close())
            assert.equal(1, #bad())
            assert.equal(("error spool: %s %s"):format(bad()[1], said), lines[1])
            assert.equal(2, #lines)
            local other, _, more = spooled.open(dir)
            process.sleep(0.2)
            assert.is_true(other:close())
            assert.same({}, more)
            assert.equal(1, #bad())
            assert.equal("600", shell("stat -c %a " .. bad()[1]))
        end

        it("are put aside where the header is lost", function()
            shell(("dd if=/dev/zero of=%s bs=8 count=1 conv=notrunc"):format(leave()[1]))
            puts_aside({ 3, 4, 5, 6, 7 }, "is no whole segment: it is no segment, or its header is lost")
        end)

        it("are put aside where the header is another", function()
            shell(("printf x | dd of=%s bs=1 seek=20 conv=notrunc"):format(leave()[2]))
            puts_aside({ 1, 2, 5, 6, 7 }, "is no whole segment: its header is damaged")
        end)

        it("are put aside where they were cut", function()
            shell(("truncate -s 1000000 %s"):format(leave()[2]))
            puts_aside({ 1, 2, 5, 6, 7 }, "is no whole segment: it has 1000000 bytes, and should have 4194304")
        end)

        it("are put aside where they are too short to be one", function()
            shell(("printf hello >%s"):format(leave()[3]))
            puts_aside({ 1, 2, 3, 4, 7 }, "is no whole segment: it has 5 bytes, and a segment more")
        end)

        it("are believed up to the first entry that is not", function()
            local segment = leave()[1]
            -- Entries have 48 bytes from 4096 on, and begin with where their bytes are: the third is the second row.
            shell(("printf '\\377\\377\\377\\377' | dd of=%s bs=1 seek=%d conv=notrunc"):format(segment, 4096 + 2 * 48))
            local batcher, store, lines = spooled.open(dir)
            spooled.adopts(batcher, 6)
            spooled.settles(batcher)
            assert.same({ 1, 3, 4, 5, 6, 7 }, scripted.sorted(store.numbers))
            assert.is_true(batcher:close())
            assert.equal("error spool: 2 of 3 entries of a segment are whole: the others are in " .. bad()[1], lines[1])
            assert.equal("600", shell("stat -c %a " .. bad()[1]))
        end)

        it("are left where they are no segments", function()
            leave()
            shell(("touch %s/spool/note; mkdir %s/spool/folder; cd %s/spool/*-*; touch note; mkdir folder"):format(dir,
                dir, dir))
            local batcher, store = spooled.open(dir)
            spooled.adopts(batcher, 7)
            spooled.settles(batcher)
            assert.equal(7, #store.numbers)
            assert.is_true(batcher:close())
            assert.equal(2, #spooled.find(dir, "-name note"))
        end)
    end)
end)
