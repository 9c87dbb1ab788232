-- busted's results as TAP: what scripts/test counts. Errors outside of a test (a file that does not load, a
-- setup that fails) are failures of their own.

return function()
    local busted = require "busted"
    local handler = require "busted.outputHandlers.base"()
    local count = 0

    local function say(format, ...)
        io.write((format:format(...):gsub("[\r\n]+", " ")), "\n")
        io.flush()
    end

    local function comment(text)
        io.write("# ", (tostring(text):gsub("\n", "\n# ")), "\n")
        io.flush()
    end

    local function fail(entry)
        count = count + 1
        say("not ok %d - %s", count, entry.name or "?")
        local message, trace = entry.message, entry.trace or {}
        comment(type(message) == "string" and message or require("pl.pretty").write(message))
        comment(trace.traceback or trace.short_src or "")
    end

    local function test_end(_, _, status)
        if status == "success" then
            count = count + 1
            say("ok %d - %s", count, handler.successes[#handler.successes].name)
        elseif status == "pending" then
            count = count + 1
            local entry = handler.pendings[#handler.pendings]
            say("ok %d - %s # SKIP %s", count, entry.name, tostring(entry.message or ""))
        else
            fail(status == "failure" and handler.failures[#handler.failures] or handler.errors[#handler.errors])
        end
        return nil, true
    end

    local function other_error(element)
        if element.descriptor ~= "it" then
            fail(handler.errors[#handler.errors])
        end
        return nil, true
    end

    local function suite_end()
        say("1..%d", count)
        return nil, true
    end

    busted.subscribe({ "suite", "end" }, suite_end)
    busted.subscribe({ "test", "end" }, test_end, { predicate = handler.cancelOnPending })
    busted.subscribe({ "error" }, other_error)
    return handler
end
