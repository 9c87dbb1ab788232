-- Every program in examples/ that stands by itself does what it says, under the Lua that runs this.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"

local ROOT = os.getenv("WRITEBEHIND_ROOT") or "."

describe("the example", function()
    local dir

    before_each(function()
        dir = process.dir()
    end)

    after_each(function()
        process.remove(dir)
    end)

    -- Runs an example in the empty folder; its output.
    local function run(name, ...)
        local words = { "cd", process.quote(dir), "&&", "timeout", "120", process.quote(process.interpreter()),
            process.quote(ROOT .. "/examples/" .. name) }
        for _, word in ipairs { ... } do
            words[#words + 1] = process.quote(word)
        end
        local result = process.run(table.concat(words, " "))
        assert.equal("", result.err)
        assert.equal(0, result.code)
        return result.out
    end

    it("agent_stats.lua stores every report, and when each workspace was last used", function()
        local out = run("agent_stats.lua")
        assert.matches("200 reports stored in %d+ writes, 0 pending, 0 dead", out)
        assert.matches("200 marks of 2 workspaces: 2 updated, 0 unmatched", out)
        local path = dir .. "/agent_stats.db"
        assert.equal("200|2|1010000", sqlite.sql(path, [[SELECT count(*), count(DISTINCT agent_id),
            sum(rx_bytes) / 9 FROM workspace_agent_stats;]]))
        assert.equal("2", sqlite.sql(path, [[SELECT count(*) FROM workspaces AS w WHERE last_used_at =
            (SELECT max(created_at) FROM workspace_agent_stats AS s WHERE s.workspace_id = w.id);]]))
        assert.matches("2 workspaces", run("agent_stats.lua", "sqlite:agent_stats.db")) -- again, into what is there
        assert.equal("400", sqlite.sql(path, "SELECT count(*) FROM workspace_agent_stats;"))
    end)

    it("agent_stats.lua does so in PostgreSQL", function()
        local schema = postgres.name()
        postgres.sql("CREATE SCHEMA " .. schema)
        local url = postgres.sql([[SELECT format('postgresql://%s@/%s?host=%s&port=%s', current_user,
            current_database(), replace(split_part(current_setting('unix_socket_directories'), ',', 1), '/', '%2F'),
            current_setting('port'))]])
        local out = run("agent_stats.lua", url .. "&options=-csearch_path%3D" .. schema)
        assert.matches("200 reports stored in %d+ writes, 0 pending, 0 dead", out)
        assert.equal(200, postgres.count(schema .. ".workspace_agent_stats"))
        postgres.sql("SET client_min_messages = error; DROP SCHEMA " .. schema .. " CASCADE")
    end)

    it("custom_store.lua leaves one file a batch, every row once and in order", function()
        assert.equal("250 rows in 4 files\n", run("custom_store.lua"))
        local numbers = {}
        for number in process.run("cat " .. dir .. "/rows-*.ndjson").out:gmatch('"n":(%d+)') do
            numbers[#numbers + 1] = tonumber(number)
        end
        assert.equal(250, #numbers)
        for n = 1, 250 do
            assert.equal(n, numbers[n])
        end
        assert.equal("", process.run("ls " .. dir .. " | grep part").out)
    end)
end)
