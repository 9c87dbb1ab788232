-- A store for a worker beside a policy in another: a line for each batch in the file args.path; the first try of a
-- batch fails where args.fails.

return function(args)
    return {
        write = function(_, batch)
            local file = assert(io.open(args.path, "a"))
            assert(file:write(("%s %s %d %d\n"):format(batch.table, batch.reason, batch.attempt, #batch)))
            assert(file:close())
            return batch.attempt > 1 or not args.fails or nil, "the first try fails"
        end,
    }
end
