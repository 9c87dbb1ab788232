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

-- The schema for the batcher; nil and a message.
function tables.schema(store, args, reader)
    local schema, message = store:schema(args.table)
    if not schema and args.create then
        schema, message = create(store, args, reader)
    end
    return schema, message
end

return tables
