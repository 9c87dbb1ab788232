-- examples/sinks/gzip.lua: what it wrote is read by gzip, also after writes that failed half-way.

local process = require "spec.support.process"
local sinks = require "spec.support.sinks"
local writebehind = require "writebehind"

describe("examples/sinks/gzip.lua", function()
    local new = sinks.example "gzip"
    local open = io.open
    local dir, path

    before_each(function()
        dir, path = process.dir(), package.path
    end)

    after_each(function()
        io.open = open -- luacheck: ignore 122
        package.path = path
        process.remove(dir)
    end)

    -- The next file that is written gets `share` of the text and then no more, as on a full disk; `again`: what io.open
    -- is then.
    local function fill_disk(share, again)
        io.open = function(name, mode) -- luacheck: ignore 122
            local file, message, code = open(name, mode)
            if not file or mode == "rb" then
                return file, message, code
            end
            return {
                seek = function(_, ...) return file:seek(...) end,
                write = function(_, text)
                    io.open = again or open -- luacheck: ignore 122
                    file:write(text:sub(1, math.floor(#text * share)))
                    return nil, name .. ": No space left on device"
                end,
                close = function() return file:close() end,
            }
        end
    end

    -- The lines of the files, the oldest first; gzip has nothing to say but of the last batch where that failed.
    local function lines_of(name)
        local lines, files = {}, { name }
        while process.exists(("%s.%d"):format(name, #files)) do
            files[#files + 1] = ("%s.%d"):format(name, #files)
        end
        for position = #files, 1, -1 do
            local result = process.run("gzip -dc " .. files[position])
            assert.equal("", position > 1 and result.err or "")
            for line in result.out:gmatch "[^\n]+\n" do
                lines[#lines + 1] = line:sub(1, -2)
            end
        end
        return lines
    end

    local function write(store, text)
        return store:write { ndjson = function()
            return text
        end }
    end

    it("keeps to the contract, in files that are rotated, on a disk that is full at times", function()
        local count, share = 0, 0
        sinks.assert_passes(function()
            count = count + 1
            local store = new { path = ("%s/%d.gz"):format(dir, count), max_bytes = 1000, keep = 100 }
            store.path = ("%s/%d.gz"):format(dir, count)
            return store
        end, { read = function(store)
            return process.exists(store.path) and lines_of(store.path) or {}
        end, fail = function()
            share = (share + 0.4) % 1
            fill_disk(share)
        end, large = 300 })
        assert.is_true(process.exists(dir .. "/1.gz.1"))
    end)

    it("writes over what a failed write left, by a shorter batch too, before it starts a new file", function()
        local name = dir .. "/notes.gz"
        local args = { path = name }
        local store = new(args)
        assert.is_true(write(store, '{"n":1}\n'))
        fill_disk(0.9, function() -- nor can it be made zeros
            io.open = open -- luacheck: ignore 122
            return nil, "Too many open files"
        end)
        local ok, message = write(store, ('{"n":"long"}\n'):rep(2) .. process.unique():rep(20) .. "\n")
        assert.is_nil(ok)
        assert.matches("No space left", message)
        args.max_bytes = 10
        assert.is_true(write(store, '{"n":2}\n'))
        assert.equal("", process.run("gzip -t " .. name).err)
        assert.is_true(write(store, '{"n":3}\n'))
        assert.is_true(process.exists(name .. ".1"))
        assert.same({ '{"n":1}', '{"n":2}', '{"n":3}' }, lines_of(name))
    end)

    it("leaves a file of an earlier run as it is, and keeps the last ones", function()
        local name = dir .. "/notes.gz"
        for n = 1, 5 do
            assert.is_true(write(new { path = name, keep = 3 }, ('{"n":%d}\n'):format(n)))
        end
        assert.same({ '{"n":2}', '{"n":3}', '{"n":4}', '{"n":5}' }, lines_of(name))
        local store = new { path = name }
        assert.is_true(write(store, "{}\n"))
        assert(os.rename(name, name .. ".moved"))
        assert.is_true(write(store, "{}\n"))
        assert.equal("{}\n", process.run("gzip -dc " .. name).out)
    end)

    it("says what stands in its way, and writes nothing", function()
        local ok, message = write(new { path = dir .. "/nowhere/notes.gz" }, "{}\n")
        assert.is_nil(ok)
        assert.matches("No such file", message)
        ok, message = write(new { path = dir, keep = 0 }, "{}\n")
        assert.is_nil(ok)
        assert.matches("directory", message)
    end)

    it("is a worker", function()
        sinks.find_workers()
        local store = writebehind.worker("gzip", { path = dir .. "/notes.gz", max_bytes = 2000 })
        assert.equal(100, sinks.deliver(store, 100, { batch_size = 10 }).stored)
        assert.same(sinks.all_but(100), sinks.numbers(lines_of(dir .. "/notes.gz")))
    end)
end)
