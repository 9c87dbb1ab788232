-- What is said of outside text, whoever wrote it, is one line that no terminal obeys.

local process = require "spec.support.process"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local ESCAPES = "\27[31m\r\226\128\174x\7"

local function assert_harmless(text)
    assert.is_nil(text:find("[%z\1-\9\11-\31\127]"), text) -- "\n" ends a line
    assert.is_nil(text:find("\226\128\174", 1, true), text)
end

describe("a message", function()
    it("about what a store says is harmless, in last_error, in the log and on stderr", function()
        local result = process.lua([[
            local writebehind = require "writebehind"
            local text = arg[1]
            for _, log in ipairs { false, true } do
                local batcher = writebehind.batcher { table = "t" .. text,
                    schema = writebehind.schema { { "n", "int8" } },
                    store = { write = function() return nil, text .. "\nsecond line" end }, close_timeout = 0,
                    log = log and function(_, line) print(line) end or nil,
                    on_flush = function() error(text, 0) end }
                assert(batcher:add { n = 1 })
                batcher:flush(0)
                print(batcher:stats().last_error)
                batcher:close(0)
            end]], { ESCAPES }, 60)
        assert.equal(0, result.code, result.err)
        assert.truthy(result.out:find("\\x1b[31m\\x0d\\xe2\\x80\\xaex\\x07\\nsecond line", 1, true), result.out)
        assert.truthy(result.err:find("\\x1b[31m", 1, true), result.err)
        assert_harmless(result.out)
        assert_harmless(result.err)
    end)

    it("of the command about names in a file is harmless", function()
        local dir = process.dir()
        local command = "bin/writebehind load --store memory: --table t "
        local root = os.getenv "WRITEBEHIND_ROOT" or "."
        for name, text in pairs {
            ["keys.ndjson"] = '{"a\\u001b[31m\\r\\n":1,"b":{}}\n{"a":"\\u001b"}\nno json \27[2J\n',
            ["head.csv"] = "a\27[31m,b\r\n1,2\n1\n", ["name\27[31m.csv"] = "a,a\n1,2\n" } do
            local path = process.write(dir .. "/" .. name, text)
            local result = process.run(("cd %s && %s %s %s"):format(process.quote(root), process.interpreter(), command,
                process.quote(path)))
            assert_harmless(result.out)
            assert_harmless(result.err)
        end
        process.remove(dir)
    end)

    it("of one kind comes once in 10 s, whatever alternates with it, and again where it gets worse", function()
        local lines, clock = {}, testing.clock(1000)
        local batcher = writebehind.batcher { table = "t", schema = writebehind.schema { { "n", "int8" } },
            batch_size = 100, clock = clock, retry = { initial = 0.001, max = 0.001 },
            store = { write = function(_, batch)
                for row in batch:rows() do
                    if row.n % 20 == 0 then
                        return nil, "bad", "reject"
                    end
                end
                return true
            end }, log = function(level, text)
                local kind = level .. " " .. text:gsub("%d+", "N")
                lines[kind] = (lines[kind] or 0) + 1
            end }
        for n = 1, 20000 do
            assert(batcher:add { n = n })
        end
        assert(batcher:close())
        assert.equal(1000, batcher:stats().dead)
        local count = 0
        for kind, times in pairs(lines) do
            assert.is_true(times <= 1 + (clock:now() - 1000) / 10, kind)
            count = count + times
        end
        assert.is_true(count < 20, tostring(count))
    end)
end)
