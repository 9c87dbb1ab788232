-- SPDX-License-Identifier: MIT
-- The options of every constructor, checked: a function takes the caller's table and answers a flat table, which the
-- C module reads, or nil and a message that names the option. Names, ranges and defaults are those that the core
-- lists (core.options). An option that is not given is not in the flat table: the core has its default.

local check = require "writebehind.check"
local core = require "writebehind.core"
local tracked = require "writebehind.tracked"
local upsert = require "writebehind.forms.upsert"

local raw = core.raw

local options = {
    SHORTEST_DELAY = 0.001, -- seconds; a delay of 0 would try for ever without letting time pass
}

local max, min = math.max, math.min

local whole, whole_or_huge, share = check.whole, check.whole_or_huge, check.share
local seconds, some_seconds, one_of = check.seconds, check.some_seconds, check.one_of
local of_type, of_kind, name_text = check.of_type, check.of_kind, check.name_text

local MOST_WHOLE, MOST_TRIES = check.MOST_WHOLE, 2 ^ 32

-- ---- checkers of stores, and of what is told of them ----

local function is_native(store)
    return raw.kind(store) == "store"
end

local function store_with(method)
    local expected = ("a store of this library, or a table with a function `%s`"):format(method)
    return function(value)
        local scripted = type(value) == "table" and type(value[method]) == "function"
        return not (scripted or is_native(value)) and expected or nil
    end
end

-- A path or a function.
local function path_or_function(value)
    return type(value) ~= "function" and name_text(value) and "a path, or a function(row, error)" or nil
end

local function table_or_worker(value)
    return type(value) ~= "table" and not is_native(value) and "a table of functions, or a worker" or nil
end

-- ---- what the core lists ----

-- The names of a choice by their values, from 0 on.
local function in_order(choices)
    local names = {}
    for name, value in pairs(choices) do
        names[value + 1] = name
    end
    return names
end

local LISTED = {
    count = function(entry) return whole(entry.least) end,
    limit = function(entry) return whole_or_huge(entry.least, MOST_WHOLE) end,
    tries = function(entry) return whole_or_huge(entry.least, MOST_TRIES) end,
    share = function(entry) return share(entry.least, entry.most) end,
    time = function(entry) return entry.least > 0 and some_seconds or seconds end,
    flag = function() return of_type "boolean" end,
    choice = function(entry) return one_of(in_order(core.choices[entry.name])) end,
}

-- → the checkers of a noun's options, those of its tables ("retry", "spool") by name, the defaults by name, and the
-- names that may change
local function listed(noun)
    local checkers, tables, defaults, live = {}, { retry = {}, spool = {} }, {}, {}
    for _, entry in ipairs(core.options[noun]) do
        local whole_name, part = entry.name:match "^(%l+)%.(.*)"
        local to = whole_name and tables[whole_name] or checkers
        to[part or entry.name] = entry.unit and LISTED[entry.type](entry)
        defaults[entry.name] = entry.default
        live[whole_name or entry.name] = entry.live
    end
    return checkers, tables, defaults, live
end

local BATCHER, TABLES, DEFAULTS, LIVE = listed "batcher"
local RETRY = TABLES.retry
local TRACKER, TRACKER_TABLES = listed "tracker"
local SPOOL = { batcher = TABLES.spool, tracker = TRACKER_TABLES.spool }
SPOOL.batcher.path, SPOOL.tracker.path = name_text, name_text

-- ---- retry: the same of both ----

-- Where only one of the two ceilings is given, the other gives way to it: the default, or what was so far.
local function flatten_retry(noun, retry, flat, before)
    local message = check.all(noun .. ': option "retry"', retry, RETRY, {})
    if message then
        return message
    end
    local shortest = options.SHORTEST_DELAY
    local longest = max(retry.max or max(before["retry.max"], retry.initial or 0), shortest)
    local initial = max(retry.initial or min(before["retry.initial"], longest), shortest)
    if initial > longest then
        return ('%s: option "retry": initial (%s) is above max (%s)'):format(noun, initial, longest)
    end
    flat["retry.initial"], flat["retry.max"], flat["retry.attempts"] = initial, longest, retry.attempts
end

-- ---- what batchers and trackers share ----

local SHARED = {
    table = name_text, name = name_text, retry = of_type "table", on_flush = of_type "function",
    log = of_type "function", clock = of_kind "clock", inline = of_type "boolean", spool = of_type "table",
}

local function add_checkers(to, ...)
    for _, checkers in ipairs { SHARED, ... } do
        for name, checker in pairs(checkers) do
            to[name] = checker
        end
    end
end

local function check_mode(noun, given)
    local decides = noun == "batcher" and type(given.policy) == "table" and given.policy.retry_delay
    if is_native(given.store) and not given.clock and not decides and given.inline then
        return noun .. ': option "inline": a native store is worked by a thread of its own, never inside add'
    end
end

local function flatten(noun, given, checkers, required)
    local message = check.all(noun, given, checkers, required) or check_mode(noun, given)
    local flat = {}
    if message then
        return nil, message
    end
    for name, value in pairs(given) do
        flat[name] = value
    end
    message = flatten_retry(noun, given.retry or {}, flat, DEFAULTS)
    if message then
        return nil, message
    end
    flat.native = is_native(given.store) and given.store or nil
    flat.log_events, flat.flush_events = given.log ~= nil, given.on_flush ~= nil
    return flat
end

-- ---- batcher ----

local OVERFLOW, DEDUPE = core.choices.overflow, core.choices.dedupe

