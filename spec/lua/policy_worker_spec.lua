-- A policy in a worker: asked in a private state on the thread that writes.

local policy = require "spec.support.policy"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local sqlite = require "spec.support.sqlite"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local DIARY = "spec.support.policies.diary"

describe("a policy in a worker", function()
    local dir, path, lines, reports, dead

    before_each(function()
        dir, path, lines, reports, dead = process.dir(), package.path, {}, {}, {}
        package.path = ("%s/?.lua;%s/?.lua;%s"):format(dir, os.getenv "WRITEBEHIND_ROOT" or ".", path)
    end)

    after_each(function()
        package.path = path
        process.remove(dir)
    end)

    -- A batcher that flushes at nothing but its policy's word, on a SQLite file.
    local function open(decisions, options)
        local all = {
            store = writebehind.sqlite { path = dir .. "/x.db", create = true }, schema = policy.schema, table = "t",
            interval = math.huge, flush_at = 1, policy = decisions,
            log = function(level, message)
                lines[#lines + 1] = level .. " " .. message
            end,
            on_flush = function(report)
                reports[#reports + 1] = ("%d %s"):format(report.rows, report.reason)
            end,
            dead_letter = function(row, err, name)
                dead[#dead + 1] = { tonumber(row.n), err, name }
            end,
        }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return assert(writebehind.batcher(all))
    end

    local function keeps_diary(args)
        args.diary = dir .. "/diary"
        return writebehind.worker(DIARY, args)
    end

    local function diary()
        return process.exists(dir .. "/diary") and process.read(dir .. "/diary") or ""
    end

    local function add(batcher, first, last, note)
        for n = first, last do
            assert(batcher:add { n = n, note = note })
        end
    end

    -- Waits until so many of the stat are counted, as the thread alone does it; the stats.
    local function await(batcher, name, count)
        assert.is_true(process.wait(function()
            return scripted.conserved(batcher)[name] >= count
        end), name)
        return batcher:stats()
    end

    local function close(batcher)
        assert(batcher:close(process.PATIENCE))
        return scripted.conserved(batcher)
    end

    local function said(text)
        for _, line in ipairs(lines) do
            if line:find("^error") and line:find(text, 1, true) then
                return true
            end
        end
        return false
    end

    it("decides when to flush, and is closed in the end", function()
        local batcher = open(keeps_diary { rows = 3 })
        add(batcher, 1, 2)
        assert.is_true(process.wait(function()
            return diary():find("open 2 0 ok true nil", 1, true) ~= nil
        end))
        assert.equal(0, batcher:stats().stored)
        add(batcher, 3, 3)
        await(batcher, "stored", 3)
        batcher:poll()
        assert.same({ "3 policy" }, reports)
        assert.equal(0, close(batcher).policy_errors)
        assert.matches("closed\n$", diary())
    end)

    it("is asked again and again while rows are open: it may flush by the clock", function()
        local batcher = open(keeps_diary { age = 0.1 })
        add(batcher, 1, 5)
        assert.equal(5, await(batcher, "stored", 5).stored)
        batcher:poll()
        assert.same({ "5 policy" }, reports)
        local asked = diary()
        process.sleep(0.1)
        assert.equal(asked, diary()) -- nothing is open
        close(batcher)
    end)

    it("is shown how the last write ended", function()
        local batcher = open(keeps_diary { rows = 3, tries = 2, delay = 0.01 }, {
            store = writebehind.worker("spec.support.policies.store", { path = dir .. "/rows", fails = true }),
        })
        add(batcher, 1, 3)
        await(batcher, "stored", 3)
        assert.matches("failed 1 3 %l+ t the first try fails\nlast 3 true false the first try fails\n", diary())
        assert.is_nil(diary():match("open.-\n(last.-)\nfailed"))
        add(batcher, 4, 4)
        assert.is_true(process.wait(function()
            return diary():find("open 1 0 ok true nil\nlast 3 true true nil\n", 1, true) ~= nil
        end))
        assert.equal(0, close(batcher).policy_errors)
    end)

    it("routes each row, as it is written", function()
        local batcher = open(keeps_diary { tables = { a = "left", b = "right" } })
        add(batcher, 1, 3, "a")
        add(batcher, 4, 5, "b")
        add(batcher, 6, 6, "c")
        add(batcher, 7, 7)
        local stats = close(batcher)
        assert.same({ 7, 0 }, { stats.stored, stats.policy_errors })
        for name, numbers in pairs { left = "1,2,3", right = "4,5", t = "6,7" } do
            assert.equal(numbers, sqlite.sql(dir .. "/x.db",
                ("SELECT group_concat(n) FROM (SELECT n FROM %s ORDER BY id);"):format(name)))
        end
        local _, count = diary():gsub("row 36 %d %l", "")
        assert.equal(7, count)
    end)

    it("may refuse rows: they are dead, each for its reason, and the others are stored", function()
        local batcher = open(keeps_diary { tables = { a = "left" }, refuses = { b = "no b", c = "no c", d = true } })
        local notes = { "b", "a", "b", "c", "x", "d", "a", "b" }
        for n, note in ipairs(notes) do
            assert(batcher:add { n = n, note = note })
        end
        local stats = close(batcher)
        assert.same({ 8, 3, 5, 0, 0 }, { stats.accepted, stats.stored, stats.dead, stats.failures,
            stats.policy_errors })
        assert.equal("2,7", sqlite.sql(dir .. "/x.db", "SELECT group_concat(n) FROM (SELECT n FROM left ORDER BY id);"))
        assert.equal("5", sqlite.sql(dir .. "/x.db", "SELECT group_concat(n) FROM t;"))
        table.sort(dead, function(one, other)
            return one[1] < other[1]
        end)
        local refused = "the policy's route refused the row"
        assert.same({ { 1, "no b", "t" }, { 3, "no b", "t" }, { 4, "no c", "t" }, { 6, refused, "t" },
            { 8, "no b", "t" } }, dead)
    end)

    it("may refuse all rows, though the store takes none: a flush ends, and the file of the dead has them", function()
        local letters = dir .. "/dead.ndjson"
        local batcher = open(keeps_diary { tables = {}, refuses = { b = "no b" } }, {
            store = writebehind.sqlite { path = dir .. "/nowhere/x.db" }, dead_letter = letters,
        })
        add(batcher, 1, 3, "b")
        assert(batcher:flush(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.same({ 0, 3, 0, 0 }, { stats.stored, stats.dead, stats.failures, stats.batches })
        assert.is_true(process.wait(function()
            return process.exists(letters) and select(2, process.read(letters):gsub('"error":"no b"', "")) == 3
        end))
        assert(batcher:close(process.PATIENCE))
    end)

    it("may refuse rows for more reasons than anybody counts", function()
        local refuses = {}
        for n = 1, 300 do
            refuses["n" .. n] = "reason " .. n
        end
        local batcher = open(keeps_diary { tables = {}, refuses = refuses })
        for n = 1, 300 do
            assert(batcher:add { n = n, note = "n" .. n })
            assert(batcher:add { n = n, note = "good" })
        end
        local stats = close(batcher)
        assert.same({ 300, 300 }, { stats.stored, stats.dead })
        for _, row in ipairs(dead) do
            assert.equal("reason " .. row[1], row[2])
        end
        assert.equal(300, #dead)
    end)

    it("decides when a failed try is repeated, and when to give up", function()
        local batcher = open(keeps_diary { tries = 3, delay = 0.01, tables = { a = "odd" } }, {
            store = writebehind.sqlite { path = dir .. "/nowhere/x.db" }, retry = { initial = 1000, max = 1000 },
        })
        add(batcher, 1, 2, "a")
        local stats = close(batcher)
        assert.same({ 0, 2, 3 }, { stats.stored, stats.dead, stats.failures })
        for attempt = 1, 3 do
            assert.matches(("failed %d 2 %%l+ odd .*nowhere"):format(attempt), diary())
        end
        assert.same({ { 1, dead[1][2], "odd" }, { 2, dead[1][2], "odd" } }, dead)
        assert.truthy(dead[1][2]:find("nowhere", 1, true))
    end)

    it("that forgets when to try again leaves it to the option retry", function()
        local batcher = open(keeps_diary { tries = 3 }, {
            store = writebehind.sqlite { path = dir .. "/nowhere/x.db" }, retry = { initial = 0.001, max = 0.001 },
        })
        add(batcher, 1, 2)
        local stats = close(batcher)
        assert.same({ 2, 3, 0 }, { stats.dead, stats.failures, stats.policy_errors })
    end)

    it("stands beside a store in another worker", function()
        local batcher = open(keeps_diary { rows = 4, tries = 2, delay = 0.01, tables = { a = "left" } }, {
            store = writebehind.worker("spec.support.policies.store", { path = dir .. "/rows", fails = true }),
        })
        add(batcher, 1, 2, "a")
        add(batcher, 3, 4, "b")
        local stats = await(batcher, "stored", 4)
        assert.same({ 2, 0 }, { stats.failures, stats.policy_errors })
        local found = {}
        for line in io.lines(dir .. "/rows") do
            found[#found + 1] = line
        end
        table.sort(found)
        assert.same({ "left policy 1 2", "left policy 2 2", "t policy 1 2", "t policy 2 2" }, found)
        close(batcher)
    end)

    it("has a state of its own", function()
        rawset(_G, "wb_spec_policy", "the caller's")
        process.write(dir .. "/alone.lua", [[
            return function(args)
                assert(rawget(_G, "wb_spec_policy") == nil and not package.loaded["spec.support.process"])
                wb_spec_policy = "the worker's"
                return { route = function() return args.deep.name end }
            end]])
        local args = { deep = { name = "mine" } }
        local batcher = open(writebehind.worker("alone", args))
        args.deep.name = "changed"
        add(batcher, 1, 3)
        assert.equal(0, close(batcher).policy_errors)
        assert.equal("the caller's", rawget(_G, "wb_spec_policy"))
        rawset(_G, "wb_spec_policy", nil)
        assert.equal(3, sqlite.count(dir .. "/x.db", "mine"))
    end)

    it("serves several batchers, each with a state of its own", function()
        process.write(dir .. "/counts.lua", [[
            local rows = 0
            return { route = function() rows = rows + 1 return "row_" .. rows end }]])
        local decisions = writebehind.worker "counts"
        local first, second = open(decisions), open(decisions, {
            store = writebehind.sqlite { path = dir .. "/y.db", create = true },
        })
        add(first, 1, 2)
        add(second, 3, 4)
        close(first)
        close(second)
        for file, n in pairs { x = 1, y = 3 } do
            assert.equal(tostring(n), sqlite.sql(("%s/%s.db"):format(dir, file), "SELECT n FROM row_1;"))
        end
    end)

    it("does not hold up add while it thinks", function()
        process.write(dir .. "/thinks.lua", ([[
            return { route = function()
                io.open(%q, "w"):close()
                while not io.open(%q) do os.execute "sleep 0.02" end
            end }]]):format(dir .. "/began", dir .. "/go"))
        local batcher = open(writebehind.worker "thinks", { batch_size = 1 })
        add(batcher, 1, 1)
        assert.is_true(process.wait(function()
            return process.exists(dir .. "/began")
        end))
        add(batcher, 2, 1000)
        local stats = scripted.conserved(batcher)
        assert.same({ 1000, 0 }, { stats.pending, stats.stored })
        process.write(dir .. "/go", "")
        assert.equal(1000, close(batcher).stored)
    end)

    it("leaves on_full with the caller", function()
        local asked = 0
        local batcher = open({
            worker = keeps_diary { tables = { a = "left" } },
            on_full = function(view)
                asked = asked + 1
                return view.pending == 3 and "drop_newest" or "reject"
            end,
        }, { max_pending_rows = 3, store = writebehind.sqlite { path = dir .. "/later/x.db", create = true } })
        add(batcher, 1, 5, "a")
        assert.same({ 2, 2 }, { asked, scripted.conserved(batcher).dropped })
        os.execute(("mkdir %s/later"):format(dir))
        assert.same({ 3, 0 }, { close(batcher).stored, batcher:stats().policy_errors })
        assert.equal(3, sqlite.count(dir .. "/later/x.db", "left"))
    end)

    it("that throws leaves all to the built-in rules, is counted and logged", function()
        local batcher = open(writebehind.worker "spec.support.policies.throws", { interval = 0.05 })
        add(batcher, 1, 10)
        local stats = await(batcher, "stored", 10)
        assert.is_true(stats.policy_errors >= 10)
        close(batcher)
        assert.is_true(said "out of office")
        assert.equal(10, sqlite.count(dir .. "/x.db", "t"))
    end)

    it("that answers what it may not does so too", function()
        local batcher = open(writebehind.worker "spec.support.policies.wrong", {
            store = writebehind.sqlite { path = dir .. "/later/x.db", create = true }, interval = 0.01,
            retry = { initial = 0.01, max = 0.05 },
        })
        add(batcher, 1, 4)
        local stats = await(batcher, "failures", 2)
        assert.is_true(stats.policy_errors >= 6)
        os.execute(("mkdir %s/later"):format(dir))
        await(batcher, "stored", 4)
        close(batcher)
        assert.is_true(said "route" or said "retry_delay")
        assert.equal(4, sqlite.count(dir .. "/later/x.db", "t"))
    end)

    for what, text in pairs {
        ["is missing"] = false, ["does not compile"] = "return {", ["decides nothing"] = "return {}",
        ["gives no table"] = "return 5", ["throws"] = "error 'no'", ["makes nothing"] = "return function() end",
        ["has an unknown function"] = "return { should_flush = print, when_full = print }",
        ["has a decision that is no function"] = "return { route = 'here' }",
    } do
        it("whose module " .. what .. " is tried again later, and loses nothing meanwhile", function()
            if text then
                process.write(dir .. "/odd.lua", text)
            end
            local batcher = open(writebehind.worker "odd", { interval = 0.01 })
            add(batcher, 1, 3)
            local stats = await(batcher, "stored", 3)
            assert.is_true(stats.policy_errors >= 1)
            batcher:poll()
            assert.is_true(said "odd")
            process.write(dir .. "/odd.lua", "return { route = function() return 'mended' end }")
            assert.is_true(process.wait(function()
                add(batcher, 4, 4)
                assert(batcher:flush(process.PATIENCE))
                return sqlite.sql(dir .. "/x.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'mended';") == "1"
            end, nil, 0.1))
            close(batcher)
        end)
    end

    it("that never answers holds up the end of a program for close_timeout, and what is lost is told", function()
        process.write(dir .. "/stuck.lua", ([[
            return { should_flush = function()
                io.open(%q, "w"):close()
                while true do end
            end }]]):format(dir .. "/began"))
        local began = process.now()
        local result = process.lua([[
            package.path = arg[1] .. "/?.lua;" .. package.path
            local writebehind = require "writebehind"
            local batcher = assert(writebehind.batcher {
                store = writebehind.memory(), schema = writebehind.schema { { "n", "int8" } }, table = "rows",
                policy = writebehind.worker "stuck", close_timeout = 0.1, interval = 1000,
            })
            assert(batcher:add { n = 1 })
            while not io.open(arg[1] .. "/began") do os.execute "sleep 0.02" end
            assert(not batcher:flush(0.1))
            os.exit(7)]], { dir })
        assert.equal(7, result.code)
        assert.truthy(result.err:find("1 accepted rows were not stored", 1, true))
        assert.is_true(process.now() - began < 50)
    end)

    it("needs a batcher with a thread", function()
        local clock = testing.clock(0)
        for _, options in ipairs { { store = testing.store() }, { clock = clock } } do
            for _, decisions in ipairs { keeps_diary { rows = 1 }, { worker = keeps_diary { rows = 1 } } } do
                local ok, message = pcall(open, decisions, options)
                assert.is_false(ok)
                assert.truthy(tostring(message):find("policy", 1, true), message)
            end
        end
    end)

    it("routes to PostgreSQL, a partition a day", function()
        local name = postgres.name()
        postgres.sql(([[
            SET timezone = 'UTC';
            CREATE TABLE %s (at timestamptz NOT NULL, n int8) PARTITION BY RANGE (at);
            CREATE TABLE %s_20240513 PARTITION OF %s FOR VALUES FROM ('2024-05-13') TO ('2024-05-14');
            CREATE TABLE %s_20240514 PARTITION OF %s FOR VALUES FROM ('2024-05-14') TO ('2024-05-15');
            CREATE TABLE %s_20240515 PARTITION OF %s FOR VALUES FROM ('2024-05-15') TO ('2024-05-16');]])
            :gsub("%%s", name))
        local batcher = open(writebehind.worker("spec.support.policies.days", { prefix = name .. "_" }), {
            store = writebehind.postgres { conninfo = postgres.conninfo() }, table = name, interval = 0.01,
            schema = writebehind.schema { { "at", "timestamptz" }, { "n", "int8" } }, batch_size = 32,
        })
        for n = 0, 299 do
            assert(batcher:add { at = 1715558400 + n * 864 + 0.000001, n = n })
        end
        local stats = close(batcher)
        assert.same({ 300, 0, 0 }, { stats.stored, stats.dead, stats.policy_errors })
        for day = 0, 2 do
            assert.equal(("100|%d|%d"):format(day * 100, day * 100 + 99), postgres.sql(
                ("SELECT count(*), min(n), max(n) FROM %s_2024051%d"):format(name, 3 + day)))
        end
        postgres.drop_all()
    end)
end)
