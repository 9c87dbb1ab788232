-- Every kind of table: store:schema describes it whole, and what is added is what psql and sqlite3 then read.

local cjson = require "cjson"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local tables = require "spec.support.tables"
local writebehind = require "writebehind"

local function quoted(name)
    return '"' .. name:gsub('"', '""') .. '"'
end

-- The case's columns, each by the expression, as a JSON array.
local function selected(case, call, expression)
    local list = {}
    for i, column in ipairs(case.columns) do
        list[i] = expression:format(quoted(column[1]))
    end
    return ("select %s(%s)"):format(call, table.concat(list, ", "))
end

describe("a table of PostgreSQL", function()
    local SPACE = "wb_tables"
    local SETTINGS = "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; "
        .. "set bytea_output = 'hex'; set lc_monetary = 'C'; set extra_float_digits = 1; set xmloption = content;\n"

    local world = {
        table = function(case)
            return SPACE .. "." .. case.name
        end,
        make = function(case)
            local space = "drop schema if exists %s cascade; create schema %s; set search_path = %s, public;\n"
            postgres.sql(space:format(SPACE, SPACE, SPACE) .. case.ddl)
        end,
        read = function(case)
            local count = ("select count(*) from %s.%s;\n"):format(SPACE, quoted(case.name))
            local texts = selected(case, "json_build_array", "%s::text")
            local answer = postgres.sql(("%s%s%s from %s.%s"):format(SETTINGS, count, texts, SPACE,
                quoted(case.name)))
            local rows, row = answer:match "^(%d+)\n(.*)$"
            assert.equal("1", rows)
            return cjson.decode(row)
        end,
    }

    setup(function()
        world.store = writebehind.postgres { conninfo = postgres.conninfo() }
        for _, name in ipairs { "citext", "hstore", "btree_gist", "uuid-ossp" } do
            postgres.sql(('create extension if not exists "%s"'):format(name))
        end
    end)

    teardown(function()
        postgres.sql(("drop schema if exists %s cascade"):format(SPACE))
    end)

    for _, case in ipairs(require "spec.support.tables.postgres") do
        it("is described whole and keeps every value: " .. case.name, function()
            tables.check(world, case)
        end)
    end
end)

describe("a table of SQLite", function()
    local dir
    local world = {
        table = function(case)
            return case.name
        end,
        make = function(case)
            os.remove(dir .. "/t.db")
            sqlite.sql(dir .. "/t.db", case.ddl)
        end,
        read = function(case)
            local answer = sqlite.lines(dir .. "/t.db", ("%s from %s"):format(selected(case, "json_array", "quote(%s)"),
                quoted(case.name)))
            assert.equal(1, #answer)
            local texts = cjson.decode(answer[1])
            for i, text in ipairs(texts) do
                texts[i] = text == "NULL" and tables.NULL or text:match "^'(.*)'$" or text
            end
            return texts
        end,
    }

    setup(function()
        dir = process.dir()
        world.store = writebehind.sqlite { path = dir .. "/t.db" }
    end)

    teardown(function()
        process.remove(dir)
    end)

    for _, case in ipairs(require "spec.support.tables.sqlite") do
        it("is described whole and keeps every value: " .. case.name, function()
            tables.check(world, case)
        end)
    end
end)
