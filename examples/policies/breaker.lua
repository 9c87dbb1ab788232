-- SPDX-License-Identifier: MIT
-- A policy: a circuit breaker. After so many failures in a row it refuses new rows for a time, so that callers hear at
-- once that the store is down: `add` answers nil, the store's error, and "invalid". Then it lets rows in until it
-- looks again, and opens again where the store still fails. What was accepted stays, and is tried all the time.
--   policy = breaker { failures = 5, seconds = 30 }

-- now: a clock, os.time.
return function(args)
    local now, open_until, why, looked = args.now or os.time, 0, nil, nil

    return {
        route = function()
            if now() < open_until then
                return false, why
            end
        end,

        -- Asked after each row that was accepted, and in poll: it flushes nothing. The counters are not for nothing,
        -- so they are looked at once a second.
        should_flush = function(view)
            local time = now()
            if time ~= looked and time >= open_until then
                looked = time
                if view.consecutive_failures >= args.failures then
                    open_until, why = time + args.seconds, "the store is down: " .. view.last_error
                end
            end
            return false
        end,
    }
end
