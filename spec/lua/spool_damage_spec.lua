-- Segments that a loss of power, a bad disk or a newer version leaves: whatever is in one, who starts starts, what is
-- proven goes out once, the others' rows too, and what is not is put aside and said once. core/spool/format.h has the
-- format.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local segments = require "spec.support.segments"
local spooled = require "spec.support.spooled"

local ROWS = 60 -- in three segments
local LOST = "is no whole segment: "
local NO_SEGMENT = LOST .. "it is no segment, or its header is lost"

describe("of a segment that was written before the machine was started anew", function()
    local origin, dir

    -- Rows that are proven one by one.
    setup(function()
        origin = process.dir()
        if process.run("stat -f -c %T " .. origin).out ~= "tmpfs\n" then
            spooled.killed(origin, [[
                local object = batcher { spool = { path = dir .. "/spool", durability = "machine", sync = 0.001 } }
                for n = 1, ]] .. ROWS .. [[ do
                    add(object, n, n, ("x"):rep(150000))
                    assert(object:sync(60))
                end]])
        end
    end)

    teardown(function()
        process.remove(origin)
    end)

    before_each(function()
        dir = process.dir()
        assert.equal(0, process.run(("cp -a %s/spool %s/ || true"):format(origin, dir)).code)
    end)

    after_each(function()
        collectgarbage()
        process.remove(dir)
    end)

    -- Changes the second segment by how(text, the number of its entries); answers its first row, and how many it has.
    local function damage(how)
        local list = spooled.find(dir, "-name '*.seg'")
        local before, rows = 0, 0
        for i, path in ipairs(list) do
            segments.change(path, function(text)
                local has = segments.entries(text) - 1
                before, rows = i == 1 and has or before, i == 2 and has or rows
                text = has > 0 and segments.of_other_boot(text) or text
                return i == 2 and how(text, has + 1) or text
            end)
        end
        return before + 1, rows
    end

    -- Who starts stores `numbers`, and says `said` of what is put aside, if anything is; who starts then says nothing.
    local function starts(numbers, said)
        local batcher, store, lines = spooled.open(dir)
        spooled.adopts(batcher, #numbers)
        spooled.settles(batcher)
        assert.is_true(batcher:close())
        assert.same(numbers, scripted.sorted(store.numbers))
        local bad = spooled.find(dir, "-name '*.bad'")
        assert.equal(said and 1 or 0, #bad)
        if said then
            assert.truthy(lines[1]:find(said, 1, true), lines[1])
            assert.truthy(lines[1]:find(bad[1], 1, true), lines[1])
        end
        assert.equal(said and 2 or 1, #lines, table.concat(lines, "\n"))
        assert.same(bad, spooled.find(dir))
        local other, _, more = spooled.open(dir)
        assert.is_true(other:flush())
        assert(process.wait(function()
            return #spooled.find(dir, "-name owner") == 1
        end))
        assert.is_true(other:close())
        assert.same({}, more)
        assert.same(bad, spooled.find(dir))
    end

    -- how(text, entries) → text, and how many of its rows are proven by then, all by default.
    local function it_of(name, how, said)
        it(name, function()
            if #spooled.find(dir, "-name '*.seg'") == 0 then
                return pending "the temporary folder is in memory here"
            end
            local proven
            local first, rows = damage(function(text, entries)
                text, proven = how(text, entries)
                return text
            end)
            assert.is_true(rows > 22)
            proven = proven or rows
            local numbers = {}
            for n = 1, ROWS do
                numbers[#numbers + 1] = (n < first + proven or n >= first + rows) and n or nil
            end
            starts(numbers, said and said:gsub("ENTRIES", rows + 1))
        end)
    end

    local function zeros(from, to, proven)
        return function(text)
            return segments.zero(text, from, to or #text), proven
        end
    end

    local function some(count)
        return ("spool: %d of ENTRIES entries of a segment are whole: the others are in "):format(count)
    end

    it_of("all is taken over", function(text) return text end)
    it_of("all is, whose count is lost: the proofs have it", zeros(segments.COUNT_AT, segments.PROOFS_AT))

    it_of("a page of zeros at its start takes all with it", zeros(0, segments.PAGE, 0), NO_SEGMENT)
    it_of("two pages of zeros at its start do", zeros(0, 2 * segments.PAGE, 0), NO_SEGMENT)
    it_of("zeros but for its last page do", function(text)
        return segments.zero(text, 0, #text - segments.PAGE), 0
    end, NO_SEGMENT)
    it_of("zeros alone do, and can't be told from one that was never used", zeros(0, nil, 0))
    it_of("zeros instead of the proofs do", zeros(segments.PROOFS_AT, segments.ENTRIES_AT, 0), some(0))
    it_of("zeros instead of the entries do", zeros(segments.ENTRIES_AT, 2 * segments.PAGE, 0), some(0))
    it_of("zeros in the last page, where the schema is, do", function(text)
        return segments.zero(text, #text - segments.PAGE, #text), 0
    end, some(0))
    for number = 2, 22, 10 do
        it_of(("a page of zeros in row %d takes what follows"):format(number), function(text)
            local _, begin = segments.entry(text, number)
            return segments.zero(text, begin + 70000, begin + 70000 + segments.PAGE), number - 1
        end, some(number))
        it_of(("zeros instead of entry %d take what follows"):format(number), function(text)
            local at = segments.entry(text, number)
            return segments.zero(text, at, at + segments.ENTRY), number - 1
        end, some(number))
    end
    it_of("zeros where nothing was put take nothing", function(text, entries)
        local _, floor = segments.entry(text, entries - 1)
        return segments.zero(text, segments.entry(text, entries), floor)
    end)

    it_of("no byte is left, of one that is empty", function() return "", 0 end)
    for _, size in ipairs { 1, 511, 513, 4095, 4096, 4143 } do
        it_of(("nothing is proven, cut to %d bytes"):format(size), function(text)
            return text:sub(1, size), 0
        end, LOST .. ("it has %d bytes, and a segment more"):format(size))
    end
    for _, size in ipairs { 4144, 4145, 65537, 3000001, 4194303 } do
        it_of(("nothing is proven, cut to %d bytes"):format(size), function(text)
            return text:sub(1, size), 0
        end, LOST .. ("it has %d bytes, and should have 4194304"):format(size))
    end
    it_of("nothing is proven, with a byte too many", function(text)
        return text .. "\0", 0
    end, LOST .. "it has 4194305 bytes, and should have 4194304")
    it_of("nothing is known, of a later format", function(text)
        return segments.of_version(text, 2), 0
    end, LOST .. "its format is 2, and 1 is known")
    it_of("nothing is, of another file", function(text)
        return ("no segment\n\n\n\n\n\n"):rep(#text / 16), 0
    end, NO_SEGMENT)
end)
