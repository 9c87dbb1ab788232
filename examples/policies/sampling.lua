-- SPDX-License-Identifier: MIT
-- A policy: sampling under pressure. The fuller a batcher gets, the fewer of its rows are taken: all below half of its
-- limit, one of 4 from there, of 16 from three quarters, of 64 from nine tenths. For the others `add` answers nil, "one
-- of 4 is taken" and "invalid". Rows that matter are always taken:
--   policy = sampling { max_pending_rows = 65536, matters = function(row) return row.level == "error" end }

local STEPS = { { 0.9, 64 }, { 0.75, 16 }, { 0.5, 4 } }

-- max_pending_rows: the batcher's.
return function(args)
    local every, left_out, taken = 1, 0, 0

    local function look(pending)
        every = 1
        for _, step in ipairs(STEPS) do
            if pending >= step[1] * args.max_pending_rows then
                every = step[2]
                return
            end
        end
    end

    return {
        route = function(row)
            if every == 1 or args.matters and args.matters(row) then
                return nil
            end
            left_out = (left_out + 1) % every
            if left_out > 0 then
                return false, ("one of %d is taken"):format(every)
            end
        end,

        -- Asked after each row that was accepted, and in poll: it flushes nothing. The counters are not for nothing,
        -- so where all is well they are looked at once in 32 rows.
        should_flush = function(view)
            taken = (taken + 1) % 32
            if every > 1 or taken == 0 then
                look(view.pending)
            end
            return false
        end,
    }
end
