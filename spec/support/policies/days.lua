-- A policy for a worker: a table a day, named after args.prefix and the day (UTC) of the row's time `at`.

return function(args)
    return {
        route = function(row)
            return args.prefix .. os.date("!%Y%m%d", math.floor(row.at))
        end,
    }
end
