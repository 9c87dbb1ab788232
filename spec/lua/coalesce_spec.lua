-- Rows of one key are one row while they wait (the option `coalesce`): what is wrong with the option, and what becomes
-- of two rows, whichever way they come. coalesce_limits_spec has the counters and limits, coalesce_failures_spec failed
-- writes, coalesce_stores_spec the native stores.

local coalesced = require "spec.support.coalesced"
local writebehind = require "writebehind"

local play, KEYED, SUMS = coalesced.play, coalesced.KEYED, coalesced.SUMS

describe("the option coalesce", function()
    local SCHEMA = writebehind.schema {
        { "key", "text" }, { "n", "int4", null = true }, { "note", "text", null = true }, { "day", "date" },
        { "d", "numeric" }, { "f", "float8" }, { "words", "text", cast = "tsvector" }, { "list", "int8[]" },
        { "j", "jsonb" }, { "span", "interval" }, { "id", "uuid", generate = "uuidv7" },
        { "filled", "int8", server_default = true },
    }

    local WRONG = {
        { {}, 'option "coalesce"' }, { "key", "expected a table" }, { { key = "key" }, "expected a table" },
        { { key = {} }, "key: names no column" }, { { key = { "nope" } }, 'key: no column "nope"' },
        { { key = { name = "key" } }, "key: expected a list of columns" },
        { { key = { "key", "key" } }, 'key: column "key" is named twice' },
        { { key = { "d" } }, 'key: column "d"' }, { { key = { "f" } }, 'key: column "f"' },
        { { key = { "words" } }, 'key: column "words" is cast' }, { { key = { "list" } }, 'column "list" is an array' },
        { { key = { "j" } }, 'key: column "j"' }, { { key = { "span" } }, 'key: column "span"' },
        { { key = { "id" } }, 'key: column "id" is generated' },
        { { key = { "key" }, newest = "nope" }, 'newest: no column "nope"' },
        { { key = { "key" }, newest = "note" }, 'newest: column "note"' },
        { { key = { "key" }, newest = "span" }, 'newest: column "span"' },
        { { key = { "key" }, newest = "list" }, 'newest: column "list"' },
        { { key = { "key" }, newest = "id" }, 'newest: column "id"' },
        { { key = { "key" }, newest = "filled" }, 'newest: column "filled"' },
        { { key = { "key" }, newest = "key" }, 'column "key"' },
        { { key = { "key" }, newest = "n", merge = { n = "max" } }, 'newest: column "n"' },
        { { key = { "key" }, merge = { nope = "sum" } }, 'merge: no column "nope"' },
        { { key = { "key" }, merge = { n = "total" } }, 'merge: column "n": expected "sum", "min"' },
        { { key = { "key" }, merge = { n = true } }, 'merge: column "n"' },
        { { key = { "key" }, merge = { "n" } }, "merge: no column" },
        { { key = { "key" }, merge = { key = "last" } }, 'column "key" is of the key' },
        { { key = { "key" }, merge = { note = "sum" } }, 'column "note": a sum is of numbers or intervals' },
        { { key = { "key" }, merge = { day = "sum" } }, 'column "day": a sum is of numbers or intervals' },
        { { key = { "key" }, merge = { list = "sum" } }, 'column "list": a sum is of numbers or intervals' },
        { { key = { "key" }, merge = { note = "min" } }, 'column "note": min and max are of numbers' },
        { { key = { "key" }, merge = { span = "max" } }, 'column "span": min and max are of numbers' },
        { { key = { "key" }, columns = { "n" } }, '"columns"' },
        { { key = { "key" }, on_conflict = "nothing" }, '"on_conflict"' },
        { { key = { "key" }, newer = "n" }, '"newer"' },
    }

    it("names what is wrong with it", function()
        for _, case in ipairs(WRONG) do
            local ok, message = pcall(writebehind.batcher, { store = writebehind.memory(), schema = SCHEMA, table = "t",
                coalesce = case[1] })
            assert.is_false(ok, case[2])
            assert.truthy(message:find("coalesce", 1, true), message)
            assert.truthy(message:find(case[2], 1, true), case[2] .. ": " .. message)
        end
    end)

    it("takes what an upsert does not: keys that may be NULL or left to the server, any store", function()
        for _, key in ipairs { "n", "filled", "day" } do
            for _, store in ipairs { writebehind.memory(), { write = function() end } } do
                local batcher = assert(writebehind.batcher { store = store, schema = SCHEMA, table = "t",
                    coalesce = { key = { key } } })
                assert(batcher:close())
            end
        end
    end)

    it("can't be changed", function()
        local batcher = play(SUMS).batcher
        assert.has_error(function()
            batcher:configure { coalesce = SUMS }
        end)
    end)
end)

