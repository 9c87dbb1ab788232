-- What README.md and docs/ say in Lua runs: each block that opens with "```lua runnable", together with the
-- blocks "```lua continued" that follow it, is a script of its own, run in an empty folder by the Lua that
-- runs this; "```lua runnable 5.4" where it is at least that version. Every other lua block is at least Lua. And the
-- links between the files lead somewhere; what the documents for those who change the code name (a file, a folder, a
-- function of the core) is there, in their pictures too.

local process = require "spec.support.process"
local writebehind = require "writebehind"

local ROOT = os.getenv("WRITEBEHIND_ROOT") or "."
local VERSION = tonumber(_VERSION:match("%d%.%d"))

local function documents()
    local pipe = assert(io.popen(("cd %s && ls *.md docs/*.md"):format(process.quote(ROOT)), "r"))
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

describe("docs/types.md", function()
    it("has exactly the types that there are", function()
        local listed, found = {}, {}
        for name in process.read(ROOT .. "/core/include/writebehind/types.def"):gmatch('X%(WB_TYPE_[%u%d]+, "(%w+)"') do
            listed[#listed + 1] = name
        end
        local text = process.read(ROOT .. "/docs/types.md"):match "## The table(.-)\n##"
        for row in text:gmatch "\n| (`[^|]*) |" do
            for name in row:gmatch "`(%w+)`" do
                found[#found + 1] = name
            end
        end
        table.sort(listed)
        table.sort(found)
        assert.same(listed, found)
    end)

    it("lists forms of text that are taken", function()
        local count = 0
        local text = process.read(ROOT .. "/docs/types.md"):match "### Forms of text(.-)\n##"
        for names, forms in text:gmatch "\n| (`[^|]*) | ([^|]*) |" do
            for name in names:gmatch "`(%w+)`" do
                local schema = writebehind.schema { { "v", name } }
                local store = writebehind.memory()
                local batcher = assert(writebehind.batcher { store = store, schema = schema, table = "t" })
                for form in forms:gmatch "`([^`]*)`" do
                    assert(batcher:add { v = (form:gsub("^…", "2024-05-14 08:00:00")) })
                    count = count + 1
                end
                assert(batcher:close())
            end
        end
        assert.truthy(count > 30, count)
    end)
end)

-- ---- names ----

local function output_of(command)
    local pipe = assert(io.popen(("cd %s && %s"):format(process.quote(ROOT), command), "r"))
    local text = pipe:read "*a"
    pipe:close()
    return text
end

-- Every file and folder of the checkout, a folder with "/" at its end, each with "/" before it.
local function paths_of_checkout()
    local list = {}
    local folders = ".ci bench bin bindings core docs examples lua rockspec scripts spec"
    for path in output_of(("find %s -type f; find %s -type d | sed 's|$|/|'; ls -p | grep -v /")
        :format(folders, folders)):gmatch "[^\n]+" do
        list[#list + 1] = "/" .. path
    end
    return list
end

local function words_of_code()
    local set = {}
    for word in output_of("find core bindings -name '*.[ch]' -exec cat {} +"):gmatch "[%w_]+" do
        set[word] = true
    end
    return set
end

local paths, words = paths_of_checkout(), words_of_code()

-- How many there are whose path ends so; "*" stands for a part of a name.
local function count_paths(name)
    local pattern = "/" .. name:gsub("%p", "%%%0"):gsub("%%%*", "[^/]*") .. "$"
    local count = 0
    for _, path in ipairs(paths) do
        count = count + (path:find(pattern) and 1 or 0)
    end
    return count
end

local SUFFIX = { c = true, h = true, def = true, lua = true, md = true, svg = true, awk = true }

local function is_path(name)
    return name:find "^[%w_.*/-]+$" and (name:find "/" or SUFFIX[name:match "[^.]%.(%l+)$" or ""])
end

-- What is wrong with a name; nil: nothing. A file has to be the only one whose path ends so.
local function fault_of(name)
    if name:find "^l?wb_" then
        return not words[name:match "^[%w_]+"] and name .. ": not in the code" or nil
    elseif is_path(name) and not name:find "NAME" then
        local count = count_paths(name)
        local unique = not name:find "%*" and not name:find "/$"
        return (count == 0 or count > 1 and unique) and ("%s: %d paths end so"):format(name, count) or nil
    end
end

local function check_names(text, pattern)
    local faults, count = {}, 0
    for name in text:gmatch(pattern) do
        faults[#faults + 1] = fault_of(name)
        count = count + 1
    end
    assert.equal("", table.concat(faults, "\n"))
    assert.truthy(count > 0)
end

-- A program below build/spec/ is of a file below spec/core/.
local function check_command(line)
    for word in line:gmatch "%S+" do
        local program = word:match "^build[%w/-]*/spec/(.+)$"
        local file = program and ("spec/core/%s.c"):format(program)
        file = file or word:match "^%.?%l+/.+%.lua$" or word:match "^scripts/.+$" or word:match "^%.ci/.+$"
        if file then
            assert(process.exists(ROOT .. "/" .. file), word)
        end
    end
end

describe("what the documents name", function()
    for _, name in ipairs { "docs/design.md", "CONTRIBUTING.md" } do
        it("exists: " .. name, function()
            local text = process.read(ROOT .. "/" .. name)
            for block in text:gmatch "\n```sh\n(.-)```" do
                check_command(block)
            end
            check_names((text:gsub("\n```.-\n```", "")), "`([^`%s]+)`")
        end)
    end

    for picture in output_of("ls docs/*.svg"):gmatch "[^\n]+" do
        it("exists: " .. picture, function()
            check_names(process.read(ROOT .. "/" .. picture), 'class="%l+"[^>]*>([%w_/.]+)</text>')
        end)
    end
end)

describe("the documents", function()
    it("hold samples", function()
        assert.truthy(runnable > 0)
    end)
end)
