-- Rows from text in pieces, and into each form of batcher: however a text is cut and whoever takes its rows, the same
-- are accepted, and the refusals have the rest, byte for byte. What is wrong use raises.

local intake = require "spec.support.intake"
local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local shown = intake.shown

local ANY = { { "a", "text", null = true }, { "b", "bytea", null = true } }
local NONE = { { "a", "text", values = { "no text is this" } }, { "b", "text" } }
local HEADER = { "a", "b" }
local FIRST = { csv = ",", tsv = "\t", copy = "\t", ndjson = "{}" }

local WORDS = { '"', '"', ",", ",", "\t", "\t", "\n", "\n", "\n", "\r\n", "\r", "a", "1", " ", "\\", "\\N", "\\.", "\0",
    "\255", "é", "#", "\239\187\191", '{"a":"x"}\n', '{"a":"', '","b":', "}", "null", '{"b":[1,{"c":""}]}\n',
        'x,"y"\n',
    "x\ty\n", '"","q""r"\n', "1,2\r\n", "[", "]", "\\\n", "\\\r", "12345678901234567890" }

local function random_text(random)
    local parts = {}
    for index = 1, random(25) do
        parts[index] = WORDS[random(#WORDS)]
    end
    return table.concat(parts)
end

local function options_of(random, format)
    local options = { format = format, max_record_bytes = random(3) == 1 and 15 + random(20) or nil }
    if format ~= "ndjson" then
        options.header = random(4) > 1 and HEADER or random(2) == 1
        options.comment = random(4) == 1 and "#" or nil
        options.skip = random(4) == 1 and random(3) - 1 or nil
        options.null = random(5) == 1 and "a" or nil
    end
    return options
end

-- A driven batcher whose rows are kept as they were, as text.
local function kept_by(columns)
    local rows = {}
    local batcher = intake.batcher(columns, { inline = false, store = { write = function(_, batch)
        for row in batch:rows() do
            rows[#rows + 1] = shown(row)
        end
        return true
    end } })
    return batcher, rows
end

local function outcome(columns, pieces, options)
    local batcher, rows = kept_by(columns)
    local answer = intake.feed(batcher, pieces, options)
    assert(batcher:close())
    assert.equal(#answer.refused, batcher:stats().rejected)
    assert.equal(answer.accepted, #rows)
    answer.rows = rows
    return answer
end

local function bytes_of(text)
    local pieces = {}
    for index = 1, #text do
        pieces[index] = text:sub(index, index)
    end
    return pieces
end

describe("a reader", function()
    it("makes the same of a text, wherever it is cut", function()
        local random, accepted, refused = intake.random(20), 0, 0
        for round = 1, 1200 do
            local text = random_text(random)
            local options = options_of(random, ({ "csv", "tsv", "copy", "ndjson" })[round % 4 + 1])
            local expected = outcome(ANY, { text }, options)
            local place = random(#text + 1)
            for _, pieces in ipairs { bytes_of(text), { text:sub(1, place), "", text:sub(place + 1) } } do
                assert.same(expected, outcome(ANY, pieces, options), ("%q"):format(text))
            end
            accepted, refused = accepted + expected.accepted, refused + #expected.refused
        end
        assert.is_true(accepted > 500 and refused > 500, accepted .. " accepted, " .. refused .. " refused")
    end)

    it("loses no byte: what was refused and what was accepted make up the text", function()
        local random, accepted = intake.random(30), 0
        for round = 1, 1200 do
            local format = ({ "csv", "tsv", "copy", "ndjson" })[round % 4 + 1]
            local text = random_text(random)
            local options = { format = format, max_record_bytes = random(3) == 1 and 15 + random(20) or nil }
            options.header = format ~= "ndjson" and HEADER or nil
            local all = outcome(NONE, { text }, options)
            assert.equal(0, all.accepted)
            local place = text:sub(1, 3) == "\239\187\191" and 4 or 1
            for _, refusal in ipairs(all.refused) do -- between two records stand line ends, and in NDJSON space
                local first = text:find(refusal.text, place, true)
                assert.is_truthy(first, ("%q"):format(text))
                local between = text:sub(place, first - 1):gsub(format == "copy" and "\\%." or "^$", "")
                assert.matches("^[\r\n \t]*$", between, nil, nil, ("%q: %q"):format(text, between))
                place = first + #refusal.text
            end
            assert.is_true(not all.unreadable or #all.refused == 0)
            assert.matches(all.unreadable and "" or "^[\r\n \t]*$",
                (text:sub(place):gsub(format == "copy" and "\\%." or "^$", "")))

            if not all.unreadable then -- record by record
                local some, next_refused, next_row = outcome(ANY, { text }, options), 1, 1
                for _, record in ipairs(all.refused) do
                    local refusal = some.refused[next_refused]
                    if refusal and refusal.line == record.line and refusal.text == record.text then
                        next_refused = next_refused + 1
                    else
                        local alone = outcome(ANY, { FIRST[format] .. "\n" .. record.text }, options)
                        assert.same({ 2, some.rows[next_row] }, { alone.accepted, alone.rows[2] }, ("%q"):format(text))
                        next_row = next_row + 1
                    end
                end
                assert.same({ #some.refused, #some.rows }, { next_refused - 1, next_row - 1 }, ("%q"):format(text))
                accepted = accepted + some.accepted
            end
        end
        assert.is_true(accepted > 300, accepted .. " accepted")
    end)

    it("keeps a last record without an end, and counts each call by itself", function()
        local batcher, rows = kept_by(ANY)
        local reader = batcher:reader { format = "csv" }
        local function answer_is(accepted, texts, ...)
            local answer = intake.answer(...)
            assert.same({ accepted, texts }, { answer.accepted, intake.texts(answer.refused) })
        end
        answer_is(0, {}, reader:feed "a,")
        answer_is(0, {}, reader:feed "b\r")
        answer_is(0, {}, reader:feed '\nx,"y')
        answer_is(1, {}, reader:feed '"\nz')
        answer_is(1, { "3:z" }, reader:feed "\n1,2\n3,4,5")
        answer_is(0, { "5:3,4,5" }, reader:finish())
        assert(batcher:close())
        assert.same({ '{a="x" b="y"}', '{a="1" b="2"}' }, rows)
    end)
end)

describe("each form of batcher", function()
    local COLUMNS = { { "n", "int8", null = true }, { "t", "text", max = 5 }, { "at", "timestamptz", null = true },
        { "day", "date", null = true }, { "span", "interval", null = true }, { "hour", "time", null = true },
        { "j", "jsonb", null = true }, { "l", "int4[]", null = true }, { "raw", "bytea", null = true },
        { "ok", "bool", default = true }, { "price", "numeric", null = true }, { "key", "uuid", null = true } }
    local TEXT = {
        csv = 'n,t,at,day,span,hour,j,l,raw,price,key\n9007199254740993,a,2024-05-14T08:00:00Z,20240514,P1D,08:00,'
            .. '"{""a"":1}","{1,NULL}",\\x00ff,1.10,550E8400E29B41D4A716446655440000\n'
            .. ',"",,,,,,,,,\n1715,abcdef,,,,,,,,,\n'
            .. '1,,,,,,,,,,\nx,y,,,,,,,,,\n2,b,1715673600,,,,,,,,\n2,b,1715673600.5,,90,,null,[],a,,\n',
        ndjson = '{"t":"a","n":9007199254740993,"at":1715673600,"span":90,"hour":28800,"j":{"a":[1.10]},"l":[1,null],'
            .. '"raw":"\\\\x00ff","ok":null,"price":1.10}\n{"t":null}\n'
            .. '{"n":1.5,"t":"x"}\n{"t":"abcdef"}\n{"t":1.50,"ok":false}\n'
            .. '{"t":"x","at":1715673600.25,"j":"x","l":"{}"}\n{"u":1}\n{"t":"x","at":-1,"j":1.0}\n',
    }
    local FORMS = {
        ["a clock"] = function() return { clock = testing.clock(0) } end,
        ["route"] = function() return { policy = { route = function(row) assert(row.t) end } } end,
        ["route to another"] = function() return { policy = { route = function() return "t" end } } end,
        ["should_flush"] = function()
            return { policy = { should_flush = function(view) return view.row.t == "a" end } }
        end,
        ["retry_delay"] = function() return { policy = { retry_delay = function() return 1 end } } end,
        ["small batches"] = function() return { batch_size = 1, flush_at = 1 } end,
    }

    for format, text in pairs(TEXT) do
        it("takes the same rows of " .. format, function()
            local expected = intake.read(COLUMNS, format, text)
            assert.is_true(expected.accepted >= 3 and #expected.refused >= 3)
            for name, form in pairs(FORMS) do
                local batcher, store = intake.batcher(COLUMNS, form())
                local answer = intake.add(batcher, format, text)
                assert(batcher:close())
                assert.same({ expected.accepted, expected.refused }, { answer.accepted, answer.refused }, name)
                assert.equal(shown(expected.rows), shown(store:rows "t"), name)
                local stats = batcher:stats()
                assert.same({ expected.stats.rejected, 0 }, { stats.rejected, stats.policy_errors }, name)
            end
            local batcher, rows = kept_by(COLUMNS)
            assert.same(expected.refused, intake.add(batcher, format, text).refused)
            assert(batcher:close())
            for index, row in ipairs(expected.rows) do
                assert.equal(shown(row), rows[index])
            end
        end)
    end

    it("routes a row by what it has", function()
        local seen = {}
        local batcher, store = intake.batcher({ { "t", "text" }, { "at", "timestamptz" }, { "n", "int4",
            null = true } }, {
            policy = { route = function(row)
                seen[#seen + 1] = shown(row)
                return row.t == "x" and "side" or nil
            end },
        })
        assert.equal(2, (batcher:add_csv "t,at\nx,2024-05-14T08:00:00Z\ny,1715673600.5\nz,no\n"))
        assert.equal(2, (batcher:add_ndjson '{"t":"x","at":1715673600,"n":5}\n{"t":"y","at":1}'))
        assert(batcher:close())
        assert.same({ 2, 2 }, { #store:rows "side", #store:rows "t" })
        assert.equal('{at=1715673600 n=5 t="x"}', seen[#seen - 1])
    end)

    it("that delivers inside add does so", function()
        local sizes = {}
        local batcher = intake.batcher(ANY, { batch_size = 2, flush_at = 1, max_pending_rows = 2, store = {
            write = function(_, batch)
                sizes[#sizes + 1] = #batch
                return true
            end } })
        assert.equal(7, (batcher:add_csv("a\n1\n2\n3\n4\n5\n6\n7\n")))
        assert.same({ 2, 2, 2 }, sizes)
        assert(batcher:close())
    end)
end)

describe("a full batcher", function()
    local function full_of(options)
        options.max_pending_rows, options.inline = 2, false
        options.store = { write = function() return true end }
        return (intake.batcher(ANY, options))
    end

    it("refuses the rest one by one, and a reader waits", function()
        local batcher = full_of {}
        local accepted, refused, message = batcher:add_csv "a\n1\n2\n3\n4,5\n6"
        assert.same({ 2, nil }, { accepted, message })
        local codes = {}
        for index, refusal in ipairs(refused) do
            codes[index] = refusal.line .. refusal.text .. refusal.code
        end
        assert.same({ "43full", "54,5invalid", "66full" }, codes)
        assert.equal(3, batcher:stats().rejected)
        assert(batcher:flush())
        accepted, refused = batcher:add_many { { a = "1" }, { c = 1 }, { a = "2" }, { a = "3" } }
        assert.same({ 2, 2, "invalid", 4, "full" }, { accepted, refused[1].index, refused[1].code, refused[2].index,
            refused[2].code })
        assert(batcher:flush())

        local reader = batcher:reader { format = "csv" }
        local sum, rejected = 0, batcher:stats().rejected
        local function step(expected, code, ...)
            local answer = intake.answer(...)
            assert.same({ expected, code }, { answer.accepted, answer.code })
            sum = sum + #answer.refused
        end
        step(2, "full", reader:feed "a\n1\n2\n3\nx,y\n4\n5\n6")
        step(0, "full", reader:feed "")
        step(0, "full", reader:feed "7\n8")
        assert(batcher:flush())
        step(2, "full", reader:feed "")
        assert(batcher:flush())
        step(2, nil, reader:feed "")
        step(0, "full", reader:finish())
        assert(batcher:flush())
        step(1, nil, reader:finish())
        assert.equal(1, sum)
        assert(batcher:close())
        local stats = batcher:stats()
        assert.same({ 11, 11, rejected + 1 }, { stats.accepted, stats.stored, stats.rejected })
    end)

    it("drops as it is told", function()
        for _, options in ipairs { { overflow = "drop_oldest" }, { overflow = "drop_newest" },
            { policy = { on_full = function() return "drop_oldest" end } } } do
            local batcher = full_of(options)
            assert.equal(5, (batcher:add_csv "a\n1\n2\n3\n4\n5\n"))
            assert.equal(3, batcher:stats().dropped)
            assert(batcher:close())
        end
    end)

    it("has no room for a row that is larger than all of it", function()
        for _, store in ipairs { writebehind.memory(), { write = function() return true end } } do
            local batcher = intake.batcher(ANY, { max_pending_bytes = 1000, store = store })
            local accepted, refused = batcher:add_csv("a\n" .. ("x"):rep(2000) .. "\n2\n")
            assert.same({ 1, 1, "invalid", 2 }, { accepted, #refused, refused[1].code, refused[1].line })
            local reader = batcher:reader { format = "csv" }
            accepted, refused = reader:feed("a\n" .. ("x"):rep(2000) .. "\n2\n")
            assert.same({ 1, 1 }, { accepted, #refused })
            assert(batcher:close())
        end
    end)
end)

describe("a closed batcher", function()
    it("takes nothing", function()
        for _, options in ipairs { {}, { policy = { route = function() end } }, { clock = testing.clock(0) } } do
            local batcher = intake.batcher(ANY, options)
            local reader = batcher:reader { format = "csv" }
            assert.equal(1, (reader:feed "a\n1\n"))
            assert(batcher:close())
            for _, answer in ipairs { intake.answer(reader:feed "2\n"), intake.answer(batcher:add_ndjson '{"a":"1"}\n'),
                intake.answer(batcher:add_csv "a\n1\n") } do
                assert.same({ true, "closed", 0 }, { answer.unreadable, answer.code, answer.accepted })
            end
            local accepted, refused = batcher:add_many { { a = "1" } }
            assert.same({ 0, "closed" }, { accepted, refused[1].code })
        end
    end)
end)

describe("wrong use", function()
    local batcher = intake.batcher(ANY)

    -- Raises here, with the word.
    local function raises(word, method, ...)
        local arguments, count = { ... }, select("#", ...)
        local ok, message = pcall(function()
            local object = arguments[1]
            return object[method](object, (table.unpack or unpack)(arguments, 2, count)), nil -- luacheck: ignore 143
        end)
        assert.is_false(ok, method .. " takes it: " .. word)
        assert.matches(word, message, 1, true)
        assert.matches("intake_feed_spec.lua:%d+: ", message)
    end

    it("names the option", function()
        for word, options in pairs {
            ['"foo"'] = { foo = 1 }, ['"delimiter": expected one character, got ";;"'] = { delimiter = ";;" },
            ['"delimiter": expected one character, got ""'] = { delimiter = "" }, ['"null"'] = { null = 1 },
            ['"comment": expected one character, got "ab"'] = { comment = "ab" }, ['"skip"'] = { skip = -1 },
            ['"skip": expected a whole number of at least 0, got 1.5'] = { skip = 1.5 },
                ['"format"'] = { format = "xml" },
            ['"ignore_unknown"'] = { ignore_unknown = 1 }, ['"max_record_bytes"'] = { max_record_bytes = 0 },
            ['"header"'] = { header = 1 }, ['"zz"'] = { map = { zz = "x" } }, ['"map"'] = { map = { "a" } },
            ['"y"'] = { map = { a = "y", b = "y" } }, ['"x"'] = { header = { "a", "x" } },
        } do
            raises(word, "add_csv", batcher, "", options)
            options.format = options.format or "tsv"
            raises(word, "reader", batcher, options)
        end
        for _, delimiter in ipairs { "\0", "\n", "\r", '"', 5, "é" } do
            raises("delimiter", "add_csv", batcher, "", { delimiter = delimiter })
        end
        for _, comment in ipairs { "\0", "\n", true } do
            raises("comment", "add_csv", batcher, "", { comment = comment })
        end
        raises("delimiter", "add_csv", batcher, "", { format = "copy", delimiter = "\\" })
        raises("format", "add_csv", batcher, "", { format = "ndjson" })
        for word, value in pairs { format = "csv", delimiter = ",", header = HEADER, null = "x" } do
            raises(word, "add_ndjson", batcher, "", { [word] = value })
        end
    end)

    it("is what is no text", function()
        local reader = batcher:reader {}
        for _, wrong in ipairs { 5, true, {}, print } do
            raises("string expected", "add_csv", batcher, wrong)
            raises("string expected", "add_ndjson", batcher, wrong)
            raises("string expected", "feed", reader, wrong)
            raises("table expected", "add_csv", batcher, "", wrong ~= 5 and 5 or "x")
        end
        raises("string expected", "feed", reader)
        raises("table expected", "add_many", batcher, 5)
        raises("table expected", "add_many", batcher, { { a = "x" }, 5 })
        assert.equal(0, (reader:finish()))
        raises("finished", "feed", reader, "x")
        assert.is_false(pcall(reader.feed, batcher, ""))
        assert.is_false(pcall(batcher.add_csv, reader, ""))
    end)
end)
