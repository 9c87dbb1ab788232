-- SPDX-License-Identifier: MIT
-- What the halves of a worker share inside its private state: finding what its module gives, and calling it so
-- that an error comes with the frames it went through.

local trace = require "writebehind.worker.trace"

local module = {}

-- ("the module of the worker …", an error) → the error's text; all of it goes to the log.
local function told(log, what, name, err)
    log(trace.lines(("%s the worker %q failed: "):format(what, name), err))
    return trace.brief(err)
end

-- Calls a function that the module of that name gives; throws its error on as text.
function module.call(name, log, call)
    return trace.outcome(log, ("the worker %q failed: "):format(name), trace.call(call))
end

local function kind_of(found)
    return found == true and "nothing" or "a " .. type(found) -- require's answer where a module returns nothing
end

-- → what the module gives, a table, or nil, message, class. A module that is wrong itself needs a person.
function module.find(name, args, log, what)
    local ok, found = trace.call(function() return require(name) end)
    if not ok then
        return nil, told(log, "loading", name, found), "hold"
    end
    local why
    if type(found) == "function" then
        local make = found
        ok, found, why = trace.call(function() return make(args) end)
        if not ok then
            return nil, told(log, "the function of", name, found), "retry"
        elseif found == nil and why ~= nil then
            return nil, trace.text_of(why), "retry"
        end
    end
    if type(found) ~= "table" then
        return nil, ("the module gave %s; expected %s (a table), or a function that makes one"):format(
            kind_of(found), what), "hold"
    end
    return found
end

-- close() for what the module gives: its errors go to the log.
function module.closer(given, name, log)
    return function()
        local ok, err = trace.call(function()
            if type(given.close) == "function" then
                given:close()
            end
        end)
        if not ok then
            told(log, "the close of", name, err)
        end
    end
end

return module
