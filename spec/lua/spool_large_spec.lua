-- An outage that outgrows the memory, by far: what waits is in files, of which a few are mapped, in the process that
-- adds and in its heir. A quarter of a gigabyte; with CI_LONG four.

local process = require "spec.support.process"

local LONG = os.getenv "CI_LONG" ~= nil
local MEGABYTE = 1048576
local ROW = 1060 -- bytes of a row in a file, about
local PENDING = (LONG and 4096 or 256) * MEGABYTE
local MEMORY = (LONG and 64 or 4) * MEGABYTE
local ROWS = math.ceil(PENDING / ROW)
local PATIENCE = LONG and 3000 or 300

-- Of the process's own: the rows in memory twice, and what the interpreter makes of a batch. Of files: 16 segments of
-- 4 MiB that are mapped, those that are in use, and the program; in who adds also those that were filled while the
-- keeper waited for the disk.
local OWN = 2 * MEMORY + 32 * MEGABYTE
local MAPPED = { add = LONG and PENDING / 4 or PENDING, store = 160 * MEGABYTE }

describe("an outage that outgrows the memory", function()
    local dir

    before_each(function()
        dir = process.dir()
    end)

    after_each(function()
        process.remove(dir)
    end)

    -- Why it can't be run here.
    local function obstacle()
        if process.run("stat -f -c %T " .. dir).out == "tmpfs\n" then
            return "the temporary folder is in memory here"
        end
        local free = tonumber(process.run("df -Pk " .. dir .. " | awk 'NR == 2 { print $4 }'").out)
        if free * 1024 < 2.5 * PENDING then
            return ("only %d MB are free"):format(math.floor(free / 1024))
        end
    end

    -- What a process of spec/support/spool_crowd.lua prints, and what else it says.
    local function run(what, code)
        local result = process.run(("timeout %d %s spec/support/spool_crowd.lua %s %s %d %d; exit $?"):format(PATIENCE,
            process.quote(process.interpreter()), what, dir, ROWS, MEMORY))
        assert.equal(code, result.code, result.err)
        local numbers = {}
        for number in result.out:gmatch "%S+" do
            numbers[#numbers + 1] = tonumber(number)
        end
        return numbers
    end

    local function says(...)
        io.write("# ", string.format(...), "\n")
    end

    local function is_bounded(numbers, most)
        local before, own, mapped = numbers[1], numbers[2], numbers[3]
        says("RssAnon %.0f MB, of which %.0f at first, RssFile %.0f MB", own / MEGABYTE, before / MEGABYTE,
            mapped / MEGABYTE)
        assert.is_true(own - before < OWN, ("it has %.0f MB of its own"):format(own / MEGABYTE))
        assert.is_true(mapped < most, ("it has mapped %.0f MB"):format(mapped / MEGABYTE))
    end

    it("takes no more of it, in who adds and in who takes over, and each row is stored once", function()
        local why = obstacle()
        if why then
            return pending(why)
        end
        local added = run("add", 137)
        says("%.0f MB: %.0f adds/s, the longest %.1f ms", PENDING / MEGABYTE, ROWS / added[4], added[5] * 1000)
        is_bounded(added, MAPPED.add)
        local stored = run("store", 0)
        says("stored in %.1f s, the first row after %.1f s", stored[4], stored[5])
        is_bounded(stored, MAPPED.store)
        local count, again, wrong, adopted, accepted = stored[6], stored[7], stored[8], stored[9], stored[10]
        assert.same({ ROWS, 0, 0 }, { count, again, wrong })
        assert.same({ ROWS, ROWS }, { adopted, accepted })
        assert.equal("", process.run(("find %s/spool -mindepth 1"):format(dir)).out)
    end)
end)
