-- What README.md and docs/ say in Lua runs: each block that opens with "```lua runnable", together with the
-- blocks "```lua continued" that follow it, is a script of its own, run in an empty folder by the Lua that
-- runs this; "```lua runnable 5.4" where it is at least that version. Every other lua block is at least Lua. And the
-- links between the files lead somewhere.

local process = require "spec.support.process"

local ROOT = os.getenv("WRITEBEHIND_ROOT") or "."
local VERSION = tonumber(_VERSION:match("%d%.%d"))

local function documents()
    local pipe = assert(io.popen(("cd %s && ls README.md CHANGELOG.md docs/*.md"):format(process.quote(ROOT)), "r"))
    local list = {}
    for name in pipe:lines() do
        list[#list + 1] = name
    end
    pipe:close()
    return list
end

-- The lua blocks of a document: { line, mark, text }; a continued one joins the one before it.
local function blocks_of(name)
    local list, open, number = {}, nil, 0
    for line in process.read(ROOT .. "/" .. name):gmatch("([^\n]*)\n") do
        number = number + 1
        local mark = line:match("^```lua ?(.*)$")
        if mark and not open then
            open = { line = number, mark = mark, lines = {} }
        elseif open and line == "```" then
            local text = table.concat(open.lines, "\n") .. "\n"
            if open.mark == "continued" then
                list[#list].text = list[#list].text .. text
            else
                list[#list + 1] = { line = open.line, mark = open.mark, text = text }
            end
            open = nil
        elseif open then
            open.lines[#open.lines + 1] = line
        end
    end
    assert(not open, name .. ": a block is not closed")
    return list
end

local function is_for_this_lua(mark)
    local least = mark:match("^runnable (%d%.%d)$")
    return mark == "runnable" or least ~= nil and VERSION >= tonumber(least)
end

local function check_run(text)
    local dir = process.dir()
    process.write(dir .. "/sample.lua", text)
    local result = process.run(("cd %s && timeout 120 %s sample.lua"):format(process.quote(dir),
        process.quote(process.interpreter())))
    process.remove(dir)
    assert.equal("", result.err)
    assert.equal(0, result.code)
end

local runnable = 0
for _, name in ipairs(documents()) do
    describe(name, function()
        for _, block in ipairs(blocks_of(name)) do
            local words = block.mark:match("^runnable")
            if words and is_for_this_lua(block.mark) then
                runnable = runnable + 1
                it(("line %d runs"):format(block.line), function()
                    check_run(block.text)
                end)
            elseif not words then
                it(("line %d is Lua"):format(block.line), function()
                    assert((loadstring or load)(block.text, "=" .. name))
                end)
            end
        end

        it("has no line longer than 110 characters, and no link that leads nowhere", function()
            local text = process.read(ROOT .. "/" .. name)
            for line in text:gmatch("([^\n]*)\n") do
                local _, more = line:gsub("[\128-\191]", "") -- of a character, the bytes after its first
                assert.truthy(#line - more <= 110, line)
            end
            for link in text:gmatch("%]%(([^)#]+)[^)]*%)") do
                local path = ROOT .. "/" .. (name:match("^(.*/)") or "") .. link
                assert.truthy(link:match("^https?:") or process.exists(path), link)
            end
        end)
    end)
end

describe("the documents", function()
    it("hold samples", function()
        assert.truthy(runnable > 0)
    end)
end)
