-- SPDX-License-Identifier: MIT
-- The inside of a worker: what runs in its private Lua state, on the flusher's thread. It finds the store that
-- a module gives, calls it, and judges its answers by the rules of driven mode.

local driven = require "writebehind.driven"

local session = {}

local function text_of(value)
    local ok, text = pcall(tostring, value)
    return ok and type(text) == "string" and text or "an error that is a " .. type(value)
end

-- An error becomes its text and the frames it went through, the innermost first, without those of this module.
local function with_frames(err)
    local frames = debug.traceback("", 2):gsub("^%s*stack traceback:%s*", "")
    frames = frames:match("^(.*)\n[^\n]*'xpcall'") or frames
    frames = frames:gsub("^%[C%]: in function 'error'%s*", ""):gsub("%s*%(%.*tail calls?[^\n]*$", "")
    return { message = text_of(err), frames = (frames:gsub("%s*\n%s*", " < ")) }
end

local function same(...)
    return ...
end

-- As pcall. Not a tail call: the frames end where xpcall is named.
local function traced(call)
    return same(xpcall(call, with_frames))
end

-- The message first: of the whole, a store's last error keeps what fits it, and the log has a line for the frames.
-- For want of memory Lua asks no handler: then there are no frames.
local function tell(err, log)
    if type(err) ~= "table" or err.frames == "" then
        return type(err) == "table" and err.message or text_of(err)
    end
    if log then
        log("a worker's error came from " .. err.frames)
    end
    return err.message .. "; from " .. err.frames
end

-- → store, or nil, message, class. What is wrong with the module itself holds the rows: it wants a person.
local function find_store(name, args, log)
    local ok, found = traced(function() return require(name) end)
    if not ok then
        return nil, type(found) == "table" and found.message or text_of(found), "hold"
    end
    local why
    if type(found) == "function" then
        local make = found
        ok, found, why = traced(function() return make(args) end)
        if not ok then
            return nil, tell(found, log), "retry"
        elseif found == nil and why ~= nil then
            return nil, text_of(why), "retry"
        end
    end
    if type(found) ~= "table" then
        return nil, ("the module gave a %s; expected a store (a table), or a function that makes one"):format(
            type(found)), "hold"
    end
    return found
end

-- What the call answered; its error is thrown on as text.
local function outcome(log, ok, answer, ...)
    if not ok then
        error(tell(answer, log), 0)
    end
    return answer, ...
end

-- → deliver(entry, work), close(); or nil, message, class
function session.open(name, args, log)
    local store, message, class = find_store(name, args, log)
    if not store then
        return nil, message, class
    end

    local function deliver(entry, work)
        local call = store[entry]
        if type(call) ~= "function" then
            work:complete(nil, ("the store of the worker %q has no function `%s`"):format(name, entry), "hold")
            return
        end
        local function run()
            return outcome(log, traced(function() return call(store, work) end))
        end
        driven.deliver({ store = { run = run }, entry = "run" }, work)
    end

    local function close()
        if type(store.close) == "function" then
            local ok, err = traced(function() return store:close() end)
            if not ok then
                log("a worker's close failed: " .. tell(err))
            end
        end
    end

    return deliver, close
end

return session
