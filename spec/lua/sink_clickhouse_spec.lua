-- examples/sinks/clickhouse.lua against a server that answers as ClickHouse does: a block is in as a whole or not at
-- all, and once for each token.

local process = require "spec.support.process"
local service = require "spec.support.service"
local sinks = require "spec.support.sinks"

describe("examples/sinks/clickhouse.lua", function()
    local new = sinks.example "clickhouse"
    local dir, server, path

    before_each(function()
        dir, path = process.dir(), package.path
        server = service.start(sinks.ROOT, "clickhouse", dir)
    end)

    after_each(function()
        package.path = path
        server:stop()
        process.remove(dir)
    end)

    local function args(more)
        local all = { url = server.url, password = "secret" }
        for name, value in pairs(more or {}) do
            all[name] = value
        end
        return all
    end

    it("keeps to the contract, whatever the server answers", function()
        local faults, before = { "503", "cut", "lost", "torn", "429", "400", "403" }, 0
        sinks.assert_passes(function()
            before = #server:stored()
            return new(args())
        end, {
            idempotent = true,
            read = function()
                return server:stored(before + 1)
            end,
            fail = function()
                server:faults(faults[1], faults[2])
                table.remove(faults, 1)
            end,
        })
    end)

    it("delivers once through an outage, lost replies and cut connections, and finds the bad rows", function()
        server:faults("503", "lost", "cut", "torn", "429", "404")
        local stats, dead = sinks.deliver(new(args()), 100)
        assert.same({ 98, 2 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13, 14), sinks.numbers(server:stored()))
        assert.matches("Cannot parse input", dead[13])
        assert.matches("Cannot insert NULL", dead[14])
    end)

    it("is a worker", function()
        sinks.find_workers()
        server:faults("500", "lost")
        local stats = sinks.deliver(require("writebehind").worker("clickhouse", args()), 100)
        assert.same({ 98, 2 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13, 14), sinks.numbers(server:stored()))
    end)

    it("holds all rows where it is not let in, or the table is not there", function()
        local answers = {}
        for index, store in ipairs { new(args { password = "wrong" }), new(args { url = "http://127.0.0.1:1" }) } do
            local ok, err, class = store:write { id = "1", table = "shop.notes", ndjson = function() return "{}\n" end }
            answers[index] = { ok, class, err:match "AUTHENTICATION_FAILED" or err:match "refused" }
        end
        local _, _, class = new(args()):write { id = "1", table = "nowhere", ndjson = function() return "{}\n" end }
        assert.same({ { nil, "hold", "AUTHENTICATION_FAILED" }, { nil, nil, "refused" } }, answers)
        assert.equal("hold", class)
    end)
end)
