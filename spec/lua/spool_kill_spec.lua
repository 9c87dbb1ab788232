-- Processes that are killed with -9 while they add rows, one after another, their store taken away at times. What they
-- were told that it is accepted is in the store once, in the end; what they were not told is there once at the most.

local forms = require "spec.support.spool_forms"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"

local LONG = os.getenv "CI_LONG" ~= nil
local KILLS = math.ceil((LONG and 1000 or 30) / #forms.NAMES)
local RESTARTS = LONG and 20 or 2
local MOST = 20000

describe("a process that is killed", function()
    local where, gate, children

    before_each(function()
        local dir = process.dir()
        gate = postgres.gate(dir)
        gate:open()
        where = { dir = dir, conninfo = gate.conninfo, table = "wb_spec_" .. process.unique() }
        children = {}
    end)

    local function is_alive(pid)
        local file = io.open(("/proc/%d/stat"):format(pid))
        local state = file and file:read("*a"):match "%) (%a)"
        if file then
            file:close()
        end
        return state ~= nil and state ~= "Z" and state ~= "X"
    end

    local function kill(pid)
        process.run(("kill -9 %d"):format(pid))
        assert(process.wait(function()
            return not is_alive(pid)
        end), "it lives on")
        children[pid] = nil
    end

    after_each(function()
        for pid in pairs(children) do
            kill(pid)
        end
        process.remove(where.dir)
    end)

    local function read(format, generation)
        local path = where.dir .. format:format(generation)
        return process.exists(path) and process.read(path) or ""
    end

    -- Starts the process of that generation; its id.
    local function start(name, generation)
        local words = { process.quote(process.interpreter()), "spec/support/spool_child.lua" }
        for _, word in ipairs { name, where.dir, where.conninfo, where.table, generation, MOST } do
            words[#words + 1] = process.quote(word)
        end
        local command = ("echo $$ >%s/pid.new; mv %s/pid.new %s/pid.%d; exec %s 2>%s/said.%d"):format(where.dir,
            where.dir, where.dir, generation, table.concat(words, " "), where.dir, generation)
        process.start(("exec sh -c %s"):format(process.quote(command)))
        local pid = process.wait(function()
            return tonumber(read("/pid.%d", generation))
        end, nil, 0.002)
        children[assert(pid, "it does not start")] = true
        return pid
    end

    -- What it noted: how far it may have come, how far it has.
    local function noted(generation)
        local attempted, accepted = read("/accepted.%d", generation):match "^(%d+) (%d+)\n"
        return tonumber(attempted or 0), tonumber(accepted or 0)
    end

    -- At any time of its life: while it begins and takes over, or while it adds.
    local function wait_for_its_time(generation)
        if math.random(3) == 1 then
            process.sleep(math.random() * 0.05)
            return
        end
        assert(process.wait(function()
            return select(2, noted(generation)) > 0
        end, nil, 0.001), read("/said.%d", generation))
        process.sleep(math.random() * 0.15)
    end

    local function run_and_kill(name, generation)
        local pid = start(name, generation)
        wait_for_its_time(generation)
        assert(is_alive(pid), read("/said.%d", generation))
        kill(pid)
    end

    -- Nothing is left in the spool but the folder of who looks, and those of who died before it was an owner.
    local function all_is_taken()
        local count = ("find %s/spool -name owner -size +0 | wc -l"):format(where.dir)
        return process.wait(function() -- a folder that is moved meanwhile may be in neither place once
            return process.run(count .. "; " .. count).out == "1\n1\n"
        end, nil, 0.1)
    end

    -- Takes over in this process, until all is stored.
    local function finish(name)
        local batcher = forms.batcher(name, where)
        assert(all_is_taken(), "not all is taken over")
        local ok, message = batcher:flush(process.PATIENCE)
        assert(ok, message)
        local stats = scripted.conserved(batcher)
        assert.same({ 0, 0, 0 }, { tonumber(stats.dead), tonumber(stats.dropped), tonumber(stats.pending) })
        assert.equal(tonumber(stats.accepted), tonumber(stats.adopted))
        assert(batcher:close(process.PATIENCE))
    end

    local function assert_all_once(name, generations, sql)
        local found = forms.found(name, where, sql)
        for generation = 1, generations do
            local attempted, accepted = noted(generation)
            local there = found[generation] or { last = 0 }
            assert.is_falsy(there.wrong)
            local said = ("generation %d: %d of %d to %d are there"):format(generation, there.last, accepted, attempted)
            assert.is_true(there.last >= accepted and there.last <= attempted, said)
        end
    end

    -- The store comes and goes.
    local function trouble(name)
        if forms.uses_postgres(name) and math.random(3) == 1 then
            gate:shut()
        elseif forms.uses_postgres(name) then
            gate:open()
        end
    end

    for _, name in ipairs(forms.NAMES) do
        it("leaves its rows to the next: " .. name, function()
            if forms.needs_disk(name) and process.run("stat -f -c %T " .. where.dir).out == "tmpfs\n" then
                return pending "the temporary folder is in memory here"
            end
            forms.prepare(name, where)
            for generation = 1, KILLS do
                trouble(name)
                run_and_kill(name, generation)
            end
            gate:open()
            finish(name)
            assert_all_once(name, KILLS)
            forms.forget(name, where)
        end)
    end

    it("leaves them to the next, with a server that is killed too", function()
        local name, data = "the ledger", process.dir()
        local function server(words)
            local result = process.run(('"$WRITEBEHIND_ROOT/scripts/postgres" %s'):format(words))
            assert(result.code == 0, result.err)
            return (result.out:gsub("\n$", ""))
        end
        where.conninfo = server(("start %s"):format(data))
        local function sql(text)
            local result = process.run(("psql -X -A -t -q -v ON_ERROR_STOP=1 -d %s -c %s"):format(
                process.quote(where.conninfo), process.quote(text)))
            assert(result.code == 0, result.err)
            return (result.out:gsub("\n$", ""))
        end
        forms.prepare(name, where, sql)
        for generation = 1, RESTARTS do
            local pid = start(name, generation)
            wait_for_its_time(generation)
            server(("stop %s kill"):format(data))
            process.sleep(math.random() * 0.05)
            kill(pid)
            server("start " .. data)
        end
        finish(name)
        assert_all_once(name, RESTARTS, sql)
        server(("stop %s fast"):format(data))
        process.remove(data)
    end)
end)
