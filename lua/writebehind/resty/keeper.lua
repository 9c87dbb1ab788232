-- SPDX-License-Identifier: MIT
-- The one long-lived coroutine of an nginx worker. While there is work, it gives each member that has some its turns,
-- and runs tasks as light threads beside itself. It runs in an nginx timer; a second timer watches it.
--
-- Invariant: a member is in `active` while it may have work, and else its `alert` is true, which asks for a wake.
-- The `current` coroutine takes a turn at least every BEAT seconds, or is taken for dead: a store or a hook may end
-- its timer (ngx.exit), and nginx drops timers past lua_max_running_timers without a word. Then another starts. If
-- the first is alive after all, it sees that it is not `current`, and ends.
-- An idle worker has neither timer nor coroutine: with lua_code_cache off, nothing then keeps its Lua state alive.

local semaphore = require "ngx.semaphore"
local process = require("writebehind.core").process

local now = process.now

local keeper = {}

local BEAT = 1       -- seconds, at the most, between two turns
local WATCH = 2      -- between two looks of the watching timer
local DEAD = 5       -- without a turn
local MOST_TASKS = 500 -- of one timer: what nginx keeps of a light thread or a socket is freed only with the timer
local BREATH = 0.001 -- for the event loop, where stores never yield
local QUIET = 10     -- between two complaints

local active, tasks = {}, {}
local current, watched_at, complained_at

local function complain(what, why)
    local at = now()
    if not complained_at or at - complained_at > QUIET then
        complained_at = at
        ngx.log(ngx.ERR, "writebehind: ", process.shown(what .. ": " .. why))
    end
end

function keeper.is_exiting()
    return ngx.worker.exiting()
end

-- ---- waking ----

-- A member needs no wake for what its own turn begins: its turn comes again.
local function signal(context, member)
    if context and not context.signalled and (member == nil or member ~= context.turning) then
        context.signalled = true
        if context.waits then
            context.semaphore:post(1)
        end
    end
end

-- Waits until it is signalled, or for so many seconds.
local function rest(context, seconds)
    if context.signalled then
        ngx.sleep(BREATH)
    else
        context.waits = true
        context.semaphore:wait(math.max(seconds, BREATH))
        context.waits = false
    end
    context.signalled = false
end

-- ---- tasks ----

local function run_task(context, task)
    local ok, message = pcall(task)
    context.alive = context.alive - 1
    if not ok then
        complain("a task failed", tostring(message))
    end
    signal(context)
end

local function run_tasks(context)
    while tasks[1] do
        local task = table.remove(tasks, 1)
        ngx.thread.spawn(run_task, context, task)
        context.alive, context.spawned = context.alive + 1, context.spawned + 1
    end
end

-- ---- turns ----

-- A turn may wake others, where a policy adds to them: their turn is in the next round.
local function list_active()
    local list = {}
    for member in pairs(active) do
        list[#list + 1] = member
    end
    return list
end

-- A member's turn answers when it wants the next one, in seconds; nil: when it is woken.
local function turn_all(context)
    local wait = BEAT
    context.seen = now()
    for _, member in ipairs(list_active()) do
        context.turning = member
        local ok, seconds = pcall(member.turn, member, context.seen)
        if not ok then
            complain(member.title, tostring(seconds))
        end
        if ok and seconds then
            wait = math.min(wait, seconds)
        else
            active[member], member.alert = nil, true
        end
    end
    context.turning = nil
    return wait
end

-- Waits for the tasks of a timer that has no more turns. In a worker that exits and has no work left, three beats at
-- the most.
local function linger(context)
    local beats = 0
    while context.alive > 0 do
        rest(context, BEAT)
        beats = keeper.is_exiting() and not next(active) and beats + 1 or 0
        if beats > 2 then
            ngx.exit(0)
        end
    end
end

local start, watch

local function work(context)
    while current == context do
        local wait = turn_all(context)
        run_tasks(context)
        watch()
        if not next(active) and not tasks[1] then
            current = nil
        elseif context.spawned >= MOST_TASKS then
            context.spawned = 0
            start()
        else
            rest(context, wait)
        end
    end
end

-- The timer's function. It goes on in a worker that exits: tasks may still use sockets there.
local function serve(_, context)
    local ok, message = pcall(work, context)
    if not ok then
        context.seen = -math.huge
        complain("the coroutine of the worker ended", tostring(message))
    end
    linger(context)
end

-- ---- starting and watching ----

local function is_dead(context)
    return now() - context.seen > DEAD
end

function start()
    local context = { seen = now(), alive = 0, spawned = 0, semaphore = semaphore.new(), signalled = false }
    local called, made, message = pcall(ngx.timer.at, 0, serve, context)
    if called and made then
        current = context
        return true
    end
    complain("no timer, rows wait", tostring(called and message or made))
    return false
end

-- What a dead coroutine had taken comes back when it is collected.
local function ensure(member)
    if current and not is_dead(current) then
        signal(current, member)
        return true
    elseif current then
        complain("the coroutine of the worker has not come round", "another one starts")
        collectgarbage()
    end
    return start()
end

-- In a worker that begins to exit, the timer comes at once. nginx wakes who waits for a semaphore only after its next
-- event: so there is one.
local function look(exiting)
    watched_at = nil
    if next(active) or tasks[1] then
        ensure()
        watch()
        if exiting then
            ngx.sleep(BREATH)
        end
    end
end

-- One timer at a time, while there is work. In a worker that exits, it comes at once.
function watch()
    local at = now()
    if keeper.is_exiting() or watched_at and at - watched_at < WATCH + DEAD then
        return
    end
    local called, made = pcall(ngx.timer.at, WATCH, look)
    watched_at = called and made and at or nil
end

-- ---- for members ----

-- Tells that the member has work, or may have.
function keeper.wake(member)
    active[member], member.alert = true, false
    if ensure(member) then
        watch()
    else
        member.alert = true
    end
end

-- Runs the task beside the coroutine instead of in the caller's request.
function keeper.spawn(member, task)
    tasks[#tasks + 1] = task
    keeper.wake(member)
end

function keeper.signal()
    signal(current)
end

keeper.BEAT, keeper.BREATH = BEAT, BREATH

return keeper
