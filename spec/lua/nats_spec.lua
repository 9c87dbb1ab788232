-- The NATS store, as another client sees the stream behind it: what a message is, what is refused, and that each row is
-- there once, whatever becomes of the servers.

local nats = require "spec.support.nats"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

local ROWS = os.getenv "CI_LONG" and 100000 or 12000
local NUMBERED = { { "n", "int8" }, { "note", "text", null = true } }
local HEADER = "PGCOPY\n\255\r\n\0\0\0\0\0\0\0\0\0"

local servers
after_each(function()
    if servers then
        servers:close()
        servers = nil
    end
    collectgarbage()
end)

local function start(options, stream)
    servers = nats.start(options)
    if stream ~= false then
        servers:create_stream(stream or { name = "rows", discard = "new" })
    end
end

local function store(changes)
    local options = { servers = servers.urls, stream = "rows" }
    for name, value in pairs(changes or {}) do
        options[name] = value
    end
    return assert(writebehind.nats(options))
end

local function open(options, of_store)
    local all = {
        store = store(of_store), schema = writebehind.schema(NUMBERED), table = "public.hits", interval = 0.01,
        batch_size = 500, retry = { initial = 0.01, max = 0.2 }, log = function() end,
    }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return assert(writebehind.batcher(all))
end

local function add(batcher, first, last, note)
    for n = first, last do
        assert(batcher:add { n = n, note = note })
    end
end

-- ---- what is in the stream ----

local function big_endian(text, at, bytes)
    local number = 0
    for i = at, at + bytes - 1 do
        number = number * 256 + text:byte(i)
    end
    return number
end

