-- The ways into one batch: add, add_values, add_mixed, and beside each the way of a row that is not usual, which a list
-- among its values makes it. All of them take the same rows, write the same bytes, and refuse with the same words.

local writebehind = require "writebehind"

local has_ffi, ffi = pcall(require, "ffi")
has_ffi = has_ffi and type(rawget(_G, "jit")) == "table"

local unpack = table.unpack or unpack -- luacheck: ignore 143

local null = writebehind.json.null

local COLUMNS = {
    { "flag", "bool", null = true }, { "small", "int2", null = true }, { "number", "int4", null = true },
    { "large", "int8", default = 7 }, { "narrow", "float4", null = true }, { "wide", "float8", null = true },
    { "note", "text", null = true, max = 20 }, { "raw", "bytea", null = true }, { "key", "uuid", null = true },
    { "at", "timestamptz", null = true }, { "day", "date", null = true }, { "doc", "jsonb", default = "{}" },
    { "plain", "json", null = true }, { "price", "numeric", null = true }, { "mood", "text", server_default = true },
}
local LIST = { "list", "int4[]", null = true }

local UUID = "550e8400-e29b-41d4-a716-446655440000"
local VALUES = {
    true, false, 0, -0.0, 1, -1, 2.0, 1.5, 32767, 32768, -32769, 2147483647, 2147483648, 2 ^ 53, -2 ^ 53, 2 ^ 63, 1e300,
    -1e-300, 1 / 0, -1 / 0, 0 / 0, "", "x", "12", "é", "\255", "a\0b", ("long"):rep(10), ("x"):rep(300000), UUID,
    UUID:upper(), UUID:sub(2), ("\1"):rep(16), "{" .. UUID .. "}", "2024-05-14T08:00:00Z", "2024-05-14", "infinity",
    1715673600.25, null, {}, { a = 1 }, { 1, 2, { b = "\n" } }, { a = { b = print } }, { s = "\255" }, { s = "a\0" },
    { n = 0 / 0 }, '{"a":1}', "[", print, io.stdout, writebehind, { ("x"):rep(300000) }, { { 1.5, 2 ^ 53, -0.0 } },
}

local state = 1
local function random(limit)
    state = state * 48271 % 2147483647
    return state % limit + 1
end

