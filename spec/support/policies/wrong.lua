-- A policy for a worker that answers what it may not.

return {
    route = function()
        return 12
    end,
    retry_delay = function()
        return "soon"
    end,
}