-- The numbers of a stream of binary COPY, checked to its last byte.
local function numbers_of(data, list)
    assert.equal(HEADER, data:sub(1, #HEADER))
    local at = #HEADER + 1
    while big_endian(data, at, 2) ~= 65535 do
        assert.same({ 2, 8 }, { big_endian(data, at, 2), big_endian(data, at + 2, 4) })
        list[#list + 1] = big_endian(data, at + 6, 8)
        local note = big_endian(data, at + 14, 4)
        at = at + 18 + (note == 4294967295 and 0 or note)
    end
    assert.equal(#data, at + 1)
    return list
end

local function stored(stream)
    local list = {}
    for _, message in ipairs(servers:messages(stream or "rows")) do
        numbers_of(message.data, list)
    end
    return list
end

local function assert_once(first, last)
    assert.same(scripted.range(first, last), scripted.sorted(stored()))
end

-- ---- ----

describe("a NATS store", function()
    it("makes a message of a batch, which says what it is", function()
        start()
        local ids = {}
        local batcher = open {
            schema = writebehind.schema { { "id", "uuid", generate = "uuidv7" }, { "tags", "text[]" },
                { 'a "name"', "int4", null = true } },
            on_flush = function(event) ids[#ids + 1] = event.batch_id end,
        }
        for n = 1, 3 do
            assert(batcher:add { tags = { "x", "y" }, ['a "name"'] = n })
        end
        assert.is_true(batcher:flush(process.PATIENCE))
        assert.is_true(batcher:close())
        local message = servers:message("rows", 1)
        assert.equal("rows.public_hits", message.subject)
        local headers = message.headers
        assert.same({ "pgcopy-1", "public.hits", "3", "rows" }, { headers["Wb-Format"], headers["Wb-Table"],
            headers["Wb-Rows"], headers["Nats-Expected-Stream"] })
        assert.truthy(headers["Nats-Msg-Id"]:match "^%x+%-%x+%-7%x+%-%x+%-%x+$")
        assert.equal('[{"name":"id","type":"uuid","dedupe":true},{"name":"tags","type":"text","array":true},'
            .. '{"name":"a \\"name\\"","type":"int4","null":true}]', headers["Wb-Columns"])
        assert.equal(HEADER, message.data:sub(1, #HEADER))
    end)

    it("sends the rows of each table under its own subject, or all under one", function()
        start()
        local batcher = open {
            policy = { route = function(row) return tonumber(row.n) % 2 == 0 and "even *" or nil end },
        }
        add(batcher, 1, 10)
        assert.is_true(batcher:flush(process.PATIENCE))
        assert.is_true(batcher:close())
        local tables = {}
        for _, message in ipairs(servers:messages "rows") do
            tables[message.subject] = message.headers["Wb-Table"]
        end
        assert.same({ ["rows.public_hits"] = "public.hits", ["rows.even__"] = "even *" }, tables)
        local other = open({}, { subject = "rows.all" })
        add(other, 11, 11)
        assert.is_true(other:flush(process.PATIENCE))
        assert.is_true(other:close())
        assert.same({ 11 }, numbers_of(servers:messages("rows", "rows.all")[1].data, {}))
    end)

    it("is opened by URL", function()
        start()
        local batcher = open { store = writebehind.open(servers.urls .. "/rows") }
        add(batcher, 1, 5)
        assert.is_true(batcher:close(process.PATIENCE))
        assert_once(1, 5)
    end)

    it("stores what was accepted before the process ends", function()
        start()
        local script = process.write(servers.root .. "/child.lua", [[
            local writebehind = require "writebehind"
            local batcher = writebehind.batcher { store = writebehind.open(arg[1]), table = "t", interval = 3600,
                schema = writebehind.schema { { "n", "int8" }, { "note", "text", null = true } } }
            for n = 1, 100 do assert(batcher:add { n = n }) end
            batcher:flush(60)
            for n = 101, 300 do assert(batcher:add { n = n }) end]])
        local result = process.run(("%s %s %s/rows"):format(process.quote(process.interpreter()), script,
            process.quote(servers.urls)))
        assert.equal(0, result.code, result.err)
        assert.equal("", result.err)
        assert_once(1, 300)
    end)
end)

describe("a NATS store refuses", function()
    local function refuses(message, call, ...)
        local ok, value, other = pcall(call, ...)
        local text = tostring(ok and other or value):gsub("^[^:]+:%d+: ", "")
        assert.equal(message, text)
    end

    it("options that are none", function()
        refuses('nats: option "servers": expected a URL, or a list of them, got nothing', writebehind.nats,
            { stream = "s" })
        refuses('nats: option "servers": expected a URL, or a list of them, got a table', writebehind.nats,
            { servers = {}, stream = "s" })
        refuses("nats store: server 2 is no nats://HOST:PORT, or tls://HOST:PORT", writebehind.nats,
            { servers = { "nats://a:1", "http://secret@b" }, stream = "s" })
        refuses('nats store: stream: expected a name of up to 255 characters without spaces and . * > / \\, got "a.b"',
            writebehind.nats, { servers = "nats://a", stream = "a.b" })
        refuses('nats store: subject: expected words with . between them, without spaces and * >, got "a..b"',
            writebehind.nats, { servers = "nats://a", stream = "a", subject = "a..b" })
        refuses("nats store: user and password go together", writebehind.nats,
            { servers = "nats://a", stream = "a", user = "u" })
        refuses("store URL: expected nats://HOST:PORT,…/STREAM", writebehind.open, "nats://a:4222")
    end)

    it("what it does not do", function()
        local of = writebehind.nats { servers = "nats://127.0.0.1:1", stream = "s" }
        refuses("store: a nats store has no tables to read a schema from", of.schema, of, "t", 1)
        refuses('tracker: option "store": a nats store has rows, and no times to move', writebehind.tracker,
            { store = of, table = "t" })
        local both = writebehind.fallback { of, writebehind.memory() }
        refuses("store: a fallback store has no tables to read a schema from", both.schema, both, "t", 1)
        refuses('tracker: option "store": a fallback store has rows, and no times to move', writebehind.tracker,
            { store = writebehind.fallback { writebehind.memory(), of }, table = "t" })
        refuses('batcher: option "upsert": a store of the kind nats makes none: a PostgreSQL or SQLite store does',
            writebehind.batcher, { store = of, table = "t", schema = writebehind.schema(NUMBERED),
                upsert = { key = { "n" } } })
    end)
end)

describe("a NATS store holds rows, by name,", function()
    local function holds(batcher, text)
        add(batcher, 1, 3)
        assert(process.wait(function()
            local last = batcher:stats().last_error
            return last and last:find(text, 1, true)
        end), batcher:stats().last_error)
        assert.equal(3, tonumber(batcher:stats().pending))
    end

    it("while there is no such stream, and one that was lost with its server", function()
        start({}, false)
        local batcher = open()
        holds(batcher, 'stream "rows": stream not found (10059)')
        servers:create_stream "rows"
        assert.is_true(batcher:flush(process.PATIENCE))
        assert_once(1, 3)
        servers:kill(1)
        servers:start_node(1, true)
        servers:ready()
        holds(batcher, 'stream "rows": stream not found (10059)')
        servers:create_stream "rows"
        assert.is_true(batcher:close(process.PATIENCE))
        assert_once(1, 3)
    end)

    it("where the subject is another stream's, or nobody's", function()
        start()
        servers:create_stream { name = "other", subjects = { "taken.>" } }
        local batcher = open({}, { subject = "taken.x" })
        holds(batcher, "expected stream does not match (10060)")
        batcher:close(0)
        local lost = open({}, { subject = "nobodys" })
        holds(lost, 'stream "rows": nobody takes "nobodys": it has no leader, or not this subject')
        lost:close(0)
        servers:update_stream("rows", { subjects = { "rows.>", "nobodys" } })
        assert(process.wait(function()
            return servers:count "rows" == 1
        end))
    end)

    it("until the password is right, which it never shows", function()
        start({ user = "service", password = "right" })
        local batcher = open({}, { user = "service", password = "wrongpass" })
        holds(batcher, "Authorization Violation")
        assert.falsy(batcher:stats().last_error:find("wrongpass", 1, true))
        batcher:close(0)
        local other = open({}, { user = "service", password = "right" })
        add(other, 1, 10)
        assert.is_true(other:close(process.PATIENCE))
        assert_once(1, 10)
    end)

    it("that it may not publish", function()
        local users = [[authorization { users: [
            { user: all, password: p }
            { user: some, password: p, permissions: { publish: "$JS.API.>" } } ] }]]
        start({ config = users, login = { user = "all", password = "p" } })
        local batcher = open({ write_timeout = 1 }, { user = "some", password = "p" })
        holds(batcher, "Permissions Violation")
        batcher:close(0)
    end)
end)

describe("a NATS store connects", function()
    it("with a token", function()
        start { token = "abc" }
        local batcher = open({}, { token = "abc" })
        add(batcher, 1, 10)
        assert.is_true(batcher:close(process.PATIENCE))
        assert_once(1, 10)
    end)

    it("by TLS, with certificates of both sides, and to no other host", function()
        local dir = process.dir()
        local files = nats.certificates(dir)
        start { tls = { cert = files.cert, key = files.key } }
        local batcher = open({}, { tls = { ca = files.ca } })
        add(batcher, 1, 10)
        assert.is_true(batcher:close(process.PATIENCE))
        assert_once(1, 10)
        local stranger = open({}, { tls = { ca = files.client_cert } })
        add(stranger, 11, 11)
        assert.is_nil(stranger:flush(0.5))
        assert.truthy(stranger:stats().last_error:find("SSL", 1, true), stranger:stats().last_error)
        stranger:close(0)
        process.remove(dir)
    end)
end)

describe("a NATS store keeps within", function()
    it("the server's max_payload: a batch is cut, and a row that is larger is dead", function()
        start { max_payload = 20000 }
        local dead = {}
        local batcher = open { dead_letter = function(row, err) dead[#dead + 1] = { tonumber(row.n), err } end }
        add(batcher, 1, 400, ("x"):rep(300))
        assert(batcher:add { n = 401, note = ("x"):rep(30000) })
        add(batcher, 402, 410, "x")
        assert.is_true(batcher:flush(process.PATIENCE))
        local stats = scripted.conserved(batcher)
        assert.same({ 409, 1 }, { tonumber(stats.stored), tonumber(stats.dead) })
        assert.is_true(batcher:close())
        assert.equal(401, dead[1][1])
        assert.truthy(tostring(dead[1][2]):find("max_payload (20000)", 1, true), tostring(dead[1][2]))
        local list = scripted.sorted(stored())
        assert.equal(409, #list)
    end)

    it("a stream that is full: rows wait until it has room", function()
        start({}, { name = "rows", discard = "new", retention = "workqueue", max_bytes = 60000 })
        servers:create_consumer("rows", { durable_name = "reader" })
        local batcher = open { batch_size = 100 }
        add(batcher, 1, 1000, ("x"):rep(300))
        assert(process.wait(function()
            return (batcher:stats().last_error or ""):find("(10077)", 1, true)
        end), batcher:stats().last_error)
        local list = {}
        assert(process.wait(function()
            for _, message in ipairs(servers:fetch("rows", "reader", 10, true)) do
                numbers_of(message.data, list)
            end
            return #list >= 1000
        end), "they are not all there")
        assert.is_true(batcher:close(process.PATIENCE))
        assert.same(scripted.range(1, 1000), scripted.sorted(list))
        assert.equal(0, servers:count "rows")
    end)
end)

describe("a cluster", function()
    -- Adds all rows while `trouble` is made, and waits until they are stored.
    local function survives(trouble)
        start({ nodes = 3 }, { name = "rows", discard = "new", num_replicas = 3 })
        local batcher = open { write_timeout = 2, max_pending_rows = 1e6 }
        local at = { [math.floor(ROWS / 4)] = 1, [math.floor(ROWS / 2)] = 2, [math.floor(ROWS * 3 / 4)] = 3 }
        for n = 1, ROWS do
            assert(batcher:add { n = n, note = "x" })
            if n % 500 == 0 then
                process.sleep(0.01)
            end
            if at[n] then
                trouble(at[n])
            end
        end
        assert.is_true(batcher:flush(process.PATIENCE))
        scripted.conserved(batcher)
        assert.is_true(batcher:close(process.PATIENCE))
        trouble(4)
        assert(servers:in_step "rows")
        assert_once(1, ROWS)
    end

    it("whose leader and then a follower are killed has each row once", function()
        local victim
        survives(function(step)
            if step % 2 == 0 then
                servers:start_node(victim)
                return
            end
            local leader = servers:stream_leader "rows"
            victim = step == 1 and leader or leader % 3 + 1
            servers:kill(victim)
        end)
    end)

    it("whose leader stands still has each row once", function()
        local victim
        survives(function(step)
            if step % 2 == 0 then
                servers:continue(victim)
                return
            end
            victim = servers:stream_leader "rows"
            servers:pause(victim)
        end)
    end)
end)
