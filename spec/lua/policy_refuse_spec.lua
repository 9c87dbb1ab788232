-- A policy that refuses rows, and what on_full sees of a row that finds no room: by each way to add one.

local policy = require "spec.support.policy"
local scripted = require "spec.support.scripted"
local writebehind = require "writebehind"

local function odd_only(why)
    return function(row)
        if row.n % 2 == 0 then
            return false, why
        end
        return "odd"
    end
end

local ADDS = {
    add = function(batcher, n)
        return batcher:add { n = n, note = "x" }
    end,
    add_values = function(batcher, n)
        return batcher:add_values(n, "x")
    end,
    add_mixed = function(batcher, n)
        return batcher:add_mixed({ note = "x" }, n)
    end,
}

local FORMS = {
    ["a driven batcher"] = function(decisions, options)
        options = options or {}
        options.inline = false
        return policy.play(decisions, options).batcher
    end,
    ["a threaded batcher"] = function(decisions, options)
        local all = { schema = policy.schema, table = "t", policy = decisions, store = writebehind.memory() }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return assert(writebehind.batcher(all))
    end,
}

-- A store that takes no row, for the form that writes at once.
local AWAY = { ["a threaded batcher"] = writebehind.sqlite { path = "/nowhere/x.db" } }

for form, make in pairs(FORMS) do
    describe("route that refuses a row of " .. form, function()
        for name, add in pairs(ADDS) do
            it("is the answer of " .. name, function()
                local batcher = make { route = odd_only "only odd numbers" }
                assert.is_true(add(batcher, 1))
                assert.same({ nil, "only odd numbers", "invalid" }, { add(batcher, 2) })
                assert.is_true(add(batcher, 3))
                local stats = scripted.conserved(batcher)
                assert.same({ 2, 1, 0 }, { stats.accepted, stats.rejected, stats.policy_errors })
                assert(batcher:close())
                assert.equal(2, scripted.conserved(batcher).stored)
            end)
        end

        it("says so in a sentence of its own, where it gives no reason, and takes any", function()
            local why
            local batcher = make { route = function() return false, why end }
            assert.same({ nil, "the policy's route refused the row", "invalid" }, { batcher:add { n = 1 } })
            why = 12
            assert.same({ nil, "12", "invalid" }, { batcher:add { n = 1 } })
            why = setmetatable({}, { __tostring = function() return "my own error" end })
            assert.same({ nil, "my own error", "invalid" }, { batcher:add { n = 1 } })
            assert.same({ 0, 3 }, { batcher:stats().accepted, batcher:stats().rejected })
            assert(batcher:close())
        end)

        it("is told of each row of add_many", function()
            local batcher = make { route = odd_only "even" }
            local accepted, refused = batcher:add_many { { n = 1 }, { n = 2 }, { n = 3 }, { n = 4 } }
            assert.equal(2, accepted)
            assert.same({
                { index = 2, message = "even", code = "invalid" }, { index = 4, message = "even", code = "invalid" },
            }, refused)
            assert(batcher:close())
        end)

        it("is told of each record of a text, with its line", function()
            local batcher = make { route = odd_only "even" }
            local accepted, refused = batcher:add_ndjson '{"n":1}\n{"n":2}\n{"n":x}\n{"n":3}\n\n{"n":4}'
            assert.equal(2, accepted)
            assert.same({ line = 2, text = '{"n":2}', message = "even", code = "invalid" }, refused[1])
            assert.same({ 3, "invalid" }, { refused[2].line, refused[2].code })
            assert.same({ line = 6, text = '{"n":4}', message = "even", code = "invalid" }, refused[3])
            assert.is_nil(refused[4])

            accepted, refused = batcher:add_csv("n,note\n2,a\n3,b\n")
            assert.same({ 1, { { line = 2, text = "2,a", message = "even", code = "invalid" } } },
                { accepted, refused })

            local reader = batcher:reader {}
            assert.same({ 0, {} }, { reader:feed '{"n":' })
            accepted, refused = reader:feed '2}\n{"n":5}\n{"n":6}'
            assert.equal(1, accepted)
            assert.same({ { line = 1, text = '{"n":2}', message = "even", code = "invalid" } }, refused)
            accepted, refused = reader:finish()
            assert.equal(0, accepted)
            assert.same({ { line = 3, text = '{"n":6}', message = "even", code = "invalid" } }, refused)

            local stats = scripted.conserved(batcher)
            assert.same({ 4, 6, 0 }, { stats.accepted, stats.rejected, stats.policy_errors })
            assert(batcher:close())
            assert.equal(4, scripted.conserved(batcher).stored)
        end)
    end)

    describe("on_full of " .. form, function()
        for name, add in pairs(ADDS) do
            for _, routed in ipairs { true, false } do
                it("sees the row of " .. name .. " and its table, " .. (routed and "routed" or "its own"), function()
                    local seen = {}
                    local batcher = make({
                        route = routed and function(row) return "t" .. row.n end or nil,
                        on_full = function(view)
                            seen[#seen + 1] = { tonumber(view.row.n), view.row.note, view.table }
                            return "reject"
                        end,
                    }, { max_pending_rows = 1, store = AWAY[form], close_timeout = 0.01, log = function() end })
                    assert.is_true(add(batcher, 1))
                    local ok, _, code = add(batcher, 2)
                    assert.same({ nil, "full" }, { ok, code })
                    assert.same({ { 2, "x", routed and "t2" or "t" } }, seen)
                    assert.equal(0, batcher:stats().policy_errors)
                    batcher:close(0.01)
                end)
            end
        end
    end)
end
