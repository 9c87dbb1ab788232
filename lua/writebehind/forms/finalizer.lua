-- SPDX-License-Identifier: MIT
-- The end of driven objects: what collects or leaves one closes it first, so that its rows are stored.

local core = require "writebehind.core"

local finalizer = {}

local raw = core.raw
local huge, max = math.huge, math.max

-- A store that drains in LuaJIT's lua_close may make objects, such as sockets. lua_close unloads the C modules before
-- it finalizes those, and then jumps into code that is gone. Modules that stay loaded cost nothing at exit.
local function keep_modules_loaded()
    local registry = type(jit) == "table" and debug and debug.getregistry() -- luacheck: globals jit
    local loaded = registry and registry._LOADLIB
    if type(loaded) == "table" then
        loaded.__gc = nil
    end
end

-- Finalizers that follow each other stop the program for as long as one alone may: who comes later has what is left of
-- the time, and a try at least.
local APART = 1 -- seconds between two that don't
local row = { ended = -huge, waited = 0 }

-- Seconds that the finalizer of a self may wait. Who was closed has had its time.
local function patience(self, options)
    if core.process.now() - row.ended > APART then
        row.waited = 0
    end
    return options.closed and 0 or max(raw.close_timeout(self) - row.waited, 0)
end

-- A collected object is closed first. Nothing will resume the coroutine that its store may still be suspended in. A
-- finalizer that fails can tell nobody but stderr, where the core reports the rows that it still holds.
function finalizer.wrap(meta)
    local collect, close = meta.__gc, meta.__index.close
    local function finish(self, options)
        options.holder, options.driver = nil, nil
        local began, seconds = core.process.now(), patience(self, options)
        pcall(close, self, seconds)
        row.ended = core.process.now()
        row.waited = row.waited + row.ended - began
    end
    function meta.__gc(self)
        local options = raw.options(self)
        if options then
            keep_modules_loaded()
            pcall(finish, self, options)
        end
        collect(self)
    end
    function meta.__close(self)
        close(self)
    end
end

return finalizer
