-- SPDX-License-Identifier: MIT
-- The inside of a worker that stores: what runs in its private Lua state, on the flusher's thread. It finds the
-- store that a module gives, calls it, and judges its answers by the rules of driven mode.

local driven = require "writebehind.driven"
local module = require "writebehind.worker.module"

local session = {}

-- → { deliver(entry, work), close() }; or nil, message, class
function session.open(name, args, log)
    local store, message, class = module.find(name, args, log, "a store")
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
            return module.outcome(log, module.traced(function() return call(store, work) end))
        end
        driven.deliver({ store = { run = run }, entry = "run" }, work)
    end

    return { deliver = deliver, close = module.closer(store, log) }
end

return session
