-- SPDX-License-Identifier: MIT
-- writebehind: rows are added one by one and written behind the caller's back, in few, large writes.
-- This is the public face: it checks options, picks the threaded or the driven form of an object, and loads
-- the other modules when they are first asked for.

local core = require "writebehind.core"
local json = require "writebehind.json"
local options = require "writebehind.options"
local store_options = require "writebehind.store_options"

local writebehind = {
    version = "0.1.0",
    _VERSION = "writebehind 0.1.0",
    schema = core.schema,
    json = json,
    uuidv4 = core.uuidv4,
    uuidv7 = core.uuidv7,
}

local LAZY = { agent_stats = true, testing = true }

-- ---- what the C module asks Lua for ----

local helpers = core.helpers

-- When a failed batch is tried again, where a policy says so.
function helpers.retry(batcher, batch, err, class)
    return require("writebehind.forms.policy").retry(batcher, batch, err, class)
end

local has_ffi, ffi = pcall(require, "ffi")
if has_ffi and type(jit) == "table" then -- luacheck: globals jit
    local signed, unsigned = ffi.typeof "int64_t", ffi.typeof "uint64_t"
    local cell_type = ffi.typeof "int64_t[1]"

    -- The 8 bytes of a 64-bit integer, or nil for what is none or does not fit int64.
    function helpers.read_int64(value)
        local fits = ffi.istype(signed, value) or ffi.istype(unsigned, value) and ffi.cast(signed, value) >= 0
        return fits and ffi.string(cell_type(ffi.cast(signed, value)), 8) or nil
    end

    function helpers.make_int64(bytes)
        local cell = cell_type()
        ffi.copy(cell, bytes, 8)
        return cell[0]
    end
end

-- ---- stores ----

local function store_maker(name, make)
    writebehind[name] = function(given)
        local checked, message = store_options[name](given)
        if not checked then
            error(message, 2)
        end
        return make(checked)
    end
end

store_maker("postgres", function(given)
    return core.postgres(given.conninfo, given.idle_timeout)
end)

store_maker("sqlite", function(given)
    return core.sqlite(given.path, given.create)
end)

store_maker("nats", function(given)
    return core.nats(given)
end)

-- The tests' reference: keeps the newest `keep_rows` rows of each table in memory, by default all.
function writebehind.memory(given)
    local checked, message = store_options.memory(given == nil and {} or given)
    if not checked then
        error(message, 2)
    end
    return core.memory(checked.keep_rows)
end

-- By URL: "postgresql://…", "sqlite:PATH", "nats://HOST:PORT,…/STREAM", "memory:". { create = true } makes a missing
-- file and its tables.
function writebehind.open(url, given)
    local expected = store_options.url(url)
    if expected then
        local got = type(url) == "string" and "one that holds a NUL" or type(url)
        error(("open: expected %s as the URL, got %s"):format(expected, got), 2)
    end
    local checked, message = store_options.open(given == nil and {} or given)
    if not checked then
        error(message, 2)
    end
    return core.open(url, checked.create)
end

-- A store of two: the second takes what the first has refused for `after` seconds.
function writebehind.fallback(given)
    local checked, message = store_options.fallback(given)
    if not checked then
        error(message, 2)
    elseif checked.native then
        return core.fallback(checked[1], checked[2], checked.after)
    end
    return require("writebehind.forms.fallback").of(checked[1], checked[2], checked.after, checked.clock)
end

-- A scripted store on the flusher's thread: a module's, in a Lua state of its own, made with a copy of `args`.
function writebehind.worker(module, args)
    return (require "writebehind.worker"(module, args))
end

-- ---- batchers and trackers ----

local ADDS = { batcher = { "add", "add_values", "add_mixed", "add_read", "add_some" }, tracker = { "add" } }
local ENTRY = { batcher = "write", tracker = "touch" }

-- The store in the options of a driven object whose store is native.
local function write_native(_, work)
    return core.write(work)
end
local NATIVE = { write = write_native, touch = write_native }

require("writebehind.forms.intake").set(core.raw.methods "batcher")
require("writebehind.forms.running").set(core.raw.methods "batcher", core.raw.methods "tracker")

local make_form = {}

function make_form.driven(noun, policy)
    return require("writebehind.forms.driven").variant(noun, ADDS[noun], policy)
end

function make_form.hooked(noun, policy)
    local meta = core.variant(noun)
    if policy then
        policy.wrap_adds(meta.__index)
    end
    require("writebehind.forms.hooks").wrap(meta, noun)
    if policy then
        policy.wrap_poll(meta.__index)
    end
    return meta
end

local forms = {}

-- The metatable of a form, made once.
local function form_of(name, noun, decides)
    local key = name .. " " .. noun .. (decides and " with a policy" or "")
    forms[key] = forms[key] or make_form[name](noun, decides and require "writebehind.forms.policy")
    return forms[key]
end

-- The metatable of the form that these options ask for. nil: a threaded object without hooks, which is C alone.
local function form(noun, flat)
    if not flat.native or flat.clock or flat.driven then
        local meta = form_of("driven", noun, flat.policy)
        flat.entry, flat.take = ENTRY[noun], meta.__index.take
        if flat.native then
            flat.store = NATIVE
        end
        return meta
    elseif flat.log or flat.on_flush or flat.dead_events or flat.policy then
        return form_of("hooked", noun, flat.policy)
    end
end

-- Where adds are compiled, each threaded batcher has a metatable of its own, since they are of its schema.
local direct = type(jit) == "table" and require "writebehind.forms.direct" -- luacheck: globals jit

local function own_form(noun, flat)
    local meta = form(noun, flat)
    local is_direct = direct and noun == "batcher" and not flat.take and not flat.policy
    if is_direct then
        meta = (meta and make_form.hooked or core.variant)(noun)
    end
    return meta, is_direct
end

local function make(noun, given)
    local flat, message = options[noun](given)
    if not flat then
        error(message, 3)
    end
    local meta, is_direct = own_form(noun, flat)
    local object, text, code = core[noun](flat, meta)
    if object then
        if is_direct then
            direct.install(object, meta.__index)
        end
        return object
    elseif code == "misuse" then
        error(options.refused(noun, text), 3)
    end
    return nil, text, code
end

function writebehind.batcher(given)
    local object, message, code = make("batcher", given)
    return object, message, code
end

function writebehind.tracker(given)
    local object, message, code = make("tracker", given)
    return object, message, code
end

return setmetatable(writebehind, {
    __index = function(self, name)
        if LAZY[name] then
            local module = require("writebehind." .. name)
            rawset(self, name, module)
            return module
        end
    end,
})
