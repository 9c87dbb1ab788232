-- examples/sinks/sqs.lua against a server that answers as a FIFO queue of Amazon SQS does: at most ten messages a
-- request, 256 KiB in sum, and what failed of them.

local process = require "spec.support.process"
local service = require "spec.support.service"
local sinks = require "spec.support.sinks"
local writebehind = require "writebehind"

describe("examples/sinks/sqs.lua", function()
    local new = sinks.example "sqs"
    local dir, server, path

    before_each(function()
        dir, path = process.dir(), package.path
        server = service.start(sinks.ROOT, "sqs", dir)
    end)

    after_each(function()
        package.path = path
        server:stop()
        process.remove(dir)
    end)

    local function args()
        return { url = server.url, queue = "https://sqs/1/notes.fifo", group = "g" }
    end

    it("keeps to the contract, whatever the server answers", function()
        local faults, before = { "503", "cut", "lost", "torn", "429" }, 0
        sinks.assert_passes(function()
            before = #server:stored()
            return new(args())
        end, {
            idempotent = true, large = 300,
            read = function()
                return server:stored(before + 1)
            end,
            fail = function()
                server:faults(faults[1], faults[2])
                table.remove(faults, 1)
            end,
        })
    end)

    it("sends ten a request, and again what failed of them, alone", function()
        local stats, dead = sinks.deliver(new(args()), 100, { batch_size = 100 })
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.matches("InvalidMessageContents", dead[13])
        assert.equal(12, server:requests()) -- and two of ten for the twenty that were busy
        assert.same(sinks.all_but(100, 13), sinks.numbers(server:stored()))
    end)

    it("sends no more once a request failed", function()
        server:faults("503")
        assert.equal(99, sinks.deliver(new(args()), 100, { batch_size = 100 }).stored)
        assert.equal(1 + 10 + 2, server:requests()) -- the one that failed, then as above
    end)

    it("delivers once through an outage, lost replies and cut connections", function()
        server:faults("ok", "503", "ok", "lost", "cut", "torn", "200", "429")
        local stats = sinks.deliver(new(args()), 100)
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13), sinks.numbers(server:stored()))
    end)

    it("keeps requests below the limit, and refuses a row that is longer by itself", function()
        local store, dead = new(args()), {}
        local batcher = assert(writebehind.batcher { store = store, schema = sinks.SCHEMA, table = "t", interval = 60,
            retry = { initial = 0.001, max = 0.001 }, log = function() end,
            dead_letter = function(row, err) dead[tonumber(row.n)] = err end })
        for n = 1, 20 do
            assert(batcher:add { at = 0, n = n, note = ("x"):rep(n == 7 and 300000 or 60000) })
        end
        assert(batcher:close(process.PATIENCE))
        assert.same({ 19, 1 }, { batcher:stats().stored, batcher:stats().dead })
        assert.matches("longer than a message", dead[7])
        assert.same(sinks.all_but(20, 7), sinks.numbers(server:stored()))
    end)

    it("is a worker", function()
        sinks.find_workers()
        server:faults("500", "lost")
        local stats = sinks.deliver(writebehind.worker("sqs", args()), 100)
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13), sinks.numbers(server:stored()))
    end)
end)
