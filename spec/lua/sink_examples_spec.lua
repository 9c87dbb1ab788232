-- The stores and policies that are there to be copied: each is short, says what it is, and stands in docs/api.md.

local process = require "spec.support.process"

local ROOT = assert(os.getenv "WRITEBEHIND_ROOT")

local function files()
    local list = {}
    for name in process.run(("cd %s && ls examples/sinks/*.lua examples/policies/*.lua examples/worker/*.lua"):format(
        process.quote(ROOT))).out:gmatch "[^\n]+" do
        list[#list + 1] = name
    end
    return list
end

describe("the stores and policies of examples/", function()
    local documents = process.read(ROOT .. "/docs/api.md")

    for _, name in ipairs(files()) do
        it(name .. " has 40 lines of code or fewer, a head comment, and a place in docs/api.md", function()
            local text, lines = process.read(ROOT .. "/" .. name), 0
            for line in text:gmatch "[^\n]+" do
                lines = lines + (line:find "^%s*%-%-" and 0 or 1)
            end
            assert.is_true(lines <= 40, lines)
            assert.matches("^%-%- SPDX%-License%-Identifier: MIT\n%-%- %u", text)
            assert.is_truthy(documents:find("(../" .. name .. ")", 1, true))
        end)
    end

    it("are there", function()
        assert.is_true(#files() >= 16)
    end)
end)
