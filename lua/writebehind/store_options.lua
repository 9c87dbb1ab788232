-- SPDX-License-Identifier: MIT
-- The options of stores, checked: a function takes the caller's table and answers one that the C module reads, or nil
-- and a message that names the option.

local check = require "writebehind.check"

local raw = require("writebehind.core").raw

local name_text, plain_text, some_seconds = check.name_text, check.plain_text, check.some_seconds
local of_type, of_kind = check.of_type, check.of_kind

local stores = {}

local function is_native(store)
    return raw.kind(store) == "store"
end

local function checked(noun, checkers, required)
    return function(given)
        local message = check.all(noun, given, checkers, required)
        if message then
            return nil, message
        end
        return given
    end
end

stores.postgres = checked("postgres", { conninfo = plain_text, idle_timeout = some_seconds },
    { "conninfo" })
stores.sqlite = checked("sqlite", { path = name_text, create = of_type "boolean" }, { "path" })

-- A URL, or a list of them.
local function some_urls(value)
    local list = type(value) == "table" and value or { value }
    for _, url in ipairs(list) do
        if name_text(url) then
            list = {}
        end
    end
    return #list == 0 and "a URL, or a list of them" or nil
end

local check_tls = checked("tls", { ca = name_text, cert = name_text, key = name_text }, {})

local function tls_files(value)
    if type(value) ~= "table" then
        return "a table { ca =, cert =, key = }"
    end
    local right, message = check_tls(value)
    return not right and message or nil
end

local check_nats = checked("nats", {
    servers = some_urls, stream = name_text, subject = name_text, user = name_text, password = plain_text,
    token = plain_text, credentials = name_text, tls = tls_files,
}, { "servers", "stream" })

-- Flat, as the C module reads it.
function stores.nats(given)
    local right, message = check_nats(given)
    if not right then
        return nil, message
    end
    local flat = {}
    for name, value in pairs(given) do
        flat[name] = value
    end
    flat.servers = type(given.servers) == "table" and table.concat(given.servers, ",") or given.servers
    flat.tls = nil
    for name, path in pairs(given.tls or {}) do
        flat[name] = path
    end
    return flat
end

stores.memory = checked("memory", { keep_rows = check.whole_or_huge(0, check.MOST_WHOLE) }, {})
stores.open = checked("open", { create = of_type "boolean" }, {})
stores.url = plain_text

local function any_store(value)
    local scripted = type(value) == "table" and (type(value.write) == "function" or type(value.touch) == "function")
    return not (scripted or is_native(value)) and "a store" or nil
end

local check_fallback = checked("fallback", { any_store, any_store, after = some_seconds, clock = of_kind "clock" },
    { 1, 2 })

-- A table of functions is called where it is used, a native store by a thread.
function stores.fallback(given)
    local flat, message = check_fallback(given)
    if not flat then
        return nil, message
    end
    local first, second = is_native(flat[1]), is_native(flat[2])
    if first ~= second then
        return nil, "fallback: a table of functions beside a store that a thread writes to: make a worker of it "
            .. "(writebehind.worker)"
    elseif first and flat.clock then
        return nil, 'fallback: option "clock": only of scripted stores'
    end
    return { flat[1], flat[2], after = flat.after or 30, clock = flat.clock, native = first }
end

return stores
