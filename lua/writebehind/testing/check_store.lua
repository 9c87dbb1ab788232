-- SPDX-License-Identifier: MIT
-- testing.check_store: plays an engine against a scripted store, and says in plain words where the store
-- breaks the contract. Each scenario has a fresh store and ends at the first row that went wrong; each kind
-- of fault is told once. A store that does not answer, or never takes a batch, is `stuck`: it is asked no more.

local writebehind = require "writebehind"
local core = require "writebehind.core"
local answering = require "writebehind.testing.check_store.answer"
local check_arguments = require "writebehind.testing.check_store.options"
local rows = require "writebehind.testing.check_store.rows"
local touching = require "writebehind.testing.check_store.touch"
local writing = require "writebehind.testing.check_store.write"

local show = rows.show_value
local START = 1700000000
local USE = { table = "check", interval = 1e6, inline = false, retry = { initial = 0.001, max = 0.001 } }

local Check = {}
Check.__index = Check

for _, part in ipairs { answering, writing, touching } do
    for name, method in pairs(part) do
        Check[name] = method
    end
end

-- ---- faults ----

-- Remembers a fault; `text` is its kind, told once. → false
function Check:fault(text, ...)
    if not self.told[text] then
        self.told[text] = true
        self.faults[#self.faults + 1] = text:format(...)
    end
    return false
end

-- ---- a fresh store ----

local READERS = { read = "rows", times = "times" }

-- A field of the store, or nil where its metatable throws.
function Check:field(name)
    local ok, value = pcall(function() return self.store[name] end)
    return ok and value or nil
end

-- Its function `write` or `touch`, or nil.
function Check:method(entry)
    local method = self:field(entry)
    return type(method) == "function" and method or nil
end

-- What the reader of that name answers, or nil where there is none: by default the store's own table.
function Check:reading(name)
    local reader, store = self.options[name], self.store
    local list = reader and reader(store)
    if not reader then
        list = self:field(READERS[name])
        return type(list) == "table" and list or nil
    elseif type(list) ~= "table" then
        error(("check_store: `%s` answered %s, expected a table"):format(name, show(list)), 0)
    end
    return list
end

function Check:new_store()
    local ok, store = pcall(self.make)
    if not ok or type(store) ~= "table" then
        return self:fault(ok and "new_store() answered %s: a table is expected" or "new_store() failed: %s",
            show(store))
    end
    self.store = store
    local has_method = false
    for _, entry in ipairs { "write", "touch" } do
        has_method = has_method or self:method(entry) ~= nil
    end
    if not has_method then
        return self:fault("new_store() answered a table with neither a function `write` nor a function `touch`")
    end
    local found = self:reading("read")
    if found and #found > 0 then
        return self:fault("a new store holds %d rows already: it shares them with another", #found)
    end
    return true
end

-- ---- an engine ----

-- A batcher or tracker that delivers nothing by itself.
function Check:engine(noun, options)
    for name, value in pairs(USE) do
        options[name] = value
    end
    self.time = core.clock(START)
    options.clock, options.log = self.time, function() end
    options.store = { write = function() return true end, touch = function() return true end }
    return assert(writebehind[noun](options))
end

-- Adds the rows of the options. One that is not accepted is a mistake of the caller's.
function Check.add(_, object, option, ...)
    local ran, ok, message = pcall(object.add, object, ...)
    if not (ran and ok) then
        error(("check_store: option `%s`: %s"):format(option, tostring(ran and message or ok)), 0)
    end
end

-- ---- all of it ----

local PLAYS = {
    { "write", writing.scenarios, { "values", "large", "unreadable", "lost", "failing" } },
    { "touch", touching.scenarios, { "forward", "unknown", "unreadable", "failing" } },
}

function Check:play(entry, scenario)
    if not self:new_store() then
        return false
    end
    if self:method(entry) then
        self["play_" .. entry](self, scenario)
    end
    return true
end

function Check:play_all()
    for _, play in ipairs(PLAYS) do
        for _, name in ipairs(play[3]) do
            if not self:play(play[1], play[2][name]) or self.stuck then
                return
            end
        end
    end
end

-- ---- the function ----

-- Runs the contract on the stores that new_store() makes, each fresh and empty. → true, or nil and a list of
-- sentences. Options, each of which may be left out:
--   read(store)    the rows stored, for comparing: tables as batch:row gives them, or lines as batch:ndjson
--                  does; by default store.rows, where that is a table. Without it only answers are judged
--   times(store)   the times stored by touch, seconds by id; by default store.times
--   idempotent     the store claims that a batch written twice (same id, same generated uuids) is stored once
--   fail(store)    makes the next write or touch fail, as the store's own surroundings can
--   schema, rows   a schema and a list of rows for add; by default every type is tried
--   key            for touch: the type of ids, "uuid", "int4", "int8" or "text"; by default "uuid"
--   ids            for touch: ids that have a row; by default a store has to take any
--   large          rows in the large batch, 2000
--   clock          the testing clock that the store tells its time by, and
--   timeout        the seconds on it that one call may take, 10
--   steps          the instructions of Lua that one call may run, 20 million
return function(new_store, options)
    options = options == nil and {} or options
    check_arguments(new_store, options)
    local schema = options.schema or writebehind.schema(rows.columns())
    local check = setmetatable({
        make = new_store, options = options, told = {}, faults = {}, watches = {}, schema = schema,
        columns = schema:columns(), given = options.rows or rows.every_value(), clock = options.clock,
        timeout = options.timeout or 10, steps = options.steps or 2e7,
    }, Check)
    check:play_all()
    check:look_for_late_reads()
    if #check.faults == 0 then
        return true
    end
    return nil, check.faults
end
