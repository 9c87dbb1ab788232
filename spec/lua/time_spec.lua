-- A time is rounded to the microsecond, the same way wherever it is given.

local generator = require "writebehind.random"
local ids = require "spec.support.ids"
local writebehind = require "writebehind"

describe("a time given in seconds", function()
    it("is the same in a row and in a tracker, to the microsecond", function()
        local store, random = writebehind.memory(), generator(7)
        local batcher = writebehind.batcher {
            store = store, schema = writebehind.schema { { "at", "timestamptz" } }, table = "rows",
        }
        local tracker = writebehind.tracker {
            store = store, table = "marks", key = "id", column = "at", precision = "exact",
        }
        local given = {}
        for i = 1, 2000 do
            given[i] = -3e9 + random() * 8e9
            store:put("marks", ids.uuid(i), -6e10)
            assert(batcher:add_values(given[i]))
            assert(tracker:add(ids.uuid(i), given[i]))
        end
        assert(batcher:close() and tracker:close())
        for i, row in ipairs(store:rows("rows")) do
            assert.equal(row.at, store:time("marks", ids.uuid(i)))
            assert.is_true(math.abs(row.at - given[i]) <= 0.5e-6 + 2 ^ -21)
        end
    end)
end)
