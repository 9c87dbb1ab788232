-- Tables as programs make them, each with what store:schema has to say of it and with rows that it has to keep: a full
-- row, a row of only what must be given, and a row whose every nullable column is NULL.
-- A table is { name, ddl, columns, left_out =, filled =, kinds = }; its columns are { name, described, given, text =,
-- least =, null = }:
--   described  what the schema says: "int8", "text null max=40", "text as tsvector null", "int8 server", …
--   given      the value in the full row
--   text       what the database then says it is; where it is left out, `given` itself
--   least      what it holds where it was not given; left out: NULL; tables.FILLED: anything but NULL
--   null       what it holds where NULL was given; left out: NULL
-- kinds names the rows that the table takes, where it does not take all three.
-- left_out are the columns that can't be given, "name: reason" each; filled are those a trigger fills, which
-- store:schema is told. The lists are in spec/support/tables/.

local assert = require "luassert"
local cjson = require "cjson"
local writebehind = require "writebehind"

local tables = { FILLED = {}, NULL = cjson.null }

-- A column of a schema in words.
function tables.described(column)
    local words = { column.type }
    local function put(format, value)
        words[#words + 1] = value and format:format(tostring(value)) or nil
    end
    put("as %s", column.cast)
    put("max=%s", column.max)
    put("null", column.null)
    if column.default ~= nil then
        local default = type(column.default) == "table" and "a list" or tostring(column.default):gsub("%.0$", "")
        put("default=%s", default)
    end
    put("server", column.server_default)
    put("%s", column.generate)
    return table.concat(words, " ")
end

local function has(described, word)
    return (" " .. described .. " "):find(" " .. word, 1, true) ~= nil
end

local function is_required(described)
    return not (has(described, "null ") or has(described, "default=") or has(described, "server ")
        or has(described, "uuidv"))
end

-- ---- rows ----

local function text_given(column)
    return column.text or tostring(column[3])
end

-- A row of each kind: what add takes, and what the database then has to say, by column.
local kinds = {}

function kinds.full(column)
    return column[3], text_given(column)
end

function kinds.least(column)
    if is_required(column[2]) then
        return column[3], text_given(column)
    end
    return nil, column.least or tables.NULL
end

function kinds.null(column)
    if has(column[2], "null ") then
        return cjson.null, column.null or tables.NULL
    end
    return kinds.least(column)
end

local KINDS = { "full", "least", "null" }

function tables.row(list, kind)
    local row, expected = {}, {}
    for i, column in ipairs(list) do
        row[column[1]], expected[i] = kinds[kind](column)
    end
    return row, expected
end

-- ---- what a table has to show ----

local function check_schema(case, schema, left_out)
    local said, wanted, reasons = {}, {}, {}
    for i, column in ipairs(schema:columns()) do
        said[i] = column.name .. ": " .. tables.described(column)
    end
    for i, column in ipairs(case.columns) do
        wanted[i] = column[1] .. ": " .. column[2]
    end
    for i, column in ipairs(left_out) do
        reasons[i] = column.name .. ": " .. column.reason
    end
    assert.same(wanted, said)
    assert.same(case.left_out or {}, reasons)
end

local function check_texts(case, kind, expected, read)
    for i, column in ipairs(case.columns) do
        local what = ("%s, %s: %s"):format(case.name, kind, column[1])
        if expected[i] == tables.FILLED then
            assert.not_equal(tables.NULL, read[i], what)
        else
            assert.equal(expected[i], read[i], what)
        end
    end
    assert.equal(#case.columns, #read)
end

-- Describes the case's table and stores a row of each kind. The world is { store, table(case), make(case),
-- read(case) }: make makes the table anew; read answers the texts of the row in it, a list in the columns' order.
function tables.check(world, case)
    local name = world.table(case)
    for _, kind in ipairs(case.kinds or KINDS) do
        world.make(case)
        local schema, left_out = world.store:schema(name, { server_default = case.filled })
        assert(schema, left_out)
        check_schema(case, schema, left_out)
        local row, expected = tables.row(case.columns, kind)
        local dead
        local batcher = assert(writebehind.batcher {
            store = world.store, schema = schema, table = name, log = function() end,
            dead_letter = function(_, err) dead = err end,
        })
        assert(batcher:add(row))
        local closed, message = batcher:close(10)
        assert(closed, ("%s, %s: %s"):format(case.name, kind, tostring(message)))
        assert.is_nil(dead, kind)
        assert.equal(1, batcher:stats().stored)
        check_texts(case, kind, expected, world.read(case))
    end
end

return tables
