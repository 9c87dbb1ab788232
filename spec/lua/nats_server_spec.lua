-- The servers that other specs of JetStream start (scripts/nats, spec/support/nats.lua): they do what those rely on.

local nats = require "spec.support.nats"
local process = require "spec.support.process"
local proxy = require "spec.support.nats_proxy"

local function publish(servers, first, last)
    for i = first, last do
        assert(servers:publish("orders.new", "row " .. i, { ["Nats-Msg-Id"] = "id" .. i }))
    end
end

-- What is in a stream, a word each.
local function bodies(servers)
    local list = {}
    for i, message in ipairs(servers:messages "orders") do
        assert.equal("orders.new", message.subject)
        list[i] = message.data
    end
    return list
end

local function rows(first, last)
    local list = {}
    for i = first, last do
        list[#list + 1] = "row " .. i
    end
    return list
end

describe("a NATS server of the specs", function()
    local servers

    before_each(function()
        servers = nil
    end)

    after_each(function()
        if servers then
            servers:close()
        end
    end)

    it("keeps streams: what was published, once by its id, and byte for byte", function()
        servers = nats.start { max_payload = 2 ^ 21 }
        assert.equal(servers.urls, servers.url[1])
        assert.matches("^nats://127%.0%.0%.1:%d+$", servers.urls)
        assert.equal(1, servers:create_stream "orders".num_replicas)
        local bytes = {}
        for byte = 0, 255 do
            bytes[#bytes + 1] = string.char(byte)
        end
        local body = table.concat(bytes):rep(2 ^ 12) -- of which some are "\r\n"
        assert.same({ stream = "orders", seq = 1 },
            servers:publish("orders.a.b", body, { ["Nats-Msg-Id"] = "x", Other = "y: z" }))
        assert.same({ stream = "orders", seq = 1, duplicate = true },
            servers:publish("orders.a.b", "another", { ["Nats-Msg-Id"] = "x" }))
        assert.same({ stream = "orders", seq = 2 }, servers:publish("orders.c", ""))
        local all = servers:messages "orders"
        assert.equal(2, #all)
        assert.is_true(body == all[1].data)
        assert.same({ ["Nats-Msg-Id"] = "x", Other = "y: z" }, all[1].headers)
        assert.equal("orders.a.b", all[1].subject)
        assert.same({ "", {}, 2 }, { all[2].data, all[2].headers, all[2].seq })
        assert.equal(1, #servers:messages("orders", "orders.a.*"))
        assert.is_nil(servers:message("orders", 3))
        assert.equal(2, servers:stream_info "orders".state.last_seq)
        servers:purge_stream "orders"
        assert.equal(0, servers:count "orders")
        servers:delete_stream "orders"
        local info, reason = servers:api "STREAM.INFO.orders"
        assert.same({ nil, nats.NO_STREAM }, { info, reason.err_code })
    end)

    it("hands messages out to a consumer, and says what it refuses", function()
        servers = nats.start { max_payload = 1000 }
        servers:create_stream { name = "orders", max_msgs = 3, discard = "new" }
        publish(servers, 1, 3)
        local answer, reason = servers:publish("orders.new", "row 4")
        assert.same({ nil, 10077 }, { answer, reason.err_code })
        servers:update_stream("orders", { max_msgs = 4 })
        publish(servers, 4, 4)
        local consumer = servers:create_consumer("orders", { durable_name = "pump" })
        assert.equal(3, #servers:fetch("orders", consumer, 3, true))
        local last = servers:fetch("orders", consumer, 3, true)
        assert.same({ 1, "row 4" }, { #last, last[1].data })
        assert.is_true(process.wait(function()
            return servers:consumer_info("orders", consumer).num_ack_pending == 0
        end))
        local client = assert(servers:client())
        assert.equal(1000, client.info.max_payload)
        assert.same({ nil, "no responders" }, { client:request("elsewhere", "x") })
        assert.same({ nil, "Maximum Payload Violation" }, { client:request("orders.new", ("x"):rep(1001)) })
        client:close()
    end)

    it("asks who a client is, and for TLS; starts again as another with what it had", function()
        local dir = process.dir()
        local made = nats.certificates(dir)
        servers = nats.start { user = "shop", password = 'a"b\\c', tls = { cert = made.cert, key = made.key } }
        servers:create_stream "orders"
        publish(servers, 1, 2)
        assert.matches("^1%.", servers:monitor(1, "connz").connections[1].tls_version)
        assert.same({ nil, "Authorization Violation" }, { servers:client(1, { password = "wrong" }) })
        assert.is_nil(servers:client(1, { tls = false }))
        servers:restart {
            config = [[authorization { users: [
                { user: a, password: a, permissions: { publish: "none" } }
                { user: b, password: b } ] }]],
            login = { user = "b", password = "b" },
        }
        assert.same(rows(1, 2), bodies(servers))
        local other = assert(servers:client(1, { user = "a", password = "a" }))
        assert.same({ nil, 'Permissions Violation for Publish to "orders.new"' },
            { other:request("orders.new", "row") })
        other:close()
        process.remove(dir)
    end)

    it("does not come back by itself, and what it has lost is lost", function()
        servers = nats.start()
        servers:create_stream "orders"
        publish(servers, 1, 3)
        servers:kill(1)
        assert.is_nil(servers:client(1))
        servers:start_node(1)
        assert.same(rows(1, 3), bodies(servers))
        servers:pause(1)
        assert.same({ nil, "timeout" }, { servers:client(1, { seconds = 0.2 }) })
        servers:continue(1)
        assert.same(rows(1, 3), bodies(servers))
        servers:stop(1)
        servers:start_node(1, true)
        assert.is_nil((servers:api "STREAM.INFO.orders"))
    end)

    it("is reached by a way on which messages and answers are lost", function()
        servers = nats.start()
        servers:create_stream "orders"
        local way = proxy.start(servers.url[1])
        local client
        local function publish_one(i, seconds, body)
            client = client and not client.closed and client or assert(servers:client(1, { port = way.port }))
            local answer, reason = client:request("orders.new", body or "row " .. i, { ["Nats-Msg-Id"] = "id" .. i },
                seconds)
            return answer and answer.data or reason
        end
        local function goes_nowhere(i)
            assert.is_nil(publish_one(i):match '"seq"')
            assert.is_true(client.closed)
        end
        local refusal = '{"error":{"code":503,"err_code":10077}}'
        way:faults("ok", "503", refusal, "lost", "cut", "silent")
        assert.matches('"seq":1', publish_one(1))
        assert.equal("no responders", publish_one(2))
        assert.equal(refusal, publish_one(2))
        goes_nowhere(2)
        goes_nowhere(3)
        assert.equal(5, way:published())
        assert.equal("timeout", publish_one(4, 0.2))
        assert.is_true(process.wait(function()
            return servers:count "orders" == 3
        end))
        assert.matches('"duplicate": *true', publish_one(4))
        assert.matches('"duplicate": *true', publish_one(2))
        assert.same({ "row 1", "row 2", "row 4" }, bodies(servers))
        local long = ("x\r\n"):rep(100000)
        assert.matches('"seq":4', publish_one(6, nil, long))
        assert.is_true(long == servers:message("orders", 4).data)
        way:shut()
        goes_nowhere(5)
        assert.is_nil(servers:client(1, { port = way.port }))
        way:open()
        assert.matches('"seq":5', publish_one(5))
        client:close()
        way:stop()
    end)

    it("is told apart from what cannot start", function()
        assert.error_matches(function()
            nats.start { config = "no_such_option: 1" }
        end, "no_such_option")
    end)

    it("is a cluster, that goes on without its leader and has what it had", function()
        servers = nats.start { nodes = 3 }
        assert.equal(3, #servers.url)
        assert.is_true(servers:leader() >= 1)
        assert.equal(3, servers:create_stream "orders".num_replicas)
        publish(servers, 1, 20)
        local leader = servers:stream_leader "orders"
        servers:kill(leader)
        publish(servers, 21, 40)
        assert.not_equal(leader, servers:stream_leader "orders")
        assert.same(rows(1, 40), bodies(servers))
        servers:start_node(leader, true)
        servers:ready()
        assert.is_true(servers:in_step "orders")
        assert.not_equal(false, servers:step_down "orders")
        assert.same(rows(1, 40), bodies(servers))
    end)
end)
