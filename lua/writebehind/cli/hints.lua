-- SPDX-License-Identifier: MIT
-- What helps where an input does not fit: the option that a message of the core calls for.

local hints = {}

-- The first that a message holds counts.
local HINTS = {
    { "the text is UTF%-16", "--encoding UTF-16 reads it" },
    { "a JSON list", "jq -c '.[]' makes lines of it" },
    { "is the delimiter", "--delimiter says so" },
    { "no column takes", "--map gives a column another name, --ignore-unknown leaves out the rest" },
    { "not in the header", "--map takes another name for it" },
    { "is not UTF%-8", "--encoding says what it is" },
}

-- The message, and what helps.
function hints.of(message)
    for _, hint in ipairs(HINTS) do
        if message:find(hint[1]) then
            return message .. "; " .. hint[2]
        end
    end
    return message
end

-- The message, and what the table says of a column that the header names and the schema leaves out: `left_out`, as
-- store:schema has them.
function hints.reason(message, left_out)
    for _, column in ipairs(left_out) do
        if message:find(('"%s"'):format(column.name), 1, true) then
            message = ('%s ("%s": %s)'):format(message, column.name, column.reason)
        end
    end
    return message
end

return hints