describe("two rows of a key", function()
    -- coalesce, but its key; rows { key, n, at }; what is written
    local CASES = {
        { "are the last one", {}, { { "a", 1, 9 }, { "b", 2 }, { "a", 3 } }, { "a|3|-", "b|2|-" } },
        { "are the newest one", { newest = "at" },
            { { "a", 1, 10 }, { "a", 2, 30 }, { "a", 3, 20 }, { "b", 4, 5 }, { "b", 5, 5 } }, { "a|2|30", "b|5|5" } },
        { "are summed up, but a NULL", { merge = { n = "sum" } },
            { { "a", 1, 1 }, { "a" }, { "a", 5, 3 }, { "b" }, { "b" } }, { "a|6|3", "b|-|-" } },
        { "are the least", { merge = { n = "min" } }, { { "a", 4 }, { "a", -2, 1 }, { "a" }, { "a", 3, 2 } },
            { "a|-2|2" } },
        { "are the greatest", { merge = { n = "max" } }, { { "a" }, { "a", -2, 1 }, { "a", -9, 2 } }, { "a|-2|2" } },
        { "are the first that is there", { merge = { n = "first" } }, { { "a" }, { "a", 2 }, { "a", 3, 1 } },
            { "a|2|1" } },
        { "are the last that is there", { merge = { n = "last" } }, { { "a", 1 }, { "a", 2 }, { "a", nil, 1 } },
            { "a|2|1" } },
        { "are merged whichever is the newest", { newest = "at", merge = { n = "sum" } },
            { { "a", 1, 10 }, { "a", 2, 5 }, { "a", 4, 11 }, { "a", 8, 0 } }, { "a|15|11" } },
        { "of a key of two columns are one where both are equal", { key = { "key", "n" } },
            { { "a", 1, 1 }, { "a", 2, 2 }, { "a", 1, 3 }, { "b", 1, 4 } }, { "a|1|3", "a|2|2", "b|1|4" } },
        { "are never equal by a NULL", { key = { "key", "n" } },
            { { "a", nil, 1 }, { "a", nil, 2 }, { "a", 0, 3 }, { "a", 0, 4 } }, { "a|-|1", "a|-|2", "a|0|4" } },
    }

    for _, case in ipairs(CASES) do
        it(case[1], function()
            case[2].key = case[2].key or { "key" }
            local given = play(case[2])
            given:add((table.unpack or unpack)(case[3]))
            given:counts { accepted = #case[3], pending_rows = #case[4], coalesced = #case[3] - #case[4] }
            given:gives((table.unpack or unpack)(case[4]))
            given:counts { stored = #case[3], pending_rows = 0, coalesced = #case[3] - #case[4], batches = 1 }
        end)
    end

    local LONG = ("9"):rep(300)
    local U1, U2 = "00000000-0000-4000-8000-000000000001", "f0000000-0000-4000-8000-000000000001"
    -- type, word, values, what they are together
    local WORDS = {
        { "int2", "sum", { 30000, 2767 }, "32767" }, { "int2", "sum", { -30000, -2768 }, "-32768" },
        { "int4", "sum", { 2147483646, 1 }, "2147483647" },
        { "int8", "sum", { "9223372036854775806", 1 }, "9223372036854775807" },
        { "int8", "sum", { "-9223372036854775807", "9223372036854775807", -5 }, "-5" },
        { "float4", "sum", { 1.5, 2.25 }, "3.75" }, { "float8", "sum", { 0.1, 0.2 }, "0.3" },
        { "numeric", "sum", { "0.1", "0.2", "12345678901234567890.000000001" }, "12345678901234567890.300000001" },
        { "numeric", "sum", { LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG }, LONG .. "0" },
        { "numeric", "sum", { LONG, "-" .. LONG }, "0" }, { "numeric", "min", { "1.10", "-3", "2" }, "-3" },
        { "interval", "sum", { "1 mon", "2 days", "03:00:00" }, "P1M2DT3H" },
        { "numeric", "max", { "9", "10", "9.99" }, "10" }, { "float8", "min", { 2.5, -0.5 }, "-0.5" },
        { "timestamptz", "max", { 5, 7, 6 }, "7" }, { "timestamp", "min", { 5, 3, 6 }, "3" },
        { "date", "max", { "2024-05-14", "2023-12-31" }, "2024-05-14" },
        { "time", "min", { "12:00:00", "09:30:00" }, "09:30:00" },
        { "uuid", "max", { U2, U1 }, U2 }, { "uuid", "min", { U2, U1 }, U1 },
        { "text", "first", { "x", "yy" }, "x" }, { "text", "last", { "x", ("y"):rep(1000), "z" }, "z" },
        { "jsonb", "last", { "[1]", '{"a":2}' }, '{"a":2}' }, { "bool", "first", { true, false }, "true" },
        { "bytea", "last", { "\0", "\1" }, "\1" }, { "inet", "first", { "10.0.0.1", "10.0.0.2" }, "10.0.0.1" },
    }

    it("are what the word says, of every type", function()
        for _, case in ipairs(WORDS) do
            local kind, word, values, expected = (table.unpack or unpack)(case)
            local given = play({ key = { "key" }, merge = { v = word } },
                { { "key", "int8" }, { "v", kind, lenient = kind:find "^int%d" ~= nil, null = true } })
            for _, value in ipairs(values) do
                assert(given.batcher:add_values(1, value))
                assert(given.batcher:add_values(1, nil))
            end
            assert(given.batcher:close())
            assert.same({ "1|" .. expected }, { (table.unpack or unpack)(given.writes[1]) }, kind .. " " .. word)
        end
    end)

    it("are equal by the bytes of every type of key, no others", function()
        local keys = {
            bool = { true, false }, int2 = { 1, 2 }, int4 = { 1, 2 }, int8 = { 1, 2 }, text = { "", "a" },
            bytea = { "\0", "\0\0" }, uuid = { U1, U2 }, timestamptz = { 1, 1.000001 }, timestamp = { 1, 2 },
            date = { "2024-05-14", "2024-05-15" }, time = { "01:00:00", "02:00:00" },
            inet = { "10.0.0.1", "10.0.0.0/8" }, cidr = { "10.0.0.0/8", "10.0.0.0/9" },
            macaddr = { "08:00:2b:01:02:03", "08:00:2b:01:02:04" },
        }
        for kind, pair in pairs(keys) do
            local given = play({ key = { "key" }, merge = { n = "sum" } }, { { "key", kind }, { "n", "int4" } })
            for n = 0, 9 do
                assert(given.batcher:add_values(pair[n % 2 + 1], n))
            end
            given:counts { accepted = 10, pending_rows = 2 }
            assert(given.batcher:close())
            local sums = {}
            for index, row in ipairs(given.writes[1]) do
                sums[index] = row:match("[^|]+$")
            end
            assert.same({ "20", "25" }, sums, kind)
        end
    end)

    it("stay two where they leave different columns to the server", function()
        local columns = { { "key", "text", server_default = true }, { "n", "int4", server_default = true } }
        local given = play(SUMS, columns, { inline = false })
        given:add({ "a", 1 }, { "a" }, { "a", 2 }, { "a" }, { nil, 5 }, { nil, 6 })
        given:counts { accepted = 6, pending_rows = 4, coalesced = 2 }
        assert(given.batcher:close())
        local rows = {}
        for _, write in ipairs(given.writes) do
            for _, row in ipairs(write) do
                rows[#rows + 1] = row
            end
        end
        table.sort(rows)
        assert.same({ "-|5", "-|6", "a|-", "a|3" }, rows)
    end)

    it("keep the id of the first, made or given", function()
        local columns = { { "key", "text" }, { "n", "int4" }, { "id", "uuid", generate = "uuidv7" } }
        local given = play(SUMS, columns)
        assert(given.batcher:add { key = "made", n = 1 })
        local later = writebehind.uuidv7()
        assert(given.batcher:add { key = "made", n = 2 })
        assert(given.batcher:add { key = "given", n = 1, id = U1 })
        assert(given.batcher:add { key = "given", n = 2 })
        assert(given.batcher:add { key = "given", n = 3, id = U2 })
        assert(given.batcher:add { key = "made", n = 4, id = U2 })
        local ids = given:gives("made|7|id", "given|6|id")[1].ids
        assert.is_true(ids[1] < later)
        assert.equal(U1, ids[2])
    end)

    it("that are out of the range together are one refused, by name", function()
        local ranges = {
            int2 = { 32767, 1, -1 }, int4 = { -2147483648, -1, 1 }, int8 = { "9223372036854775807", 1, -1 },
            interval = { "178956970 years", "178956970 years", "-1 years" },
        }
        for kind, values in pairs(ranges) do
            local given = play({ key = { "key" }, merge = { total = "sum" } },
                { { "key", "text" }, { "total", kind, lenient = kind ~= "interval" } })
            given:add({ "a", values[1] }, { "b", values[2] })
            local message = given:refuses("invalid", "a", values[2])
            assert.truthy(message:find("total", 1, true) and message:find(kind, 1, true), message)
            given:add({ "a", values[3] })
            given:counts { accepted = 3, pending_rows = 2, coalesced = 1, rejected = 1 }
            assert(given.batcher:close())
        end
    end)
end)

describe("rows that come in other ways", function()
    local WAYS = {
        add = function(batcher)
            for n, key in ipairs { "a", "b", "a" } do
                assert(batcher:add { key = key, n = n })
            end
        end,
        add_mixed = function(batcher)
            for n, key in ipairs { "a", "b", "a" } do
                assert(batcher:add_mixed({ n = n }, key))
            end
        end,
        add_many = function(batcher)
            assert.equal(3, batcher:add_many { { key = "a", n = 1 }, { key = "b", n = 2 }, { key = "a", n = 3 } })
        end,
        add_ndjson = function(batcher)
            assert.equal(3, batcher:add_ndjson '{"key":"a","n":1}\n{"key":"b","n":2}\n{"key":"a","n":3}\n')
        end,
        add_csv = function(batcher)
            assert.equal(3, batcher:add_csv "key,n\na,1\nb,2\na,3\n")
        end,
        reader = function(batcher)
            local reader = batcher:reader { format = "csv" }
            assert.equal(2, reader:feed "key,n\na,1\nb,2\na,")
            assert.equal(0, reader:feed "3")
            assert.equal(1, reader:finish())
        end,
    }

    for way, add in pairs(WAYS) do
        it("are one, too: " .. way, function()
            local given = play(SUMS)
            add(given.batcher)
            given:counts { accepted = 3, pending_rows = 2, coalesced = 1 }
            given:gives("a|4|-", "b|2|-")
        end)
    end

    it("are refused one by one where the sum or the room is at its end", function()
        local given = play(SUMS, KEYED, { max_pending_rows = 2, inline = false })
        local rows = { { key = "a", n = 2147483647 }, { key = "b", n = 1 }, { key = "a", n = 1 },
            { key = "c" }, { key = "b", n = 2 } }
        local accepted, refused = given.batcher:add_many(rows)
        assert.equal(3, accepted)
        assert.same({ { 3, "invalid" }, { 4, "full" } }, { { refused[1].index, refused[1].code },
            { refused[2].index, refused[2].code } })
        local reader = given.batcher:reader { format = "csv", header = false }
        local count, _, message, code = reader:feed "a,-7,\nc,1,\nb,1,\n"
        assert.equal(1, count)
        assert.equal("full", code, message)
        given:gives("a|2147483640|-", "b|3|-")
    end)
end)
