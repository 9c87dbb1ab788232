-- Worker stores: a module's store in a private Lua state on the flusher's thread.

local writebehind = require "writebehind"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"

local ROOT = os.getenv("WRITEBEHIND_ROOT") or "."
local schema = writebehind.schema {
    { "id", "uuid", generate = "uuidv7" }, { "n", "int8" }, { "note", "text", null = true },
}
local quick = { initial = 0.001, max = 0.01 }

describe("a worker store", function()
    local dir, path

    before_each(function()
        dir, path = process.dir(), package.path
        package.path = ("%s/?.lua;%s/examples/worker/?.lua;%s"):format(dir, ROOT, path)
    end)

    after_each(function()
        package.path = path
        process.remove(dir)
    end)

    -- A module of that text; `say(…)` in it adds a line to the file `said`.
    local function module(name, text)
        process.write(("%s/%s.lua"):format(dir, name), ([[
            local function say(...)
                local file, words = assert(io.open(%q, "a")), { ... }
                for i, word in ipairs(words) do words[i] = tostring(word) end
                file:write(table.concat(words, " "), "\n")
                file:close()
            end
            %s]]):format(dir .. "/said", text))
        return name
    end

    local function said()
        return process.exists(dir .. "/said") and process.read(dir .. "/said") or ""
    end

    local function batcher(store, options)
        local all = { store = store, schema = schema, table = "rows", interval = 0.01, retry = quick }
        all.log = function() end
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return assert(writebehind.batcher(all))
    end

    -- Adds rows 1 to `count` through a store of that module, closes; the stats.
    local function deliver(name, count, args, options)
        local object = batcher(writebehind.worker(name, args), options)
        for n = 1, count do
            assert(object:add { n = n })
        end
        assert(object:close(process.PATIENCE))
        return scripted.conserved(object)
    end

    it("never sees more than batch_size rows in a batch, whatever waits", function()
        local name = module("counts", [[
            return { write = function(_, batch) say(#batch); return true end }]])
        local object = batcher(writebehind.worker(name), { batch_size = 100, merge_rows = 5000, interval = 60 })
        for n = 1, 2050 do
            assert(object:add { n = n })
        end
        assert(object:close(30))
        local rows = 0
        for count in said():gmatch "%d+" do
            assert.is_true(tonumber(count) <= 100, count)
            rows = rows + count
        end
        assert.equal(2050, rows)
    end)

    it("is a store of the kind worker, with no SQL and no tables to look at", function()
        local store = writebehind.worker "anything"
        assert.equal("worker", store:kind())
        assert.has_error(function() store:execute "SELECT 1" end)
        assert.has_error(function() store:schema "rows" end)
    end)

    it("is given every row once, as in driven mode, and is closed in the end", function()
        module("plain", [[
            local store = {}
            function store:write(batch)
                assert(self == store)
                say("batch", #batch, batch.attempt, batch.reason, #batch.id)
                for row, i in batch:rows() do
                    assert(batch:row(i).n == row.n and batch:column("n")[i] == row.n and #row.id == 36)
                    say("row", row.n, row.note)
                end
                assert(batch:copy_binary():sub(1, 6) == "PGCOPY" and batch:ndjson():find('"n":', 1, true))
                return true
            end
            function store:close()
                say "closed"
            end
            return store]])
        local stats = deliver("plain", 5, nil, { batch_size = 3, flush_at = 1 })
        assert.equal(5, stats.stored)
        local rows, count = said(), 0
        for line in rows:gmatch "[^\n]+" do
            count = count + (line:match "^row" and 1 or 0)
        end
        assert.equal(5, count)
        for n = 1, 5 do
            assert.matches("row " .. n .. "\n", rows)
        end
        assert.matches("batch %d 1 %a+ 36\n", rows)
        assert.matches("closed\n$", rows)
    end)

    it("has a private state: nothing of the caller's, and a thread of its own", function()
        rawset(_G, "wb_spec_global", "the caller's")
        module("private", [[
            return { write = function(_, batch)
                say(rawget(_G, "wb_spec_global"), package.loaded["spec.support.process"])
                wb_spec_global = "the worker's"
                return true
            end }]])
        deliver("private", 1)
        assert.equal("the caller's", rawget(_G, "wb_spec_global"))
        rawset(_G, "wb_spec_global", nil)
        assert.equal("\n", said())
    end)

    it("may block, while add and stats do not", function()
        module("slow", [[
            return { write = function(_, batch)
                say "began"
                while not io.open("]] .. dir .. [[/go") do os.execute "sleep 0.02" end
                return true
            end }]])
        local object = batcher(writebehind.worker "slow", { batch_size = 1 })
        assert(object:add { n = 0 })
        assert.is_true(process.wait(function() return said() == "began\n" end))
        for n = 1, 1000 do
            assert(object:add { n = n })
        end
        assert.equal(0, object:stats().stored)
        local ok, _, code = object:flush(0)
        assert.same({ nil, "timeout" }, { ok, code })
        process.write(dir .. "/go", "")
        assert(object:close(process.PATIENCE))
        assert.equal(1001, scripted.conserved(object).stored)
    end)

    it("may be blocked when the batcher is collected and the program ends", function()
        module("hundred", [[
            local file = assert(io.open("]] .. dir .. [[/rows", "a"))
            return {
                write = function(_, batch)
                    os.execute "sleep 0.01"
                    for row in batch:rows() do file:write(row.n, "\n") end
                    return true
                end,
                close = function() file:close() end,
            }]])
        local result = process.lua([[
            package.path = arg[1] .. "/?.lua;" .. package.path
            local writebehind = require "writebehind"
            local batcher = assert(writebehind.batcher {
                store = writebehind.worker "hundred", table = "rows", max_pending_rows = 200000, close_timeout = 90,
                schema = writebehind.schema { { "n", "int8" } },
            })
            for n = 1, 100000 do assert(batcher:add { n = n }) end]], { dir })
        assert.same({ 0, "" }, { result.code, result.err })
        local seen, count = {}, 0
        for line in io.lines(dir .. "/rows") do
            local n = tonumber(line)
            assert.is_nil(seen[n])
            seen[n], count = true, count + 1
        end
        assert.equal(100000, count)
    end)

    it("that is stuck holds up the end of the program for close_timeout, and what is lost is told", function()
        module("stuck", [[
            return function(args)
                return { write = function()
                    if args.blocks then os.execute "sleep 10" end
                    while true do say = say end
                end }
            end]])
        for _, blocks in ipairs { true, false } do
            local began = process.now()
            local result = process.lua([[
                package.path = arg[1] .. "/?.lua;" .. package.path
                local writebehind = require "writebehind"
                local batcher = assert(writebehind.batcher {
                    store = writebehind.worker("stuck", { blocks = arg[2] == "true" }), table = "rows",
                    schema = writebehind.schema { { "n", "int8" } }, close_timeout = 0.1,
                })
                assert(batcher:add { n = 1 })
                assert(not batcher:flush(0.1))
                os.exit(7)]], { dir, tostring(blocks) })
            assert.equal(7, result.code)
            assert.equal("writebehind: batcher rows: error: 1 accepted rows were not stored\n", result.err)
            assert.is_true(process.now() - began < 50)
        end
    end)

    it("is worked by its caller where there is a clock, in its private state all the same", function()
        module("clocked", "return { write = function(_, batch) say(#batch, batch.reason) return true end }")
        local clock = writebehind.testing.clock(0)
        local object = batcher(writebehind.worker "clocked", { clock = clock, interval = 1 })
        assert(object:add { n = 1 })
        assert(object:poll() == 0 and said() == "")
        clock:advance(1)
        assert.equal(1, object:poll())
        assert.equal("1 age\n", said())
        assert(object:close())
    end)

    it("is tried again after an error that it threw, whose message and frames are told", function()
        module("throws", [[
            local tries = 0
            local function deep()
                error "the shelf is full"
            end
            return { write = function(_, batch)
                tries = tries + 1
                if tries < 3 then deep() end
                say(tries, batch.attempt)
                return true
            end }]])
        local lines = {}
        local object = batcher(writebehind.worker "throws", { log = function(level, message)
            lines[#lines + 1] = level .. " " .. message
        end })
        assert(object:add { n = 1 })
        assert(object:flush(process.PATIENCE))
        local stats = scripted.conserved(object)
        assert.same({ 1, 2 }, { stats.stored, stats.failures })
        assert.matches("^[^;]*throws.lua:%d+: the shelf is full; from ", stats.last_error)
        assert.equal("3 3\n", said())
        local text = table.concat(lines, "\n")
        assert.matches("the shelf is full", text)
        assert.matches("error  from .*throws.lua:%d+: in [^<]*.*<.*throws.lua:%d+: in", text)
        assert.is_nil(text:find("session.lua", 1, true)) -- of the library's own frames none
        assert(object:close())
    end)

    it("tells an error that is no text", function()
        module("table_error", [[
            local tries = 0
            return { write = function()
                tries = tries + 1
                if tries == 1 then error(setmetatable({}, { __tostring = function() return "told by itself" end })) end
                if tries == 2 then error {} end
                return true
            end }]])
        local reports = {}
        deliver("table_error", 1, nil, { on_flush = function(report) reports[#reports + 1] = report.error or "" end })
        assert.matches("^told by itself", reports[1])
        assert.matches("^table: ", reports[2])
        assert.equal("", reports[3])
    end)

    it("answers as in driven mode", function()
        module("answers", [[
            local answers = {
                function() return nil, "later" end,
                function() return nil, "wait for me", "hold" end,
                function() return nil end,
                function() return 5 end,
                function() return nil, "what", "maybe" end,
                function() return nil, "how many", "retry", 9 end,
                function() return nil, setmetatable({}, { __tostring = function() return "an object" end }) end,
                function() return true end,
            }
            return { write = function(_, batch)
                return table.remove(answers, 1)()
            end }]])
        local reports = {}
        local stats = deliver("answers", 1, nil, { on_flush = function(report)
            reports[#reports + 1] = (report.error or "") .. " " .. tostring(report.class)
        end })
        assert.same({ stored = 1, failures = 7 }, { stored = stats.stored, failures = stats.failures })
        local expected = "; expected true; or nil, err [, class]; or nil, err, class, stored; or nil, err, "
            .. "{ reject = { [index] = why, … }, retry = { index, … } } retry"
        assert.same({
            "later retry", "wait for me hold",
            "the store answered nothing" .. expected,
            "the store answered 5" .. expected,
            "the store answered the class maybe for the error what" .. expected,
            "the store answered 9 of 1 rows stored" .. expected,
            "an object retry",
        }, { (table.unpack or unpack)(reports, 1, 7) })
    end)

    it("has a bad row found, and the others stored", function()
        module("picky", [[
            return { write = function(_, batch)
                for row in batch:rows() do
                    if row.n == 7 then return nil, "no sevens", "reject" end
                end
                for row in batch:rows() do say(row.n) end
                return true
            end }]])
        local dead = {}
        local stats = deliver("picky", 20, nil, { dead_letter = function(row, err)
            dead[#dead + 1] = row.n .. " " .. err
        end })
        assert.same({ 19, 1 }, { stats.stored, stats.dead })
        assert.same({ "7 no sevens" }, dead)
    end)

    it("may store a part of a batch, and is given the rest", function()
        module("partly", [[
            local tries = 0
            return { write = function(_, batch)
                tries = tries + 1
                local upto = tries == 1 and 3 or #batch
                for i = 1, upto do say(batch:row(i).n) end
                if upto < #batch then return nil, "the disk is slow", "retry", upto end
                return true
            end }]])
        local stats = deliver("partly", 5, nil, { interval = 60, flush_at = 1, batch_size = 5 })
        assert.same({ 5, 1 }, { stats.stored, stats.failures })
        assert.equal("1\n2\n3\n4\n5\n", said())
    end)

    it("has the batch for the call alone", function()
        module("keeps", [[
            local kept, rows
            return { write = function(_, batch)
                if kept then
                    for _, call in ipairs {
                        function() return kept:row(1) end, function() return kept:ndjson() end,
                        function() return rows() end, function() return kept:complete(true) end,
                    } do
                        say(select(2, pcall(call)))
                    end
                    say(#kept, kept.attempt, #kept.id)
                    return true
                end
                kept, rows = batch, batch:rows()
                return nil, "again"
            end }]])
        deliver("keeps", 2)
        local text = said():gsub("[^\n]*: (batch: already)", "%1"):gsub("[^\n]*: (complete: the)", "%1")
        assert.equal(("batch: already completed: its rows are the owner's again\n"):rep(3)
            .. "complete: the batch is completed already\n2 1 36\n", text)
    end)

    it("is given a deep copy of its arguments", function()
        module("shows", [[
            local function show(value, indent)
                if type(value) ~= "table" then
                    local kind = math.type and math.type(value) or type(value)
                    return say(indent .. kind .. " " .. ("%q"):format(tostring(value)))
                end
                local keys = {}
                for key in pairs(value) do keys[#keys + 1] = key end
                table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
                for _, key in ipairs(keys) do
                    say(indent .. type(key) .. " " .. tostring(key) .. ":")
                    show(value[key], indent .. " ")
                end
            end
            return function(args)
                show(args, "")
                if type(args) == "table" then args.list[1] = "changed" end
                return { write = function() return true end }
            end]])
        local args = { list = { 1, 2.5, "a\0b" }, [true] = false, deep = { er = { "x" } } }
        local store = writebehind.worker("shows", args)
        args.list[2] = "changed after worker()"
        local object = batcher(store)
        assert(object:add { n = 1 })
        assert(object:close(process.PATIENCE))
        local whole = math.type and "integer" or "number" -- luacheck: ignore 143
        local part = math.type and "float" or "number" -- luacheck: ignore 143
        local text = said()
        assert.matches("string deep:\n string er:\n  number 1:\n   %a+ \"x\"\n", text)
        assert.matches("number 1:\n  " .. whole .. ' "1"\n', text)
        assert.matches("number 2:\n  " .. part .. ' "2.5"\n', text)
        assert.matches("boolean true:\n %a+ \"false\"\n", text)
        assert.equal(1, args.list[1])
    end)

    it("may have any value that can be copied as its arguments, or none", function()
        module("takes", "return function(args) say(type(args), args) return { write = function() return true end } end")
        for _, args in ipairs { "text", 7, true } do
            deliver("takes", 1, args)
        end
        deliver("takes", 1)
        assert.equal("string text\nnumber 7\nboolean true\nnil\n", said())
    end)

    it("refuses at once, by name, what can't be copied", function()
        local function refuses(pattern, args)
            local ok, message = pcall(function() writebehind.worker("any", args) end)
            assert.is_false(ok)
            assert.matches("worker_spec.lua:%d+: worker: " .. pattern, message)
        end
        local loop = { name = {} }
        loop.name.back = loop
        local deep = {}
        for _ = 1, 200 do
            deep = { deep }
        end
        refuses("args: a function", print)
        refuses("args.x.y: a function", { x = { y = print } })
        refuses("args.list%[3%]: a thread", { list = { 1, 2, coroutine.create(function() end) } })
        refuses('args%["no name"%]: a userdata', { ["no name"] = io.stdout })
        refuses("args.name.back: a table that contains itself", loop)
        refuses("args.x: a table with a metatable", { x = setmetatable({}, {}) })
        refuses("args.x: a key that is a table", { x = { [{}] = 1 } })
        refuses("args%[1%].*nested more than 100 deep", deep)
        local twice = { "twice" }
        assert.is_truthy(writebehind.worker("any", { twice, twice }))
        if rawget(_G, "jit") then
            refuses("args.n: a cdata", { n = require("ffi").new("int64_t", 1) })
        end
        for _, name in ipairs { 5, "", "a\0b", {} } do
            assert.has_error(function() writebehind.worker(name) end)
        end
    end)

    it("can't be made where there are no search paths", function()
        for _, name in ipairs { "path", "cpath" } do
            local own = package[name]
            package[name] = nil
            local ok, message = pcall(function() writebehind.worker "any" end)
            package[name] = own
            assert.is_false(ok)
            assert.matches("worker_spec.lua:%d+: worker: package." .. name .. " is a nil; expected the text", message)
        end
    end)

    it("whose module is missing or broken holds the rows and says why, until it is there", function()
        local cases = {
            { 'worker "later": ', "module 'later' not found", nil },
            { 'worker "later": ', "later.lua:", "this is no Lua" },
            { 'worker "later": ', "not today", "error 'not today'" },
            { 'worker "later": ', "the module gave a number; expected a store", "return 5" },
            { 'worker "later": ', "the module gave a nil; expected a store", "return function() end" },
            { "", 'the store of the worker "later" has no function `write`', ([[
                return setmetatable({}, { __index = function(_, name)
                    return io.open(%q) and name == "write" and function() return true end or nil
                end })]]):format(dir .. "/go") },
        }
        for _, case in ipairs(cases) do
            os.remove(dir .. "/go")
            os.remove(dir .. "/later.lua")
            if case[3] then
                process.write(dir .. "/later.lua", case[3])
            end
            local object = batcher(writebehind.worker "later")
            assert(object:add { n = 1 })
            assert.is_true(process.wait(function() return object:stats().health == "holding" end))
            local stats = scripted.conserved(object)
            assert.equal(1, stats.pending)
            assert.equal(case[1], stats.last_error:sub(1, #case[1]))
            assert.is_truthy(stats.last_error:find(case[2], 1, true), stats.last_error)
            process.write(dir .. "/go", "")
            process.write(dir .. "/later.lua", "return { write = function() return true end }")
            assert(object:close(process.PATIENCE))
            assert.equal(1, scripted.conserved(object).stored)
        end
    end)

    it("whose function fails is made again", function()
        module("opens", [[
            return function(args)
                local tries = io.open(args.tries)
                if not tries then
                    io.open(args.tries, "w"):close()
                    error "can't connect"
                elseif tries:read(1) == nil then
                    local file = io.open(args.tries, "w")
                    file:write "1"
                    file:close()
                    return nil, "no route"
                end
                return { write = function() return true end }
            end]])
        local reports = {}
        local stats = deliver("opens", 1, { tries = dir .. "/tries" }, { on_flush = function(report)
            reports[#reports + 1] = report.error or ""
        end })
        assert.same({ 1, 2 }, { stats.stored, stats.failures })
        assert.matches('^worker "opens": .*can\'t connect', reports[1])
        assert.equal('worker "opens": no route', reports[2])
    end)

    it("can't end the process", function()
        module("exits", [[
            local tries = 0
            return { write = function()
                tries = tries + 1
                if tries == 1 then os.exit(3) end
                return true
            end }]])
        local stats = deliver("exits", 1)
        assert.same({ 1, 1 }, { stats.stored, stats.failures })
        assert.matches("os.exit: ", stats.last_error)
    end)

    it("may close badly: that is a line in the log", function()
        module("closes", [[
            return { write = function() return true end, close = function() error "the door is stuck" end }]])
        local result = process.lua([[
            package.path = arg[1] .. "/?.lua;" .. package.path
            local writebehind = require "writebehind"
            local batcher = assert(writebehind.batcher { store = writebehind.worker "closes", table = "rows",
                schema = writebehind.schema { { "n", "int8" } } })
            assert(batcher:add { n = 1 })
            assert(batcher:close())]], { dir })
        assert.equal(0, result.code)
        assert.matches("writebehind: batcher rows: error: .*the door is stuck", result.err)
    end)

    it("serves several batchers and trackers, each in a state of its own", function()
        module("several", [[
            local mine = 0
            return {
                write = function(_, batch)
                    mine = mine + #batch
                    say("rows", mine)
                    return true
                end,
                touch = function(_, marks)
                    say("ids", #marks, marks:ids()[1], marks:times()[1], marks.at >= 5)
                    return true, #marks - 1, 1
                end,
            }]])
        local store = writebehind.worker "several"
        local first, second = batcher(store), batcher(store)
        local tracker = assert(writebehind.tracker { store = store, table = "used", key = "id", column = "at",
            precision = "exact" })
        assert(first:add { n = 1 })
        assert(second:add { n = 1 })
        assert(first:flush(process.PATIENCE) and second:flush(process.PATIENCE))
        assert.equal("rows 1\nrows 1\n", said())
        local id = "00000000-0000-4000-8000-00000000000"
        assert(tracker:add(id .. "2", 7))
        assert(tracker:add(id .. "1", 5))
        assert(tracker:close(process.PATIENCE))
        assert.matches("ids 2 " .. (id .. "1"):gsub("%-", "%%-") .. " 5%.?0? true\n", said())
        local stats = tracker:stats()
        assert.same({ 1, 1, 2 }, { stats.updated, stats.unmatched, stats.stored })
        assert(first:close() and second:close())
    end)

    it("lives while a batcher does, after its own userdata is collected", function()
        module("outlives", "return { write = function() say 'written' return true end }")
        local object = batcher(writebehind.worker "outlives")
        collectgarbage()
        collectgarbage()
        assert(object:add { n = 1 })
        assert(object:close(process.PATIENCE))
        assert.equal("written\n", said())
    end)

    it("has the library in its state: int64 exact, JSON, batchers of its own", function()
        module("nested", [[
            local writebehind = require "writebehind"
            local function digits(value) return (tostring(value):gsub("LL$", "")) end
            return { write = function(_, batch)
                local inner = writebehind.batcher { table = "inner",
                    store = writebehind.sqlite { path = "]] .. dir .. [[/inner.db", create = true },
                    schema = writebehind.schema { { "n", "int8" }, { "j", "json" } } }
                for row in batch:rows() do
                    say(digits(row.n))
                    assert(inner:add { n = row.n, j = { list = { 1 } } })
                end
                return inner:close()
            end }]])
        local text = (math.type or rawget(_G, "jit")) and "9007199254740993" or "4294967296"
        local big = rawget(_G, "jit") and loadstring("return " .. text .. "LL")() or tonumber(text)
        local object = batcher(writebehind.worker "nested")
        assert(object:add { n = big })
        assert(object:close(process.PATIENCE))
        assert.equal(text .. "\n", said())
    end)

    describe("of the examples", function()
        after_each(postgres.drop_all)

        it("writes to PostgreSQL with LuaSQL, through outages and around bad rows", function()
            local name = postgres.name()
            postgres.sql(("CREATE TABLE %s (id uuid PRIMARY KEY, n int8 CHECK (n <> 13), note text)"):format(name))
            local gate = postgres.gate(dir)
            gate:open()
            local object = batcher(writebehind.worker("luasql_store", { conninfo = gate.conninfo, table = name }))
            for n = 1, 1000 do
                assert(object:add { n = n, note = "it's \\ " .. n })
            end
            assert(object:flush(process.PATIENCE))
            gate:shut()
            assert(object:add { n = 1001 })
            assert.is_true(process.wait(function() return object:stats().failures >= 2 end))
            gate:open()
            assert(object:close(process.PATIENCE))
            local stats = scripted.conserved(object)
            assert.same({ 1000, 1 }, { stats.stored, stats.dead })
            assert.equal("1000|501488", postgres.sql("SELECT count(*), sum(n) FROM " .. name))
            assert.equal("it's \\ 5", postgres.sql(("SELECT note FROM %s WHERE n = 5"):format(name)))
        end)

        it("appends to a Redis stream with LuaSocket, each row once", function()
            local socket = require "socket"
            local listener = assert(socket.bind("127.0.0.1", 0))
            local _, port = listener:getsockname()
            listener:close()
            local words = ("--bind 127.0.0.1 --save '' --daemonize yes --port %s --dir %s --pidfile %s/pid")
                :format(port, dir, dir)
            -- The checker is the server by another name; Debian has it without a service of the system's own.
            os.execute(('ln -s "$(command -v redis-check-rdb)" %s/redis-server'):format(dir))
            assert.equal(0, process.run(dir .. "/redis-server " .. words).code)
            local pid = assert(process.wait(function() -- the file is there before its text is
                return process.exists(dir .. "/pid") and process.read(dir .. "/pid"):match "^(%d+)\n"
            end))
            assert.is_truthy(process.wait(function()
                local link = socket.connect("127.0.0.1", port)
                return link and link:close()
            end))
            finally(function() os.execute("kill " .. pid) end)
            local function redis(command)
                return (process.run(("redis-cli -p %s %s"):format(port, command)).out:gsub("\n$", ""))
            end

            local object = batcher(writebehind.worker("redis_stream", {
                host = "127.0.0.1", port = port, stream = "s",
            }))
            for n = 1, 1000 do
                assert(object:add { n = n, note = "line\nbreak" })
            end
            assert(object:flush(process.PATIENCE))
            redis "CLIENT KILL TYPE normal"
            assert(object:add { n = 1001 })
            assert(object:close(process.PATIENCE))
            assert.equal(1001, scripted.conserved(object).stored)
            assert.equal("1001", redis "XLEN s")
            assert.matches('"n":1,"note":"line\\nbreak"', redis "XRANGE s - + COUNT 1", 1, true)
        end)
    end)
end)
