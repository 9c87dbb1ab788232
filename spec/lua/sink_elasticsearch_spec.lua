-- examples/sinks/elasticsearch.lua against a server that answers as Elasticsearch does: a verdict for each document.

local cjson = require "cjson"
local process = require "spec.support.process"
local service = require "spec.support.service"
local sinks = require "spec.support.sinks"
local writebehind = require "writebehind"

describe("examples/sinks/elasticsearch.lua", function()
    local new = sinks.example "elasticsearch"
    local dir, server, path

    before_each(function()
        dir, path = process.dir(), package.path
        server = service.start(sinks.ROOT, "elasticsearch", dir)
    end)

    after_each(function()
        package.path = path
        server:stop()
        process.remove(dir)
    end)

    it("keeps to the contract, whatever the server answers", function()
        local faults, before = { "503", "cut", "lost", "torn", "429" }, 0
        sinks.assert_passes(function()
            before = #server:stored()
            return new { url = server.url }
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

    it("sends again what was busy, and nothing else: two requests for one batch", function()
        local stats, dead = sinks.deliver(new { url = server.url }, 100, { batch_size = 100 })
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.matches("400 document_parsing_exception: failed to parse", dead[13])
        assert.equal(2, server:requests())
        assert.same(sinks.all_but(100, 13), sinks.numbers(server:stored()))
        for _, line in ipairs(server:stored()) do
            assert.is_string(cjson.decode(line).id)
        end
    end)

    it("delivers once through an outage, lost replies and cut connections", function()
        server:faults("503", "lost", "cut", "200", '{"items":[]}', "torn", "429", "403")
        local stats = sinks.deliver(new { url = server.url }, 100)
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13), sinks.numbers(server:stored()))
    end)

    it("is a worker", function()
        sinks.find_workers()
        server:faults("500", "lost")
        local stats = sinks.deliver(writebehind.worker("elasticsearch", { url = server.url }), 100)
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13), sinks.numbers(server:stored()))
    end)
end)
