-- examples/sinks/loki.lua against a server that answers as Loki does: a 400 says that some lines are refused, the
-- others are in; the same line at the same time in the same stream is kept once.

local cjson = require "cjson"
local process = require "spec.support.process"
local service = require "spec.support.service"
local sinks = require "spec.support.sinks"
local writebehind = require "writebehind"

describe("examples/sinks/loki.lua", function()
    local new = sinks.example "loki"
    local dir, server, path

    before_each(function()
        dir, path = process.dir(), package.path
        server = service.start(sinks.ROOT, "loki", dir)
    end)

    after_each(function()
        package.path = path
        server:stop()
        process.remove(dir)
    end)

    local function args(more)
        local all = { url = server.url, tenant = "t1", time = "at", labels = { app = "shop" } }
        for name, value in pairs(more or {}) do
            all[name] = value
        end
        return all
    end

    -- The rows that the server keeps, as they came.
    local function rows_from(first)
        local lines = {}
        for index, line in ipairs(server:stored(first)) do
            lines[index] = line:match '"row":(.*)}$'
        end
        return lines
    end

    it("keeps to the contract, whatever the server answers", function()
        local faults, before = { "503", "cut", "lost", "torn", "429", "400" }, 0
        sinks.assert_passes(function()
            before = #server:stored()
            return new(args())
        end, {
            idempotent = true, large = 300,
            schema = sinks.SCHEMA,
            rows = { { at = 1700000000.123456, n = 1, note = "naïve \"☃\"\n" }, { at = 0, n = 2 } },
            read = function()
                return rows_from(before + 1)
            end,
            fail = function()
                server:faults(faults[1], faults[2])
                table.remove(faults, 1)
            end,
        })
    end)

    it("delivers once through an outage, lost replies and cut connections, and finds the bad row", function()
        server:faults("503", "lost", "cut", "torn", "429", "401")
        local stats, dead = sinks.deliver(new(args()), 100)
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.matches("too far behind", dead[13])
        assert.same(sinks.all_but(100, 13), sinks.numbers(rows_from(1)))
    end)

    it("gives each row its labels, and its time to the nanosecond", function()
        local schema = writebehind.schema { { "at", "timestamptz" }, { "level", "text", null = true } }
        local batcher = writebehind.batcher { store = new(args { label_columns = { "level" } }), schema = schema,
            table = "t", log = function() end }
        for _, level in ipairs { "info", "warn", "info", "" } do
            assert(batcher:add { at = "2023-11-14T22:13:20.123456Z", level = level ~= "" and level or nil })
        end
        assert(batcher:close())
        local labels = {}
        for _, line in ipairs(server:stored()) do
            local kept = cjson.decode(line)
            assert.equal("1700000000123456000", kept.time)
            labels[#labels + 1] = kept.labels
        end
        table.sort(labels)
        assert.same({ "shop/", "shop/info", "shop/warn" }, labels) -- two of "info" were the same line
        assert.equal(1, server:requests())
    end)

    it("is a worker", function()
        sinks.find_workers()
        server:faults("500", "lost")
        local stats = sinks.deliver(writebehind.worker("loki", args()), 100)
        assert.same({ 99, 1 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 13), sinks.numbers(rows_from(1)))
    end)
end)
