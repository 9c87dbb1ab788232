-- SPDX-License-Identifier: MIT
-- What the halves of a worker share inside its private state: finding what its module gives, and calling it so
-- that an error comes with the frames it went through.

local module = {}

function module.text_of(value)
    local ok, text = pcall(tostring, value)
    return ok and type(text) == "string" and text or "an error that is a " .. type(value)
end

-- An error becomes its text and the frames it went through, the innermost first, without those of the library.
local function with_frames(err)
    local frames = debug.traceback("", 2):gsub("^%s*stack traceback:%s*", "")
    frames = frames:match("^(.*)\n[^\n]*'xpcall'") or frames
    frames = frames:gsub("^%[C%]: in function 'error'%s*", ""):gsub("%s*%(%.*tail calls?[^\n]*$", "")
    return { message = module.text_of(err), frames = (frames:gsub("%s*\n%s*", " < ")) }
end

local function same(...)
    return ...
end

-- As pcall. Not a tail call: the frames end where xpcall is named.
function module.traced(call)
    return same(xpcall(call, with_frames))
end

-- The message first: of the whole, a store's last error keeps what fits it, and the log has a line for the frames.
-- For want of memory Lua asks no handler: then there are no frames.
function module.tell(err, log)
    if type(err) ~= "table" or err.frames == "" then
        return type(err) == "table" and err.message or module.text_of(err)
    end
    if log then
        log("a worker's error came from " .. err.frames)
    end
    return err.message .. "; from " .. err.frames
end

-- What a call by `traced` answered; its error is thrown on as text.
function module.outcome(log, ok, answer, ...)
    if not ok then
        error(module.tell(answer, log), 0)
    end
    return answer, ...
end

-- → what the module gives, a table, or nil, message, class. What is wrong with the module itself wants a person.
function module.find(name, args, log, what)
    local ok, found = module.traced(function() return require(name) end)
    if not ok then
        return nil, type(found) == "table" and found.message or module.text_of(found), "hold"
    end
    local why
    if type(found) == "function" then
        local make = found
        ok, found, why = module.traced(function() return make(args) end)
        if not ok then
            return nil, module.tell(found, log), "retry"
        elseif found == nil and why ~= nil then
            return nil, module.text_of(why), "retry"
        end
    end
    if type(found) ~= "table" then
        return nil, ("the module gave a %s; expected %s (a table), or a function that makes one"):format(
            type(found), what), "hold"
    end
    return found
end

-- close() for what the module gives: its errors go to the log.
function module.closer(given, log)
    return function()
        if type(given.close) ~= "function" then
            return
        end
        local ok, err = module.traced(function() return given:close() end)
        if not ok then
            log("a worker's close failed: " .. module.tell(err))
        end
    end
end

return module
