-- Random tables that JSON holds, and that a reader of JSON gives back as they were.

local random_json = {}

local PIECES = { "a", "Z", " ", '"', "\\", "/", "\n", "\1", "\127", "\195\169", "\226\130\172", "\240\159\152\128",
    "plain text" }

-- UTF-8 without NUL; never empty.
function random_json.text(random)
    local parts = {}
    for i = 1, random(12) + 1 do
        parts[i] = PIECES[random(#PIECES) + 1]
    end
    return table.concat(parts)
end

local function number(random)
    local kind = random(4)
    if kind == 0 then
        return random(2 ^ 30) - 2 ^ 29
    elseif kind == 1 then
        return (random(2 ^ 30) * 2 ^ 22 + random(2 ^ 22)) * (random(2) * 2 - 1)
    elseif kind == 2 then
        return random(1e6) / 10 ^ random(7)
    end
    return (random() + random() / 2 ^ 31) * 10 ^ (random(60) - 30)
end

local function item(random, text, levels)
    local kind = random(levels > 0 and 5 or 3)
    if kind == 0 then
        return number(random)
    elseif kind == 1 then
        return text(random)
    elseif kind == 2 then
        return random(2) == 0
    end
    return random_json.table(random, text, levels - 1)
end

-- A list or an object; `text` makes its strings.
function random_json.table(random, text, levels)
    local value, is_list = {}, random(2) == 0
    for i = 1, random(6) + 1 do
        value[is_list and i or text(random)] = item(random, text, levels)
    end
    return value
end

return random_json
