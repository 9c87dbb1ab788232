-- SPDX-License-Identifier: MIT
-- A stand-in that a store under check gets instead of a batch or of marks. It passes every use on to the real one and
-- watches: uses after the call, answers by complete, and reads that are made to fail. And the call itself, which is
-- ended where it runs too long.

local lend = {}

local HOOK_STEPS = 10000

-- Userdata have a length in every Lua, tables from 5.2 on.
local newproxy = rawget(_G, "newproxy")

local function blank()
    if newproxy then
        local object = newproxy(true)
        return object, getmetatable(object)
    end
    local meta = {}
    return setmetatable({}, meta), meta
end

-- A read of a claim that is over is an error, as with a real one, and is remembered.
local function check_open(watch, name)
    if watch.over then
        watch.late = watch.late or name
        error(("%s: already completed: its rows are the owner's again"):format(name), 3)
    end
end

local function trip(watch, name)
    watch.tripped = name
    error(name .. ": not enough memory", 3)
end

-- ---- reads: each gets the real claim, the watch, and the arguments ----

local READS = {}

for _, name in ipairs { "rows", "lines" } do
    READS[name] = function(work, watch)
        local following, index = work[name](work), 0
        return function()
            check_open(watch, name)
            index = index + 1
            if watch.breaks_at == index then
                trip(watch, name)
            end
            return following()
        end
    end
end

for _, name in ipairs { "row", "unix_ns" } do
    READS[name] = function(work, watch, index, ...)
        if watch.breaks_at and type(index) == "number" and index >= watch.breaks_at then
            trip(watch, name)
        end
        return work[name](work, index, ...)
    end
end

function READS.columns(work)
    return work:columns()
end

for _, name in ipairs { "column", "ids", "times" } do
    READS[name] = function(work, watch, ...)
        if watch.breaks_at then
            trip(watch, name)
        end
        return work[name](work, ...)
    end
end

for _, name in ipairs { "ndjson", "copy_binary" } do
    READS[name] = function(work, watch)
        if watch.breaks_at then
            watch.tripped = name
            return nil, "not enough memory", "memory"
        end
        return work[name](work)
    end
end

-- ---- the stand-in ----

local function complete_of(watch)
    return function(_, ...)
        if watch.over then
            watch.twice = true
            error("complete: completed already", 2)
        end
        watch.over, watch.answer = true, { n = select("#", ...), ... }
    end
end

local function read_of(work, watch, name)
    local read = READS[name]
    return function(_, ...)
        check_open(watch, name)
        return read(work, watch, ...)
    end
end

-- A stand-in for a claim. Reading it fails at row `breaks_at`, where that is given. → it, and its watch:
-- over (set when the call has ended), late (the read that came after), answer (given by complete), twice
-- (completed again), tripped (the read that was made to fail).
function lend.stand_in(work, breaks_at)
    local watch = { breaks_at = breaks_at }
    local object, meta = blank()
    local methods = { complete = complete_of(watch) }
    for name in pairs(READS) do
        methods[name] = read_of(work, watch, name)
    end
    function meta.__len()
        return #work
    end
    function meta.__index(_, key)
        local method = methods[key]
        if method and work[key] then
            return method
        end
        return work[key]
    end
    meta.__metatable = "a claim"
    return object, watch
end

-- ---- a call with an end ----

-- Compiled code does not count its steps. → a function that lets it be compiled again.
local function interpret()
    if type(jit) ~= "table" or not jit.status() then
        return function() end
    end
    jit.off()
    jit.flush()
    return jit.on
end

local function pack(...)
    return { n = select("#", ...), ... }
end

-- A hook that ends what runs longer than `steps` steps: where the error is caught, at each step from then on, but in
-- the functions that are `ours`. Coroutines that are made meanwhile inherit it, and may outlive the watch.
local function hook_of(watch, steps, ours)
    local left = steps
    local function hook()
        left = left - HOOK_STEPS
        if watch.over or left > 0 or ours[debug.getinfo(2, "f").func] then
            return
        end
        watch.stuck = true
        debug.sethook(hook, "", 1)
        error("ended: no answer", 0)
    end
    return hook
end

-- pcall(call, …) as a list, and whether the call had to be ended, for more than `steps` steps.
function lend.bounded(steps, call, ...)
    local watch, compile = {}, interpret()
    local old, mask, count = debug.gethook()
    debug.sethook(hook_of(watch, steps, { [lend.bounded] = true, [pack] = true }), "", HOOK_STEPS)
    local results = pack(pcall(call, ...))
    watch.over = true
    debug.sethook(old, mask, count)
    compile()
    return results, watch.stuck == true
end

return lend
