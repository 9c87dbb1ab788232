-- SPDX-License-Identifier: MIT
-- The options of every constructor, checked: a function takes the caller's table and answers a flat table
-- that the C module reads, or nil and a message that names the option. Defaults are the core's: an option
-- that is not given is not in the flat table.

local raw = require("writebehind.core").raw

local options = {}

local huge = math.huge

-- ---- checkers: each answers nil where a value is right, else what was expected ----

local function is_number(value)
    return type(value) == "number" and value == value
end

local function is_whole(value)
    return is_number(value) and value >= 1 and value < 2 ^ 53 and value % 1 == 0
end

local function count(value)
    return not is_whole(value) and "a whole number of at least 1" or nil
end

local function limit(value)
    return not (is_whole(value) or value == huge) and "a whole number of at least 1, or math.huge" or nil
end

local function limit_or_none(value)
    return value ~= 0 and limit(value) and "a whole number of at least 0, or math.huge" or nil
end

local function fraction(value)
    return not (is_number(value) and value > 0 and value <= 1) and "a number above 0 and at most 1" or nil
end

local function seconds(value)
    return not (is_number(value) and value >= 0) and "seconds, 0 or more" or nil
end

local function some_seconds(value)
    return not (is_number(value) and value > 0) and "seconds, above 0" or nil
end

local function of_type(name)
    local expected = "a " .. name
    return function(value)
        return type(value) ~= name and expected or nil
    end
end

local function of_kind(name)
    local expected = "a " .. name .. " of this library"
    return function(value)
        return raw.kind(value) ~= name and expected or nil
    end
end

-- Text that names something: not empty, no NUL.
local function name_text(value)
    local right = type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
    return not right and "a name (a string, not empty)" or nil
end

-- A path or conninfo: no NUL.
local function plain_text(value)
    local right = type(value) == "string" and not value:find("\0", 1, true)
    return not right and "a string" or nil
end

local function one_of(...)
    local names, set = { ... }, {}
    for index, name in ipairs(names) do
        set[name] = index
        names[index] = ('"%s"'):format(name)
    end
    local expected = table.concat(names, ", ")
    return function(value)
        return not set[value] and expected or nil
    end
end

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

-- ---- checking a table against a list of checkers ----

local function show(value)
    if type(value) == "string" then
        return #value <= 60 and ("%q"):format(value) or ("a string of %d bytes"):format(#value)
    elseif type(value) == "number" or type(value) == "boolean" then
        return tostring(value)
    end
    local kind = raw.kind(value)
    return kind and "a " .. kind or value == nil and "nothing" or "a " .. type(value)
end

local function problem(noun, name, expected, value)
    return ('%s: option "%s": expected %s, got %s'):format(noun, name, expected, show(value))
end

local function unknown(noun, name)
    if type(name) == "string" then
        return ('%s: unknown option "%s"'):format(noun, name)
    end
    return ("%s: unknown option %s: options are given by name"):format(noun, show(name))
end

local function check(noun, given, checkers, required)
    if type(given) ~= "table" then
        return ("%s: expected a table of options, got %s"):format(noun, show(given))
    end
    for name, value in pairs(given) do
        local checker = checkers[name]
        if not checker then
            return unknown(noun, name)
        end
        local expected = checker(value)
        if expected then
            return problem(noun, name, expected, value)
        end
    end
    for _, name in ipairs(required) do
        if given[name] == nil then
            return problem(noun, name, checkers[name](nil), nil)
        end
    end
end

-- ---- retry ----

local function attempts(value)
    return not (is_whole(value) and value < 2 ^ 32 or value == huge) and
        "a whole number of at least 1, or math.huge" or nil
end

local RETRY = { initial = seconds, max = seconds, attempts = attempts }
local SHORTEST, INITIAL, LONGEST = 0.001, 0.1, 30 -- the last two are the core's defaults

-- A first delay of 0 would try for ever without letting time pass: it is made a millisecond.
local function flatten_retry(noun, retry, flat)
    local message = check(noun .. ': option "retry"', retry, RETRY, {})
    if message then
        return message
    end
    local longest = math.max(retry.max or math.max(LONGEST, retry.initial or 0), SHORTEST)
    local initial = math.max(retry.initial or math.min(INITIAL, longest), SHORTEST)
    if initial > longest then
        return ('%s: option "retry": initial (%s) is above max (%s)'):format(noun, initial, longest)
    end
    flat.retry_initial, flat.retry_max, flat.retry_attempts = initial, longest, retry.attempts
end

