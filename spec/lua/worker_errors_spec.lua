-- Errors of a worker's module: each comes back as text with the frames it went through, and all of it is in the log.

local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

local schema = writebehind.schema { { "n", "int8" } }
local quick = { initial = 0.001, max = 0.01 }
local LINE = 255 -- bytes that a line of the log holds

describe("an error of a worker's module", function()
    local dir, path, lines, reports

    before_each(function()
        dir, path, lines, reports = process.dir(), package.path, {}, {}
        package.path = dir .. "/?.lua;" .. path
    end)

    after_each(function()
        package.path = path
        process.remove(dir)
    end)

    -- A batcher with a row, on a worker of a module of that text.
    local function batcher(text)
        process.write(dir .. "/made.lua", text)
        local object = assert(writebehind.batcher {
            store = writebehind.worker "made", schema = schema, table = "rows", interval = 0.001, retry = quick,
            log = function(level, message)
                assert.is_true(#message <= LINE)
                lines[#lines + 1] = level .. " " .. message
            end,
            on_flush = function(report)
                reports[#reports + 1] = report.error
            end,
        })
        assert(object:add { n = 1 })
        return object
    end

    -- Its store is `body` at the first call, and takes all from then on; the row is stored, the batcher closed.
    local function deliver(body, before)
        local object = batcher(([[
            %s
            local calls = 0
            return { write = function(_, batch)
                calls = calls + 1
                if calls == 1 then
                    %s
                end
                return true
            end }]]):format(before or "", body))
        assert(object:close(process.PATIENCE))
        local stats = scripted.conserved(object)
        assert.equal(1, stats.stored)
        return stats
    end

    local function logged()
        return table.concat(lines, "\n")
    end

    -- Functions of long names, each called by the next.
    local function chain(count)
        local text = { "local function of_a_name_that_takes_some_room_1() error 'far down' end" }
        for n = 2, count do
            text[n] = ("local function of_a_name_that_takes_some_room_%d() of_a_name_that_takes_some_room_%d() "
                .. "return 1 end"):format(n, n - 1)
        end
        return table.concat(text, "\n"), ("of_a_name_that_takes_some_room_%d()"):format(count)
    end

    it("is told with every frame it went through, in as many lines as hold them whole", function()
        local functions, call = chain(9)
        deliver(call, functions)
        assert.equal('error the worker "made" failed: ' .. dir .. "/made.lua:1: far down", lines[1])
        local text, at = logged(), 1
        for n = 1, 9 do
            local _, found = text:find(("made%%.lua:%d: in [%%a]+ '[^'\n]*of_a_name_that_takes_some_room_%d'"):format(
                n, n), at)
            at = assert.is_truthy(found)
        end
        assert.matches("\nerror  from /", text)
        assert.matches("\nerror  < /", text)
        assert.is_nil(text:find("writebehind/worker", 1, true)) -- none of the library's own
    end)

    it("comes back as its message, and the first frames as far as they fit", function()
        local functions, call = chain(9)
        local stats = deliver(call, functions)
        assert.equal(reports[1], stats.last_error)
        assert.matches("made.lua:1: far down; from [^<]*made.lua:1: in .*some_room_1'", reports[1])
        assert.matches("some_room_%d'$", reports[1])
    end)

    it("tells a recursion by its count", function()
        deliver("down(30)", "local function down(n) if n == 0 then error 'the ground' end down(n - 1) return n end")
        assert.matches("made.lua:1: the ground", lines[1])
        assert.matches("'down' %(%d+ times%) < %.%.%.", lines[2])
    end)

    it("may be no text, or one that is long", function()
        deliver "error(setmetatable({}, { __tostring = function() error 'no text either' end }))"
        assert.matches('worker "made" failed: an error that is a table', lines[1])
        lines, reports = {}, {}
        deliver "error(('é'):rep(400) .. '\\nthe end', 0)"
        local text = logged():match("failed: (.-)\nerror  from"):gsub("\nerror ", "")
        assert.equal(("é"):rep(400) .. " the end", text)
    end)

    it("is told while the module is loaded, too, and the rows are held", function()
        local object = batcher [[
            local function read_settings() error "there are no settings" end
            local function prepare() read_settings() return 1 end
            prepare()]]
        assert.is_true(process.wait(function() return object:stats().health == "holding" end))
        object:poll()
        assert.matches('^error loading the worker "made" failed: .*made.lua:1: there are no settings', lines[1])
        assert.matches("'read_settings' < .*'prepare' < .*made.lua:3: in main chunk$", lines[2])
        assert.matches("^worker \"made\": .*no settings; from .*'read_settings'", object:stats().last_error)
        process.write(dir .. "/made.lua", "return { write = function() return true end }")
        assert(object:close(process.PATIENCE))
        assert.equal(1, scripted.conserved(object).stored)
    end)

    it("says that a module gave nothing", function()
        local object = batcher "local store = {}"
        assert.is_true(process.wait(function() return object:stats().health == "holding" end))
        assert.matches("the module gave nothing; expected a store", object:stats().last_error)
        process.write(dir .. "/made.lua", "return { write = function() return true end }")
        assert(object:close(process.PATIENCE))
    end)

    it("is told once for a while, and that of the close always", function()
        local object = batcher [[
            local calls = 0
            return {
                write = function()
                    calls = calls + 1
                    if calls < 5 then error("failure " .. calls) end
                    return true
                end,
                close = function() error "the door is stuck" end,
            }]]
        assert(object:close(process.PATIENCE))
        local text = logged()
        assert.equal(5 - 1, scripted.conserved(object).failures)
        local _, count = text:gsub('the worker "made" failed: ', "")
        assert.equal(2, count)
        assert.matches('error the worker "made" failed: [^\n]*failure 1', text)
        assert.matches('error the close of the worker "made" failed: [^\n]*the door is stuck', text)
    end)

    it("that comes after the claim was completed is told, and the answer stands", function()
        assert.equal(0, deliver("batch:complete(true) error 'too late'").failures)
        assert.matches('worker "made" failed: .*too late', lines[1])
        lines = {}
        assert.equal(0, deliver("batch:complete(true) batch:complete(true)").failures)
        assert.matches("complete: the batch is completed already", lines[1])
        lines = {}
        assert.equal(0, deliver("batch:complete(true) return nil, 'after all not'").failures)
        assert.equal('error the worker "made" answered after all not after it had completed its claim: that counts '
            .. "for nothing", lines[1])
        lines = {}
        assert.equal(0, deliver("batch:complete(true) return true").failures)
        assert.same({}, lines)
    end)

    it("is told of a store whose metatable throws, and without the debug library", function()
        local object = batcher [[
            local looks = 0
            debug.traceback = nil
            return setmetatable({}, { __index = function(_, name)
                looks = looks + 1
                if looks == 1 then error "not so fast" end
                return name == "write" and function() return true end or nil
            end })]]
        assert(object:close(process.PATIENCE))
        assert.equal(1, scripted.conserved(object).stored)
        assert.matches("not so fast; from .*made.lua:5: in ", reports[1])
    end)
end)
