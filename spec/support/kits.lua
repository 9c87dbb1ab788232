-- The native stores as the store contract sees them: each kit makes a fresh place, tables in it, and reads
-- it with a program that is none of the library's (the memory store alone is read by itself).
--
-- A place: store, dialect, create(name, schema), count(name), rows(name) (of spec.support.values, ordered by
-- n, canonical), put(name, id, seconds), time(name, id) → seconds, slow(name) (makes an insert take its
-- time), finish(). Where the store can be away: away() → a place that is not there until appear().

local copy = require "spec.support.copy"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local values = require "spec.support.values"
local writebehind = require "writebehind"

local kits = {}

local function split(line)
    local list = {}
    for field in (line .. "|"):gmatch("(.-)|") do
        list[#list + 1] = field
    end
    return list
end

-- SELECT of all columns of values.columns as canonical text; expressions by type, %s the column.
local function select_all(name, expressions)
    local list = { "n" }
    for i, kind in ipairs(values.types) do
        local expression = expressions[kind]:gsub("%%s", "c_" .. kind)
        list[i + 1] = ("coalesce(%s, 'NULL')"):format(expression)
    end
    return ("SELECT %s FROM %s ORDER BY n;"):format(table.concat(list, ", "), name)
end

-- ---- postgres ----

local PG = {
    bool = "CASE WHEN %s THEN 't' WHEN NOT %s THEN 'f' END",
    int2 = "%s::text", int4 = "%s::text", int8 = "%s::text",
    float4 = "encode(float4send(%s), 'hex')", float8 = "encode(float8send(%s), 'hex')",
    text = "encode(convert_to(%s, 'UTF8'), 'hex')", bytea = "encode(%s, 'hex')", uuid = "%s::text",
    timestamptz = [[to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')]],
    date = "to_char(%s, 'YYYY-MM-DD')",
    json = "encode(convert_to(replace(%s::text, ' ', ''), 'UTF8'), 'hex')",
    jsonb = "encode(convert_to(replace(%s::text, ' ', ''), 'UTF8'), 'hex')",
}

local function postgres_place(conninfo)
    local place = {
        store = writebehind.postgres { conninfo = conninfo }, dialect = "postgresql", name = postgres.name,
        count = postgres.count, finish = postgres.drop_all,
    }

    place.sql = postgres.sql

    function place.create(name, schema)
        postgres.sql(schema:ddl("postgresql", name))
    end

    function place.rows(name)
        local rows = {}
        for i, line in ipairs(postgres.lines(select_all(name, PG))) do
            rows[i] = split(line)
        end
        return rows
    end

    function place.time(name, id)
        return postgres.number(("SELECT extract(epoch FROM last_used_at) FROM %s WHERE id = '%s'"):format(name, id))
    end

    function place.slow(name)
        postgres.sql(([[
            CREATE FUNCTION %s_slow() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s_slow();]]):format(name, name,
            name))
    end

    return place
end

function kits.postgres()
    return postgres_place(postgres.conninfo())
end

function kits.postgres_away()
    local dir = process.dir()
    local gate = postgres.gate(dir)
    local place = postgres_place(gate.conninfo)
    local made = {}
    place.create = function(name, schema)
        made[#made + 1] = schema:ddl("postgresql", name)
    end
    place.appear = function()
        for _, text in ipairs(made) do
            postgres.sql(text)
        end
        made = {}
        gate:open()
    end
    place.vanish = function()
        gate:shut()
    end
    place.finish = function()
        postgres.drop_all()
        process.remove(dir)
    end
    place.open_text = ("require('writebehind').postgres { conninfo = %q }"):format(gate.conninfo)
    return place
end

-- ---- sqlite ----

-- A float as "bytes:mantissa:exponent", exactly: SQLite's own text of a float is rounded. Scaling by two
-- loses nothing.
local MANTISSA = [[CASE WHEN %s IN (9e999, -9e999) THEN 'WIDTH:' || %s || ':0' ELSE (
    WITH RECURSIVE s(x, e) AS (
        SELECT %s, 0
        UNION ALL
        SELECT iif(abs(x) >= 9007199254740992.0, x * 0.5, x * 2.0), iif(abs(x) >= 9007199254740992.0, e + 1, e - 1)
        FROM s WHERE abs(x) >= 9007199254740992.0 OR x <> CAST(x AS INTEGER)
    ) SELECT 'WIDTH:' || CAST(x AS INTEGER) || ':' || e FROM s ORDER BY abs(e) DESC LIMIT 1) END]]

local SQLITE = {
    bool = "CASE WHEN %s THEN 't' WHEN NOT %s THEN 'f' END",
    int2 = "CAST(%s AS TEXT)", int4 = "CAST(%s AS TEXT)", int8 = "CAST(%s AS TEXT)",
    float4 = MANTISSA:gsub("WIDTH", "4"), float8 = MANTISSA:gsub("WIDTH", "8"),
    text = "lower(hex(CAST(%s AS BLOB)))", bytea = "lower(hex(%s))", uuid = "%s", timestamptz = "%s", date = "%s",
    json = "lower(hex(CAST(replace(%s, ' ', '') AS BLOB)))", jsonb = "lower(hex(CAST(replace(%s, ' ', '') AS BLOB)))",
}
-- hex makes an empty text of NULL.
for _, kind in ipairs { "text", "bytea", "json", "jsonb" } do
    SQLITE[kind] = "CASE WHEN %s IS NOT NULL THEN " .. SQLITE[kind] .. " END"
end

local function of_mantissa(field)
    local bytes, mantissa, exponent = field:match("^([48]):(.-):(.*)$")
    if not bytes then
        return field
    elseif mantissa:match("Inf") then
        return values.bits(mantissa == "Inf" and math.huge or -math.huge, tonumber(bytes))
    end
    local number, steps = tonumber(mantissa) * 1.0, tonumber(exponent)
    for _ = 1, math.abs(steps) do
        number = number * (steps > 0 and 2 or 0.5)
    end
    return values.bits(number, tonumber(bytes))
end

local function sqlite_place(dir, path)
    local place = {
        store = writebehind.sqlite { path = path, create = false }, dialect = "sqlite", name = function()
            return "t_" .. process.unique()
        end,
    }

    function place.sql(text)
        return sqlite.sql(path, text)
    end

    function place.create(name, schema)
        sqlite.sql(path, schema:ddl("sqlite", name))
    end

    function place.count(name)
        return sqlite.count(path, name)
    end

    function place.rows(name)
        local rows = {}
        for i, line in ipairs(sqlite.lines(path, select_all(name, SQLITE))) do
            rows[i] = split(line)
            for place_of, kind in ipairs(values.types) do
                if kind:match("^float") then
                    rows[i][place_of + 1] = of_mantissa(rows[i][place_of + 1])
                end
            end
        end
        return rows
    end

    function place.time(name, id)
        local row = sqlite.sql(path, ("SELECT strftime('%%s', last_used_at), last_used_at FROM %s WHERE id = '%s';")
            :format(name, id))
        local whole, fraction = row:match("^(%-?%d+)|.-(%.%d+)")
        return tonumber(whole) + tonumber("0" .. fraction)
    end

    function place.slow(name)
        sqlite.sql(path, ([[
            CREATE TRIGGER slow BEFORE INSERT ON %s BEGIN
                SELECT (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000)
                    SELECT count(*) FROM c);
            END;]]):format(name))
    end

    function place.finish()
        process.remove(dir)
    end

    place.open_text = ("require('writebehind').sqlite { path = %q, create = false }"):format(path)
    return place
end

function kits.sqlite()
    local dir = process.dir()
    return sqlite_place(dir, dir .. "/contract.db")
end

function kits.sqlite_away()
    local dir = process.dir()
    local place = sqlite_place(dir, dir .. "/later/contract.db")
    local made = {}
    local create = place.create
    place.create = function(name, schema)
        made[#made + 1] = { name, schema }
    end
    place.appear = function()
        os.execute(("mkdir -p %s/later"):format(dir))
        for _, one in ipairs(made) do
            create(one[1], one[2])
        end
        made = {}
    end
    -- The same, from a process of its own, while this one may be waiting.
    place.appear_in = function(seconds)
        os.execute(("mkdir %s/elsewhere"):format(dir))
        for _, one in ipairs(made) do
            sqlite.sql(dir .. "/elsewhere/contract.db", one[2]:ddl("sqlite", one[1]))
        end
        made = {}
        process.start(("sleep %g; mv %s/elsewhere %s/later"):format(seconds, dir, dir))
    end
    return place
end

-- ---- memory ----

function kits.memory()
    local place = { store = writebehind.memory(), dialect = "lua" }

    function place.name()
        return "t"
    end

    function place.create()
    end

    function place.count(name)
        return tonumber(place.store:count(name))
    end

    function place.rows(name)
        local rows = {}
        for i, row in ipairs(place.store:rows(name)) do
            rows[i] = values.of_row(row)
        end
        return rows
    end

    function place.put(name, id, seconds)
        assert(place.store:put(name, id, seconds))
    end

    function place.time(name, id)
        return place.store:time(name, id)
    end

    function place.finish()
    end

    return place
end

-- ---- what is the same for all ----

local USE = writebehind.schema { { "id", "uuid" }, { "last_used_at", "timestamptz" } }

-- Makes the table of a tracker, with rows { id = seconds }.
function kits.fill_use(place, name, times)
    place.create(name, USE)
    if place.put then
        for id, seconds in pairs(times) do
            place.put(name, id, seconds)
        end
        return
    end
    local batcher = writebehind.batcher { store = place.store, schema = USE, table = name, dedupe = "none" }
    for id, seconds in pairs(times) do
        assert(batcher:add { id = id, last_used_at = seconds })
    end
    assert(batcher:close(process.PATIENCE))
end

kits.hex = copy.hex

return kits
