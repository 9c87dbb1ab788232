-- SPDX-License-Identifier: MIT
-- LuaJIT: the C binding beside the FFI, for a mark of a tracker (whose fast path is writebehind.forms.fast) and for
-- add_values of a full row of agent statistics, which stays with C: the FFI's, the best found, is here alone. It
-- is code made for the schema: type checks, stores into a struct, one call; an unusual row goes on to C.
-- In a compiled loop; called by a function that is not compiled; with columns that are now given and now nil;
-- interpreted. Time of the calling thread, which other load disturbs least; values differ from call to call.

local ffi = require "ffi"
local jit = require "jit"

local core = require "writebehind.core"
local rows = require "bench.rows"
local writebehind = require "writebehind"

local ROUNDS, COUNT, ROWS = 41, 20480, 4096
local THREAD_CPUTIME = 3 -- of Linux
local lua = arg[1] or "luajit"

ffi.cdef [[
struct bench_time { long s, ns; };
int clock_gettime(int clock, struct bench_time *now);
int wb_batcher_add(void *batcher, const void *values, size_t count, bool *due, void *err);
]]
local time = ffi.new "struct bench_time"

local function now_ns()
    ffi.C.clock_gettime(THREAD_CPUTIME, time)
    return tonumber(time.s) * 1e9 + tonumber(time.ns)
end

local c_add_values, c_mark = core.variant("batcher").__index.add_values, core.variant("tracker").__index.add

-- ---- add_values through the FFI ----

local VALUE = "int32_t kindN; uint32_t bytesN; union { int64_t wholeN; double numberN; const char *textN; };"
local TEXT = { "type(V) == 'string'", 5, "row.bytesN, row.textN = #V, V" }
local SHAPES = { -- by type: the usual value, its enum wb_kind, how it is stored
    uuid = TEXT, jsonb = TEXT,
    int8 = { "type(V) == 'number' and V >= -0x1p53 and V <= 0x1p53 and V % 1 == 0", 3, "row.wholeN = V" },
    float8 = { "type(V) == 'number'", 4, "row.numberN = V" },
    timestamptz = { "type(V) == 'number' and V > -9e9 and V < 9e9", 4, "row.numberN = V" },
    bool = { "type(V) == 'boolean'", 2, "row.wholeN = V and 1 or 0" },
}

local SOURCE = [[
local type, row, add, err, by_c = ...
return function(slot, self, NAMES)
    local object = slot[0]
    if object ~= nil CHECKS then
        STORES
        return add(object, row, COUNT, nil, err) == 0
    end
    return by_c(self, NAMES)
end]]

local forms = setmetatable({}, { __mode = "k" }) -- by batcher, as each has a schema

local function ffi_add_values(self, ...)
    local form = forms[self]
    if form and select("#", ...) <= form.count then
        return form.add(form.slot, self, ...)
    end
    return c_add_values(self, ...)
end

local function fill(template, number)
    return (template:gsub("%f[%w]V%f[%W]", "v" .. number):gsub("N%f[%W]", number))
end

local function form_of(batcher, schema)
    local names, checks, stores, values, kinds = {}, {}, {}, {}, {}
    for _, column in ipairs(schema:columns()) do
        if not column.generate then
            local number, shape = #names, SHAPES[column.type]
            names[number + 1], values[number + 1] = "v" .. number, fill(VALUE, number)
            checks[number + 1], stores[number + 1] = " and " .. fill(shape[1], number), fill(shape[3], number)
            kinds["kind" .. number] = shape[2]
        end
    end
    local source = SOURCE:gsub("%u%u+", { NAMES = table.concat(names, ", "), CHECKS = table.concat(checks),
        STORES = table.concat(stores, "\n"), COUNT = #names })
    local row = ffi.new(("struct { %s }"):format(table.concat(values, " ")))
    for name, kind in pairs(kinds) do
        row[name] = kind
    end
    local library = ffi.load(rawget(package, "searchpath")("writebehind.core", package.cpath))
    return {
        slot = ffi.cast("void **", batcher) + 2, -- the binding's object: kind, engine, core
        count = #names,
        add = assert(loadstring(source))(type, row, library.wb_batcher_add, ffi.new "char[512]", c_add_values),
    }
end

-- ---- what is measured ----

local batcher = writebehind.batcher {
    store = writebehind.memory { keep_rows = 1 }, schema = writebehind.agent_stats.schema,
    table = "workspace_agent_stats", overflow = "block", block_timeout = 60,
}
local tracker = writebehind.tracker {
    store = writebehind.memory(), table = "workspaces", key = "id", column = "last_used_at", interval = 3600,
}

forms[batcher] = form_of(batcher, writebehind.agent_stats.schema)

local full, sparse = {}, {}
for i = 1, ROWS do
    full[i], sparse[i] = { rows.values(i) }, { rows.values(i) }
    for column = 6, 17 do -- those that have a default
        if math.floor(i / 2 ^ (column - 6)) % 2 == 0 then
            sparse[i][column] = nil
        end
    end
end

-- A loop over the rows, of a prototype of its own, so that jit.off concerns it alone.
local function adding(list)
    return loadstring [[
        local list, batcher, COUNT = ...
        return function(add)
            for i = 1, COUNT do
                local r = list[i % #list + 1]
                assert(add(batcher, r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                    r[13], r[14], r[15], r[16], r[17]))
            end
        end
    ]](list, batcher, COUNT)
end

local function marking()
    return loadstring [[
        local list, tracker, COUNT = ...
        return function(add)
            for i = 1, COUNT do
                assert(add(tracker, list[i % 1000 + 1][4]))
            end
        end
    ]](full, tracker, COUNT)
end

local function uncompiled(body)
    jit.off(body)
    return body
end

local function compare(text, body, binding, fast)
    local of_binding, of_fast, ratios = {}, {}, {}
    for round = 0, ROUNDS do
        local began = now_ns()
        body(binding)
        local between = now_ns()
        body(fast)
        local ended = now_ns()
        if round > 0 then -- the first warms up
            of_binding[round], of_fast[round] = (between - began) / COUNT, (ended - between) / COUNT
            ratios[round] = of_binding[round] / of_fast[round]
        end
    end
    rows.ratio(("%s: C binding / FFI: %s"):format(lua, text), rows.median(ratios))
    rows.figure(("%s: %s, C binding"):format(lua, text), rows.median(of_binding), "ns")
    rows.figure(("%s: %s, FFI"):format(lua, text), rows.median(of_fast), "ns")
end

local mark, add_values = tracker.add, ffi_add_values
assert(mark ~= c_mark, "no fast path here")

compare("mark, compiled loop", marking(), c_mark, mark)
compare("mark, from what is not compiled", uncompiled(marking()), c_mark, mark)
compare("add_values, compiled loop", adding(full), c_add_values, add_values)
compare("add_values, from what is not compiled", uncompiled(adding(full)), c_add_values, add_values)
compare("add_values, each column now given, now nil", adding(sparse), c_add_values, add_values)
jit.off()
jit.flush()
compare("mark, interpreted", marking(), c_mark, mark)
compare("add_values, interpreted", adding(full), c_add_values, add_values)
assert(batcher:stats().rejected == 0 and tracker:stats().rejected == 0)
assert(batcher:close() and tracker:close())
