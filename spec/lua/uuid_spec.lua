-- New uuids in Lua: their form, their order, and what a fork makes of them.

local process = require "spec.support.process"
local writebehind = require "writebehind"

local SHAPE = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-(%x)%x%x%x%-([89ab])%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

describe("a new uuid", function()
    for _, version in ipairs { "4", "7" } do
        it("of version " .. version .. " has its form, and comes once", function()
            local make, seen = writebehind["uuidv" .. version], {}
            for _ = 1, 5000 do
                local id = make()
                assert.equal(version, id:match(SHAPE), id)
                assert.equal(id:lower(), id)
                assert.is_nil(seen[id])
                seen[id] = true
            end
        end)
    end

    it("of version 7 is after the one before it, and of the present time", function()
        local last = writebehind.uuidv7()
        for _ = 1, 5000 do
            local id = writebehind.uuidv7()
            assert.is_true(id > last)
            last = id
        end
        local ms = tonumber(last:sub(1, 8) .. last:sub(10, 13), 16)
        assert.is_true(math.abs(ms / 1000 - os.time()) < 60)
    end)

    it("is one that a uuid column takes", function()
        local batcher = assert(writebehind.batcher { store = writebehind.memory(), table = "t",
            schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" } } })
        assert.is_true(batcher:add { id = writebehind.uuidv7() })
        assert.is_true(batcher:add { id = writebehind.uuidv4() })
        assert.is_true(batcher:add {})
        assert.is_true(batcher:add_values())
        assert.is_true(batcher:close())
        assert.equal(4, tonumber(batcher:stats().stored))
    end)

    it("is never one of the parent's in a child of fork", function()
        if not pcall(require, "ffi") then
            return -- plain Lua has no fork
        end
        local result = process.lua([[
            local ffi = require "ffi"
            ffi.cdef "int fork(void); int waitpid(int, int *, int);"
            local writebehind = require "writebehind"
            local ids = { writebehind.uuidv4(), writebehind.uuidv7() }
            local pid = ffi.C.fork()
            for _ = 1, 100 do
                ids[#ids + 1], ids[#ids + 2] = writebehind.uuidv4(), writebehind.uuidv7()
            end
            if pid == 0 then
                io.write(table.concat(ids, "\n", 3), "\n")
            else
                ffi.C.waitpid(pid, ffi.new "int[1]", 0)
                print(table.concat(ids, "\n"))
            end]])
        assert.equal(0, result.code, result.err)
        local seen, count = {}, 0
        for id in result.out:gmatch "%S+" do
            assert.is_nil(seen[id])
            seen[id], count = true, count + 1
        end
        assert.equal(402, count)
    end)
end)
