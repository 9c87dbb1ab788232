-- The core's list of options, what docs/api.md says of them, and what Lua takes: one truth.

local core = require "writebehind.core"
local process = require "spec.support.process"
local writebehind = require "writebehind"

local huge = math.huge

-- The options that the Lua API takes as they are listed, by name.
local function listed(noun)
    local found = {}
    for _, entry in ipairs(core.options[noun]) do
        found[entry.name] = entry.unit and entry or nil
    end
    return found
end

local function trim(text)
    return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

-- The rows of the table of options under a heading of docs/api.md: { name =, unit =, default = }.
local function documented(heading)
    local rows, inside = {}, false
    for line in io.lines "docs/api.md" do
        inside = line:sub(1, 3) ~= "## " and inside or line:sub(1, #heading) == heading
        local names, unit, default = line:match "^| (`.-) |([^|]*)|([^|]*)|"
        for name in (inside and names or ""):gmatch "`([%w_.]+)`" do
            rows[name] = { name = name, unit = trim(unit), default = trim(default) }
        end
    end
    return rows
end

local FACTOR = { [""] = 1, KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30 }

-- A default as the docs write it: "65,536", "4 MiB", `math.huge`, `"reject"`.
local function default_of(entry, text)
    if entry.type == "choice" then
        return core.choices[entry.name][text:match '^`"(.*)"`$']
    elseif entry.type == "flag" then
        return text == "`true`" and 1 or text == "`false`" and 0
    elseif text == "`math.huge`" then
        return huge
    end
    local digits, factor = text:gsub(",", ""):match "^([%d.]+)%s*(%a*)$"
    return digits and FACTOR[factor] and tonumber(digits) * FACTOR[factor]
end

local function check_documented(entry, row)
    assert.is_truthy(row, ("docs/api.md has no option %s"):format(entry.name))
    assert.equal(entry.unit, row.unit, entry.name)
    assert.equal(entry.default, default_of(entry, row.default), entry.name)
end

describe("the documented options", function()
    local batcher, tracker = documented "## writebehind.batcher(", documented "## writebehind.tracker("

    it("of a batcher are those of the core's list, with unit and default", function()
        local count = 0
        for _, entry in pairs(listed "batcher") do
            check_documented(entry, batcher[entry.name])
            count = count + 1
        end
        assert.is_true(count >= 12)
    end)

    it("of a tracker too; those that it has no row for are a batcher's", function()
        local count = 0
        for name, entry in pairs(listed "tracker") do
            check_documented(entry, tracker[name] or batcher[name])
            count = count + 1
        end
        assert.is_true(count >= 9)
    end)

    it("with a unit are all in the list", function()
        for noun, rows in pairs { batcher = batcher, tracker = tracker } do
            local known = listed(noun)
            for name, row in pairs(rows) do
                assert.is_true(row.unit == "" or known[name] ~= nil, name)
            end
        end
    end)
end)

-- ---- what is listed is what is taken ----

local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

local function answer()
    return true
end

local spool = process.dir()

local REQUIRED = {
    batcher = { store = { write = answer }, schema = schema, table = "t" },
    tracker = { store = writebehind.memory(), table = "t", key = "id", column = "at" },
}

local function takes(noun, name, value)
    local options = {}
    for key, given in pairs(REQUIRED[noun]) do
        options[key] = given
    end
    local whole, part = name:match "^(%l+)%.(.*)"
    options[whole or name] = part and { [part] = value, path = whole == "spool" and spool or nil } or value
    local ok, object = pcall(writebehind[noun], options)
    if ok then
        object:close()
    end
    return ok and object ~= nil
end

local CHOICES = {
    overflow = { "reject", "block", "drop_oldest", "drop_newest" },
    ["spool.durability"] = { "process", "machine" }, ["spool.on_error"] = { "memory", "reject" },
}

-- Values in the range and out of it, by type.
local function samples(entry)
    if entry.type == "choice" then
        return CHOICES[entry.name], { "ask", "none", 0, true }
    elseif entry.type == "flag" then
        return { true, false }, { 0, 1, "true" }
    elseif entry.type == "share" then
        return { 1e-9, 0.5, entry.most }, { entry.least, entry.most + 1e-9, "0.5" }
    elseif entry.type == "time" then
        local above = entry.least > 0
        return { 1, 1.5, huge, above and 1e-6 or 0 }, { -1, "1", above and 0 or -1e-9, 0 / 0 }
    end
    local right, wrong = { entry.least, entry.least + 1000, 2 ^ 31 }, { entry.least - 1, 1.5, -huge, "10" }
    table.insert(entry.type == "count" and wrong or right, huge)
    return right, wrong
end

for _, noun in ipairs { "batcher", "tracker" } do
    describe("a listed option of a " .. noun, function()
        teardown(function() process.remove(spool) end)

        for name, entry in pairs(listed(noun)) do
            it("is taken in its range alone: " .. name, function()
                local right, wrong = samples(entry)
                for _, value in ipairs(right) do
                    assert.is_true(takes(noun, name, value), tostring(value))
                end
                for _, value in ipairs(wrong) do
                    assert.is_false(takes(noun, name, value), tostring(value))
                end
            end)
        end

        it("that the Lua API has in another form is not known by the core's name", function()
            for _, entry in ipairs(core.options[noun]) do
                if not entry.unit then
                    assert.is_false(takes(noun, entry.name, 1), entry.name)
                end
            end
        end)
    end)
end
