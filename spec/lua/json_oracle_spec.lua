-- JSON given as text is checked by the core's own scanner. Its verdicts are held against two oracles:
-- PostgreSQL's jsonb, which must agree on every text, and lua-cjson, which must take whatever is accepted
-- (it is laxer: numbers such as 0x10 or nan pass it).

local cjson = require "cjson"
local json = require "writebehind.json"
local postgres = require "spec.support.postgres"
local random_json = require "spec.support.random_json"
local generator = require "writebehind.random"
local writebehind = require "writebehind"

local SEEDS = {
    '{}', '[]', '{"ssh":1}', '[1,2.5,-0,1e5,1E-7,"a\\n\\u00e9\\ud83d\\ude00"]', '{"a":{"b":[true,false,null]}}',
    ' { "k" : "\195\169\226\130\172" , "l" : [ ] } ', '"text"', '12', 'null', '[[[[[[1]]]]]]', '{"a":1,"a":2}',
    '[0.1,-12.5e+3,123456789012345678901234567890]', '{"\\\\":"\\/\\b\\f\\r\\t\\""}', '[1e131071]', '[1e-16383]',
}
local PIECES = {
    '"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', '+', ' ', '\n', '\\u0000', '\\ud800', '\\udc00',
    'true', 'nul', '\1', '\127', '\195', '\169', '\237\160\128', '\244\144\128\128', '\192\175', '/', '9', 'E9', '\t',
}

-- One to three edits of a seed: a piece put in, a byte taken out, a stretch copied.
local function mutate(random)
    local text = SEEDS[random(#SEEDS) + 1]
    for _ = 1, random(3) + 1 do
        local at, kind = random(#text + 1), random(3)
        if kind == 0 then
            text = text:sub(1, at) .. PIECES[random(#PIECES) + 1] .. text:sub(at + 1)
        elseif kind == 1 then
            text = text:sub(1, at) .. text:sub(at + 2)
        else
            text = text:sub(1, at) .. text:sub(random(#text + 1), random(#text + 1)) .. text:sub(at + 1)
        end
    end
    return text
end

local function texts(count)
    local random, list, seen = generator(20240514), {}, {}
    for _, seed in ipairs(SEEDS) do
        list[#list + 1], seen[seed] = seed, true
    end
    while #list < count do
        local text = mutate(random)
        if not seen[text] then
            list[#list + 1], seen[text] = text, true
        end
    end
    return list
end

local function hex(text)
    return (text:gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
    end))
end

-- Bytes that are no UTF-8 are no text to PostgreSQL, and so no jsonb.
local JUDGE = [[
    CREATE FUNCTION %s(given bytea) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM convert_from(given, 'UTF8')::jsonb;
        RETURN true;
    EXCEPTION WHEN OTHERS THEN
        RETURN false;
    END $$;
    SELECT %s(decode(given, 'hex')) FROM unnest(string_to_array('%s', ',')) WITH ORDINALITY AS g(given, i) ORDER BY i;
    DROP FUNCTION %s;
]]

local function verdicts_of_postgres(list)
    local encoded = {}
    for i, text in ipairs(list) do
        encoded[i] = hex(text)
    end
    local name = postgres.name()
    return postgres.lines(JUDGE:format(name, name, table.concat(encoded, ","), name))
end

describe("JSON given as text", function()
    it("is accepted exactly where PostgreSQL's jsonb accepts it, and never where lua-cjson does not", function()
        local batcher = writebehind.batcher {
            store = writebehind.memory(), schema = writebehind.schema { { "j", "jsonb" } }, table = "t",
        }
        local list = texts(6000)
        local verdicts = verdicts_of_postgres(list)
        assert.equal(#list, #verdicts)
        local accepted = 0
        for i, text in ipairs(list) do
            local taken, message, code = batcher:add_values(text)
            assert.is_true(taken or code == "invalid", message)
            assert.equal(verdicts[i], taken and "t" or "f", ("%q: %s"):format(text, message or "accepted"))
            if taken then
                accepted = accepted + 1
                assert.is_true(pcall(cjson.decode, text:match("^%s*[%[{]") and text or "[" .. text .. "]"), text)
            end
        end
        assert.is_true(accepted > 500 and accepted < 5500, accepted .. " of 6000 accepted")
        assert(batcher:close())
    end)
end)

describe("JSON made of tables", function()
    it("is what PostgreSQL's jsonb takes, every number exact", function()
        local random, list, numbers = generator(20250101), {}, {}
        for i = 1, 1500 do
            list[i] = assert(json.encode(random_json.table(random, random_json.text, 4)))
        end
        for i, verdict in ipairs(verdicts_of_postgres(list)) do
            assert.equal("t", verdict, list[i])
        end
        for i = 1, 2000 do
            numbers[i] = (random() + random() / 2 ^ 31) * 10 ^ (random(600) - 300)
        end
        local rows = postgres.lines(("select value::text::float8::text from jsonb_array_elements('%s') value"):format(
            assert(json.encode(numbers))))
        assert.equal(#numbers, #rows)
        for i, row in ipairs(rows) do
            assert.is_true(tonumber(row) == numbers[i], row)
        end
    end)

    it("is refused, as PostgreSQL refuses it, where a string is no text", function()
        local batcher = writebehind.batcher {
            store = writebehind.memory(), schema = writebehind.schema { { "j", "jsonb" } }, table = "t",
        }
        for _, text in ipairs { "\0", "a\255", "\237\160\128", ("x"):rep(20) .. "\192\175" .. ("y"):rep(20) } do
            for _, value in ipairs { { text }, { [text] = 1 }, { a = { { text } } } } do
                local taken, _, code = batcher:add_values(value)
                assert.is_nil(taken)
                assert.equal("invalid", code)
            end
        end
        assert(batcher:add_values { "\195\169", ["\226\130\172"] = "\240\159\152\128" })
        assert(batcher:close())
    end)
end)
