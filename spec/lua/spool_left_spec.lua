-- What else may be in a spool's folder when a process starts: files whose rows are all settled, what is no file of it,
-- more files and folders than the process may open, and a disk without room.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local segments = require "spec.support.segments"
local spooled = require "spec.support.spooled"

local LONG = os.getenv "CI_LONG" ~= nil
local MANY, DESCRIPTORS = LONG and 2500 or 300, LONG and 256 or 64

describe("a process that starts", function()
    local dir, mounted

    before_each(function()
        dir, mounted = process.dir(), false
    end)

    after_each(function()
        collectgarbage()
        if mounted then
            process.run(("umount %s/spool || umount -l %s/spool"):format(dir, dir))
        end
        process.remove(dir)
    end)

    local function shell(text)
        local result = process.run(("cd %s; %s"):format(dir, text))
        assert.equal(0, result.code, result.err)
        return result.out
    end

    -- It takes these over, and answers what it said.
    local function takes(numbers)
        local batcher, store, lines = spooled.open(dir)
        spooled.adopts(batcher, #numbers)
        spooled.settles(batcher)
        assert.same(numbers, scripted.sorted(store.numbers))
        assert.is_true(batcher:close())
        return lines
    end

    it("sends nothing again whose file was not removed yet, however often, and removes it", function()
        spooled.killed(dir, [[
            local stores = true
            local object = batcher { batch_bytes = 67108864, interval = 60, inline = false,
                store = { write = function() return stores or nil, "away" end } }
            add(object, 1, 9, ("x"):rep(1500000))
            os.execute(("mkdir %s/kept; ln %s/spool/*/*.seg %s/kept"):format(dir, dir, dir))
            assert(object:flush(60))
            stores = false
            add(object, 10, 10)
            os.execute(("while [ $(find %s/spool -name '*.seg' | wc -l) -gt 2 ]; do sleep 0.01; done"):format(dir))
            os.execute(("mv %s/kept/* %s/spool/*/"):format(dir, dir))]])
        assert.is_true(#spooled.find(dir, "-name '*.seg'") >= 5)
        spooled.killed(dir, [[
            local object = batcher()
            while tonumber(object:stats().adopted) == 0 do object:poll() end]])
        assert.equal(1, #takes { 10 })
        assert.same({}, spooled.find(dir))
        assert.same({}, takes {})
    end)

    it("leaves what is no folder or file of a spool, whatever its name", function()
        spooled.killed(dir, "add(batcher(), 1, 10)")
        local names = {}
        for i = 0, 5 do
            names[i] = (("%d"):rep(8) .. "-0000-4000-8000-" .. ("%d"):rep(12)):gsub("%%d", i)
        end
        shell(([[cd spool; f=$(ls); mkdir $f/0000000000000099.seg; ln -s /etc/passwd $f/0000000000000098.seg
            mkfifo $f/0000000000000097.seg; ln -s /nowhere $f/%s; touch %s; ln -s /nowhere %s; mkfifo %s
            ln -s / %s; mkdir %s; cp $f/*1.seg %s; touch -d '1 hour ago' %s]]):format(names[0], names[1], names[2],
            names[3], names[4], names[5], names[5], names[5]))
        assert.equal(1, #takes(scripted.range(1, 10)))
        assert.same({}, takes {})
        assert.equal(4, #spooled.find(dir, "-maxdepth 1 ! -type d"))
        assert.equal(1, #spooled.find(dir, "-path '*/" .. names[5] .. "/*.seg'"))
        assert.equal(3, #spooled.find(dir, "-name '*9[789].seg'"))
    end)

    -- ---- many ----

    -- A segment of one row, which is small; and where its number lies, big-endian.
    local function one_row()
        spooled.killed(dir, "add(batcher(), 1, 1)")
        local path = spooled.find(dir, "-name '*1.seg'")[1]
        local text = segments.resize(process.read(path), 8192)
        local _, begin = segments.entry(text, 1)
        os.remove(path)
        return text, begin + 6 + 4, path:match "^(.*)/"
    end

    -- Another process, with few descriptors: the most that it had, and which numbers it stored.
    local function few_descriptors()
        local script = [[
            local left, most, numbers = ]] .. MANY .. [[, 0, {}
            local object = batcher { store = { write = function(_, batch)
                for row in batch:rows() do numbers[#numbers + 1] = tonumber(row.n) end
                return true
            end }, log = function(_, message) print(message) end }
            while #numbers < left do
                object:poll()
                local pipe = io.popen("ls /proc/$PPID/fd | wc -l")
                most = math.max(most, pipe:read "*n")
                pipe:close()
            end
            assert(object:close(60))
            table.sort(numbers)
            for i, n in ipairs(numbers) do assert(i == n) end
            print(("had %d"):format(most))]]
        local result = spooled.run(dir, ([[
            if not os.getenv "FEW" then
                os.exit(os.execute("ulimit -n %d; FEW=1 exec %s " .. arg[0] .. " " .. dir) and 0 or 1)
            end]]):format(DESCRIPTORS, process.interpreter()) .. script)
        assert.equal(0, result.code, result.err)
        local said, had = result.out:match "^(.-)\nhad (%d+)\n$"
        assert.equal(("spool: took over %d rows that another process had left"):format(MANY), said)
        return tonumber(had)
    end

    for _, what in ipairs { "files", "folders" } do
        it(("takes over more %s than it may open"):format(what), function()
            local text, at, folder = one_row()
            for n = 1, MANY do
                local to = folder
                if what == "folders" and n > 1 then
                    to = ("%s/spool/%08d-0000-4000-8000-000000000000"):format(dir, n)
                    shell(("mkdir -m 700 %s && cp -p %s/owner %s/"):format(to, folder, to))
                end
                local number = segments.u32(n):reverse()
                process.write(("%s/%016x.seg"):format(to, n), segments.put(text, at, number))
            end
            assert.is_true(few_descriptors() < DESCRIPTORS / 2)
            assert.same({}, spooled.find(dir))
        end)
    end

    -- ---- without room ----

    -- A disk of the spool's own, of 24 MB.
    local function mounts(kind)
        local commands = {
            ext4 = "truncate -s 24M disk && mkfs.ext4 -q -m 0 disk && mount -o loop disk spool",
            tmpfs = "mount -t tmpfs -o size=24m tmpfs spool",
        }
        mounted = process.run(("cd %s && mkdir spool && %s && chmod 700 spool"):format(dir, commands[kind])).code == 0
        return mounted
    end

    for _, kind in ipairs { "ext4", "tmpfs" } do
        for _, on_error in ipairs { "reject", "memory" } do
            it(("takes over what has filled its disk: %s, %s"):format(kind, on_error), function()
                if not mounts(kind) then
                    return pending("no disk can be mounted here")
                end
                local result = spooled.killed(dir, ([[
                    local object = batcher { spool = { path = dir .. "/spool", on_error = "%s" } }
                    local n, ok = 0, true
                    while ok and object:sync() do
                        ok = object:add { n = n + 1, note = ("x"):rep(100000) }
                        n = ok and n + 1 or n
                    end
                    local last = object:sync() and n or n - 1 -- one is in memory alone
                    for i = 0, 100 do -- not a byte more
                        local file = io.open(("%%s/spool/full%%d"):format(dir, i), "w")
                        if not file then break end
                        file:setvbuf "no"
                        while file:write(("y"):rep(512)) do end
                        file:close()
                    end
                    print(last)
                    io.stdout:flush()]]):format(on_error))
                local last = tonumber(result.out)
                assert.is_true(last > 100)
                assert.equal(1, #takes(scripted.range(1, last)))
                assert.same({}, spooled.find(dir, "! -name 'full*' ! -name 'lost+found'"))
            end)
        end
    end
end)
