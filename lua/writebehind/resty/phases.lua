-- SPDX-License-Identifier: MIT
-- What nginx lets Lua do in the phase that runs now.

local phases = {}

local CAN_WAIT = {
    rewrite = true, server_rewrite = true, access = true, content = true, timer = true, preread = true,
    ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true,
}
local MAY_BLOCK = { init = true, init_worker = true, exit_worker = true }

-- nil where there is none: the Lua state is being closed.
function phases.now()
    local ok, phase = pcall(ngx.get_phase)
    return ok and phase or nil
end

-- May a coroutine wait here, while others go on?
function phases.can_wait()
    return CAN_WAIT[phases.now()] == true
end

-- May it block: is nobody served yet, or no longer?
function phases.may_block()
    return MAY_BLOCK[phases.now()] == true
end

return phases
