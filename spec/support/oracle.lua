-- What PostgreSQL makes of a text in a column of a type, and what it holds after we were given a value there.

local cjson = require "cjson"
local postgres = require "spec.support.postgres"
local writebehind = require "writebehind"

local oracle = {}

local SETTINGS = "set timezone = 'UTC'; set bytea_output = 'hex'; set extra_float_digits = 1;\n"

local function hex(text)
    return (text:gsub(".", function(c)
        return ("%02x"):format(c:byte())
    end))
end

-- The rows (n, v) of a table as a list with holes: v's text by n.
local function texts_of(name, script)
    local list = {}
    local answer = postgres.sql(("%s%sselect coalesce(json_agg(json_build_array(n, v::text)), '[]') from %s"):format(
        SETTINGS, script, name))
    for _, row in ipairs(cjson.decode(answer)) do
        list[row[1]] = row[2]
    end
    return list
end

-- Each text as a literal in an INSERT, alone: so it is the type's own input function that reads it, and a text that is
-- no UTF-8 is refused. → by index what the column then holds; nil: refused.
function oracle.server(type_sql, texts)
    local hexes = {}
    for i, text in ipairs(texts) do
        hexes[i] = "'" .. hex(text) .. "'"
    end
    return texts_of("oracle", ([[
        create temp table oracle (n int, v %s);
        do $do$ declare given text[] := array[%s]::text[]; begin
            for i in 1 .. coalesce(array_length(given, 1), 0) loop begin
                execute format('insert into oracle values (%%s, %%L)', i, convert_from(decode(given[i], 'hex'),
                  'UTF8'));
            exception when others then null; end; end loop;
        end $do$;
    ]]):format(type_sql, table.concat(hexes, ", ")))
end

-- A batcher for a new table of one column of the type.
local function batcher_of(type_sql, store, lenient)
    local name = postgres.name()
    postgres.sql(("create table %s (n int4 not null, v %s)"):format(name, type_sql))
    local live = writebehind.postgres { conninfo = postgres.conninfo() }
    local schema = writebehind.schema(assert(live:schema(name)):columns(), { lenient = lenient })
    return assert(writebehind.batcher {
        store = store or live, schema = schema, table = name, log = function() end, dead_letter = function() end,
    }), name
end

-- Each value, added and stored. → by index what the column then holds; nil: refused, by add or by the server.
function oracle.ours(type_sql, values, lenient)
    local batcher, name = batcher_of(type_sql, nil, lenient)
    assert(batcher:add { n = 0 }) -- one that the table takes: what it refuses is a row's fault then
    for i, value in ipairs(values) do
        local ok, message, code = batcher:add { n = i, v = value }
        assert(ok or code == "invalid", message)
    end
    assert(batcher:close())
    local list = texts_of(name, "")
    list[0] = nil
    return list
end

-- The values as the memory store gives them back to Lua, by index; nil: refused.
function oracle.back(type_sql, values)
    local store, list = writebehind.memory(), {}
    local batcher, name = batcher_of(type_sql, store)
    for i, value in ipairs(values) do
        batcher:add { n = i, v = value }
    end
    assert(batcher:close())
    for _, row in ipairs(batcher:stats().stored > 0 and store:rows(name) or {}) do
        list[row.n] = row.v
    end
    return list
end

return oracle
