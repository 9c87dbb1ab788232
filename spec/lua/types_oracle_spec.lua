-- PostgreSQL's own input as the oracle of what add takes: booleans, integers, floats, texts, enums, bytea, JSON and
-- arrays; numbers for other types, and the infinities of times. (The texts of times, numeric, interval, addresses
-- and uuids: types_oracle_test.c.) What it refuses, we refuse; what it takes becomes the same value. Each difference
-- is in a list here, with its reason; one that is none fails, too.

local assert = require "luassert"
local forms = require "spec.support.forms"
local oracle = require "spec.support.oracle"
local postgres = require "spec.support.postgres"
local writebehind = require "writebehind"

local show
function show(value)
    if type(value) ~= "table" then
        return tostring(value)
    end
    local words = {}
    for key, item in pairs(value) do
        words[#words + 1] = ("%s = %s"):format(tostring(key), show(item))
    end
    return "{ " .. table.concat(words, ", ") .. " }"
end

local function outcome(text)
    return text == nil and "refused" or "stored as " .. tostring(text)
end

-- The values and the texts of a type's cases: a value alone is its own text.
local function parts(cases)
    local values, texts = {}, {}
    for i, case in ipairs(cases) do
        if type(case) == "table" then
            values[i], texts[i] = case[1], case[2]
        else
            values[i], texts[i] = case, forms.text_of(case)
        end
    end
    return values, texts
end

-- What is asked of a type by more than one test is asked once: its values and texts, and what the server and we say.
local asked = {}

local function ask(kind)
    if not asked[kind] then
        local values, texts = parts(kind.cases)
        asked[kind] = { values = values, texts = texts, server = oracle.server(kind.type, texts),
            ours = oracle.ours(kind.type, values) }
    end
    return asked[kind]
end

local function check(kind)
    local said = ask(kind)
    local values, texts, server, ours = said.values, said.texts, said.server, said.ours
    local faults = {}
    for i, case in ipairs(kind.cases) do
        local differs = server[i] ~= ours[i]
        local listed = type(case) == "table" and case.differs
        if differs ~= (listed and true or false) then
            faults[#faults + 1] = ("%s (%s): %s there, %s here; listed: %s"):format(show(values[i]), texts[i],
                outcome(server[i]), outcome(ours[i]), tostring(listed))
        end
    end
    assert.equal("", table.concat(faults, "\n"))
end

-- Where the reason says that a lenient schema takes it, it does, and as PostgreSQL does; other texts it does not.
local function check_lenient(kind)
    local values, server = ask(kind).values, ask(kind).server
    local lenient = oracle.ours(kind.type, values, true)
    for i, case in ipairs(kind.cases) do
        local reason = type(case) == "table" and case.differs
        if reason and type(values[i]) ~= "table" then
            local taken = lenient[i] ~= nil and lenient[i] == server[i]
            assert.equal(reason:find("lenient schema takes it", 1, true) ~= nil, taken, show(values[i]))
        end
    end
end

-- A time that is infinite comes back as a number, and is taken as text alone.
local TEXT_OF_INFINITY = { [math.huge] = "infinity", [-math.huge] = "-infinity" }
local IS_TIME = { timestamptz = true, timestamp = true }

-- What came back to Lua is taken again, and is the same value.
local function check_back(kind)
    local values, first = ask(kind).values, ask(kind).ours
    local back = oracle.back(kind.type, values)
    local given, wanted = {}, {}
    for i = 1, #values do
        if first[i] ~= nil and back[i] ~= nil then
            given[#given + 1] = IS_TIME[kind.type] and TEXT_OF_INFINITY[back[i]] or back[i]
            wanted[#wanted + 1] = first[i]
        end
        assert(first[i] == nil or back[i] ~= nil, show(values[i]))
    end
    local again = oracle.ours(kind.type, given)
    for i = 1, #given do
        assert.equal(wanted[i], again[i], show(given[i]))
    end
end

describe("what PostgreSQL says", function()
    setup(function()
        postgres.sql "create extension if not exists hstore"
        postgres.sql [[drop type if exists wb_oracle_mood cascade;
            create type wb_oracle_mood as enum ('sad', 'ok', 'very happy', 'it''s', 'O"K', 'Ü')]]
    end)

    teardown(function()
        postgres.drop_all()
        postgres.sql "drop type if exists wb_oracle_mood cascade"
    end)

    for _, kind in ipairs(forms.kinds) do
        it("is what add says: " .. kind.type, function()
            check(kind)
        end)

        it("is what a lenient schema says where the reason says so: " .. kind.type, function()
            check_lenient(kind)
        end)

        it("is the same of what came back to Lua: " .. kind.type, function()
            check_back(kind)
        end)
    end
end)

describe("an error while the server reads a value", function()
    it("is the table's where a domain's check raises it", function()
        local name = postgres.name()
        postgres.sql(([[create table NAME_known (v text);
            create function NAME_is_known(v text) returns bool language plpgsql as
                $$ begin return exists (select from NAME_missing m where m.v = $1); end $$;
            create domain NAME_word as text check (value is null or NAME_is_known(value));
            create table NAME (v NAME_word)]]):gsub("NAME", name))
        local live = writebehind.postgres { conninfo = postgres.conninfo() }
        local batcher = assert(writebehind.batcher {
            store = live, schema = assert(live:schema(name)), table = name, log = function() end,
            retry = { initial = 0.01, max = 0.05 },
        })
        assert(batcher:add {})
        assert(batcher:add { v = "x" })
        assert.is_nil((batcher:flush(1)))
        assert.equal(0, batcher:stats().dead)
        postgres.sql(("create table NAME_missing as select 'x' as v"):gsub("NAME", name))
        assert(batcher:close())
        assert.equal(2, batcher:stats().stored)
        postgres.sql(("drop table NAME, NAME_known, NAME_missing; drop domain NAME_word"):gsub("NAME", name))
    end)
end)
