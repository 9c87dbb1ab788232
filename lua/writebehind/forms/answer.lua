-- SPDX-License-Identifier: MIT
-- What a scripted store answers, and what becomes of the claim that it was given. All forms are in one list, which the
-- documents and the messages have. Any other answer is a failed try: nothing of it is taken for stored.

local core = require "writebehind.core"
local hooks = require "writebehind.forms.hooks"

local raw, text_of = core.raw, hooks.text_of

local answer = {}

-- Of a batcher's `write` or a tracker's `touch`.
answer.forms = {
    write = {
        { "true", "all rows are stored" },
        { "nil, err [, class]", "none is; the class is `\"retry\"` where it is left out" },
        { "nil, err, class, stored", "so many leading rows are stored, and don't come again" },
        { "nil, err, { reject = { [index] = why, … }, retry = { index, … } }",
            "the others are stored" },
    },
    touch = {
        { "true [, updated [, unmatched]]",
            "so many times moved, so many ids have no row" },
        { "{ retry = { index, … } } [, updated [, unmatched]]",
            "these come again" },
        { "nil, err [, class]", "none moved" },
    },
}

local function expected(entry)
    local list = {}
    for index, form in ipairs(answer.forms[entry] or answer.forms.write) do
        list[index] = form[1]
    end
    return table.concat(list, "; or ")
end

-- Lua 5.1 alone can't yield across pcall. (LuaJIT can. It isn't tried out: nginx's own coroutines can't yield while
-- a module is loaded.)
local PCALL_YIELDS = _VERSION ~= "Lua 5.1" or type(jit) == "table" -- luacheck: globals jit

local function thrown_text(value)
    local text = text_of(value)
    if PCALL_YIELDS or not text:find("attempt to yield", 1, true) then
        return text
    end
    return text .. " (under this Lua a store can't yield inside the batcher: it can between take and complete)"
end

-- ---- failures ----

local CLASSES = { retry = true, reject = true, hold = true }

local function complete_wrong(options, work, what)
    work:complete(nil, ("the store answered %s; expected %s"):format(what, expected(options.entry)))
end

local function is_count(value, most)
    return type(value) == "number" and value >= 0 and value <= most and value % 1 == 0
end

-- By row: C judges the table.
local function complete_by_row(options, work, err, rows)
    local text = err == nil and "some rows were not stored" or text_of(err)
    local ok, message = pcall(work.complete, work, nil, text, rows)
    if not ok then
        complete_wrong(options, work, "a table of rows that can't be read: " .. text_of(message))
    end
end

local function complete_failed(options, work, err, class, stored)
    if type(class) == "table" and options.entry ~= "touch" then
        complete_by_row(options, work, err, class)
    elseif err == nil then
        complete_wrong(options, work, "nothing")
    elseif class ~= nil and not CLASSES[class] then
        complete_wrong(options, work, ("the class %s for the error %s"):format(text_of(class), text_of(err)))
    elseif stored ~= nil and not is_count(stored, #work) then
        complete_wrong(options, work, ("%s of %d rows stored"):format(text_of(stored), #work))
    else
        work:complete(nil, text_of(err), class, stored)
    end
end

-- ---- success ----

-- A touch's counts; of all ids, or of those that are not to come again. One that is none does not count.
local function complete_stored(work, what, again, updated, unmatched)
    local settled = #work - again
    if not is_count(updated, settled) then
        work:complete(what)
    elseif not is_count(unmatched, settled - updated) then
        work:complete(what, updated)
    else
        work:complete(what, updated, unmatched)
    end
end

-- The indexes of the marks that come again. nil: the answer has none.
local function again_in(options, work, what)
    local list = options.entry == "touch" and type(what) == "table" and rawget(what, "retry")
    if type(list) ~= "table" then
        return nil
    end
    local seen = {}
    for i = 1, #list do
        local index = rawget(list, i)
        if not is_count(index, #work) or index == 0 or seen[index] then
            return nil
        end
        seen[index] = true
    end
    return list
end

local function described(options, work, what)
    if options.entry == "touch" and type(what) == "table" then
        return ("a table whose retry is no list of indexes from 1 to %d"):format(#work)
    end
    return text_of(what)
end

-- ---- a delivery ----

local function complete(object, options, work, ok, what, err, class, stored)
    if what == false and err ~= nil then -- as some write it
        what = nil
    end
    if raw.is_completed(work) then -- by the store itself
        if not ok or what ~= true and (what ~= nil or err ~= nil) then
            hooks.late(object, options, ok, what == nil and ok and err or what)
        end
    elseif not ok then
        work:complete(nil, thrown_text(what), "retry")
    elseif what == true then
        complete_stored(work, true, 0, err, class)
    elseif again_in(options, work, what) then
        complete_stored(work, what, #what.retry, err, class)
    elseif what == nil then
        complete_failed(options, work, err, class, stored)
    else
        complete_wrong(options, work, described(options, work, what))
    end
end

local function call(store, entry, work)
    return store[entry](store, work)
end

-- Calls the store with one claim and completes it; the store may yield where its caller's coroutine may. A
-- metatable may throw while the function is looked up or the answer is judged: that is a failed try as well.
function answer.deliver(object, options, work)
    local ok, message = pcall(complete, object, options, work, pcall(call, options.store, options.entry, work))
    if not ok then
        complete(object, options, work, false, message)
    end
end

return answer
