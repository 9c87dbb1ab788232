-- SPDX-License-Identifier: MIT
-- Batchers and trackers in OpenResty. They have names, so that all that runs in an nginx worker shares one. Where the
-- store is scripted, on cosockets, the worker itself delivers.
--
--     local resty = require "writebehind.resty"
--     local batcher = resty.batcher("requests", { store = …, schema = …, table = …, in_flight = 4 })
--     batcher:add { … }            -- in any phase, log_by_lua too
--
-- The same name answers the same object; where the options differ from the first ones, it raises. A function that
-- makes the options is called once, by whoever is first. Without options, the object that is there, or nil.

if type(ngx) ~= "table" or not ngx.get_phase then
    error("writebehind.resty runs in nginx, with its Lua module; elsewhere there is writebehind", 0)
end

local object = require "writebehind.resty.object"
local same = require "writebehind.resty.same"

local resty = { log = require("writebehind.resty.log").hook }

-- By name. What is closed and drained is not kept, so that it can be collected.
local WEAK = { __mode = "v" }
local entries = { batcher = {}, tracker = {} }
local closed = { batcher = setmetatable({}, WEAK), tracker = setmetatable({}, WEAK) }

local function title_of(noun, name)
    return ("%s %q"):format(noun, name)
end

local function check_arguments(noun, name, given)
    if type(name) ~= "string" or name == "" then
        error(("%s: expected a name (a string, not empty), got %s"):format(noun, same.show(name)), 3)
    end
    local kind = type(given)
    if kind ~= "table" and kind ~= "function" and kind ~= "nil" then
        error(("%s: expected a table of options, a function that makes one, or nothing, got %s"):format(
            title_of(noun, name), same.show(given)), 3)
    end
end

-- Two functions are the same if they stand at the same place of the same file.
local function place_of(maker)
    local info = debug.getinfo(maker, "S")
    return ("%s:%d"):format(info.source, info.linedefined)
end

local function check_same(title, entry, given)
    local first = entry.given
    if type(given) ~= type(first) then
        error(("%s: its options were given as a %s first, now as a %s"):format(title, type(first), type(given)), 4)
    elseif type(given) == "function" then
        if given ~= first and place_of(given) ~= place_of(first) then
            error(("%s: its options are made by %s, and were made by %s first"):format(title, same.show(given),
                same.show(first)), 4)
        end
        return
    end
    local where, before, now = same.difference(first, given)
    if where then
        error(('%s: option "%s" differs: %s now, %s at first'):format(title, where, now, before), 4)
    end
end

local function options_of(title, given)
    if type(given) ~= "function" then
        return given
    end
    local options = given()
    if type(options) ~= "table" then
        error(("%s: expected a table of options from %s, got %s"):format(title, same.show(given),
            same.show(options)), 4)
    end
    return options
end

-- The function that makes the options may wait, and meanwhile another request may make the object.
local function make(noun, name, given)
    local title = title_of(noun, name)
    local options = options_of(title, given)
    local first = entries[noun][name]
    if first then
        check_same(title, first, given)
        return first.object
    end
    local made, message, code = object.make(noun, name, title, options, 3, function(self)
        entries[noun][name], closed[noun][name] = nil, self
    end)
    if made then
        entries[noun][name] = { object = made, given = same.copy(given) }
    end
    return made, message, code
end

-- What was made by that name, closed or not.
local function look_up(noun, name)
    local entry = entries[noun][name]
    local found = entry and entry.object or closed[noun][name]
    if not found then
        return nil, ("there is no %s in this worker"):format(title_of(noun, name))
    end
    return found
end

-- A name whose object was closed and drained is free for another one.
local function named(noun, name, given)
    local entry = entries[noun][name]
    if given == nil then
        return look_up(noun, name)
    elseif entry and not object.is_closed(entry.object) then
        check_same(title_of(noun, name), entry, given)
        return entry.object
    end
    return make(noun, name, given)
end

function resty.batcher(name, given)
    check_arguments("batcher", name, given)
    local found, message, code = named("batcher", name, given)
    return found, message, code
end

function resty.tracker(name, given)
    check_arguments("tracker", name, given)
    local found, message, code = named("tracker", name, given)
    return found, message, code
end

return resty
