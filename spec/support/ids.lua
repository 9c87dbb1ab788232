-- Ids and random numbers that are the same in every run and on every Lua.

local ids = {}

-- The n-th id, in text; ascending with n.
function ids.uuid(n)
    return ("00000000-0000-4000-8000-%012x"):format(n)
end

-- random(n): from 1 to n. Park and Miller's generator, exact in a double.
function ids.random(seed)
    local state = seed % 2147483646 + 1
    return function(n)
        state = (state * 48271) % 2147483647
        return state % n + 1
    end
end

-- A list of the numbers 1 to n in an order that depends on the seed alone.
function ids.shuffled(n, seed)
    local random, list = ids.random(seed), {}
    for i = 1, n do
        list[i] = i
    end
    for i = n, 2, -1 do
        local j = random(i)
        list[i], list[j] = list[j], list[i]
    end
    return list
end

return ids