-- ---- what batchers and trackers share ----

local SHARED = {
    table = name_text, interval = seconds, retry = of_type "table", write_timeout = some_seconds,
    close_timeout = seconds, on_flush = of_type "function", log = of_type "function",
    clock = of_kind "clock", inline = of_type "boolean",
}

local function with_shared(own)
    for name, checker in pairs(SHARED) do
        own[name] = checker
    end
    return own
end

local function check_mode(noun, given)
    local decides = noun == "batcher" and type(given.policy) == "table" and given.policy.retry_delay
    if is_native(given.store) and not given.clock and not decides and given.inline then
        return noun .. ': option "inline": a native store is worked by a thread of its own, never inside add'
    end
end

local function flatten(noun, given, checkers, required)
    local message = check(noun, given, checkers, required) or check_mode(noun, given)
    local flat = {}
    if message then
        return nil, message
    end
    for name, value in pairs(given) do
        flat[name] = value
    end
    message = flatten_retry(noun, given.retry or {}, flat)
    if message then
        return nil, message
    end
    flat.native = is_native(given.store) and given.store or nil
    flat.log_events, flat.flush_events = given.log ~= nil, given.on_flush ~= nil
    return flat
end

-- ---- batcher ----

local OVERFLOW = { reject = 0, block = 1, drop_oldest = 2, drop_newest = 3 }
local NO_DEDUPE, BY_COLUMN = 0, 1

local BATCHER = with_shared {
    store = store_with "write", schema = of_kind "schema", batch_size = count, flush_at = fraction,
    batch_bytes = limit, max_pending_rows = limit, max_pending_bytes = limit, block_timeout = seconds,
    overflow = one_of("reject", "block", "drop_oldest", "drop_newest"), dedupe = name_text,
    dead_letter = path_or_function, policy = table_or_worker,
}

local LARGEST_BATCH = 2 ^ 30 -- bytes

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
    if name == "none" then
        flat.dedupe = NO_DEDUPE
    elseif name then
        flat.dedupe, flat.dedupe_column = BY_COLUMN, dedupe_column(flat.schema, name)
        if not flat.dedupe_column then
            return ('batcher: option "dedupe": expected "none" or the name of a generated uuid column, got %s')
                :format(show(name))
        end
    end
end

local is_function = of_type "function"
local POLICY = {
    should_flush = is_function, on_full = is_function, route = is_function, retry_delay = is_function,
    worker = of_kind "store",
}

-- With a worker, on_full alone is left to the caller.
local function flatten_policy(flat)
    local given = is_native(flat.policy) and { worker = flat.policy } or flat.policy or {}
    local message = check('batcher: option "policy"', given, POLICY, {})
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
    flat.driven, flat.routes = flat.asks_retry, {}
end

function options.batcher(given)
    local flat, message = flatten("batcher", given, BATCHER, { "store", "schema", "table" })
    message = message or flatten_dedupe(flat) or flatten_policy(flat)
    if message then
        return nil, message
    end
    if flat.overflow == "block" and flat.inline == false then
        return nil, 'batcher: option "inline": false leaves nobody who makes room for overflow = "block"'
    end
    if flat.batch_bytes then
        flat.batch_bytes = math.min(flat.batch_bytes, LARGEST_BATCH)
    end
    flat.dead_events = type(flat.dead_letter) == "function"
    flat.dead_path = not flat.dead_events and flat.dead_letter or nil
    flat.block = flat.overflow == "block"
    flat.overflow = OVERFLOW[flat.overflow or "reject"]
    return flat
end

-- ---- tracker ----

local TRACKER = with_shared {
    store = store_with "touch", key = name_text, column = name_text, precision = one_of("flush", "exact"),
    min_advance = seconds, chunk = count, max_pending_ids = limit,
}

function options.tracker(given)
    local flat, message = flatten("tracker", given, TRACKER, { "store", "table", "key", "column" })
    if not flat then
        return nil, message
    end
    flat.exact = flat.precision == "exact"
    return flat
end

-- ---- stores ----

local function checked(noun, checkers, required)
    return function(given)
        local message = check(noun, given, checkers, required)
        if message then
            return nil, message
        end
        return given
    end
end

options.postgres = checked("postgres", { conninfo = plain_text }, { "conninfo" })
options.sqlite = checked("sqlite", { path = name_text, create = of_type "boolean" }, { "path" })
options.memory = checked("memory", { keep_rows = limit_or_none }, {})
options.open = checked("open", { create = of_type "boolean" }, {})
options.url = plain_text

return options
