-- The rock: what LuaRocks installs from this checkout works by itself, in an empty tree and without a network.

local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"

local is_luajit = rawget(_G, "jit") ~= nil
local version = is_luajit and "5.1" or _VERSION:match("%d%.%d")
local interpreter = is_luajit and "luajit" or "lua" .. version

-- What LuaRocks must be told where it would take the 5.1 of PUC. Its own way to compile the core is tried by the other
-- Luas: here it is the quickest.
local function variables()
    if not is_luajit then
        return ""
    end
    local pipe = io.popen("ls -d /usr/include/luajit-2.*")
    local folder = pipe:read("*l")
    pipe:close()
    return (" LUA=/usr/bin/luajit LUA_INCDIR=%s CFLAGS='-O0 -fPIC'"):format(assert(folder, "LuaJIT's headers"))
end

-- HOME is the tree's, so that nobody's configuration counts.
local function install(tree)
    return process.run(("HOME=%s luarocks --lua-version %s --tree %s make --deps-mode=none "
        .. "rockspec/writebehind-scm-1.rockspec%s"):format(tree, version, tree, variables()))
end

-- Runs a script outside of the checkout, with the tree's modules and the system's.
local function run_beside(tree, script, ...)
    local path = process.write(tree .. "/script.lua", script)
    local words = {}
    for index, word in ipairs { ... } do
        words[index] = process.quote(word)
    end
    return process.run(("cd / && env -i PATH=\"$PATH\" LUA_PATH='%s/share/lua/%s/?.lua;%s/share/lua/%s/?/init.lua;;' "
        .. "LUA_CPATH='%s/lib/lua/%s/?.so;;' %s %s %s"):format(tree, version, tree, version, tree, version,
        interpreter, path, table.concat(words, " ")))
end

local SCRIPT = [[
local writebehind = require "writebehind"
print(debug.getinfo(require("writebehind.agent_stats").batcher, "S").source)
local store = writebehind.sqlite { path = arg[1], create = true }
local schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "note", "text" } }
local batcher = writebehind.batcher { store = store, schema = schema, table = "notes" }
assert(batcher:add { note = "from the rock" })
assert(batcher:close(60))
print(batcher:stats().stored)
]]

describe("the rock", function()
    local tree, result

    setup(function()
        tree = process.dir()
        result = install(tree)
    end)

    teardown(function()
        process.remove(tree)
    end)

    it("is installed into an empty tree", function()
        assert.are.equal(0, result.code, result.err)
        assert.is_true(process.exists(("%s/lib/lua/%s/writebehind/core.so"):format(tree, version)))
        assert.is_true(process.exists(("%s/share/lua/%s/writebehind/init.lua"):format(tree, version)))
        assert.is_true(process.exists(tree .. "/bin/writebehind"))
    end)

    it("stores a row in SQLite from there", function()
        local database = tree .. "/notes.db"
        local ran = run_beside(tree, SCRIPT, database)
        assert.are.equal(0, ran.code, ran.err)
        assert.are.equal(("@%s/share/lua/%s/writebehind/agent_stats.lua\n1\n"):format(tree, version), ran.out)
        assert.are.same({ "from the rock" }, sqlite.lines(database, "SELECT note FROM notes"))
    end)
end)
