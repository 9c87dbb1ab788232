-- Names of objects: in the fields of the log hook and in the reports of on_flush, each once in a process.

local testing = require "writebehind.testing"
local writebehind = require "writebehind"

local SCHEMA = writebehind.schema { { "n", "int8" } }

local function batcher_of(given)
    local reports, lines = {}, {}
    local options = { schema = SCHEMA, table = "t", clock = testing.clock(0),
        store = testing.store { script = { "fail" } },
        on_flush = function(report) reports[#reports + 1] = report end,
        log = function(_, _, fields) lines[#lines + 1] = fields end }
    for name, value in pairs(given or {}) do
        options[name] = value
    end
    return assert(writebehind.batcher(options)), reports, lines
end

describe("the name of an object", function()
    it("is its table's, in reports and in lines", function()
        local batcher, reports, lines = batcher_of { table = "names_a" }
        assert.is_true(batcher:add { n = 1 })
        assert.is_true(batcher:close())
        assert.equal(2, #reports)
        for _, report in ipairs(reports) do
            assert.equal("names_a", report.name)
            assert.equal("names_a", report.table)
        end
        assert.equal(2, #lines) -- the failure, and the end of it
        for _, fields in ipairs(lines) do
            assert.equal("names_a", fields.name)
            assert.equal("names_a", fields.table)
        end
    end)

    it("is what the option says, and the table is the rows' own", function()
        local batcher, reports, lines = batcher_of { name = "mine", table = "names_b",
            policy = { route = function() return "elsewhere" end } }
        assert.is_true(batcher:add { n = 1 })
        assert.is_true(batcher:close())
        assert.equal("mine", reports[1].name)
        assert.equal("elsewhere", reports[1].table)
        assert.equal("mine", lines[1].name)
        assert.equal("names_b", lines[1].table)
    end)

    it("has a number where it is taken, until the other is closed", function()
        local first = batcher_of { table = "names_c" }
        assert.is_true(first:add { n = 1 })
        local second, reports = batcher_of { table = "names_c" }
        assert.is_true(second:add { n = 1 })
        assert.is_true(second:close())
        assert.equal("names_c#2", reports[1].name)
        assert.equal("names_c", reports[1].table)
        assert.is_true(first:close())
        local third, more = batcher_of { table = "names_c" }
        assert.is_true(third:add { n = 1 })
        assert.is_true(third:close())
        assert.equal("names_c", more[1].name)
    end)

    it("is taken by who uses it first", function()
        local idle, reports = batcher_of { table = "names_e" }
        local first, more = batcher_of { table = "names_e" }
        assert.is_true(first:add { n = 1 })
        assert.is_true(idle:add { n = 1 })
        assert.is_true(first:close())
        assert.is_true(idle:close())
        assert.equal("names_e", more[1].name)
        assert.equal("names_e#2", reports[1].name)
    end)

    it("is a tracker's too, also of one that has no table", function()
        local reports = {}
        local tracker = assert(writebehind.tracker { name = "marks", store = testing.store {},
            clock = testing.clock(0), on_flush = function(report) reports[#reports + 1] = report end })
        assert.is_true(tracker:add(writebehind.uuidv7()))
        assert.is_true(tracker:close())
        assert.equal("marks", reports[1].name)
        assert.is_nil(reports[1].table)
    end)

    it("stands beside the text of a hook that failed", function()
        local batcher, _, lines = batcher_of { table = "names_d", store = testing.store {},
            on_flush = function() error("no") end }
        assert.is_true(batcher:add { n = 1 })
        assert.is_true(batcher:close())
        assert.equal("names_d", lines[1].name)
        assert.equal("names_d", lines[1].table)
    end)

    it("stands beside it as it is after the first use", function()
        local first = batcher_of { table = "names_f" }
        local second, _, lines = batcher_of { table = "names_f", store = testing.store {},
            on_flush = function() error("no") end }
        assert.is_true(first:add { n = 1 })
        assert.is_true(second:add { n = 1 })
        assert.is_true(second:close())
        assert.equal("names_f#2", lines[1].name)
        assert.is_true(first:close())
    end)

    it("is a string that is not empty", function()
        for _, wrong in ipairs { "", 1, true, "a\0b" } do
            assert.error_matches(function()
                batcher_of { name = wrong }
            end, 'batcher: option "name": expected a name')
        end
    end)
end)
