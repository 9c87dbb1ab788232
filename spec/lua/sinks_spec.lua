-- The example stores, held to the contract and to what each promises. HTTP's server is a process of the spec's on
-- loopback, which ends when it is told to, or after a minute without a request.

local cjson = require "cjson"
local process = require "spec.support.process"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local ROOT = assert(os.getenv "WRITEBEHIND_ROOT")
local SCHEMA = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "note", "text" } }

local function example(name)
    return dofile(ROOT .. "/examples/sinks/" .. name .. ".lua")
end

local function lines_of(path)
    local lines = {}
    for line in (process.exists(path) and process.read(path) or ""):gmatch("[^\n]+") do
        lines[#lines + 1] = line
    end
    return lines
end

local function assert_passes(make, options)
    local ok, faults = testing.check_store(make, options)
    assert.is_true(ok, type(faults) == "table" and table.concat(faults, "\n") or nil)
end

-- A driven batcher of notes on a store, with a clock of its own.
local function notes_on(store, options)
    local clock = testing.clock(1700000000)
    local given = { store = store, clock = clock, schema = SCHEMA, table = "notes", log = function() end }
    for name, value in pairs(options or {}) do
        given[name] = value
    end
    return writebehind.batcher(given), clock
end

local dir

before_each(function()
    dir = process.dir()
end)

after_each(function()
    process.remove(dir)
end)

-- ---- http ----

-- Keeps the lines that are posted to /NAME in DIR/NAME, once for each key. DIR/answers holds what to do next, a
-- word a line: a status, "drop" (keep, and close without a reply) or "ok".
local SERVER = [[
    local socket = require "socket"
    local dir = arg[1]
    local server = assert(socket.bind("127.0.0.1", 0))
    server:settimeout(60)
    local seen = {}
    local function write(path, mode, text)
        local file = assert(io.open(path, mode))
        file:write(text)
        file:close()
    end
    local function next_answer()
        local file = io.open(dir .. "/answers", "r")
        local first, rest = "ok", ""
        if file then
            first, rest = file:read("*l") or "ok", file:read("*a")
            file:close()
            write(dir .. "/answers", "w", rest)
        end
        return first
    end
    local function read_request(client)
        local request, headers = client:receive("*l"), {}
        for line in function() return client:receive("*l") end do
            if line == "" then break end
            local name, value = line:match("^(.-):%s*(.*)$")
            headers[name:lower()] = value
        end
        local length = tonumber(headers["content-length"] or 0)
        return request, headers, length > 0 and client:receive(length) or "" -- receive(0) waits for a byte
    end
    local _, port = server:getsockname()
    write(dir .. "/port.new", "w", port)
    os.rename(dir .. "/port.new", dir .. "/port")
    while true do
        local client = server:accept()
        if not client then break end
        client:settimeout(60)
        local request, headers, body = read_request(client)
        local name = request:match("^POST /(%w+)")
        local answer = next_answer()
        local key = headers["idempotency-key"]
        if (answer == "ok" or answer == "drop") and not seen[key] then
            seen[key] = true
            write(dir .. "/" .. name, "a", body)
        end
        if answer ~= "drop" then
            client:send(("HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):format(
                answer == "ok" and "204 No Content" or answer .. " Refused"))
        end
        client:close()
        if name == "quit" then break end
    end
]]

describe("examples/sinks/http.lua", function()
    local new, url

    local function answers(...)
        process.write(dir .. "/answers", table.concat({ ... }, "\n") .. "\n")
    end

    before_each(function()
        new = example "http"
        process.write(dir .. "/server.lua", SERVER)
        process.start(("exec timeout 300 %s %s/server.lua %s"):format(process.quote(process.interpreter()), dir, dir))
        assert.is_truthy(process.wait(function()
            return process.exists(dir .. "/port")
        end))
        url = ("http://127.0.0.1:%s/"):format(process.read(dir .. "/port"))
    end)

    after_each(function()
        require("socket.http").request(url .. "quit", "")
    end)

    it("keeps to the contract, whatever the server answers", function()
        local count, faults = 0, { "503", "drop", "400", "500" }
        assert_passes(function()
            count = count + 1
            local store = new(url .. "store" .. count)
            store.file = dir .. "/store" .. count
            return store
        end, { idempotent = true, read = function(store)
            return lines_of(store.file)
        end, fail = function()
            table.insert(faults, 1, table.remove(faults))
            answers(faults[1], faults[2])
        end })
        assert.is_true(count > 4)
    end)

    it("delivers once through refusals, an outage and lost replies", function()
        answers("503", "drop", "404", "drop")
        local batcher = notes_on(new(url .. "notes"))
        for n = 1, 100 do
            assert(batcher:add { note = "note " .. n })
        end
        assert(batcher:close())
        local stats = batcher:stats()
        assert.equal(100, stats.stored)
        assert.equal(4, stats.failures)
        local lines = lines_of(dir .. "/notes")
        assert.equal(100, #lines)
        assert.equal("note 100", cjson.decode(lines[100]).note)
    end)

    it("runs as a program", function()
        local program = ("%s %s/examples/sinks/http.lua"):format(process.interpreter(), ROOT)
        assert.equal(0, process.run(program .. " " .. url .. "notes").code)
        assert.equal("hello", cjson.decode(lines_of(dir .. "/notes")[1]).note)
    end)

    it("tells what a status means for the rows", function()
        for status, class in pairs { [400] = "reject", [403] = "hold", [503] = "retry" } do
            answers(tostring(status))
            local ok, message, found = new(url .. "x"):write { id = "1", ndjson = function()
                return "{}\n"
            end }
            assert.is_nil(ok)
            assert.equal(class, found or "retry")
            assert.matches(url .. "x: .*" .. status, message)
        end
        local ok, message, class = new("http://127.0.0.1:1/x"):write { id = "1", ndjson = function()
            return "{}\n"
        end }
        assert.is_nil(ok)
        assert.matches("refused", message)
        assert.is_nil(class)
    end)
end)

-- ---- file ----

describe("examples/sinks/file.lua", function()
    local new = example "file"
    local open = io.open

    after_each(function()
        io.open = open -- luacheck: ignore 122
    end)

    -- The next file that is written gets `share` of the text and then no more, as on a full disk.
    local function fill_disk(share)
        io.open = function(path, mode) -- luacheck: ignore 122
            local file, message = open(path, mode)
            if not file or mode == "rb" then
                return file, message
            end
            io.open = open -- luacheck: ignore 122
            return {
                seek = function(_, ...)
                    return file:seek(...)
                end,
                write = function(_, text)
                    file:write(text:sub(1, math.floor(#text * share)))
                    return nil, path .. ": No space left on device"
                end,
                close = function()
                    return file:close()
                end,
            }
        end
    end

    -- All the store's lines; what a failed write left at the end is none of them.
    local function read(store)
        local text = {}
        for n = store.keep, 1, -1 do
            local path = store.path .. "." .. n
            text[#text + 1] = process.exists(path) and process.read(path) or nil
        end
        text[#text + 1] = process.exists(store.path) and process.read(store.path):sub(1, store.size) or nil
        local lines = {}
        for line in table.concat(text):gmatch("[^\n]+") do
            lines[#lines + 1] = line
        end
        return lines
    end

    it("keeps to the contract, on a disk that is full at times too", function()
        local count, share = 0, 0
        assert_passes(function()
            count = count + 1
            return new(("%s/%d.ndjson"):format(dir, count), 150000, 100)
        end, { read = read, fail = function()
            share = (share + 0.4) % 1
            fill_disk(share)
        end })
        assert.is_true(process.exists(dir .. "/1.ndjson.1"))
    end)

    it("writes over what a failed write left, by a shorter batch too", function()
        local store = new(dir .. "/notes.ndjson")
        local function write(text)
            return store:write { ndjson = function()
                return text
            end }
        end
        assert.is_true(write '{"n":1}\n')
        fill_disk(0.9)
        local ok, message = write '{"n":"long long long long"}\n'
        assert.is_nil(ok)
        assert.matches("No space left", message)
        assert.is_true(write '{"n":2}\n')
        assert.is_true(write '{"n":3}\n')
        assert.same({ '{"n":1}', '{"n":2}', '{"n":3}' }, lines_of(store.path))
    end)

    it("goes on behind the last whole line of an earlier run", function()
        process.write(dir .. "/notes.ndjson", '{"n":1}\n{"n":')
        local batcher = notes_on(new(dir .. "/notes.ndjson"))
        assert(batcher:add { note = "after" })
        assert(batcher:close())
        local lines = lines_of(dir .. "/notes.ndjson")
        assert.equal(2, #lines)
        assert.equal('{"n":1}', lines[1])
        assert.equal("after", cjson.decode(lines[2]).note)
    end)

    it("starts a new file where one grows too large, and keeps the last ones", function()
        local path = dir .. "/notes.ndjson"
        local batcher = notes_on(new(path, 1000, 2), { batch_size = 5, flush_at = 1 })
        for n = 1, 100 do
            assert(batcher:add { note = "note " .. n })
        end
        assert(batcher:close())
        local sizes = { #process.read(path), #process.read(path .. ".1"), #process.read(path .. ".2") }
        for _, size in ipairs(sizes) do
            assert.is_true(size > 0 and size <= 1000)
        end
        assert.is_false(process.exists(path .. ".3"))
        local last = lines_of(path)
        assert.equal("note 100", cjson.decode(last[#last]).note)
        local before = lines_of(path .. ".1")
        assert.equal(cjson.decode(last[1]).note,
            "note " .. tonumber(cjson.decode(before[#before]).note:match("%d+")) + 1)
    end)

    it("makes the file anew where it was moved away", function()
        local store = new(dir .. "/notes.ndjson")
        local batch = { ndjson = function()
            return "{}\n"
        end }
        assert.is_true(store:write(batch))
        assert(os.rename(store.path, store.path .. ".moved"))
        assert.is_true(store:write(batch))
        assert.same({ "{}" }, lines_of(store.path))
    end)

    it("runs as a program", function()
        local program = ("%s %s/examples/sinks/file.lua %s/out"):format(process.interpreter(), ROOT, dir)
        assert.equal(0, process.run(program).code)
        assert.same({ '{"note":"hello"}' }, lines_of(dir .. "/out"))
    end)
end)

-- ---- aggregate ----

describe("examples/sinks/aggregate.lua", function()
    local new = example "aggregate"
    local COUNTERS = { { "page", "text" }, { "hits", "int8", default = 1 }, { "bytes", "int8" } }

    it("keeps to the contract", function()
        assert_passes(function()
            return new("page", { "hits", "bytes" }, function()
                return true
            end)
        end, { schema = writebehind.schema(COUNTERS),
            rows = { { page = "/", bytes = 1 }, { page = "/a", bytes = 2 } } })
    end)

    it("sums by key, and once where the sink fails", function()
        local sums, calls = {}, 0
        local store = new("page", { "hits", "bytes" }, function(totals, batch)
            calls = calls + 1
            assert.matches("^%x+%-", batch.id)
            if calls % 3 == 1 then
                return nil, "busy"
            end
            for page, total in pairs(totals) do
                local sum = sums[page] or { hits = 0, bytes = 0 }
                sums[page] = { hits = sum.hits + tonumber(total.hits), bytes = sum.bytes + tonumber(total.bytes) }
            end
            return true
        end)
        local batcher = notes_on(store, { schema = writebehind.schema(COUNTERS), batch_size = 100 })
        for n = 1, 999 do
            assert(batcher:add { page = "/" .. n % 3, bytes = n })
        end
        assert(batcher:close())
        assert.same({ ["/0"] = { hits = 333, bytes = 166833 }, ["/1"] = { hits = 333, bytes = 166167 },
            ["/2"] = { hits = 333, bytes = 166500 } }, sums)
        assert.is_true(batcher:stats().failures > 0)
        assert.is_true(calls < 25)
    end)

    it("runs as a program", function()
        local result = process.run(("%s %s/examples/sinks/aggregate.lua"):format(process.interpreter(), ROOT))
        assert.equal(0, result.code, result.err)
        local hits = 0
        for count in result.out:gmatch("/%d\t(%d+)") do
            hits = hits + tonumber(count)
        end
        assert.equal(1000, hits)
    end)
end)

-- ---- business event ----

describe("examples/sinks/business_event.lua", function()
    local flush_on = example "business_event"

    local function is_paid(row)
        return row.note == "paid"
    end

    it("delivers at once what came up to the event, and nothing before", function()
        local store = testing.store()
        local batcher = notes_on(store, { policy = flush_on(is_paid) })
        for _, note in ipairs { "seen", "basket", "seen" } do
            assert.is_true(batcher:add { note = note })
        end
        assert.equal(0, #store.rows)
        assert.is_true(batcher:add { note = "paid" })
        assert.equal(4, #store.rows)
        assert.equal("policy", store.calls[1].reason)
        assert.is_true(batcher:add { note = "seen" })
        assert.equal(4, #store.rows)
        assert(batcher:close())
    end)

    it("accepts the event while the store is away", function()
        local store = testing.store { script = { "fail" } }
        local batcher, clock = notes_on(store, { policy = flush_on(is_paid) })
        assert.is_true(batcher:add { note = "paid" })
        assert.equal(1, batcher:stats().pending)
        clock:advance(60)
        batcher:poll()
        assert.equal(1, #store.rows)
        local ok, _, code = batcher:add { note = 7 }
        assert.is_nil(ok)
        assert.equal("invalid", code)
        assert(batcher:close())
    end)

    it("wakes the thread of a native store", function()
        local store = writebehind.memory()
        local batcher = writebehind.batcher {
            store = store, schema = SCHEMA, table = "notes", interval = 3600, policy = flush_on(is_paid),
        }
        batcher:add { note = "seen" }
        batcher:add { note = "paid" }
        assert.is_truthy(process.wait(function()
            return batcher:stats().stored == 2
        end))
        assert(batcher:close())
    end)

    it("runs as a program", function()
        local result = process.run(("%s %s/examples/sinks/business_event.lua"):format(process.interpreter(), ROOT))
        assert.equal("policy: 4 rows: seen, seen, basket, paid\nclose: 1 rows: seen\n", result.out)
    end)
end)
