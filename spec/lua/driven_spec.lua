-- Driven batchers: poll, take and complete by hand, and stores that throw, answer nonsense, late, twice or
-- never. No row is lost to any of it, and none is stored twice.

local ids = require "spec.support.ids"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"
local testing = require "writebehind.testing"

local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }
local has_ffi, ffi = pcall(require, "ffi")
if has_ffi then
    ffi.cdef [[
        struct wb_spec_pollfd { int fd; short events; short revents; };
        int poll(struct wb_spec_pollfd *, unsigned long, int);
    ]]
end

local function readable(fd)
    local box = ffi.new("struct wb_spec_pollfd[1]")
    box[0].fd, box[0].events = fd, 1
    return ffi.C.poll(box, 1, 0) == 1
end

describe("a driven batcher", function()
    local clock, store, batcher

    local function make(options, ...)
        clock = testing.clock(1700000000)
        store = scripted.store(...)
        local given = { store = store, schema = SCHEMA, table = "t", clock = clock, interval = 1, batch_size = 10,
            flush_at = 1, retry = { initial = 0.1, max = 1 }, log = function() end }
        for key, value in pairs(options or {}) do
            given[key] = value
        end
        batcher = assert(writebehind.batcher(given))
    end

    local function add(first, last)
        for n = first, last or first do
            assert.is_true(batcher:add { n = n })
        end
    end

    local function numbers_of(batch)
        local list = {}
        for row in batch:rows() do
            list[#list + 1] = tonumber(row.n)
        end
        return list
    end

    it("works inside add when a batch is full, and inside poll when it is old", function()
        make()
        add(1, 9)
        assert.equal(0, store.calls)
        add(10)
        assert.equal(1, store.calls)
        assert.equal("size", store.batches[1].reason)
        add(11)
        assert.equal(0, batcher:poll())
        clock:advance(1)
        assert.equal(1, batcher:poll())
        assert.equal("age", store.batches[2].reason)
        assert.same(scripted.range(1, 11), store.numbers)
    end)

    it("works inside add when its oldest row is old", function()
        make()
        add(1)
        clock:advance(2)
        add(2)
        clock:advance(2)
        add(3)
        assert.is_true(store.calls >= 1)
        assert.is_true(#store.numbers >= 1)
    end)

    it("works when so many bytes are full", function()
        make { batch_size = 100000, batch_bytes = 1000 }
        add(1, 100)
        assert.is_true(store.calls >= 2)
        for _, batch in ipairs(store.batches) do
            assert.equal("bytes", batch.reason)
        end
    end)

    it("works in poll, flush and close alone with inline = false", function()
        make { inline = false }
        add(1, 35)
        assert.equal(0, store.calls)
        assert.is_true(batcher:poll() >= 3)
        assert.equal(30, #store.numbers)
        assert(batcher:flush())
        assert.equal(35, #store.numbers)
        assert.equal("flush", store.batches[store.calls].reason)
        add(36)
        assert(batcher:close())
        assert.equal(36, #store.numbers)
        assert.equal("close", store.batches[store.calls].reason)
        assert.same(scripted.range(1, 36), store.numbers)
    end)

    it("says in how many seconds something is due", function()
        make { inline = false, interval = 4 }
        local due = batcher:next_due()
        assert.is_true(due == nil or due == math.huge)
        add(1)
        assert.near(4, batcher:next_due(), 1e-3)
        clock:advance(3)
        assert.near(1, batcher:next_due(), 1e-3)
        clock:advance(1)
        assert.is_true(batcher:next_due() <= 1e-3)
        batcher:poll()
        due = batcher:next_due()
        assert.is_true(due == nil or due == math.huge)
        add(2, 11)
        assert.is_true(batcher:next_due() <= 1e-3)
    end)

    it("has a descriptor", function()
        make { inline = false }
        local fd = batcher:fd()
        assert.is_true(type(fd) == "number" and fd >= 0 and fd % 1 == 0)
        assert.equal(fd, batcher:fd())
        if has_ffi then
            assert.is_false(readable(fd))
            add(1, 10)
            assert.is_true(readable(fd))
            batcher:poll()
            assert.is_false(readable(fd))
        end
    end)

    it("has a descriptor that is readable when events wait", function()
        if not has_ffi then
            return
        end
        make { inline = false, on_flush = function() end }
        local fd = batcher:fd()
        add(1, 10)
        batcher:take():complete(true)
        assert.is_true(readable(fd))
        batcher:poll()
        assert.is_false(readable(fd))
    end)

    describe("by hand", function()
        before_each(function()
            make { inline = false }
        end)

        it("lends what is due, and nothing else", function()
            assert.is_nil(batcher:take())
            add(1, 9)
            assert.is_nil(batcher:take())
            add(10)
            local batch = batcher:take()
            assert.equal(10, #batch)
            assert.equal("size", batch.reason)
            assert.equal(1, batch.attempt)
            assert.same(scripted.range(1, 10), numbers_of(batch))
            assert.is_nil(batcher:take())
            assert.equal(10, scripted.conserved(batcher).pending)
            batch:complete(true)
            local stats = scripted.conserved(batcher)
            assert.equal(10, stats.stored)
            assert.equal(0, stats.pending)
            assert.equal(0, store.calls)
        end)

        it("shows the batch in every way", function()
            add(1, 10)
            local batch = batcher:take()
            assert.equal(4, tonumber(batch:row(4).n))
            assert.matches("^%x+%-%x+%-7", batch:row(4).id)
            local column = batch:column("n")
            assert.equal(10, #column)
            assert.equal(4, tonumber(column[4]))
            local lines = select(2, batch:ndjson():gsub("\n", ""))
            assert.is_true(lines == 10 or lines == 9)
            assert.matches('"n":%s*4', batch:ndjson())
            assert.equal("PGCOPY\n", batch:copy_binary():sub(1, 7))
            batch:complete(true)
        end)

        it("keeps a claim however late it is completed", function()
            add(1, 10)
            local batch = batcher:take()
            for _ = 1, 50 do
                clock:advance(1000)
                assert.equal(0, batcher:poll())
                assert.is_nil(batcher:take())
                collectgarbage()
            end
            assert.equal(10, scripted.conserved(batcher).pending)
            assert.same(scripted.range(1, 10), numbers_of(batch))
            batch:complete(true)
            assert.equal(10, scripted.conserved(batcher).stored)
            assert.equal(0, batcher:stats().failures)
        end)

        it("lets others go on beside a claim", function()
            add(1, 20)
            local one, two = batcher:take(), batcher:take()
            assert.same(scripted.range(11, 20), numbers_of(two))
            two:complete(true)
            one:complete(true)
            assert.equal(20, scripted.conserved(batcher).stored)
        end)

        it("raises when a claim is completed twice, and counts it once", function()
            add(1, 10)
            local batch = batcher:take()
            batch:complete(true)
            assert.has_error(function()
                batch:complete(true)
            end)
            assert.has_error(function()
                batch:complete(nil, "no")
            end)
            assert.equal(10, scripted.conserved(batcher).stored)
            assert.equal(0, batcher:stats().pending)
        end)

        it("counts a claim that is collected as a failed try", function()
            add(1, 10)
            batcher:take()
            collectgarbage()
            collectgarbage()
            local stats = scripted.conserved(batcher)
            assert.equal(10, stats.pending)
            assert.equal(1, stats.failures)
            clock:advance(1)
            local batch = batcher:take()
            assert.equal(2, batch.attempt)
            assert.same(scripted.range(1, 10), numbers_of(batch))
            batch:complete(true)
            assert.equal(10, scripted.conserved(batcher).stored)
        end)

        it("keeps exactly the rest of a partial success", function()
            add(1, 10)
            local batch = batcher:take()
            local id = batch.id
            batch:complete(nil, "six of them are in", "retry", 6)
            local stats = scripted.conserved(batcher)
            assert.equal(6, stats.stored)
            assert.equal(4, stats.pending)
            clock:advance(1)
            local rest = batcher:take()
            assert.same(scripted.range(7, 10), numbers_of(rest))
            assert.equal(2, rest.attempt)
            assert.is_string(id)
            rest:complete(nil, "none of them", "retry", 0)
            clock:advance(1)
            rest = batcher:take()
            assert.same(scripted.range(7, 10), numbers_of(rest))
            rest:complete(nil, "all of them, in fact", "retry", 4)
            stats = scripted.conserved(batcher)
            assert.equal(10, stats.stored)
            assert.equal(0, stats.pending)
        end)

        it("raises for an answer that is none, and the claim stays", function()
            add(1, 10)
            local batch = batcher:take()
            for _, wrong in ipairs { 11, -1, 1.5 } do
                assert.has_error(function()
                    batch:complete(nil, "err", "retry", wrong)
                end)
            end
            assert.has_error(function()
                batch:complete(nil, "err", "perhaps")
            end)
            assert.equal(10, scripted.conserved(batcher).pending)
            batch:complete(true)
            assert.equal(10, scripted.conserved(batcher).stored)
        end)

        it("takes what is marked by nobody else at close", function()
            add(1, 3)
            local ok, _, code = batcher:flush(0)
            if not ok then
                assert.equal("timeout", code)
            end
            add(4, 5)
            assert(batcher:close())
            assert.same(scripted.range(1, 5), scripted.sorted(store.numbers))
        end)
    end)

    it("keeps the rows when its store throws", function()
        local function throws()
            error({ reason = "a table" })
        end
        make({}, function()
            error("thrown text")
        end, throws, scripted.yes)
        add(1, 10)
        assert.matches("thrown text", scripted.conserved(batcher).last_error, 1, true)
        clock:advance(10)
        batcher:poll()
        assert.equal(2, scripted.conserved(batcher).failures)
        clock:advance(10)
        batcher:poll()
        assert.same(scripted.range(1, 10), store.numbers)
        assert.equal(10, scripted.conserved(batcher).stored)
    end)

    it("keeps the rows when its store answers nonsense", function()
        local nonsense = {
            function() return "yes" end,
            function() return 1 end,
            function() return false end,
            function() return nil end,
            function() return {} end,
            function() return nil, "err", "perhaps" end,
            function() return nil, "err", 5 end,
            function() return nil, "err", "retry", 11 end,
            function() return nil, "err", "retry", -1 end,
            function() return nil, "err", "retry", 2.5 end,
            function() return nil, "err", "retry", "3" end,
            function() return nil, {} end,
        }
        make({}, (table.unpack or unpack)(nonsense))
        store.write = function(self, batch)
            self.calls = self.calls + 1
            local answer = nonsense[self.calls]
            if answer then
                return answer()
            end
            for row in batch:rows() do
                self.numbers[#self.numbers + 1] = tonumber(row.n)
            end
            return true
        end
        add(1, 10)
        for i = 1, #nonsense + 1 do
            local stats = scripted.conserved(batcher)
            if i <= #nonsense then
                assert.equal(i, stats.failures)
                assert.equal(10, stats.pending)
            end
            clock:advance(10)
            batcher:poll()
        end
        assert.same(scripted.range(1, 10), store.numbers)
        assert.equal(10, scripted.conserved(batcher).stored)
    end)

    it("keeps the rows when its store uses the batcher itself", function()
        make()
        local inside = 0
        store.answers = { function(batch)
            inside = inside + 1
            if inside <= 3 then
                assert.is_true(batcher:add { n = 100 + inside })
                batcher:poll()
                batcher:flush(0)
            end
            return #batch > 0
        end }
        add(1, 10)
        assert(batcher:close())
        assert.equal(13, scripted.conserved(batcher).stored)
        assert.equal(13, #store.numbers)
    end)

    it("may have a store that yields", function()
        if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
            pending "Lua 5.1 can't yield across pcall: a store yields between take and complete there"
        end
        make { inline = false }
        store.write = function(_, batch)
            for row in batch:rows() do
                coroutine.yield(tonumber(row.n))
            end
            return true
        end
        add(1, 3)
        local seen = {}
        local driver = coroutine.wrap(function()
            assert(batcher:close())
            return "done"
        end)
        for _ = 1, 3 do
            seen[#seen + 1] = driver()
            scripted.conserved(batcher)
        end
        assert.same({ 1, 2, 3 }, seen)
        assert.equal("done", driver())
        assert.equal(3, scripted.conserved(batcher).stored)
    end)

    describe("has hooks that", function()
        it("hear of every write, in order", function()
            local events = {}
            make({
                on_flush = function(report)
                    events[#events + 1] = ("flush %d %s %d"):format(tonumber(report.rows), report.reason,
                        tonumber(report.attempt))
                end,
                log = function(level, message, fields)
                    assert.is_string(message)
                    assert.is_table(fields)
                    events[#events + 1] = level:match("^warn") or level
                end,
            }, scripted.fails("away"), scripted.yes)
            add(1, 10)
            clock:advance(10)
            batcher:poll()
            add(11, 13)
            assert(batcher:close())
            local flushes = {}
            for _, event in ipairs(events) do
                if event:match("^flush") then
                    flushes[#flushes + 1] = event
                end
            end
            assert.same({ "flush 10 size 1", "flush 10 size 2", "flush 3 close 1" }, flushes)
            -- The warning is told with the write that failed, the recovery with the one that went well.
            local place = {}
            for i, event in ipairs(events) do
                place[event] = place[event] or i
            end
            assert.is_true(place.warn < place["flush 10 size 2"])
            assert.is_true(place.info > place["flush 10 size 1"])
        end)

        it("may throw, and nothing is lost", function()
            make {
                on_flush = function()
                    error("on_flush is broken")
                end,
                log = function()
                    error("log is broken")
                end,
            }
            store.answers = { scripted.fails(), scripted.yes }
            for n = 1, 25 do
                pcall(batcher.add, batcher, { n = n })
            end
            clock:advance(10)
            pcall(batcher.poll, batcher)
            pcall(batcher.flush, batcher)
            pcall(batcher.close, batcher)
            local stats = scripted.conserved(batcher)
            assert.equal(25, stats.accepted)
            assert.equal(25, stats.stored)
            assert.same(scripted.range(1, 25), scripted.sorted(store.numbers))
        end)

        it("may add rows", function()
            local more = 3
            make { on_flush = function()
                if more > 0 then
                    more = more - 1
                    assert(batcher:add { n = 100 + more })
                end
            end }
            add(1, 10)
            for _ = 1, 5 do
                clock:advance(1)
                batcher:poll()
            end
            assert(batcher:close())
            assert.equal(13, scripted.conserved(batcher).stored)
        end)

        it("keep nobody for ever where each makes another event", function()
            local called, most = 0, 20000
            make { batch_size = 1, on_flush = function()
                called = called + 1
                if called < most then
                    assert(batcher:add { n = called })
                end
            end }
            assert.is_true(batcher:add { n = 0 })
            assert.is_true(called > 0 and called < most)
            while called < most do
                batcher:poll()
            end
            assert.equal(most, scripted.conserved(batcher).stored)
        end)

        it("are called nowhere else", function()
            local called = 0
            make { inline = false, on_flush = function()
                called = called + 1
            end }
            add(1, 30)
            batcher:take():complete(true)
            batcher:stats()
            batcher:next_due()
            assert.equal(0, called)
            batcher:poll()
            assert.equal(3, called)
        end)
    end)
end)

describe("a threaded batcher has hooks that", function()
    it("are called in poll, flush and close alone", function()
        local reports, store = {}, writebehind.memory()
        local batcher = assert(writebehind.batcher { store = store, schema = SCHEMA, table = "t", interval = 0.005,
            on_flush = function(report)
                reports[#reports + 1] = report
            end })
        for n = 1, 10 do
            assert(batcher:add { n = n })
        end
        local process = require "spec.support.process"
        assert.is_truthy(process.wait(function()
            return batcher:stats().stored == 10
        end))
        assert.equal(0, #reports)
        assert.is_truthy(process.wait(function()
            batcher:poll()
            return #reports > 0
        end))
        assert.is_true(batcher:fd() >= 0)
        assert(batcher:close(process.PATIENCE))
        local sum = 0
        for _, report in ipairs(reports) do
            sum = sum + tonumber(report.rows)
        end
        assert.equal(10, sum)
    end)

    it("hear of a flush at its descriptor", function()
        if not has_ffi then
            return
        end
        local process = require "spec.support.process"
        local batcher = assert(writebehind.batcher { store = writebehind.memory(), schema = SCHEMA, table = "t",
            interval = 0.005, on_flush = function() end })
        local fd = batcher:fd()
        assert(batcher:add { n = 1 })
        assert.is_truthy(process.wait(function()
            return readable(fd)
        end))
        batcher:poll()
        assert.is_false(readable(fd))
        assert(batcher:close(process.PATIENCE))
    end)
end)

describe("a driven tracker", function()
    it("is taken and completed by hand as well", function()
        local clock = testing.clock(1000)
        local tracker = assert(writebehind.tracker { store = { touch = function() end }, table = "t", key = "id",
            column = "at", clock = clock, interval = 60, chunk = 10, inline = false })
        for _, n in ipairs(ids.shuffled(25, 5)) do
            assert(tracker:add(ids.uuid(n)))
        end
        assert.is_nil(tracker:take())
        assert.near(60, tracker:next_due(), 1e-3)
        clock:advance(60)
        local seen, last = {}, ""
        for _, count in ipairs { 10, 10, 5 } do
            local marks = tracker:take()
            assert.equal(count, #marks)
            assert.equal(1060, marks.at)
            for i, id in ipairs(marks:ids()) do
                assert.is_true(id > last)
                last = id
                seen[#seen + 1] = id
                assert.equal(1060, marks:times()[i])
            end
            marks:complete(true)
            assert.has_error(function()
                marks:complete(true)
            end)
        end
        assert.is_nil(tracker:take())
        assert.equal(25, #seen)
        assert.equal(25, scripted.conserved(tracker).unique)
        assert(tracker:close())
    end)

    it("takes ids as 16 bytes and as text, and they are the same", function()
        local store = testing.store()
        local clock = testing.clock(1000)
        local tracker = assert(writebehind.tracker { store = store, table = "t", key = "id", column = "at",
            clock = clock })
        assert(tracker:add(("\0"):rep(15) .. "\7"))
        assert(tracker:add("00000000-0000-0000-0000-000000000007"))
        assert(tracker:add("ABCDEF00-0000-4000-8000-000000000000"))
        assert(tracker:close())
        assert.same({ "00000000-0000-0000-0000-000000000007", "abcdef00-0000-4000-8000-000000000000" },
            store.calls[1].ids)
    end)

    it("is told what its store answers after the claim was completed, and the first answer stands", function()
        local textless = setmetatable({}, { __tostring = function() error "no text" end })
        local late = {
            { function() return nil, "after all not" end, "answered after all not" },
            { function() return 5 end, "answered 5" },
            { function() error("too late", 0) end, "failed with too late" },
            { function() error(textless) end, "failed with an error that is a table" },
            { function() return true end },
            { function() end },
        }
        for _, case in ipairs(late) do
            local lines = {}
            local batcher = assert(writebehind.batcher {
                schema = writebehind.schema { { "n", "int8" } }, table = "t",
                store = { write = function(_, batch)
                    batch:complete(true)
                    return case[1]()
                end },
                log = function(level, message)
                    lines[#lines + 1] = level .. " " .. message
                end,
            })
            assert(batcher:add { n = 1 })
            assert(batcher:close())
            assert.equal(1, scripted.conserved(batcher).stored)
            assert.same({ case[2] and "error the store " .. case[2] ..
                " after its claim was completed: that counts for nothing" }, lines)
        end
    end)
end)
