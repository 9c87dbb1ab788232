-- A password that goes over TCP to a server which has not proved who it is: a warning, once. And not in `ps`.

local process = require "spec.support.process"
local tls = require "spec.support.tls"
local writebehind = require "writebehind"

describe("a password", function()
    local dir, conninfo

    setup(function()
        dir = process.dir()
        conninfo = tls.start(dir, [[-c "ALTER ROLE writebehind PASSWORD 'hunter2'" -c "CREATE TABLE t (n int8)"]],
            [[printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' >data/pg_hba.conf]])
        conninfo = conninfo:gsub("host=%S+", "host=localhost hostaddr=127.0.0.1")
    end)

    teardown(function()
        tls.stop(dir)
        process.remove(dir)
    end)

    -- What is said of it, by a batcher that connects twice.
    local function warnings(more)
        local lines = {}
        local store = writebehind.postgres { conninfo = conninfo .. " " .. more, idle_timeout = 0.01 }
        local batcher = assert(writebehind.batcher { store = store, table = "t", interval = 60,
            schema = writebehind.schema { { "n", "int8" } }, retry = { initial = 0.01, max = 0.02 },
            log = function(level, text)
                lines[#lines + 1] = level .. " " .. text
            end })
        for _ = 1, 2 do
            assert(batcher:add { n = 1 })
            assert(batcher:flush(process.PATIENCE))
            process.sleep(0.1)
        end
        assert(batcher:close(process.PATIENCE))
        return lines
    end

    it("that goes to a server which has not proved who it is, is warned of", function()
        assert.is_true(process.wait(function() -- the new rules are in force
            local command = "PGPASSWORD=wrong psql -X -d " .. process.quote(conninfo) .. " -c 'SELECT 1'"
            return process.run(command).code ~= 0
        end))
        for _, more in ipairs { "password=hunter2", "password=hunter2 sslmode=require",
            "password=hunter2 sslmode=disable channel_binding=disable" } do
            local lines = warnings(more)
            assert.equal(1, #lines)
            assert.truthy(lines[1]:find('warn a password went to "localhost"', 1, true), more)
            assert.is_nil(table.concat(lines, "\n"):find("hunter2", 1, true))
        end
        for _, more in ipairs { "password=hunter2 sslmode=require channel_binding=require",
            "password=hunter2 sslmode=verify-full sslrootcert=" .. dir .. "/cert.pem" } do
            assert.same({}, warnings(more))
        end
    end)

    it("need not be among the arguments of the command", function()
        local root = process.quote(os.getenv "WRITEBEHIND_ROOT" or ".")
        local file = process.write(dir .. "/in.csv", "n\n1\n")
        local command = ("cd %s && %s bin/writebehind load --table t %s"):format(root, process.interpreter(), file)
        local result = process.run("WRITEBEHIND_STORE=memory: " .. "sh -c " .. process.quote(command))
        assert.is_nil(result.err:find("--store", 1, true), result.err)
        result = process.run("unset WRITEBEHIND_STORE; " .. command)
        assert.truthy(result.err:find("missing option '--store' (or WRITEBEHIND_STORE in the environment)", 1, true))
    end)
end)
