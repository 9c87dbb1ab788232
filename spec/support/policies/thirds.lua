-- A policy for a worker: one of args.routes tables, args.table_0 and so on, by the row's number.

return function(args)
    return {
        route = function(row)
            return ("%s_%d"):format(args.table, tonumber(row.n) % args.routes)
        end,
    }
end
