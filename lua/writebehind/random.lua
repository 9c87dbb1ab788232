-- SPDX-License-Identifier: MIT
-- Numbers that are the same on every Lua and every machine: the "minimal standard" generator of Park and
-- Miller, whose products a double holds exactly. For tests and simulations; nothing secret comes of it.

local MODULUS, FACTOR = 2147483647, 16807

-- A generator from a seed: random() is in [0, 1), random(n) a whole number from 0 to n - 1.
return function(seed)
    local state = math.floor(seed) % (MODULUS - 1) + 1
    local function random(limit)
        state = state * FACTOR % MODULUS
        local fraction = (state - 1) / (MODULUS - 1)
        return limit and math.floor(fraction * limit) or fraction
    end
    for _ = 1, 8 do -- neighbouring seeds begin alike
        random()
    end
    return random
end
