-- SPDX-License-Identifier: MIT
-- Adds of threaded batchers on LuaJIT, where a call through the FFI is compiled and one of the C API is not. The values
-- of a row are put into slots, by their columns' places, and one call (bindings/lua/objects/direct.c) adds what is in
-- them. What is not usual goes on to C's methods, which also say what is wrong.
-- A trace is of one shape: which columns are given, and as what. Adds of many shapes would be compiled without end, and
-- uncompiled this is slower than C's methods: then they take over.
-- Traces are in the callers' functions, and hold all that they meet: so what is loaded here holds no batcher.
-- Invariants: the slots are empty between two adds. In between nothing makes memory or calls anybody. A debug hook may
-- run there all the same: what it adds goes to C's methods; and where it throws, so does all that is added later.

local core = require "writebehind.core"

local direct, raw = {}, core.raw

local has_ffi, ffi = pcall(require, "ffi")
local is_jit = has_ffi and type(jit) == "table" -- luacheck: globals jit

local TYPES = {
    add = "int32_t (*)(void *, double *, const char **)", clear = "void (*)(void *, double *, const char **, int32_t)",
    add_rows = "int32_t (*)(void *, double *, const char **, int32_t, int32_t)",
    open = "double (*)(void *)", pair = "bool (*)(void *, const char *, double, const char *, double)",
    close = "bool (*)(void *, double)", marks = "const char *",
}

local WEAK = { __mode = "v" }
local MOST = 32 -- shapes, and refusals in a row

