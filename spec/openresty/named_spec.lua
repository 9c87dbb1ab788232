-- Named batchers and trackers in nginx's workers: one object a name and worker, whoever asks for it, native stores
-- too; options that differ are refused, by name.

local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

local APPLICATION = [[
    init_by_lua_block {
        package.preload.app = function()
            local writebehind = require "writebehind"
            local app = { resty = require "writebehind.resty", rows = {}, schema = writebehind.schema {
                { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } } }

            local store = {}
            function store:write(batch)
                for row in batch:rows() do app.rows[#app.rows + 1] = tonumber(row.n) end
                return true
            end
            function store:touch(marks)
                for _, id in ipairs(marks:ids()) do app.rows[#app.rows + 1] = id end
                return true
            end
            app.store = store
            app.columns = { { "id", "uuid", generate = "uuidv7" }, { "n", "int8" } }

            function app.options(changes)
                local options = { store = store, schema = app.schema, table = "t", interval = 0.05,
                    retry = { initial = 0.1, max = 1 } }
                for name, value in pairs(changes or {}) do options[name] = value end
                return options
            end
            app.made = 0
            function app.maker()
                app.made = app.made + 1
                return app.options()
            end
            return app
        end
        $init
    }
]]

describe("writebehind.resty", function()
    it("says that it is for nginx alone", function()
        assert.error_matches(function()
            require "writebehind.resty"
        end, "writebehind.resty runs in nginx")
    end)
end)

describe("named objects in nginx", function()
    local server
    after_each(nginx.finish)

    -- Each given location's Lua text has `app`, `resty` and `writebehind`, and answers a value, as JSON.
    local function start(locations, given)
        given = given or {}
        local text = {}
        for name, code in pairs(locations) do
            text[#text + 1] = ([[
                location /%s {
                    content_by_lua_block {
                        local app, writebehind = require "app", require "writebehind"
                        local resty = app.resty
                        local function answer() %s end
                        ngx.print(require "cjson".encode { answer() })
                    }
                }]]):format(name, code)
        end
        server = nginx.start {
            http = APPLICATION:gsub("%$init", function() return given.init or "" end) .. (given.http or ""),
            server = table.concat(text, "\n"), workers = given.workers, code_cache = given.code_cache,
        }
    end

    local function ask(path)
        local status, body = server:get(path)
        assert.equal(200, status, server:log())
        return unpack(cjson.decode(body))
    end

    it("are the same for the same name and options, in all requests of a worker", function()
        start {
            first = [[app.first = resty.batcher("a", app.options()) return writebehind.version]],
            again = [[return rawequal(app.first, resty.batcher("a", app.options())),
                rawequal(app.first, resty.batcher "a"),
                rawequal(app.first, resty.batcher("b", app.options())), rawequal(app.first, (resty.tracker "a"))]],
            equal = [[ -- a schema and tables made anew
                return rawequal(app.first, resty.batcher("a", app.options {
                    schema = writebehind.schema(app.columns),
                    store = { write = app.store.write, touch = app.store.touch } }))]],
            mutated = [[
                app.store.calls = 7
                return rawequal(app.first, resty.batcher("a", app.options()))]],
        }
        ask "/first"
        assert.same({ true, true, false, false }, { ask "/again" })
        assert.is_true(ask "/equal")
        assert.is_true(ask "/mutated")
    end)

    it("raise at the caller where options differ, with the option and both values", function()
        start {
            first = [[resty.batcher("a", app.options { in_flight = 2 }) return true]],
            retry = [[return select(2, pcall(function()
                resty.batcher("a", app.options { in_flight = 2, retry = { initial = 0.1, max = 30 } }) end))]],
            missing = [[return select(2, pcall(resty.batcher, "a", app.options()))]],
            new = [[return select(2, pcall(resty.batcher, "a", app.options { in_flight = 2, batch_size = 7 }))]],
            store = [[return select(2, pcall(resty.batcher, "a",
                app.options { in_flight = 2, store = { write = function() end, touch = app.store.touch } }))]],
            schema = [[return select(2, pcall(resty.batcher, "a",
                app.options { in_flight = 2, schema = writebehind.schema { { "n", "int8" } } }))]],
            maker = [[return select(2, pcall(resty.batcher, "a", app.maker))]],
        }
        ask "/first"
        assert.matches('nginx.conf:%d+%):%d+: batcher "a": option "retry.max" differs: 30 now, 1 at first',
            ask "/retry")
        assert.matches('option "in_flight" differs: nothing now, 2 at first', ask "/missing")
        assert.matches('option "batch_size" differs: 7 now, nothing at first', ask "/new")
        assert.matches('option "store.write" differs: the function at .-:%d+ %(.-%) now, the function at',
            ask "/store")
        assert.matches('option "schema" differs: a schema with other columns now, a schema at first', ask "/schema")
        assert.matches('its options were given as a table first, now as a function', ask "/maker")
    end)

    it("may be made by a function, once", function()
        start {
            a = [[return rawequal(resty.batcher("a", app.maker), resty.batcher("a", app.maker)), app.made]],
            anew = [[local function made() return resty.batcher("b", function() return app.maker() end) end
                return rawequal(made(), made()), app.made]],
            other = [[return select(2, pcall(resty.batcher, "a", function() end))]],
            nothing = [[return select(2, pcall(resty.batcher, "c", function() end))]],
        }
        assert.same({ true, 1 }, { ask "/a" })
        assert.same({ true, 2 }, { ask "/anew" })
        assert.matches('batcher "a": its options are made by the function at .- and were made by', ask "/other")
        assert.matches('batcher "c": expected a table of options from the function at .-, got nothing', ask "/nothing")
    end)

    -- The interval is an hour, and nobody calls the batcher after it was configured: the worker's coroutine, or the
    -- thread, has to be told.
    for _, store in ipairs { "app.store", "writebehind.memory()" } do
        it("are purged, configured and asked for room: with " .. store, function()
            start { run = ([[
                local batcher = assert(resty.batcher("a", app.options { store = %s, interval = 3600,
                    max_pending_rows = 100 }))
                for n = 1, 5 do assert(batcher:add { n = n }) end
                ngx.sleep(0.05)
                local room, dropped = tonumber((batcher:room())), tonumber(batcher:purge())
                for n = 6, 7 do assert(batcher:add { n = n }) end
                ngx.sleep(0.05)
                assert(batcher:configure { interval = 0.01 })
                for _ = 1, 1000 do
                    if tonumber(batcher:stats().pending) == 0 then break end
                    ngx.sleep(0.02)
                end
                local stats = batcher:stats()
                return room, dropped, tonumber(stats.stored), tonumber(stats.dropped),
                    select(2, pcall(batcher.configure, batcher, { table = "other" }))]]):format(store) }
            local answers = { ask "/run" }
            assert.matches('batcher:configure: option "table": can\'t change while the batcher runs', answers[5])
            answers[5] = nil
            assert.same({ 95, 5, 2, 5 }, answers)
        end)
    end

    it("end a flush that waits when they are purged, and carry their name", function()
        start { run = [[
            local reports = {}
            local batcher = assert(resty.batcher("a", app.options {
                store = { write = function() return nil, "down" end }, log = function() end,
                retry = { initial = 3600, max = 3600 },
                on_flush = function(report) reports[#reports + 1] = report.name .. " " .. report.table end }))
            assert(batcher:add { n = 1 })
            local flushing = ngx.thread.spawn(function() return batcher:flush(600) end)
            for _ = 1, 1000 do
                if tonumber(batcher:stats().failures) > 0 then break end
                ngx.sleep(0.01)
            end
            local dropped = tonumber(batcher:purge())
            local _, ok = ngx.thread.wait(flushing)
            batcher:close()
            return dropped, ok, reports[1] ]] }
        assert.same({ 1, true, "a t" }, { ask "/run" })
    end)

    it("are one also where the function that makes their options waits, and several are first", function()
        start { race = [[
            local threads, found = {}, {}
            local function make()
                ngx.sleep(0.01)
                return app.maker()
            end
            for n = 1, 3 do
                threads[n] = ngx.thread.spawn(function() return (resty.batcher("a", make)) end)
            end
            for n = 1, 3 do
                found[n] = select(2, assert(ngx.thread.wait(threads[n])))
            end
            return rawequal(found[1], found[2]), rawequal(found[2], found[3]), rawequal(found[1], (resty.batcher "a")),
                found[2]:add { n = 1 } ]] }
        assert.same({ true, true, true, true }, { ask "/race" })
    end)

    it("have options of any table, by their contents", function()
        start { inherited = [[
            local function options(interval)
                return setmetatable(app.options { interval = interval }, { __index = function() end })
            end
            local first = resty.batcher("a", options(1))
            return rawequal(first, resty.batcher("a", options(1))), select(2, pcall(resty.batcher, "a", options(2)))]] }
        local same, message = ask "/inherited"
        assert.is_true(same)
        assert.matches('option "interval" differs: 2 now, 1 at first', message)
    end)

    it("say what is wrong with a name, with options, with what can't be driven", function()
        start { wrong = [[
            local function text(noun, ...) return select(2, pcall(resty[noun], ...)) end
            return text("batcher", 7), text("batcher", ""), text("batcher", "a", 7), text("tracker", "a", {}),
                text("batcher", "a", app.options { intervall = 1 }),
                text("batcher", "a", app.options { in_flight = 0 }),
                text("batcher", "a", app.options { overflow = "block" }),
                text("batcher", "a", app.options { store = writebehind.memory(), in_flight = 2 }),
                text("batcher", "a", app.options { clock = require "writebehind.testing".clock(1) }),
                select(2, resty.batcher "a")]] }
        local texts = { ask "/wrong" }
        for index, pattern in ipairs {
            "batcher: expected a name %(a string, not empty%), got 7", 'expected a name .- got ""',
            'batcher "a": expected a table of options, a function that makes one, or nothing, got 7',
            'tracker "a": option "store": expected', 'batcher "a": unknown option "intervall"',
            'batcher "a": option "in_flight": expected', 'batcher "a": overflow = "block" would stop the loop',
            'batcher "a": option "in_flight": its store is native', 'batcher "a": this batcher has a clock',
            'there is no batcher "a" in this worker',
        } do
            assert.matches(pattern, texts[index])
        end
    end)

    it("say at the caller what is wrong with a call", function()
        start { wrong = [[
            local batcher = resty.batcher("a", app.options())
            local function text(method, ...)
                local given = { ... }
                return select(2, pcall(function() batcher[method](unpack(given, 1, 3)) end))
            end
            return text("add", { n = 1 }), text("add_values", 1), text("flush"), text("close", {}), text("poll"),
                text("add", batcher, 7), text("add", batcher), text("flush", batcher, -1),
                text("close", batcher, "1")]] }
        local texts = { ask "/wrong" }
        for index, pattern in ipairs {
            "batcher:add: expected a named batcher as self, got table", "batcher:add_values: expected .- got number",
            "batcher:flush: expected .- got nil", "batcher:close: expected .- got table",
            "batcher:poll: expected .- got nil", "'batcher:add' %(table expected, got number%)",
            "'batcher:add' %(table expected, got nothing%)", "'batcher:flush' %(expected seconds, 0 or more, got %-1%)",
            "'batcher:close' %(expected seconds, 0 or more, got 1%)",
        } do
            assert.matches("nginx.conf:%d+%):%d+: .-" .. pattern, texts[index])
        end
    end)

    it("made in init_by_lua belong to each worker, which has its own rows", function()
        start({
            add = [[
                app.made = app.made + 1
                assert(resty.batcher "a":add { n = app.made })
                return ngx.worker.pid()]],
            stored = [[return ngx.worker.pid(), tonumber(resty.batcher "a":stats().stored), app.rows]],
        }, { workers = 2, init = 'require "app".resty.batcher("a", require "app".options())' })
        local added, seen = {}, 0
        assert(process.wait(function()
            local pid = ask "/add"
            seen = seen + (added[pid] and 0 or 1)
            added[pid] = (added[pid] or 0) + 1
            return seen == 2 or nil
        end))
        local complete = {}
        assert(process.wait(function()
            local pid, stored, rows = ask "/stored"
            if stored == added[pid] then
                assert.equal(stored, #rows)
                complete[#complete + (complete[pid] and 0 or 1)] = pid
                complete[pid] = true
            end
            return #complete == 2
        end))
    end)

    it("are free for others once they are closed and drained", function()
        start { reopen = [[
            local first = resty.batcher("a", app.options { interval = 60 })
            assert(first:add { n = 1 })
            assert(first:close())
            assert(first:close())
            local ok, message, code = first:add { n = 2 }
            local closed = rawequal(resty.batcher "a", first)
            local second = resty.batcher("a", app.options { interval = 30 })
            assert(second:add { n = 3 })
            assert(second:flush())
            return code, closed, rawequal(first, second), #app.rows, tonumber(first:stats().stored)]] }
        assert.same({ "closed", true, false, 2, 1 }, { ask "/reopen" })
    end)

    it("are free also where nobody waited for the last rows of a close", function()
        start { reopen = [[
            local answers = {}
            for name, store in pairs { scripted = app.store, native = writebehind.memory() } do
                local first = resty.batcher(name, app.options { store = store, interval = 60 })
                for n = 1, 1000 do assert(first:add { n = n }) end
                first:close(0)
                while first:stats().pending > 0 do ngx.sleep(0.001) end
                local second = resty.batcher(name, app.options { store = store, interval = 30 })
                answers[#answers + 1] = second:add { n = 2 }
                answers[#answers + 1] = first:close()
                answers[#answers + 1] = rawequal(second, resty.batcher(name))
            end
            return unpack(answers)]] }
        assert.same({ true, true, true, true, true, true }, { ask "/reopen" })
    end)

    it("may be closed by several at once", function()
        start { close = [[
            local answers = {}
            for _, store in ipairs { app.store, writebehind.memory() } do
                local batcher = resty.batcher("a" .. #answers, app.options { store = store })
                for n = 1, 5000 do assert(batcher:add { n = n }) end
                local threads = {}
                for n = 1, 3 do
                    threads[n] = ngx.thread.spawn(function() return batcher:close(60) end)
                end
                for n = 1, 3 do
                    local ok, closed = ngx.thread.wait(threads[n])
                    answers[#answers + 1] = tostring(ok and closed)
                end
                answers[#answers + 1] = tostring(batcher:flush())
            end
            return table.concat(answers, " ")]] }
        assert.equal("true true true true true true true true", ask "/close")
    end)

    it("that were closed can be collected, whatever their names", function()
        start { churn = [[
            local alive = setmetatable({}, { __mode = "k" })
            for n = 1, 100 do
                local batcher = resty.batcher(n % 2 == 0 and "a" or "a" .. n, app.options { interval = n })
                alive[batcher] = true
                assert(batcher:add { n = n })
                assert(batcher:close())
            end
            collectgarbage() collectgarbage()
            local count = 0
            for _ in pairs(alive) do count = count + 1 end
            return count, #app.rows, (select(2, resty.batcher "a1"))]] }
        local alive, rows, message = ask "/churn"
        assert.equal(100, rows)
        assert.is_true(alive <= 20, alive .. " are alive")
        assert.equal('there is no batcher "a1" in this worker', message)
    end)

    it("drive trackers too", function()
        start { track = [[
            local tracker = resty.tracker("t", function()
                return { store = app.store, table = "t", key = "id", column = "at", interval = 0.05 }
            end)
            for n = 1, 3 do
                assert(tracker:add(("01a20234-f1d2-7f70-bf9c-00000000000%d"):format(n % 2)))
            end
            return tracker:flush(), #app.rows, tonumber(tracker:stats().unique)]] }
        assert.same({ true, 2, 2 }, { ask "/track" })
    end)

    it("take lists of rows, and write them while nobody asks", function()
        start { many = [[
            local batcher = resty.batcher("a", app.options { interval = 0.02, batch_size = 10 })
            local rows = {}
            for n = 1, 100 do rows[n] = { n = n } end
            rows[50] = { n = "no number" }
            local accepted, refused = batcher:add_many(rows)
            while batcher:stats().pending > 0 do ngx.sleep(0.01) end
            return accepted, #refused, refused[1].index, #app.rows]] }
        assert.same({ 99, 1, 50, 99 }, { ask "/many" })
    end)

    it("are decided by a policy", function()
        start { decide = [[
            local asked, tries = 0, 0
            local options = app.options { interval = 60, policy = {
                should_flush = function(view) return view.rows >= 3 and "enough" end,
                retry_delay = function() asked = asked + 1 return 0.01 end,
                route = function(row)
                    if row.n == 0 then return false, "no zero" end
                    return row.n == 2 and "other" or nil
                end,
            } }
            local tables = {}
            options.store = { write = function(_, batch)
                tries = tries + 1
                if tries == 1 then return nil, "away" end
                tables[batch.table] = (tables[batch.table] or 0) + #batch
                return true
            end }
            local batcher = resty.batcher("a", options)
            local accepted, refused = batcher:add_many { { n = 1 }, { n = 0 }, { n = 2 }, { n = 3 } }
            assert(accepted == 3 and #refused == 1 and refused[1].message == "no zero", accepted)
            while batcher:stats().pending > 0 do ngx.sleep(0.01) end -- long before the interval is over
            return asked, tables.t, tables.other, batcher:add_values(4), (pcall(resty.batcher, "b",
                app.options { store = writebehind.memory(), policy = options.policy }))]] }
        assert.same({ 1, 2, 1, true, false }, { ask "/decide" })
    end)

    describe("with a native store", function()
        local NATIVE = [[
            local function native(path)
                return resty.batcher("native", function()
                    return { store = writebehind.sqlite { path = ngx.config.prefix() .. path, create = true },
                        schema = app.schema, table = "t", interval = 0.05, batch_size = 100, close_timeout = 1 }
                end)
            end
        ]]

        it("flush and close wait without stopping the worker", function()
            start { race = NATIVE .. [[
                local batcher, ticks, flushed = native "rows.db", 0, nil
                for n = 1, 1000 do assert(batcher:add { n = n }) end
                ngx.thread.spawn(function() flushed = batcher:flush(60) end)
                while flushed == nil do ngx.sleep(0.001) ticks = ticks + 1 end
                local stored = tonumber(batcher:stats().stored)
                assert(batcher:add_values(1001))
                return flushed, ticks >= 1, stored, batcher:close(60), tonumber(batcher:stats().stored) ]] }
            assert.same({ true, true, 1000, true, 1001 }, { ask "/race" })
        end)

        it("flush and close wait where a worker begins and ends, and nobody is served", function()
            start({ begun = "return app.begun, app.stored" }, {
                init = [[
                    package.preload.phases = function()
                        local app, writebehind = require "app", require "writebehind"
                        local resty = app.resty
                        ]] .. NATIVE .. [[
                        return function(path, name)
                            for n = 1, 500 do assert(native(path):add { n = n }) end
                            app.begun = native(path)[name](native(path), 60)
                            app.stored = tonumber(resty.batcher "native":stats().stored)
                        end
                    end]],
                http = [[
                    init_worker_by_lua_block { require "phases"("rows.db", "flush") }
                    exit_worker_by_lua_block {
                        require "phases"("rows.db", "close")
                        ngx.log(ngx.WARN, "ended: ", tostring(require "app".begun), " ", require "app".stored)
                    }]],
            })
            assert.same({ true, 500 }, { ask "/begun" })
            assert.equal(0, server:quit())
            assert.matches("ended: true 1000", server:log())
        end)

        it("are decided by a policy", function()
            start { decide = [[
                local store = writebehind.memory()
                local batcher = resty.batcher("native", app.options { store = store, interval = 60, policy = {
                    should_flush = function(view) return view.rows >= 3 and "enough" end } })
                for n = 1, 3 do assert(batcher:add { n = n }) end
                while batcher:stats().pending > 0 do ngx.sleep(0.01) end
                return tonumber(batcher:stats().stored)]] }
            assert.equal(3, ask "/decide")
        end)

        it("have their log lines in nginx's log without a call of poll", function()
            start { fail = NATIVE .. [[
                assert(native "no/such/folder/rows.db":add { n = 1 })
                return true]] }
            ask "/fail"
            assert(process.wait(function()
                return server:log():match('%[warn%][^\n]*writebehind: batcher "native": the store refuses everything')
            end), server:log())
        end)
    end)

    it("work with lua_code_cache off", function()
        start({ add = [[assert(resty.batcher("a", app.options()):add { n = 1 })
            local ok, message = resty.batcher("a"):flush(60)
            return ok, #app.rows]] }, { code_cache = false })
        for _ = 1, 20 do
            assert.same({ true, 1 }, { ask "/add" })
        end
    end)
end)
