-- batch:lines and batch:unix_ns: what stores need that send a row at a time.

local writebehind = require "writebehind"

local json = writebehind.json

-- Gives the rows to a store that looks at its batch; what `look` answered.
local function with_batch(columns, rows, look)
    local seen
    local batcher = writebehind.batcher {
        schema = writebehind.schema(columns), table = "t", inline = false, store = { write = function(_, batch)
            seen = { look(batch) }
            return true
        end },
    }
    for _, row in ipairs(rows) do
        assert(batcher:add(row))
    end
    assert(batcher:close())
    return (table.unpack or unpack)(seen) -- luacheck: globals unpack
end

describe("batch:lines", function()
    it("gives each row's JSON text, its generated id and its place", function()
        with_batch({ { "n", "int8" }, { "id", "uuid", generate = "uuidv7" }, { "note", "text", null = true } }, {
            { n = 1, note = 'a "quoted"\nline' }, { n = 2, id = "00000000-0000-4000-8000-00000000000a" }, { n = 3 },
        }, function(batch)
            local all, count = {}, 0
            for line, id, index in batch:lines() do
                count = count + 1
                assert.equal(count, index)
                assert.equal(batch:row(index).id, id)
                assert.is_nil(line:find "\n")
                all[index] = line .. "\n"
            end
            assert.equal(3, count)
            assert.equal(batch:ndjson(), table.concat(all))
            assert.matches("^00000000%-0000%-4000%-8000%-00000000000a$", batch:row(2).id)
        end)
    end)

    it("gives no id where none is generated, and leaves out what the server fills", function()
        local columns = { { "n", "int8", server_default = true, null = true } }
        with_batch(columns, { { n = 1 }, {}, { n = json.null } }, function(batch)
            local lines = {}
            for line, id, index in batch:lines() do
                assert.is_nil(id)
                lines[index] = line
            end
            assert.same({ '{"n":1}', "{}", '{"n":null}' }, lines)
        end)
    end)

    it("raises once the batch is completed", function()
        local batcher = writebehind.batcher {
            schema = writebehind.schema { { "n", "int8" } }, table = "t", inline = false, batch_size = 2, flush_at = 1,
            store = { write = function() return true end },
        }
        assert(batcher:add { n = 1 })
        assert(batcher:add { n = 2 })
        local batch = assert(batcher:take())
        local next_line = batch:lines()
        assert.equal('{"n":1}', (next_line()))
        batch:complete(true)
        assert.is_false((pcall(next_line)))
        assert.is_false((pcall(batch.lines, batch)))
        assert.is_false((pcall(batch.unix_ns, batch, 1, "n")))
        assert(batcher:close())
    end)
end)

describe("batch:unix_ns", function()
    it("gives whole nanoseconds since 1970", function()
        with_batch({ { "at", "timestamptz", null = true }, { "local_at", "timestamp", null = true },
            { "day", "date", null = true } }, {
            { at = "2024-05-14T08:00:00.123457Z", local_at = "1969-12-31T23:59:59.999999", day = "1970-01-02" }, {},
        }, function(batch)
            local function text_of(...)
                local ns = batch:unix_ns(...)
                return (tostring(ns):gsub("%D+$", ""))
            end
            assert.equal("1715673600123457000", text_of(1, "at"))
            assert.equal("-1000", text_of(1, "local_at"))
            assert.equal("86400000000000", tostring(("%.0f"):format(tonumber(batch:unix_ns(1, "day")))))
            assert.is_nil(batch:unix_ns(2, "at"))
            assert.equal(1, select("#", batch:unix_ns(2, "day")))
        end)
    end)

    it("says where a time has no such number", function()
        with_batch({ { "at", "timestamptz" }, { "day", "date" } }, {
            { at = "infinity", day = "9999-01-01" }, { at = "0001-01-01T00:00:00Z", day = "2262-04-11" },
        }, function(batch)
            for index, name in pairs { "at", "at" } do
                local ns, message, code = batch:unix_ns(index, name)
                assert.same({ nil, "invalid" }, { ns, code })
                assert.matches('column "at"', message)
            end
            assert.is_nil((batch:unix_ns(1, "day")))
            assert.equal("9223286400000000000", (tostring(batch:unix_ns(2, "day")):gsub("%D+$", "")))
        end)
    end)

    it("raises for a row or a column that there is not, and for one that is no time", function()
        with_batch({ { "n", "int8" }, { "at", "timestamptz" }, { "days", "date[]" } }, {
            { n = 1, at = 0, days = {} },
        }, function(batch)
            for message, wrong in pairs {
                ["no such row"] = { 2, "at" }, ["no column \"x\""] = { 1, "x" }, ["\"n\" is int8"] = { 1, "n" },
                ["\"days\" is date%[%]"] = { 1, "days" }, ["number expected"] = { "one", "at" },
                ["string expected"] = { 1, nil },
            } do
                local ok, text = pcall(batch.unix_ns, batch, wrong[1], wrong[2])
                assert.is_false(ok)
                assert.matches(message, text)
            end
        end)
    end)
end)
