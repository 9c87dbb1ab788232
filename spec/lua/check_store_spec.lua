-- The contract check of scripted stores: good stores pass, and each broken one is caught with the sentence
-- that names its fault.

local testing = require "writebehind.testing"
local writebehind = require "writebehind"

-- A store that keeps to the contract: rows in a list, times in a table, each write whole or not at all.
local Good = {}
Good.__index = Good

local function good(changes)
    local store = setmetatable({ rows = {}, times = {}, seen = {} }, Good)
    for name, value in pairs(changes or {}) do
        store[name] = value
    end
    return store
end

local function read_all(batch)
    local rows = {}
    for row in batch:rows() do
        rows[#rows + 1] = row
    end
    return rows
end

function Good:keep(rows)
    for _, row in ipairs(rows) do
        self.rows[#self.rows + 1] = row
    end
    return true
end

function Good:write(batch)
    return self:keep(read_all(batch))
end

function Good:touch(marks)
    local times, updated = marks:times(), 0
    for index, id in ipairs(marks:ids()) do
        if not self.times[id] or self.times[id] < times[index] then
            self.times[id], updated = times[index], updated + 1
        end
    end
    return true, updated, 0
end

local function writes(write, more)
    return function()
        local store = good(more)
        store.write = write
        return store
    end
end

local function touches(touch)
    return function()
        return { times = {}, touch = touch }
    end
end

-- Is there a sentence with these words?
local function assert_caught(words, make, options)
    local ok, faults = testing.check_store(make, options)
    assert.is_nil(ok)
    for _, fault in ipairs(faults) do
        if fault:find(words, 1, true) then
            return faults
        end
    end
    error(("no sentence says `%s`:\n%s"):format(words, table.concat(faults, "\n")), 2)
end

local function assert_passes(make, options)
    local ok, faults = testing.check_store(make, options)
    assert.is_true(ok, type(faults) == "table" and table.concat(faults, "\n") or nil)
    assert.is_nil(faults)
end

describe("check_store", function()
    it("says which index in retry is wrong", function()
        for _, wrong in ipairs { 0, 99, "1", 1.5 } do
            assert_caught("touch answered the index", touches(function()
                return { retry = { wrong } }
            end))
        end
    end)
end)

describe("check_store passes", function()
    it("a store that keeps rows in a list and times in a table", function()
        assert_passes(good)
    end)

    it("one whose metatable throws for what it has not", function()
        assert_passes(function()
            local strict = { write = function() return true end }
            return setmetatable(strict, { __index = function(_, name) error("no field " .. name) end })
        end)
    end)

    it("one that completes its claim itself", function()
        assert_passes(writes(function(self, batch)
            batch:complete(self:keep(read_all(batch)))
        end))
    end)

    it("one whose rows are lines of JSON", function()
        local function make()
            return { lines = {}, write = function(self, batch)
                for line in assert(batch:ndjson()):gmatch("[^\n]+") do
                    self.lines[#self.lines + 1] = line
                end
                return true
            end }
        end
        assert_passes(make, { read = function(store)
            return store.lines
        end })
    end)

    it("one that reads columns", function()
        assert_passes(function()
            return { rows = {}, write = function(self, batch)
                local ids, ns = batch:column "id", batch:column "n"
                for index = 1, #batch do
                    self.rows[#self.rows + 1] = { id = ids[index], n = ns[index] }
                end
                return true
            end }
        end, { schema = writebehind.schema { { "id", "uuid", generate = "uuidv4" }, { "n", "int8" } },
            rows = { { n = 1 }, { n = 2 }, { n = 2 } } })
    end)

    it("the scripted store, whatever it answers, since it drops what it has", function()
        for seed = 1, 5 do
            assert_passes(function()
                return testing.store { unique = "id", seed = seed, fail_rate = 0.2, throw_rate = 0.1,
                    partial_rate = 0.1, lose_rate = 0.2,
                    script = { "fail", { "fail", "hold" }, { "partial", 3 }, "lose", "throw" } }
            end, { idempotent = true })
        end
    end)

    it("one that says of each row what became of it", function()
        local writes_so_far = 0
        assert_passes(writes(function(self, batch)
            local rows, again = {}, {}
            writes_so_far = writes_so_far + 1
            for row, index in batch:rows() do
                if (index + writes_so_far) % 3 == 0 and #batch > 1 then
                    again[#again + 1] = index
                else
                    rows[#rows + 1] = row
                end
            end
            self:keep(rows)
            if again[1] then
                return false, "some are late", { retry = again }
            end
            return true
        end))
    end)

    it("a tracker's store that has some ids marked again", function()
        local calls = 0
        assert_passes(function()
            local store = good()
            function store:touch(marks)
                local times, again = marks:times(), {}
                for index, id in ipairs(marks:ids()) do
                    calls = calls + 1
                    if calls % 3 == 0 then
                        again[#again + 1] = index
                    elseif not self.times[id] or self.times[id] < times[index] then
                        self.times[id] = times[index]
                    end
                end
                return { retry = again }
            end
            return store
        end)
        assert.is_true(calls > 10)
    end)

    it("a tracker's store that knows some ids only", function()
        local known = { "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002" }
        assert_passes(function()
            local store = testing.store { ids = known }
            store.write = false
            return store
        end, { ids = known })
    end)

    it("one that is made to fail by its surroundings", function()
        local failures = 0
        assert_passes(writes(function(self, batch)
            if self.away then
                self.away, failures = false, failures + 1
                return nil, "away", "hold"
            end
            return self:keep(read_all(batch))
        end), { fail = function(store)
            store.away = true
        end })
        assert.equal(3, failures)
    end)

    it("leaves the debug hook and the compiler as they were", function()
        local function hook()
        end
        local compiled = rawget(_G, "jit") and jit.status()
        debug.sethook(hook, "", 1000000)
        assert_passes(good)
        local found = debug.gethook()
        debug.sethook()
        assert.equal(hook, found)
        assert.equal(compiled, rawget(_G, "jit") and jit.status())
    end)
end)

describe("check_store catches", function()
    it("false for an answer", function()
        assert_caught("write answered false: true, or nil and an error, is expected", writes(function()
            return false
        end))
    end)

    it("a count for an answer", function()
        assert_caught("write answered 6: true, or nil", writes(function(self, batch)
            self:keep(read_all(batch))
            return #batch
        end))
    end)

    it("no answer at all", function()
        assert_caught("write answered nothing: true, or nil", writes(function(self, batch)
            self:keep(read_all(batch))
        end))
    end)

    it("a class that there is none of", function()
        assert_caught('write answered the class "fatal": "retry", "reject" or "hold" is expected', writes(function()
            return nil, "down", "fatal"
        end))
    end)

    it("a count of stored rows that can't be", function()
        assert_caught("write answered that 3.5 of 11 rows are stored", writes(function()
            return nil, "down", "retry", 3.5
        end), { schema = writebehind.schema { { "n", "int8" } }, rows = { { n = 1 }, { n = 2 }, { n = 3 }, { n = 4 },
            { n = 5 }, { n = 6 }, { n = 7 }, { n = 8 }, { n = 9 }, { n = 10 }, { n = 11 } } })
    end)

    it("an error that nobody can read", function()
        assert_caught("write failed with an error that is a table", writes(function()
            return nil, { code = 7 }
        end))
    end)

    it("a store that always throws", function()
        assert_caught("good rows in 20 tries; the last error: ", writes(function(_, batch)
            return batch.missing.field
        end))
    end)

    it("true for rows that are only queued", function()
        assert_caught("write answered true, but 6 rows are not stored", writes(function(self, batch)
            self.queue = read_all(batch)
            return true
        end))
    end)

    it("the last row left out", function()
        assert_caught("write answered true, but 1 rows are not stored", writes(function(self, batch)
            local rows = {}
            for index = 1, #batch - 1 do
                rows[index] = batch:row(index)
            end
            return self:keep(rows)
        end))
    end)

    it("a limit on the batch", function()
        assert_caught("write answered true, but 1000 rows are not stored", writes(function(self, batch)
            local rows = {}
            for index = 1, math.min(#batch, 1000) do
                rows[index] = batch:row(index)
            end
            return self:keep(rows)
        end))
    end)

    it("rows stored twice", function()
        assert_caught("rows more than once", writes(function(self, batch)
            return self:keep(read_all(batch)) and self:keep(read_all(batch))
        end))
    end)

    local function changing(name, change)
        return writes(function(self, batch)
            local rows = read_all(batch)
            for _, row in ipairs(rows) do
                row[name] = change(row[name])
            end
            return self:keep(rows)
        end)
    end

    it("NULL stored as the empty text", function()
        assert_caught('the text column `note`: NULL was given, "" is stored', changing("note", function(value)
            return value or ""
        end))
    end)

    it("text whose UTF-8 was lost", function()
        assert_caught('the text column `note`: "na', changing("note", function(value)
            return value and value:gsub("[\128-\255]", "?")
        end))
    end)

    it("bytes cut at the first NUL", function()
        assert_caught("the bytea column `raw`", changing("raw", function(value)
            return value and value:match("^[^%z]*")
        end))
    end)

    it("integers that went through a float", function()
        if not math.type then
            return -- a float is all that there is
        end
        assert_caught("the int8 column `big`", changing("big", function(value)
            return value and ("%.15g"):format(value)
        end))
    end)

    it("times without their fraction", function()
        assert_caught("the timestamptz column `at`", changing("at", function(value)
            return value and math.floor(value)
        end))
    end)

    it("a write that is left half done", function()
        assert_caught("write failed and said that 0 rows are stored, but 5 are: they will be written again and stored "
            .. "twice", writes(function(self, batch)
            for row in batch:rows() do
                self:keep { row }
            end
            return true
        end))
    end)

    it("a failure that says too much is stored", function()
        assert_caught("write failed and said that 6 rows are stored, but 6 of what has to be there are not",
            writes(function(_, batch)
                return nil, "down", "retry", #batch
            end))
    end)

    it("a good row that is rejected, and one that is named and stored", function()
        assert_caught('write rejected a good row: "no twos"', writes(function(self, batch)
            local rows = read_all(batch)
            if #rows == 1 then
                return self:keep(rows)
            end
            table.remove(rows, 2)
            self:keep(rows)
            return nil, "one is bad", { reject = { [2] = "no twos" } }
        end))
        assert_caught("write answered a table of rows that can't be read: ", writes(function(_, batch)
            return nil, "wrong", { retry = { #batch + 1 } }
        end))
        assert_caught("of what has to be there are not", writes(function()
            return nil, "wrong", { retry = { 1 } }
        end))
    end)

    it("an error that is swallowed", function()
        assert_caught("write answered true though it could not read what it was given", writes(function(self, batch)
            local _, rows = pcall(read_all, batch)
            return type(rows) == "table" and self:keep(rows) or true
        end))
    end)

    it("text that could not be made and was taken for none", function()
        assert_caught("ndjson had failed", function()
            return { write = function(self, batch)
                self.text = (self.text or "") .. (batch:ndjson() or "")
                return true
            end }
        end)
    end)

    it("a retry taken for a duplicate", function()
        assert_caught("write answered true, but 10 rows are not stored", writes(function(self, batch)
            if batch.attempt > 1 then
                return true
            end
            return self:keep(read_all(batch))
        end))
    end)

    it("a batch remembered before it is stored", function()
        assert_caught("write answered true, but 10 rows are not stored", writes(function(self, batch)
            if self.seen[batch.id] then
                return true
            end
            self.seen[batch.id] = true
            return self:keep(read_all(batch))
        end), { idempotent = true })
    end)

    it("a claim of being idempotent that is not so", function()
        assert_caught("rows more than once", good, { idempotent = true })
    end)

    it("a duplicate answered with an error", function()
        assert_caught("write never answers true to a batch that it stored before", writes(function(self, batch)
            local rows = read_all(batch)
            if self.seen[rows[1].id] then
                return nil, "duplicate key"
            end
            self.seen[rows[1].id] = true
            return self:keep(rows)
        end), { idempotent = true })
    end)

    it("a batch kept for the next call", function()
        assert_caught("write keeps what it was lent beyond the call: it used row after it had answered",
            writes(function(self, batch)
                local last = self.last
                self.last = batch
                return not last or pcall(last.row, last, 1) or true
            end))
    end)

    it("a batch kept until it is read", function()
        assert_caught("write keeps what it was lent beyond the call: it used rows", writes(function(self, batch)
            self.last = batch
            return true
        end), { read = function(store)
            return store.last and select(2, pcall(read_all, store.last)) and {} or {}
        end })
    end)

    it("a claim completed twice", function()
        assert_caught("write completed its claim twice", writes(function(self, batch)
            self:keep(read_all(batch))
            batch:complete(true)
            pcall(batch.complete, batch, true)
        end))
    end)

    it("a store that waits for ever", function()
        local clock = testing.clock(0)
        assert_caught("write did not return: it was ended after 1000000 steps", writes(function()
            while clock:now() < 10 do
                pcall(error)
            end
            return true
        end), { steps = 1e6 })
    end)

    it("a store that takes too long", function()
        local clock = testing.clock(0)
        assert_caught("write took 30 seconds of the clock: a write has to end, after 10 seconds at the most",
            writes(function(self, batch)
                clock:advance(30)
                return self:keep(read_all(batch))
            end), { clock = clock })
    end)

    it("a store that waits for ever, and catches what would end it", function()
        assert_caught("write did not return: it was ended after 1000000 steps", writes(function()
            while true do
                pcall(function()
                    while true do end -- luacheck: ignore 542
                end)
            end
        end), { steps = 1e6 })
    end)

    it("an answer besides that by complete", function()
        assert_caught("write completed its claim and answered \"after all not\" besides", writes(function(self, batch)
            self:keep(read_all(batch))
            batch:complete(true)
            return nil, "after all not"
        end))
        assert_caught("write completed its claim and failed with ", writes(function(self, batch)
            self:keep(read_all(batch))
            batch:complete(true)
            error "too late"
        end))
    end)

    local textless = setmetatable({}, { __tostring = function() error "no text" end })

    it("errors and answers whose text can't be made", function()
        for _, write in ipairs {
            function() error(textless) end,
            function() return nil, textless end,
        } do
            assert_caught("write failed with an error that is a table: nobody can read it", writes(write))
        end
        assert_caught("write answered a table that has no text", writes(function() return textless end))
        assert_caught("write answered a table of rows that can't be read: ", writes(function()
            return nil, "an error", textless
        end))
    end)

    it("rows that can't be read", function()
        assert_caught("the rows of the store can't be read: ", writes(function(self, batch)
            return self:keep { setmetatable({}, { __index = function() error(#batch .. " rows") end }) }
        end))
        assert_caught("the int4 column `n`: 1 was given, a table that has no text is stored", writes(
            function(self, batch)
                local rows = read_all(batch)
                for _, row in ipairs(rows) do
                    row.n = textless
                end
                return self:keep(rows)
            end))
    end)

    it("stores that share their rows", function()
        local shared = {}
        assert_caught("a new store holds 14 rows already: it shares them with another", function()
            return good { rows = shared }
        end)
    end)

    it("a maker that makes no store", function()
        assert_caught("new_store() answered nil", function()
        end)
        assert_caught("neither a function `write` nor a function `touch`", function()
            return {}
        end)
        assert_caught("new_store() failed", function()
            error "no place"
        end)
    end)

    it("rows that nobody gave", function()
        assert_caught("write stored 1 rows that nobody gave it", writes(function(self, batch)
            self.rows[1] = self.rows[1] or { id = "header" }
            return self:keep(read_all(batch))
        end))
    end)
end)

describe("check_store catches, of touch,", function()
    it("times that move back", function()
        assert_caught("touch moved the time of the id", touches(function(self, marks)
            local times = marks:times()
            for index, id in ipairs(marks:ids()) do
                self.times[id] = times[index]
            end
            return true
        end))
    end)

    it("the flush's time in the place of each id's own", function()
        assert_caught("touch stored another time than the id", touches(function(self, marks)
            for _, id in ipairs(marks:ids()) do
                self.times[id] = math.max(self.times[id] or 0, marks.at)
            end
            return true
        end))
    end)

    it("ids left out", function()
        assert_caught("has no time", touches(function(self, marks)
            local ids, times = marks:ids(), marks:times()
            for index = 2, #ids do
                self.times[ids[index]] = times[index]
            end
            return true
        end))
    end)

    local KNOWN = { "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002" }

    local function only_known(touch)
        return function()
            local store = good { write = false }
            store.touch = function(self, marks)
                return touch(self, marks, KNOWN)
            end
            return store
        end
    end

    it("an error for an id without a row", function()
        assert_caught("touch did not take 4 ids in 20 tries; the last error: \"no such id\"",
            only_known(function(self, marks)
                for _, id in ipairs(marks:ids()) do
                    if id ~= KNOWN[1] and id ~= KNOWN[2] then
                        return nil, "no such id"
                    end
                end
                return Good.touch(self, marks)
            end), { ids = KNOWN })
    end)

    it("a row made for an id that had none", function()
        assert_caught("touch made a row for the id", only_known(Good.touch), { ids = KNOWN })
    end)

    it("a wrong count of ids without a row", function()
        assert_caught("touch answered that 0 ids have no row, where 2 have none", function()
            local store = testing.store { ids = KNOWN }
            local touch = store.touch
            store.write = false
            store.touch = function(self, marks)
                local ok, updated = touch(self, marks)
                return ok, updated, ok and 0 or nil
            end
            return store
        end, { ids = KNOWN })
    end)

    it("counts that can't be", function()
        assert_caught("touch answered that 51 of 50 ids moved forward", touches(function(self, marks)
            Good.touch(self, marks)
            return true, #marks + 1
        end))
        assert_caught("touch answered that 50 ids moved forward where none did", touches(function(self, marks)
            Good.touch(self, marks)
            return true, #marks
        end))
    end)
end)

describe("check_store raises", function()
    it("where it is used wrongly", function()
        assert.error_matches(function()
            testing.check_store({})
        end, "expected a function that makes a store, got table")
        local _, message = pcall(function()
            testing.check_store(good, { reed = true })
        end)
        assert.matches("check_store_spec.lua:%d+: check_store: unknown option `reed`", message)
        assert.error_matches(function()
            testing.check_store(good, { read = 1 })
        end, "option `read`: expected a function, got 1")
        assert.error_matches(function()
            testing.check_store(good, { rows = { {} } })
        end, "`schema` and `rows` go together")
    end)

    it("at its caller for options that can't be", function()
        local cases = {
            { 5, "expected a table of options, got 5" },
            { { large = 0 }, "option `large`: expected a whole number above 0, got 0" },
            { { steps = 2.5 }, "option `steps`: expected a whole number above 0, got 2.5" },
            { { timeout = -1 }, "option `timeout`: expected a number of seconds, got %-1" },
            { { clock = io.stdout }, "option `clock`: expected a clock of writebehind.testing, got file" },
            { { schema = io.stdout, rows = { {} } }, "option `schema`: expected a schema, got file" },
            { { ids = {} }, "option `ids`: expected a list of ids, got table" },
        }
        for _, case in ipairs(cases) do
            local _, message = pcall(function()
                testing.check_store(good, case[1])
            end)
            assert.matches("check_store_spec.lua:%d+: check_store: " .. case[2], message)
        end
        assert.error_matches(function()
            testing.check_store(good, { ids = { "no id" } })
        end, "check_store: option `ids`: .*uuid")
        assert.error_matches(function()
            testing.check_store(good, { schema = writebehind.schema { { "n", "int8" } }, rows = { { m = 1 } } })
        end, 'check_store: option `rows`: no column "m"')
    end)
end)