-- What a batcher's functions begin with. They are loaded anew for each, so that what is compiled is of one schema.
local COMMON = [[
local held, c, slow = ...
local getmetatable, next, rawequal, select, type = getmetatable, next, rawequal, select, type
local add_slots, add_rows, clear, open, pair, close, said = c.add, c.add_rows, c.clear, c.open, c.pair, c.close, c.said
local NO, YES, NULL, DOCUMENT = c.marks, c.marks + 1, c.marks + 2, c.marks + 3
local numbers, texts, null, count_keys = c.numbers, c.texts, c.null, c.count_keys

-- A flat table, as JSON.
local function put_document(batcher, slot, value)
    local at = open(batcher)
    for key, item in next, value do
        local kind, taken = type(item), false
        if type(key) ~= "string" then
            return false
        elseif kind == "number" then
            taken = pair(batcher, key, #key, nil, item)
        elseif kind == "string" then
            taken = pair(batcher, key, #key, item, #item)
        elseif kind == "boolean" then
            taken = pair(batcher, key, #key, item and YES or NO, 0)
        end
        if not taken then
            return false
        end
    end
    if at < 0 or not close(batcher, at) and type(getmetatable(value)) ~= "nil" then
        return false
    end
    texts[slot], numbers[slot] = DOCUMENT, at
    return 6
end

local function put_other(batcher, slot, place, value, kind)
    if kind == "boolean" then
        texts[slot] = value and YES or NO
        return value and 3 or 4
    elseif kind == "table" and c[place] then
        return put_document(batcher, slot, value)
    elseif kind == "userdata" and rawequal(value, null) then
        texts[slot] = NULL
        return 5
    end
    return false
end

-- → a number for what it is; false: it is not usual. The slot is that of the place, in the row's own slots.
local function put(batcher, slot, place, value)
    local kind = type(value)
    if kind == "number" then
        numbers[slot] = value
        return value == value and 1 -- a NaN may have any bits, those of an empty slot too
    elseif kind == "string" then
        texts[slot], numbers[slot] = value, #value
        return 2
    elseif kind == "nil" then
        return 0
    end
    return put_other(batcher, slot, place, value, kind)
end
]]

-- One add, by its arguments. Those that are values come first, the row after them.
local ADD = [[
local is_on, shapes, refusals, known = true, 0, 0, {}

local function is_usual(shape)
    if not known[shape] then
        known[shape], shapes = true, shapes + 1
        is_on = shapes <= $MOST
    end
    return true
end

local function gather(batcher, base, $arguments)
    local shape, count, code = 0, 0
    $puts
    return $whole and is_usual(shape)
end

local function add(self, $arguments)
    local batcher = held.batcher
    if rawequal(self, held.self) and batcher and is_on and c.free then
        c.free = false
        local code = -1
        if gather(batcher, 0, $arguments) then
            code = add_slots(batcher, numbers, texts)
        else
            clear(batcher, numbers, texts, 1)
        end
        c.free = true
        if code == 0 then
            refusals = 0
            return true
        elseif code > 0 then
            return said(batcher)
        end
        refusals = refusals + 1
        is_on = is_on and refusals <= $MOST
    end
    return slow(self, $arguments)
end
]]

local PUT = [[
    code = put(batcher, base + %d, %d, %s)
    if not code then
        return false
    end
    shape = shape + code * %d
]]

local COUNT = [[
    if code ~= 0 then
        count = count + 1
    end
]]

-- What takes any number of arguments is compiled only as a part of its caller.
local ANY_NUMBER = [[
return function(self, $arguments, ...)
    if select("#", ...) > 0 then
        return slow(self, $arguments, ...)
    end
    return add(self, $arguments)
end
]]

-- Some rows of a list, as C's add_some: $MANY of them have slots, and are added by one call.
local MANY = [[
local slow_some = c.add_some

-- → how many of the next rows were added
local function add_next(batcher, rows, done, most)
    local ready, used = 0, 0
    c.free = false
    while ready == used and ready < most do
        if gather(batcher, ready * $columns, rows[done + ready + 1]) then
            ready = ready + 1
        end
        used = used + 1
    end
    local added = add_rows(batcher, numbers, texts, ready, used)
    c.free = true
    return added
end

return function(self, rows, progress)
    local batcher, count = held.batcher, progress[3]
    while progress[1] < count do
        if not (rawequal(self, held.self) and batcher and is_on and c.free) then
            return slow_some(self, rows, progress)
        end
        local most = count - progress[1]
        most = most < $many and most or $many
        local added = add_next(batcher, rows, progress[1], most)
        progress[1], progress[2] = progress[1] + added, progress[2] + added
        if added > 0 then
            refusals = 0
        end
        if added < most then
            local ok, message, code = said(batcher)
            if ok then
                refusals = refusals + 1
                is_on = is_on and refusals <= $MOST
                ok, message, code = slow(self, rows[progress[1] + 1])
                progress[1], progress[2] = progress[1] + (ok and 1 or 0), progress[2] + (ok and 1 or 0)
            end
            if not ok then
                return nil, message, code
            end
        end
    end
    return true
end
]]

local function count_keys(row)
    local count = 0
    for _ in next, row do
        count = count + 1
    end
    return count
end

-- What the functions of a batcher share; nil: its rows are for C's methods alone.
local function shared_of(batcher)
    local c = is_jit and jit.status() and raw.direct(batcher)
    if not c then
        return nil
    end
    for name, kind in pairs(TYPES) do
        c[name] = ffi.cast(kind, c[name])
    end
    local has_nkeys, nkeys = pcall(require, "table.nkeys") -- OpenResty's LuaJIT has it
    c.count_keys = has_nkeys and nkeys or count_keys
    local slots = c.columns * c.many
    c.numbers, c.texts = ffi.new("double[?]", slots), ffi.new("const char *[?]", slots)
    c.clear(batcher, c.numbers, c.texts, c.many)
    c.free = true
    return c
end

-- Loads an add of the values at these places, and then of a row of the columns from `first` on, if there is one.
-- `last` ends its source.
local function load_add(batcher, slow, self, places, first, last)
    local options = raw.options(batcher)
    local c, arguments, puts = options.direct, {}, {}
    local function put(place, from)
        puts[#puts + 1] = PUT:format(place, place, from, (place + 1) * 2654435761 % 2 ^ 32)
    end
    for i, place in ipairs(places) do
        arguments[i] = "a" .. i
        put(place, arguments[i])
    end
    if first then
        arguments[#arguments + 1] = "row"
        puts[#puts + 1] = 'if type(row) ~= "table" or type(getmetatable(row)) ~= "nil" then return false end\n'
        for place = first, c.columns - 1 do
            put(place, ("row[%q]"):format(options[place + 1]))
            puts[#puts + 1] = COUNT
        end
    end
    local values = {
        MOST = MOST, many = c.many, columns = c.columns, arguments = table.concat(arguments, ", "),
        puts = table.concat(puts), whole = first and "count == count_keys(row)" or "true",
    }
    local source = (COMMON .. ADD .. last):gsub("%$(%a+)", values)
    local held = setmetatable({ self = self, batcher = batcher }, WEAK)
    return assert(loadstring(source, "=writebehind.add"))(held, c, slow)
end

-- Puts add and add_values in the place of C's among the methods of one batcher.
function direct.install(batcher, methods)
    local c = shared_of(batcher)
    if not c then
        return
    end
    raw.options(batcher).direct = c
    local places = {}
    for place = 0, c.given - 1 do
        places[place + 1] = place
    end
    c.add_some = methods.add_some
    methods.add_some = load_add(batcher, methods.add, batcher, {}, 0, MANY)
    methods.add = load_add(batcher, methods.add, batcher, {}, 0, "return add")
    if #places > 0 then
        methods.add_values = load_add(batcher, methods.add_values, batcher, places, nil, ANY_NUMBER)
    end
end

-- A method of `object`, which stands before the batcher: add(object, value of each name, row); the names are those of
-- the first columns. What is not usual goes to `slow`. nil: there is none.
function direct.adder(batcher, object, names, slow)
    local options, places = raw.options(batcher), {}
    if not options.direct then
        return nil
    end
    for place = 0, #names - 1 do
        for i, name in ipairs(names) do
            places[i] = options[place + 1] == name and place or places[i]
        end
    end
    return load_add(batcher, slow, object, places, #names, "return add")
end

return direct
