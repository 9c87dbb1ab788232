-- A policy for a worker that keeps a diary of what it is asked, a line a question, in the file args.diary. Of its
-- decisions it has those that args tells the answers to:
--   args.rows   should_flush: at so many rows; args.age: at this age
--   args.tables route: by the row's note, the names in this table; args.refuses: the reasons why it refuses a row (or
--               true), by its note
--   args.tries  retry_delay: so many tries, args.delay seconds apart (without it, by the option retry), then it gives
--               up

local function diary_of(path)
    return function(...)
        local words = { ... }
        for index = 1, select("#", ...) do
            words[index] = tostring(words[index])
        end
        local file = assert(io.open(path, "a"))
        assert(file:write(table.concat(words, " "), "\n"))
        assert(file:close())
    end
end

return function(args)
    local say = diary_of(args.diary)
    local function say_last(last)
        if last then
            say("last", last.rows, type(last.elapsed) == "number" and last.elapsed >= 0, last.ok, last.error)
        end
    end
    local decisions = {
        close = function()
            say "closed"
        end,
    }
    if args.rows or args.age then
        function decisions.should_flush(view)
            say("open", view.rows, view.attempt, view.health, view.accepted >= view.rows, view.nothing)
            say_last(view.last)
            return view.rows >= (args.rows or math.huge) or view.age >= (args.age or math.huge)
        end
    end
    if args.tables then
        function decisions.route(row)
            say("row", #row.id, (tostring(row.n):gsub("%D+$", "")), row.note)
            if args.refuses and args.refuses[row.note] then
                return false, args.refuses[row.note] ~= true and args.refuses[row.note] or nil
            end
            return args.tables[row.note]
        end
    end
    if args.tries then
        function decisions.retry_delay(view, err)
            say("failed", view.attempt, view.rows, view.class, view.table, err)
            say_last(view.last)
            return view.attempt < args.tries and args.delay
        end
    end
    return decisions
end
