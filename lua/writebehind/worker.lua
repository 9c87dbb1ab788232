-- SPDX-License-Identifier: MIT
-- worker(module, args): a store that a module gives, in a private Lua state on the flusher's thread. From this
-- state it gets a copy of the arguments and the search paths of `require`, and nothing else.

local core = require "writebehind.core"

-- Raises at the caller's caller.
local function worker(module, args)
    if type(module) ~= "string" or module == "" or module:find("\0", 1, true) then
        error(("worker: expected the name of a module, got %s"):format(
            type(module) == "string" and ("%q"):format(module) or type(module)), 3)
    end
    for _, name in ipairs { "path", "cpath" } do
        if type(package[name]) ~= "string" then
            error(("worker: package.%s is a %s; expected the text that `require` searches by"):format(name,
                type(package[name])), 3)
        end
    end
    local store, message = core.worker(module, package.path, package.cpath, args)
    if not store then
        error(message, 3)
    end
    return store
end

return worker