local function columns_of(with_list)
    local columns = { with_list and LIST or nil }
    for _, column in ipairs(COLUMNS) do
        columns[#columns + 1] = column
    end
    return writebehind.schema(columns)
end

local written -- what the last batch had

local function write(_, batch)
    written = batch:copy_binary()
    return true
end

local function batcher_of(with_list)
    return assert(writebehind.batcher {
        store = { write = write }, schema = columns_of(with_list), table = "t", inline = false, interval = 3600,
        max_pending_bytes = 1e9, batch_bytes = 2 ^ 30,
    })
end

-- The tuple of one added row, without the count of its fields and, where it has one, the list; nil, why it has none.
local function tuple_of(batcher, with_list, ok, message, code)
    if not ok then
        return nil, message, code
    end
    assert(batcher:flush())
    return written:sub(19 + 2 + (with_list and 4 + 20 + 8 or 0) + 1)
end

local function random_row()
    local row, values = {}, {}
    for index, column in ipairs(COLUMNS) do
        local value
        if random(8) == 1 then
            value = VALUES[random(#VALUES)]
        end
        row[column[1]], values[index] = value, value
    end
    return row, values
end

local WAYS = {
    function(batcher, row) return batcher:add(row) end,
    function(batcher, _, values) return batcher:add_values(unpack(values, 1, #COLUMNS)) end,
    function(batcher, row, values)
        local rest = {}
        for index = 5, #COLUMNS do
            rest[COLUMNS[index][1]] = values[index]
        end
        return batcher:add_mixed(rest, row.flag, row.small, row.number, row.large)
    end,
}

local LISTED = {
    function(batcher, row)
        row.list = { 5 }
        local ok, message, code = batcher:add(row)
        row.list = nil
        return ok, message, code
    end,
    function(batcher, _, values) return batcher:add_values({ 5 }, unpack(values, 1, #COLUMNS)) end,
    function(batcher, row) return batcher:add_mixed(row, { 5 }) end,
}

describe("the ways to add a row", function()
    it("agree, usual or not", function()
        local usual, listed = batcher_of(false), batcher_of(true)
        local taken, refused = 0, 0
        for _ = 1, 3000 do
            local row, values = random_row()
            local expected, why, code = tuple_of(usual, false, WAYS[1](usual, row, values))
            for way = 1, 3 do
                assert.same({ expected, why, code }, { tuple_of(usual, false, WAYS[way](usual, row, values)) })
                assert.same({ expected, why, code }, { tuple_of(listed, true, LISTED[way](listed, row, values)) })
            end
            taken, refused = taken + (expected and 1 or 0), refused + (expected and 0 or 1)
        end
        assert.is_true(taken > 300 and refused > 300, taken .. " taken, " .. refused .. " refused")
        assert(usual:close())
        assert(listed:close())
    end)

    it("agree on each value alone", function()
        local usual, listed = batcher_of(false), batcher_of(true)
        local taken = 0
        for index, column in ipairs(COLUMNS) do
            for _, value in ipairs(VALUES) do
                local row, values = { [column[1]] = value }, { [index] = value }
                local expected, why, code = tuple_of(usual, false, WAYS[1](usual, row, values))
                for way = 1, 3 do
                    assert.same({ expected, why, code }, { tuple_of(usual, false, WAYS[way](usual, row, values)) })
                    assert.same({ expected, why, code }, { tuple_of(listed, true, LISTED[way](listed, row, values)) })
                end
                taken = taken + (expected and 1 or 0)
            end
        end
        assert.is_true(taken > 200, taken .. " taken")
    end)
end)

-- What a row has, in order: NaN is itself here, and -0.0 is not 0.
local function shown(value)
    if type(value) ~= "table" then
        return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
    end
    local parts = {}
    for name, field in pairs(value) do
        parts[#parts + 1] = tostring(name) .. "=" .. shown(field)
    end
    table.sort(parts)
    return table.concat(parts, " ")
end

describe("a threaded batcher", function()
    local store, direct, decided, table_count

    -- Two of them: the adds of the first are compiled where the Lua can; those of one with a policy never are.
    local function start()
        table_count = (table_count or 0) + 1
        local function of(name, policy)
            return assert(writebehind.batcher { store = store, schema = columns_of(false), table = name .. table_count,
                interval = 3600, max_pending_bytes = 1e9, batch_bytes = 2 ^ 30, policy = policy })
        end
        direct, decided = of("direct"), of("decided", { on_full = function() end })
    end

    -- They took the same rows.
    local function finish()
        assert(direct:close(10))
        assert(decided:close(10))
        local rows = store:rows("direct" .. table_count) or {}
        local expected = store:rows("decided" .. table_count) or {}
        assert.equal(#expected, #rows)
        for index, row in ipairs(rows) do
            assert.equal(shown(expected[index]), shown(row))
        end
        return #rows
    end

    before_each(function()
        store = writebehind.memory()
        start()
    end)

    -- Adds it so often that it is compiled.
    local function both(way, row, values, times)
        local expected = { WAYS[way](decided, row, values) }
        assert.same(expected, { WAYS[way](direct, row, values) })
        local add = WAYS[way]
        for _ = 2, times do
            local ok = add(direct, row, values)
            assert.equal(expected[1], ok)
            add(decided, row, values)
        end
    end

    it("takes the same rows in each way, compiled or not", function()
        local taken = 0
        for round = 1, 80 do
            for _ = 1, 6 do
                local row, values = random_row()
                for way = 1, 3 do
                    both(way, row, values, round % 8 == 0 and 40 or 1)
                end
            end
            taken = taken + finish()
            start()
        end
        finish()
        assert.is_true(taken > 300, taken .. " taken")
    end)

    it("takes the same of each value alone", function()
        local taken = 0
        for index, column in ipairs(COLUMNS) do
            for number, value in ipairs(VALUES) do
                both(1, { [column[1]] = value }, nil, number % 9 == 0 and 70 or 1)
                both(2, nil, { [index] = value }, 1)
                if number % 4 == 0 then
                    taken = taken + finish()
                    start()
                end
            end
        end
        assert.is_true(taken + finish() > 200)
    end)

    it("refuses what is no column beside all that are, and reads no metatable", function()
        local full = { flag = true, small = 1, number = 2, large = 3, narrow = 1.5, wide = 2.5, note = "x", raw = "y",
            key = UUID, at = 0, day = 0, doc = { a = 1 }, plain = "{}", price = 1, mood = "m" }
        for _ = 1, 200 do
            assert.is_true(direct:add(full))
        end
        full.more = 1
        for _ = 1, 200 do
            assert.same({ nil, 'no column "more"', "invalid" }, { direct:add(full) })
        end
        full.more, full.mood = nil, nil
        full[1] = "m"
        assert.same({ nil, "a row's keys are column names, got a number", "invalid" }, { direct:add(full) })
        full[1] = nil
        setmetatable(full, { __index = function() error "read" end })
        assert.is_true(direct:add(full))
        assert.same({ nil, 'no column "more"', "invalid" }, { direct:add(setmetatable({ more = 1 },
            { __index = { flag = true } })) })
        assert(direct:close())
        local rows = store:rows("direct" .. table_count)
        assert.equal(201, #rows)
        assert.is_nil(rows[201].mood)
    end)

    it("raises where self is no batcher, or another", function()
        local fake = newproxy and newproxy(true) or io.stdout -- luacheck: globals newproxy
        for _ = 1, 150 do
            assert.is_true(direct:add { flag = true })
            assert.is_true(direct.add(decided, { flag = true }))
            for _, wrong in ipairs { fake, {}, "x", 1, store } do
                assert.is_false(pcall(direct.add, wrong, { flag = true }))
                assert.is_false(pcall(direct.add_values, wrong, true))
            end
            assert.is_false(pcall(direct.add, direct, "x"))
            assert.is_false(pcall(direct.add, direct))
        end
        assert.equal(150, finish())
    end)

    if has_ffi then
        it("takes a NaN of any bits as one, and asks no metatable of a cdata", function()
            local bits = ffi.new "union { uint32_t halves[2]; double number; }" -- the low one first
            bits.halves[1] = 0x7FF85742
            for _, low in ipairs { 0x0, 0x4245, 0x44495245, 0xFFFFFFFF } do
                bits.halves[0] = low
                for way = 1, 3 do
                    both(way, { wide = bits.number, flag = true }, { true, nil, nil, nil, nil, bits.number }, 70)
                    both(way, { large = bits.number }, { nil, nil, nil, bits.number }, 1)
                end
            end
            bits.halves[0] = 0x44495245
            both(1, { wide = bits.number, large = bits.number }, nil, 1)
            both(1, { wide = bits.number }, nil, 70)
            ffi.cdef "typedef struct { int x; } wb_spec_equal;"
            local equal = ffi.metatype("wb_spec_equal", { __eq = function() return true end })()
            for _, name in ipairs { "flag", "doc", "large", "note" } do
                both(1, { [name] = equal }, nil, 1)
            end
            both(2, nil, { equal }, 1)
            assert.is_false(pcall(direct.add, equal, { flag = true }))
            assert.is_true(finish() > 500)
        end)
    end

    it("is not held by what was compiled", function()
        local weak = setmetatable({ direct }, { __mode = "v" })
        for _ = 1, 300 do
            assert(direct:add { flag = true })
            assert(direct:add_values(true))
        end
        direct = nil
        collectgarbage()
        collectgarbage()
        assert.is_nil(weak[1])
        start()
    end)

    it("says that it is closed", function()
        assert(direct:close())
        for _ = 1, 100 do
            assert.same({ nil, "closed: no new rows", "closed" }, { direct:add { flag = true } })
            assert.same({ nil, "closed: no new rows", "closed" }, { direct:add_values(true) })
        end
        assert.equal(200, direct:stats().rejected)
    end)
end)

describe("add_mixed", function()
    it("refuses a column that is given twice, one that is none, and too many values", function()
        local batcher = batcher_of(false)
        local ok, message, code = batcher:add_mixed({ flag = true }, false)
        assert.same({ nil, 'column "flag" (bool): it is given twice, by the row and by a value after it', "invalid" },
            { ok, message, code })
        ok, message, code = batcher:add_mixed({ flags = true }, false)
        assert.same({ nil, 'no column "flags"', "invalid" }, { ok, message, code })
        ok, message, code = batcher:add_mixed({}, unpack({}, 1, #COLUMNS + 1))
        assert.same({ nil, "add_mixed: 16 values for 15 columns (generated ones are not given)", "invalid" },
            { ok, message, code })
        assert.has_error(function()
            batcher:add_mixed(1)
        end)
        assert.equal(3, batcher:stats().rejected)
        assert.is_true(batcher:add_mixed({ large = 1 }))
        assert.is_true(batcher:add_mixed({ large = 1 }, nil, 2))
        assert(batcher:close())
    end)

    it("is seen whole by a policy", function()
        local seen
        local batcher = writebehind.batcher {
            store = { write = function() return true end }, table = "t", inline = false,
            schema = writebehind.schema { { "a", "int4" }, { "b", "int4" } },
            policy = { route = function(row)
                seen = { row.a, row.b }
            end },
        }
        assert.is_true(batcher:add_mixed({ b = 2 }, 1))
        assert.same({ 1, 2 }, seen)
        assert(batcher:close())
    end)
end)
