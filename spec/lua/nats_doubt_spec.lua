-- Messages of the NATS store whose answers are lost: they go out again under the same id, whole, and are there once.

local nats = require "spec.support.nats"
local process = require "spec.support.process"
local proxy = require "spec.support.nats_proxy"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

describe("a message whose fate is unknown", function()
    local servers, way

    before_each(function()
        servers = nats.start()
        servers:create_stream { name = "rows", discard = "new" }
        way = proxy.start(servers.url[1])
    end)

    after_each(function()
        way:stop()
        servers:close()
    end)

    local function open(options)
        local all = {
            store = writebehind.nats { servers = way.url, stream = "rows" }, table = "t", interval = 0.01,
            schema = writebehind.schema { { "n", "int8" } }, write_timeout = 1, batch_size = 10,
            retry = { initial = 0.01, max = 0.1 }, log = function() end,
        }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return assert(writebehind.batcher(all))
    end

    local function add(batcher, first, last)
        for n = first, last do
            assert(batcher:add { n = n })
        end
    end

    local function rows_of(message)
        return tonumber(message.headers["Wb-Rows"])
    end

    local EVERY = {
        lost = "lost lost ok", silent = "silent ok", cut = "cut cut ok", ["no responders"] = "503 503 ok",
        ["an error"] = '{"error":{"code":503,"err_code":10077,"description":"full"}} ok',
        ["no JetStream"] = "{} ok", ["no JSON"] = "{oops ok",
        all = 'lost cut 503 silent lost {"error":{"code":503,"err_code":10023,"description":"x"}} ok',
    }

    for name, words in pairs(EVERY) do
        it("is there once: " .. name, function()
            local list = {}
            for word in words:gmatch "%S+" do
                list[#list + 1] = word
            end
            way:faults((table.unpack or unpack)(list)) -- luacheck: globals unpack
            local batcher = open()
            add(batcher, 1, 7)
            assert.is_true(batcher:flush(process.PATIENCE), batcher:stats().last_error)
            assert.equal(#list, way:published())
            add(batcher, 8, 9)
            assert.is_true(batcher:close(process.PATIENCE))
            local messages = servers:messages "rows"
            assert.same({ 2, 7, 2 }, { #messages, rows_of(messages[1]), rows_of(messages[2]) })
            scripted.conserved(batcher)
        end)
    end

    it("is sent again as it was, however much has come since", function()
        way:faults("lost", "cut", "ok")
        local batcher = open { merge_rows = 1000 }
        add(batcher, 1, 10)
        assert(process.wait(function()
            return way:published() >= 1
        end))
        add(batcher, 11, 500)
        assert.is_true(batcher:close(process.PATIENCE))
        local total, ids = 0, {}
        for _, message in ipairs(servers:messages "rows") do
            total = total + rows_of(message)
            assert.is_nil(ids[message.headers["Nats-Msg-Id"]])
            ids[message.headers["Nats-Msg-Id"]] = true
        end
        assert.equal(500, total)
    end)

    it("is held, whole, where the stream is gone", function()
        way:faults(("lost "):rep(10000))
        local batcher = open()
        add(batcher, 1, 10)
        assert(process.wait(function()
            return way:published() >= 1
        end))
        servers:delete_stream "rows"
        way:faults()
        assert(process.wait(function()
            return (batcher:stats().last_error or ""):find("stream not found", 1, true)
        end), batcher:stats().last_error)
        assert.equal(10, tonumber(batcher:stats().pending))
        servers:create_stream "rows"
        assert.is_true(batcher:close(process.PATIENCE))
        local messages = servers:messages "rows"
        assert.same({ 1, 10 }, { #messages, rows_of(messages[1]) })
    end)
end)
