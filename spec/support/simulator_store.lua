-- The store of the simulator's worker world, which runs in a private state on the flusher's thread. It keeps rows in
-- a file, each once, and answers as the lines of another file say, which the spec adds to meanwhile: both outlive
-- the state. A line of a third file for each call tells what was answered.

local process = require "spec.support.process"

local STALL = 0.001 -- seconds here for a second of a scripted stall

local function read_lines(path)
    local lines = {}
    for line in (process.exists(path) and process.read(path) or ""):gmatch "([^\n]*)\n" do -- whole lines alone
        lines[#lines + 1] = line
    end
    return lines
end

local function append(path, text)
    local file = assert(io.open(path, "ab"))
    assert(file:write(text))
    assert(file:close())
end

local function words_of(line)
    local words = {}
    for word in (line or "ok"):gmatch "%S+" do
        words[#words + 1] = word
    end
    return words
end

local Store = {}
Store.__index = Store

-- The next answer that is told, or ok; it counts as given by its line in `calls`.
function Store:next_answer(batch)
    local line = read_lines(self.answers)[self.given + 1]
    self.given = self.given + (line and 1 or 0)
    append(self.calls, ("%s %d\n"):format(line and "told" or "free", #batch))
    return words_of(line)
end

-- Stores the leading rows, but those of some indexes, each id once.
function Store:keep(batch, count, but)
    local lines = {}
    for index = 1, count do
        local row = batch:row(index)
        if not self.seen[row.id] and not (but and but[index]) then
            self.seen[row.id] = true
            lines[#lines + 1] = ("%s|%s|%.17g|%s\n"):format(row.id, (tostring(row.n):gsub("%D", "")), row.share,
                row.note or "")
        end
    end
    append(self.rows, table.concat(lines))
end

local ANSWERS = {}

function ANSWERS.ok(store, batch)
    store:keep(batch, #batch)
    return true
end

function ANSWERS.fail(_, _, class)
    return nil, "as it was told", class
end

function ANSWERS.partial(store, batch, count)
    count = math.min(tonumber(count), #batch)
    store:keep(batch, count)
    return nil, "no more room", "retry", count
end

-- Every third row, from the first on, comes again.
function ANSWERS.rows(store, batch)
    local again, list = {}, {}
    for index = 1, #batch, 3 do
        again[index], list[#list + 1] = true, index
    end
    store:keep(batch, #batch, again)
    return nil, "not these", { retry = list }
end

function ANSWERS.throw()
    error "thrown as it was told"
end

function ANSWERS.lose(store, batch)
    store:keep(batch, #batch)
    return nil, "the reply was lost"
end

function ANSWERS.stall(store, batch, seconds)
    process.sleep(tonumber(seconds) * STALL)
    return ANSWERS.ok(store, batch)
end

function Store:write(batch)
    for row in batch:rows() do
        if row.note == self.refused then
            return nil, "such a row is never taken", "reject"
        end
    end
    local words = self:next_answer(batch)
    return ANSWERS[words[1]](self, batch, words[2])
end

return function(args)
    local store = setmetatable({ answers = args.dir .. "/answers", calls = args.dir .. "/calls", given = 0,
        rows = args.dir .. "/rows", refused = args.refused, seen = {} }, Store)
    for _, line in ipairs(read_lines(store.rows)) do
        store.seen[line:match "^[^|]+"] = true
    end
    for _, line in ipairs(read_lines(store.calls)) do
        store.given = store.given + (line:match "^told" and 1 or 0)
    end
    return store
end
