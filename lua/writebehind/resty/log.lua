-- SPDX-License-Identifier: MIT
-- The library's lines in nginx's error log: the `log` of named objects that are given none.

local log = {}

local LEVELS = { debug = ngx.DEBUG, info = ngx.INFO, warn = ngx.WARN, error = ngx.ERR }

local function held_back(count)
    return count > 0 and (" (%d more like this were held back)"):format(count) or ""
end

-- A log hook whose lines begin with the object's title.
function log.hook(title)
    return function(level, message, fields)
        ngx.log(LEVELS[level] or ngx.ERR, "writebehind: ", title, ": ", message,
            held_back(tonumber(fields.suppressed)))
    end
end

return log
