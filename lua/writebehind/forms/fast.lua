-- SPDX-License-Identifier: MIT
-- LuaJIT's fast path: a threaded tracker's add through the FFI, where the JIT compiles the call. bench/ffi.lua
-- measures it against the C binding. add_values stays with C: there the FFI may lose more than it wins, with
-- columns that are now given and now nil, and wherever the JIT has not compiled.
--
-- Only the usual call goes this way: add(id), the id as text of 36 characters. Every other, a wrong one too, goes
-- on to the C binding before anything has happened, so that its answers, errors and counts are the binding's;
-- what the core refuses, it refuses alike for both. Under an interpreting LuaJIT the FFI is slow: then all is C.

local core = require "writebehind.core"

local fast = {
    -- Set to false before the first tracker is made: all goes through C.
    enabled = type(jit) == "table" and jit.status() == true, -- luacheck: globals jit
}

local ERR = "struct { int32_t code, class; bool in_doubt; char sqlstate[6]; char text[256]; }"

-- What is called, and what it is called with.
local function open()
    local ffi = require "ffi"
    local lent = core.fast()
    local err = ffi.new(ERR)
    if ffi.sizeof(err) ~= lent.err_bytes then
        error "the FFI lays out wb_err in another way"
    end
    local half = ffi.cast("int64_t", 2 ^ 62)
    return {
        ffi = ffi,
        err = err,
        slot = lent.slot,
        parse = ffi.cast("bool (*)(const char *, size_t, uint8_t *)", lent.uuid_parse),
        mark = ffi.cast("int32_t (*)(void *, const uint8_t *, int64_t, void *, void *)", lent.tracker_add),
        code_name = ffi.cast("const char *(*)(int32_t)", lent.code_name),
        id = ffi.new "uint8_t[16]",
        now = half - 1 + half, -- WB_NEVER, the largest int64
    }
end

local opened

-- The same, opened once; false where this LuaJIT has no FFI that will do.
local function world()
    if opened == nil then
        local ok, result = pcall(open)
        opened = ok and result
    end
    return opened
end

-- By tracker, where it keeps its core object. Weak: a tracker is not kept for that.
local slots = setmetatable({}, { __mode = "k" })

-- Gives the methods of threaded trackers the fast add.
function fast.wrap(methods)
    if not fast.enabled or not world() then
        return
    end
    local ffi, err, id, now = opened.ffi, opened.err, opened.id, opened.now
    local parse, mark, code_name = opened.parse, opened.mark, opened.code_name
    local by_c = methods.add
    function methods.add(self, text, at)
        local slot = slots[self]
        if not slot or at ~= nil or type(text) ~= "string" then
            return by_c(self, text, at)
        end
        local object = slot[0]
        -- Nothing allocates between parse and mark, so that no finalizer can come between them.
        if object == nil or not parse(text, #text, id) then
            return by_c(self, text, at)
        end
        local code = mark(object, id, now, nil, err)
        if code == 0 then
            return true
        end
        return nil, ffi.string(err.text), ffi.string(code_name(code))
    end
end

-- A tracker that is born. One that is not registered, such as a driven one, goes on through C.
function fast.register(tracker)
    local address = fast.enabled and opened and opened.slot(tracker)
    if address then
        slots[tracker] = opened.ffi.cast("void **", address)
    end
end

return fast
