-- examples/worker/redis_stream.lua against a Redis of the spec's own: Debian's checker is the server by another name,
-- without a service of the system's own.

local process = require "spec.support.process"
local sinks = require "spec.support.sinks"
local socket = require "socket"
local writebehind = require "writebehind"

describe("examples/worker/redis_stream.lua", function()
    local new = dofile(sinks.ROOT .. "/examples/worker/redis_stream.lua")
    local dir, path, port, pid

    setup(function()
        dir = process.dir()
        local listener = assert(socket.bind("127.0.0.1", 0))
        port = select(2, listener:getsockname())
        listener:close()
        os.execute(('ln -s "$(command -v redis-check-rdb)" %s/redis-server'):format(dir))
        local result = process.run(("%s/redis-server --bind 127.0.0.1 --save '' --daemonize yes --port %s --dir %s "
            .. "--pidfile %s/pid"):format(dir, port, dir, dir))
        assert(result.code == 0, result.out)
        pid = assert(process.wait(function() -- the file is there before its text is
            return process.exists(dir .. "/pid") and process.read(dir .. "/pid"):match "^(%d+)\n"
        end))
        assert(process.wait(function()
            local link = socket.connect("127.0.0.1", port)
            return link and link:close()
        end))
    end)

    teardown(function()
        os.execute("kill " .. pid)
        process.remove(dir)
    end)

    local function redis(command)
        return (process.run(("redis-cli -p %s %s"):format(port, command)).out:gsub("\n$", ""))
    end

    before_each(function()
        path = package.path
        redis "FLUSHALL"
    end)

    after_each(function()
        package.path = path
        redis "CONFIG SET maxmemory 0"
    end)

    local function args(stream)
        return { host = "127.0.0.1", port = port, stream = stream or "s" }
    end

    -- The rows of a stream, as JSON texts.
    local function rows_of(stream)
        local lines = {}
        for line in redis("--raw XRANGE " .. stream .. " - +"):gmatch "{[^\n]*" do
            lines[#lines + 1] = line
        end
        return lines
    end

    it("keeps to the contract, while connections are cut and memory is full", function()
        local count, full = 0, false
        sinks.assert_passes(function()
            count = count + 1
            local store = new(args("s" .. count))
            store.stream = "s" .. count
            return store
        end, { idempotent = true, large = 300, read = function(store)
            redis "CONFIG SET maxmemory 0"
            return rows_of(store.stream)
        end, fail = function()
            full = not full
            redis(full and "CONFIG SET maxmemory 1" or "CLIENT KILL TYPE normal")
        end })
    end)

    it("appends a batch again whose append failed, and holds it meanwhile", function()
        redis "SET s text"
        local store, calls = new(args()), 0
        local stats = sinks.deliver({ write = function(_, batch)
            calls = calls + 1
            if calls == 4 then
                redis "DEL s"
            end
            local ok, err, class = store:write(batch)
            assert.equal(calls < 4 and "hold" or nil, class)
            return ok, err, class
        end }, 100)
        assert.equal(100, stats.stored)
        assert.same(sinks.all_but(100), sinks.numbers(rows_of "s"))
    end)

    it("delivers once through lost replies, cut connections and a full memory", function()
        local store, calls = new(args()), 0
        local stats = sinks.deliver({ write = function(_, batch)
            calls = calls + 1
            redis("CONFIG SET maxmemory " .. (calls % 4 == 1 and 1 or 0))
            if calls % 4 == 2 then
                redis "CLIENT KILL TYPE normal"
            end
            local ok, err, class = store:write(batch)
            return ok and calls % 3 > 0 or nil, err, class
        end }, 100)
        assert.equal(100, stats.stored)
        assert.same(sinks.all_but(100), sinks.numbers(rows_of "s"))
    end)

    it("is a worker", function()
        sinks.find_workers()
        assert.equal(100, sinks.deliver(writebehind.worker("redis_stream", args()), 100).stored)
        assert.same(sinks.all_but(100), sinks.numbers(rows_of "s"))
    end)
end)
