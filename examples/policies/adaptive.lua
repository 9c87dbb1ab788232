-- SPDX-License-Identifier: MIT
-- A policy: batches as large as the store writes within a time. A write that was slower, or failed, halves them; one
-- that was quick and full adds a step. As a table of functions, or in a worker:
--   policy = writebehind.worker("adaptive", { target = 0.2, least = 50, most = 5000 })
-- with batch_size = 5000, the most; flush_at = 1; and an interval after which also a smaller batch is due.

return function(args)
    local rows, seen, before = args.least, 0, 0

    local function learn(last)
        if not last.ok or last.elapsed > args.target then
            rows = math.max(args.least, math.floor(rows / 2))
        elseif last.rows >= rows then
            rows = math.min(args.most, rows + args.least)
        end
    end

    return { should_flush = function(view)
        local is_growing = view.rows > before
        before = view.rows
        if is_growing and view.rows < rows then -- the counters are looked at twice a batch, not at every row
            return false
        end
        local writes = view.flushes + view.failures
        if view.last and writes > seen then -- each write once
            seen = writes
            learn(view.last)
        end
        return view.rows >= rows
    end }
end
