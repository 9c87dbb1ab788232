-- Enums: their labels are the server's, which may have another by now than when its table was described.

local postgres = require "spec.support.postgres"
local writebehind = require "writebehind"

describe("an enum's label", function()
    before_each(function()
        postgres.sql [[drop table if exists moods; drop type if exists mood; create type mood as enum ('sad', 'ok');
            create table moods (n int primary key, m mood not null, all_of mood[])]]
    end)

    after_each(function()
        postgres.sql "drop table if exists moods; drop type if exists mood"
    end)

    local function batcher_of(dead, options)
        local store = writebehind.postgres { conninfo = postgres.conninfo() }
        local given = { store = store, table = "moods", schema = assert(store:schema "moods"), log = function() end,
            retry = { initial = 0.01, max = 0.05 },
            dead_letter = function(row, err) dead[#dead + 1] = { row = row, err = err } end }
        for key, value in pairs(options or {}) do
            given[key] = value
        end
        return assert(writebehind.batcher(given))
    end

    it("that the server does not have is that row's fault alone", function()
        local dead = {}
        local batcher = batcher_of(dead)
        for n = 1, 20 do
            assert(batcher:add { n = n, m = n == 7 and "glad" or "ok", all_of = n == 12 and { "sad", "mad" } or nil })
        end
        assert(batcher:close())
        assert.equal("18", postgres.sql "select count(*) from moods")
        local seen = {}
        for _, one in ipairs(dead) do
            seen[one.row.n] = one.err
        end
        assert.matches('invalid input value for enum mood: "glad"', seen[7], 1, true)
        assert.matches('invalid input value for enum mood: "mad"', seen[12], 1, true)
    end)

    it("that came after the table was described is stored", function()
        local dead = {}
        local batcher = batcher_of(dead)
        assert(batcher:add { n = 1, m = "ok" })
        assert(batcher:flush())
        postgres.sql "alter type mood add value 'glad'"
        assert(batcher:add { n = 2, m = "glad", all_of = { "glad" } })
        assert(batcher:close())
        assert.same({ "1|ok|", "2|glad|{glad}" }, postgres.lines "select * from moods order by n")
        assert.same({}, dead)
    end)

    it("is the new type's, where the column got another under an open connection", function()
        local dead = {}
        local batcher = batcher_of(dead)
        assert(batcher:add { n = 1, m = "ok", all_of = { "ok" } })
        assert(batcher:flush())
        postgres.sql [[create type mood2 as enum ('fine', 'ok', 'sad');
            alter table moods alter m type mood2 using m::text::mood2,
            alter all_of type mood2[] using all_of::text[]::mood2[]; drop type mood; alter type mood2 rename to mood]]
        assert(batcher:add { n = 2, m = "fine", all_of = { "fine", "sad" } })
        assert(batcher:close())
        assert.same({ "1|ok|{ok}", "2|fine|{fine,sad}" }, postgres.lines "select * from moods order by n")
        assert.same({}, dead)
    end)
end)
