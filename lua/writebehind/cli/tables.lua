-- SPDX-License-Identifier: MIT
-- The store and the table that a command writes to: opened, read from the store, or inferred from the input
-- and created where the command is asked to.

local writebehind = require "writebehind"
local infer = require "writebehind.cli.infer"

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

local function infer_schema(args, sample, dialect)
    local columns, map = infer.columns(sample, args.map, dialect)
    if #columns < 2 then
        return nil, "no record to infer the columns of a table from" .. (sample.wrong and ": " .. sample.wrong or "")
    end
    local ok, schema = pcall(writebehind.schema, columns)
    return ok and schema or nil, ok and map or schema
end

-- By column: the header's name, where the database knows it by another: one that it cut, without case, or numbered as
-- where the table was made. A column's own name comes first.
local function names_in(schema, sample, dialect, map)
    local known, all, header = {}, {}, sample.header or {}
    local names, own = infer.column_names(header, dialect), {}
    for _, column in ipairs(schema:columns()) do
        known[select(2, infer.name_in(dialect, column.name))] = column.name
    end
    for column, name in pairs(map) do
        all[column] = name
    end
    for _, name in ipairs(header) do
        own[name] = true
    end
    for _, name in ipairs(header) do
        local column = known[select(2, infer.name_in(dialect, names[name]))]
        if column and not own[column] and not all[column] then
            all[column] = name
        end
    end
    return all
end

-- → the schema for the batcher, the input's names by its columns, what the table has besides ({ name, reason }), and
-- whether the schema is inferred; nil and a message. With `args.dry_run` nothing is made.
function tables.schema(store, args, sample)
    local dialect = store:kind()
    local schema, left_out = store:schema(args.table)
    if schema then
        return schema, names_in(schema, sample, dialect, args.map), left_out or {}, false
    elseif not args.create then
        return nil, left_out
    end
    local map
    schema, map = infer_schema(args, sample, dialect)
    if not schema or args.dry_run then
        return schema, map, {}, true
    end
    local ok, message = tables.ensure(store, args.table, function(kind)
        return schema:ddl(kind, args.table)
    end)
    return ok and schema or nil, ok and map or message, {}, true
end

return tables
