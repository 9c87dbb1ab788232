-- The store stands still: add goes on to take rows, and nginx to answer, each worker being one thread that an add
-- which waited would block. That the store stood still to the end is made sure, so no clock is needed.

local cjson = require "cjson"
local load = require "spec.support.load"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local requests = require "spec.support.requests"
local socket = require "socket"
local sqlite = require "spec.support.sqlite"

local REQUESTS = 2000

local function stats(server)
    local status, body = server:get("/stats")
    assert.equal(200, status)
    return cjson.decode(body)
end

-- All of the load is answered, each request with its own id. → how many were answered, and the figures then.
local function answer_all(server)
    local flow = load.start { url = server.url .. "/log", most = REQUESTS, delay = 1 }
    flow:wait_all()
    for _, id in ipairs(flow:stop()) do
        assert.match("^%x+$", id)
    end
    local answered, figures
    -- wrk leaves without waiting for the answers to its last requests.
    assert.truthy(process.wait(function()
        answered, figures = #requests.answered(server), stats(server)
        return answered >= REQUESTS and figures.accepted + figures.rejected == answered
    end))
    return answered, figures
end

describe("nginx with a store that stands still", function()
    local dir, name

    before_each(function()
        dir, name = requests.begin(), requests.table()
    end)

    after_each(requests.finish)

    describe("and its sessions frozen", function()
        local gate, frozen

        local function sessions()
            return postgres.lines(("SELECT pid FROM pg_stat_activity WHERE application_name = '%s'"):format(
                gate.application))
        end

        local function signal_all(name_of_signal)
            for _, pid in ipairs(frozen) do
                nginx.kill(tonumber(pid), name_of_signal)
            end
        end

        before_each(function()
            gate = postgres.gate(dir)
            gate:open()
        end)

        after_each(function()
            signal_all("CONT")
            frozen = {}
        end)

        local function start_and_freeze(options)
            local server = requests.start {
                workers = 1,
                made = "worker",
                store = requests.postgres(gate.conninfo),
                table = name,
                options = "write_timeout = 600, close_timeout = 90, " .. options,
            }
            assert.equal(200, (server:get("/log")))
            assert.truthy(process.wait(function()
                return postgres.count(name) == 1
            end))
            frozen = sessions()
            assert.equal(1, #frozen)
            signal_all("STOP")
            return server
        end

        it("answers every request, and stores every row once it moves again", function()
            local server = start_and_freeze("")
            local answered, before = answer_all(server)
            assert.equal(answered - 1, before.pending)
            assert.equal(1, before.stored)
            signal_all("CONT")
            assert.equal(0, server:quit())
            assert.same(requests.answered(server), requests.stored(name))
        end)

        it("answers every request also when no more rows fit", function()
            local server = start_and_freeze("max_pending_rows = 500, batch_size = 100, ")
            local answered, before = answer_all(server)
            assert.equal(500, before.pending)
            assert.equal(answered - 501, before.rejected)
            assert.match("add failed: [^\n]*500", server:log())
            signal_all("CONT")
            assert.equal(0, server:stop())
            assert.equal(501, postgres.count(name))
        end)
    end)

    it("answers every request where the server never says a word, and says at exit what is lost", function()
        local listener = assert(socket.bind("127.0.0.1", 0, 128))
        local _, port = listener:getsockname()
        local server = requests.start {
            workers = 1,
            made = "init",
            store = requests.postgres("host=127.0.0.1 user=nobody dbname=none sslmode=disable port=" .. port),
            table = name,
            options = "close_timeout = 0.5, ",
        }
        local answered, before = answer_all(server)
        assert.equal(answered, before.pending)
        assert.equal(0, server:quit())
        listener:close()
        assert.match(answered .. " accepted rows were not stored", server:log())
    end)

    it("answers every request while another holds the lock of the SQLite file", function()
        local path = dir .. "/rows.db"
        sqlite.sql(path, "CREATE TABLE rows (id BLOB PRIMARY KEY, request TEXT, worker INT, phase TEXT);")
        -- The shell holds the lock until its folder has the file that it looks for.
        process.start(([[
            cd %s
            { echo 'BEGIN EXCLUSIVE;'; echo '.shell touch held'; until [ -e go ]; do sleep 0.05; done; } |
                sqlite3 -batch -init /dev/null rows.db]]):format(dir))
        assert.truthy(process.wait(function()
            return process.exists(dir .. "/held")
        end))
        local server = requests.start {
            workers = 1,
            made = "worker",
            store = ("writebehind.sqlite { path = %q }"):format(path),
            table = "rows",
            options = "close_timeout = 90, ",
        }
        local answered, before = answer_all(server)
        assert.equal(answered, before.pending)
        assert.equal(0, before.stored)
        process.write(dir .. "/go", "")
        assert.equal(0, server:quit())
        assert.same(requests.answered(server), sqlite.lines(path, "SELECT request FROM rows ORDER BY request"))
    end)
end)
