-- A scripted store that keeps what it is given and answers as it is told, and the law that every spec asserts.

local scripted = {}

local store = {}
store.__index = store

-- What a store's write answers, each as a function of the batch; the last is repeated.
function scripted.store(...)
    return setmetatable({ answers = { ... }, batches = {}, calls = 0, numbers = {} }, store)
end

local function next_answer(self)
    if #self.answers > 1 then
        return table.remove(self.answers, 1)
    end
    return self.answers[1]
end

local function keep(self, batch, count)
    for i = 1, count do
        self.numbers[#self.numbers + 1] = tonumber(batch:row(i).n)
    end
end

function store:write(batch)
    self.calls = self.calls + 1
    self.batches[self.calls] = {
        id = batch.id, attempt = batch.attempt, reason = batch.reason, rows = #batch,
        first = tonumber(batch:row(1).n),
    }
    local answer = next_answer(self)
    local ok, err, class, stored = true, nil, nil, nil
    if answer then
        ok, err, class, stored = answer(batch)
    end
    if ok == true then
        keep(self, batch, #batch)
    elseif type(stored) == "number" and stored >= 1 and stored <= #batch then
        keep(self, batch, stored)
    end
    return ok, err, class, stored
end

function scripted.yes()
    return true
end

function scripted.fails(message, class, stored)
    return function()
        return nil, message or "no route to the store", class, stored
    end
end

-- accepted == stored + pending + dead + dropped, in the stats given or of the object; answers the stats.
function scripted.conserved(object)
    local stats = object:stats()
    local sum = stats.stored + stats.pending + stats.dead + stats.dropped
    if stats.accepted ~= sum then
        error(("rows are not conserved: accepted %d, stored %d + pending %d + dead %d + dropped %d = %d"):format(
            stats.accepted, stats.stored, stats.pending, stats.dead, stats.dropped, sum), 2)
    end
    return stats
end

-- The numbers of a list, sorted; and the list 1 … n.
function scripted.sorted(list)
    local copy = {}
    for i, n in ipairs(list) do
        copy[i] = n
    end
    table.sort(copy)
    return copy
end

function scripted.range(first, last)
    local list = {}
    for n = first, last do
        list[#list + 1] = n
    end
    return list
end

return scripted
