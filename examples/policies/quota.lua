-- SPDX-License-Identifier: MIT
-- A policy: each tenant may add so many rows in each period. What is more is refused: `add` answers nil, a message
-- that names the tenant, and "invalid". Some may have a quota of their own:
--   policy = quota { column = "tenant", rows = 1000, seconds = 60, of = { acme = 50000 } }

-- column: whose value is the tenant; a row without one is not counted. now: a clock, os.time.
return function(args)
    local now, used, period = args.now or os.time, {}, nil

    return { route = function(row)
        local tenant = row[args.column]
        if tenant == nil then
            return nil
        end
        local current = math.floor(now() / args.seconds)
        if current ~= period then -- tenants of the last one are forgotten
            used, period = {}, current
        end
        local quota, count = args.of and args.of[tenant] or args.rows, (used[tenant] or 0) + 1
        if count > quota then
            return false, ("%s has added %d rows in %g s, its quota"):format(tostring(tenant), quota, args.seconds)
        end
        used[tenant] = count
        return nil -- the batcher's own table
    end }
end
