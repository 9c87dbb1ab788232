-- SPDX-License-Identifier: MIT
-- The inside of a worker that stores: what runs in its private Lua state, on the flusher's thread. It finds the
-- store that a module gives, calls it, and judges its answers by the rules of driven mode.

local answer = require "writebehind.forms.answer"
local module = require "writebehind.worker.module"
local raw = require("writebehind.core").raw
local trace = require "writebehind.worker.trace"

local session = {}

-- Logs what comes after the answer.
local function quiet() end

-- A store that completed its claim has answered: nobody takes another answer.
local function check_once(work, name, log, what, err)
    if raw.is_completed(work) and what ~= true and (what ~= nil or err ~= nil) then
        log(("the worker %q answered %s after it had completed its claim: that counts for nothing"):format(name,
            trace.text_of(what == nil and err or what)))
    end
end

-- → { deliver(entry, work), close() }; or nil, message, class
function session.open(name, args, log)
    local store, message, class = module.find(name, args, log, "a store")
    if not store then
        return nil, message, class
    end

    local function call(entry, work)
        local method = store[entry]
        if type(method) ~= "function" then
            return nil, ("the store of the worker %q has no function `%s`"):format(name, entry), "hold"
        end
        local what, err, failed_as, stored = method(store, work)
        check_once(work, name, log, what, err)
        return what, err, failed_as, stored
    end

    local function deliver(entry, work)
        local function run()
            return module.call(name, log, function() return call(entry, work) end)
        end
        answer.deliver(nil, { store = { [entry] = run }, entry = entry, log = quiet }, work)
    end

    return { deliver = deliver, close = module.closer(store, name, log) }
end

return session
