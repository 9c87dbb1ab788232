-- SPDX-License-Identifier: MIT
-- What a policy sees: a read-only table, whose costly parts are made when they are read.

local view = {}

local OWN, LATE = {}, {} -- keys

local meta = { __metatable = "writebehind.forms.view" }

function meta.__index(self, name)
    local own = rawget(self, OWN)
    local value = own[name]
    if value == nil then
        return own[LATE](own, name)
    end
    return value
end

function meta.__newindex(_, name)
    error(("a policy's view is read-only: %s was to be changed"):format(tostring(name)), 2)
end

-- A view of the table `own`, which nobody changes any more; late(own, name) answers what is not in it.
function view.of(own, late)
    own[LATE] = late
    return setmetatable({ [OWN] = own }, meta)
end

-- What is seen of a write that ended, and of its error; nil: there was none.
function view.last(err, rows, elapsed, ok)
    return rows and { rows = rows, elapsed = elapsed, ok = ok, error = not ok and err or nil } or nil
end

return view