add_checkers(BATCHER, {
    store = store_with "write", schema = of_kind "schema", dedupe = name_text, dead_letter = path_or_function,
    upsert = of_type "table", coalesce = of_type "table",
    policy = table_or_worker,
})

local function flatten_overflow(noun, flat, inline)
    if flat.overflow == "block" and inline == false then
        return noun .. ': option "inline": false leaves nobody who makes room for overflow = "block"'
    elseif flat.overflow then
        flat.block, flat.overflow = flat.overflow == "block", OVERFLOW[flat.overflow]
    end
end

local function dedupe_column(schema, name)
    for index, column in ipairs(schema:columns()) do
        if column.name == name then
            return column.generate and index - 1
        end
    end
end

-- By default the core finds the generated column.
local function flatten_dedupe(flat)
    local name = flat.dedupe
    flat.dedupe = nil
    if name == "none" or name == "ledger" then
        flat.dedupe = DEDUPE[name]
    elseif name then
        flat.dedupe, flat.dedupe_column = DEDUPE.column, dedupe_column(flat.schema, name)
        if not flat.dedupe_column then
            return ('batcher: option "dedupe": expected "none", "ledger" or the name of a ' ..
                'generated uuid column, got %s')
                :format(check.show(name))
        end
    end
end

local function flatten_upsert(flat)
    local message
    if flat.upsert and not flat.native then
        return 'batcher: option "upsert": a scripted store decides itself what becomes of a row whose key is there'
    elseif flat.dedupe == DEDUPE.ledger and not flat.native then
        return 'batcher: option "dedupe": "ledger": a scripted store knows a batch by its id, batch.id'
    elseif flat.upsert then
        flat.upsert, message = upsert.flatten("upsert", flat.schema, flat.upsert)
    end
    if flat.coalesce and not message then
        flat.coalesce, message = upsert.flatten("coalesce", flat.schema, flat.coalesce)
    end
    return message
end

-- The choices by their numbers.
local function flatten_spool(noun, flat)
    local spool = flat.spool
    local message = spool and check.all(noun .. ': option "spool"', spool, SPOOL[noun], { "path" })
    if message or not spool then
        return message
    end
    for name, value in pairs(spool) do
        local choices = core.choices["spool." .. name]
        flat["spool." .. name] = choices and choices[value] or value
    end
end

local is_function = of_type "function"
local POLICY = {
    should_flush = is_function, on_full = is_function, route = is_function, retry_delay = is_function,
    worker = of_kind "store",
}

-- With a worker, only on_full is left to the caller.
local function flatten_policy(flat)
    local given = is_native(flat.policy) and { worker = flat.policy } or flat.policy or {}
    local message = check.all('batcher: option "policy"', given, POLICY, {})
    if message then
        return message
    end
    local decisions = {}
    for name, decide in pairs(given) do
        if given.worker and name ~= "worker" and name ~= "on_full" then
            return ('batcher: option "policy": %s and a worker: the worker\'s module decides it'):format(name)
        end
        decisions[name] = name ~= "worker" and decide or nil
    end
    flat.policy_worker = given.worker
    flat.policy = next(decisions) and decisions
    flat.asks_retry = decisions.retry_delay ~= nil
    flat.driven = flat.asks_retry
end

function options.batcher(given)
    local flat, message = flatten("batcher", given, BATCHER, { "store", "schema", "table" })
    message = message or flatten_dedupe(flat) or flatten_upsert(flat) or flatten_policy(flat)
        or flatten_spool("batcher", flat)
    if message then
        return nil, message
    end
    message = flatten_overflow("batcher", flat, flat.inline)
    if message then
        return nil, message
    end
    flat.dead_events = type(flat.dead_letter) == "function"
    flat.dead_path = not flat.dead_events and flat.dead_letter or nil
    flat.overflow = flat.overflow or DEFAULTS.overflow
    return flat
end

-- What configure is given, for a batcher that has the option table `own`.
function options.changes(own, given)
    local noun, flat = "batcher:configure", {}
    for name in pairs(type(given) == "table" and given or {}) do
        if BATCHER[name] and not LIVE[name] then
            return nil, ('%s: option "%s": can\'t change while the batcher runs'):format(noun, name)
        end
    end
    local message = check.all(noun, given, BATCHER, {})
    if message then
        return nil, message
    end
    for name, value in pairs(given) do
        flat[name] = value
    end
    message = given.retry and flatten_retry(noun, given.retry, flat, own) or flatten_overflow(noun, flat, own.inline)
    if message then
        return nil, message
    end
    return flat
end

-- What the core says of an option, whose name comes first there.
function options.refused(noun, text)
    return ("%s: option %s"):format(noun, (text:gsub("^([%w_.]+)", '"%1"', 1)))
end

-- ---- tracker ----

add_checkers(TRACKER, {
    store = store_with "touch", key = tracked.key, column = tracked.column, precision = one_of { "flush", "exact" },
})

local function is_database(store)
    return is_native(store) and store:kind() ~= "worker"
end

-- A scripted store knows where its marks go.
local function tracker_requires(given)
    return type(given) == "table" and is_database(given.store) and { "store", "table" } or { "store" }
end

function options.tracker(given)
    local flat, message = flatten("tracker", given, TRACKER, tracker_requires(given))
    if not message and flat.insert and not is_database(given.store) then
        message = 'tracker: option "insert": a scripted store makes its rows itself'
    end
    message = message or flat and flatten_spool("tracker", flat)
    if message then
        return nil, message
    end
    tracked.flatten(flat)
    flat.exact = flat.precision == "exact"
    return flat
end

return options
