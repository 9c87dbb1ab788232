-- examples/sinks/mariadb.lua against a MariaDB of the spec's own.

local mariadb = require "spec.support.mariadb"
local process = require "spec.support.process"
local rows = require "writebehind.testing.check_store.rows"
local sinks = require "spec.support.sinks"
local writebehind = require "writebehind"

local NOTES = "CREATE TABLE shop.notes (id uuid PRIMARY KEY, at datetime(6) NOT NULL, n int UNIQUE, note text)"
local CHECK = [[CREATE TABLE shop.`check` (id uuid PRIMARY KEY, n int, flag boolean, small smallint, medium int,
    big bigint, single float, `double` double, note longtext, raw longblob, ref uuid, at datetime(6), day date,
    doc json, docb json)]]
local READ = [[SELECT id, n, flag, small, medium, big, CAST(single AS double), `double`, note, raw, ref,
    TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', at), day, doc, docb FROM shop.`check`]]

describe("examples/sinks/mariadb.lua", function()
    local new = sinks.example "mariadb"
    local dir, server, path

    setup(function()
        dir = process.dir()
        server = mariadb.start(dir)
        server:sql "CREATE DATABASE shop"
    end)

    teardown(function()
        server:stop()
        process.remove(dir)
    end)

    before_each(function()
        path = package.path
        server:sql(NOTES)
    end)

    after_each(function()
        package.path = path
        server:sql "DROP TABLE shop.notes"
    end)

    local function args()
        return { database = "shop", user = "root", password = "", socket = server.socket, key = "id",
            times = { at = true } }
    end

    local function numbers()
        local list = {}
        for _, row in ipairs(server:sql "SELECT n FROM shop.notes ORDER BY n") do
            list[#list + 1] = tonumber(row[1])
        end
        return list
    end

    local function kill_others()
        for _, row in ipairs(server:sql [[SELECT id FROM information_schema.processlist
            WHERE id <> CONNECTION_ID() AND command <> 'Daemon' AND user = 'root']]) do
            server:sql("KILL " .. row[1])
        end
    end

    -- Every value of the check's but infinity, which MariaDB does not have, and a time of more digits than a float's.
    local function finite_rows()
        local list = rows.every_value()
        for _, row in ipairs(list) do
            row.double = row.double ~= math.huge and row.double or nil
            row.at = row.at == "9999-12-31T23:59:59.999999Z" and "9999-12-31T23:59:59Z" or row.at
        end
        return list
    end

    -- Where a column's text is not the value.
    local VALUES = setmetatable({
        [3] = function(text) return text == "1" end, [7] = tonumber, [8] = tonumber,
        [12] = function(text) return tonumber(text) / 1e6 end,
    }, { __index = function()
        return tostring
    end })

    -- The rows of the check's table, as batch:row gives them.
    local function read()
        local list, columns = {}, rows.columns()
        for _, found in ipairs(server:sql(READ)) do
            local row = {}
            for position, column in ipairs(columns) do
                row[column[1]] = found[position] and VALUES[position](found[position])
            end
            list[#list + 1] = row
        end
        return list
    end

    it("keeps to the contract, with every type, while connections are cut", function()
        local schema = writebehind.schema(rows.columns())
        sinks.assert_passes(function()
            server:sql "DROP TABLE IF EXISTS shop.`check`"
            server:sql(CHECK)
            return new(args())
        end, { idempotent = true, read = read, fail = kill_others, schema = schema, rows = finite_rows(), large = 200 })
    end)

    it("delivers once through cut connections, and finds the bad rows", function()
        server:sql "INSERT INTO shop.notes VALUES (uuid(), now(), 13, 'there already')"
        server:sql "ALTER TABLE shop.notes ADD CHECK (note <> 'worse')"
        local calls, store = 0, new(args())
        local stats, dead = sinks.deliver({ write = function(_, batch)
            calls = calls + 1
            if calls % 3 == 0 then
                kill_others()
            end
            local ok, err, class, stored = store:write(batch)
            return ok and calls % 4 > 0 or nil, err or "the reply got lost", class, stored
        end }, 100)
        assert.same({ 98, 2 }, { stats.stored, stats.dead })
        assert.same(sinks.all_but(100, 14), numbers()) -- 13: the one that was there
        assert.matches("cannot be null", dead[13])
        assert.matches("CONSTRAINT", dead[14])
        assert.equal("1700000001.250000", server:value "SELECT unix_timestamp(at) FROM shop.notes WHERE n = 1")
    end)

    it("is a worker, whose statement is cut while it waits", function()
        sinks.find_workers()
        local batcher = writebehind.batcher { store = writebehind.worker("mariadb", args()), schema = sinks.SCHEMA,
            table = "shop.notes", interval = 0.01, retry = { initial = 0.001, max = 0.01 }, log = function() end }
        server:sql "LOCK TABLES shop.notes WRITE"
        assert(batcher:add { at = 0, n = 1 })
        assert.is_true(process.wait(function()
            return tonumber(server:value [[SELECT count(*) FROM information_schema.processlist
                WHERE state LIKE 'Waiting for table metadata lock%']]) == 1
        end))
        kill_others()
        server:sql "UNLOCK TABLES"
        assert(batcher:close(process.PATIENCE))
        assert.equal(1, batcher:stats().stored)
        assert.is_true(batcher:stats().failures >= 1)
        assert.same({ 1 }, numbers())
    end)

    it("goes on when the server is back", function()
        local store, calls = new(args()), 0
        local stats = sinks.deliver({ write = function(_, batch)
            calls = calls + 1
            if calls == 2 then
                server:stop()
            elseif calls == 4 then
                server = mariadb.start(dir)
            end
            return store:write(batch)
        end }, 100)
        assert.equal(100, stats.stored)
        assert.same(sinks.all_but(100), numbers())
    end)

    it("tells what an error means for the rows", function()
        local function class_of(table_name, values)
            local ok, err, class = new(args()):write { table = table_name, columns = function()
                return { "n", "id" }
            end, column = function(_, name)
                return { values[name] }
            end }
            assert.is_nil(ok)
            assert.is_string(err)
            return class
        end
        local id = "018bcfe5-6be8-7000-ba42-55942e14460b"
        assert.equal("hold", class_of("shop.nowhere", { n = 1, id = id }))
        assert.equal("hold", class_of("shop.notes", { n = 1, id = id })) -- `at` has no default
        server:sql "ALTER TABLE shop.notes MODIFY at datetime(6)"
        assert.equal("reject", class_of("shop.notes", { n = "x", id = id }))
        assert.equal("reject", class_of("shop.notes", { n = 2 ^ 40, id = id }))
        server:sql "START TRANSACTION"
        server:sql(("INSERT INTO shop.notes VALUES ('%s', now(), 1, '')"):format(id))
        assert.equal("retry", class_of("shop.notes", { n = 1, id = id })) -- a lock
        server:sql "ROLLBACK"
    end)
end)
