-- SPDX-License-Identifier: MIT
-- The store and the table that a command writes to: opened, read from the store, or inferred from the input
-- and created where the command is asked to.

local writebehind = require "writebehind"
local infer = require "writebehind.cli.infer"

local SAMPLE = 1000

local tables = {}

-- The store that a URL names; a conninfo of libpq ("host=… dbname=…") is one of PostgreSQL.
function tables.open(url, create)
    if url:find("^[%l_]+%s*=") then
        return writebehind.postgres { conninfo = url }
    end
    return writebehind.open(url, { create = create })
end

-- Makes a table that is missing; `ddl` makes its text from the kind of store.
function tables.ensure(store, name, ddl)
    local schema = store:schema(name)
    if schema or store:kind() == "memory" then
        return true
    end
    return store:execute(ddl(store:kind()))
end

local function infer_schema(args, reader)
    local sample, message = reader:peek(SAMPLE)
    local columns = infer.columns(sample, args.map)
    if message then
        return nil, message
    elseif #columns < 2 then
        return nil, "no record to infer the columns of a table from"
    end
    local ok, schema = pcall(writebehind.schema, columns)
    return ok and schema or nil, schema
end

local function create(store, args, reader)
    local schema, message = infer_schema(args, reader)
    if not schema then
        return nil, message
    end
    local ok
    ok, message = tables.ensure(store, args.table, function(kind)
        return schema:ddl(kind, args.table)
    end)
    return ok and schema or nil, message
end

-- The names that the first record of the input gives.
local function names_given(reader)
    local names = {}
    for _, record in ipairs(reader:peek(1)) do
        for index = 1, record.count do
            names[record.keys[index]] = true
        end
    end
    return names
end

-- The schema, in which a generated column that the input has is a given one.
local function as_given(schema, map, names)
    local columns, given = schema:columns(), false
    for _, column in ipairs(columns) do
        if column.generate and names[map[column.name] or column.name] then
            column.generate, given = nil, true
        end
    end
    return given and writebehind.schema(columns) or schema
end

-- The schema for the batcher; nil and a message.
function tables.schema(store, args, reader)
    local schema, message = store:schema(args.table)
    if not schema and args.create then
        schema, message = create(store, args, reader)
    end
    return schema and as_given(schema, args.map, names_given(reader)), message
end

return tables
