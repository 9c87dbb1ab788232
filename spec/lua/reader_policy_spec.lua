-- Text that a batcher with a policy reads: what was refused is told, and a row that waits for room outlives its text.

local policy = require "spec.support.policy"

describe("a policy and rows from text", function()
    it("sees every row, and every record that is refused is reported and counted", function()
        local seen = {}
        local play = policy.play {
            route = function(row)
                seen[#seen + 1] = row.n
            end,
        }
        local accepted, refused = play.batcher:add_ndjson '{"n":1}\n{"n":x}\n{"n":2}\n{"n":"z"}\n{"n":3}\n{'
        assert.equal(3, accepted)
        local lines = {}
        for i, record in ipairs(refused) do
            lines[i] = record.line .. " " .. record.text .. " " .. record.code
        end
        assert.same({ '2 {"n":x} invalid', '4 {"n":"z"} invalid', "6 { invalid" }, lines)
        assert.same({ 1, 2, 3 }, seen)
        assert.equal(3, play.batcher:stats().rejected)
        play:close()
    end)

    it("sees the row that found no room again, though more text came", function()
        local seen = {}
        local play = policy.play({
            route = function(row)
                seen[#seen + 1] = row.n
            end,
        }, { max_pending_rows = 1, inline = false })
        local reader = play.batcher:reader {}
        assert.equal(1, (reader:feed '{"n":1}\n{"n":2}\n'))
        for _ = 1, 5 do
            local accepted, _, _, code = reader:feed((" "):rep(100000) .. "\n")
            assert.same({ 0, "full" }, { accepted, code })
        end
        play.batcher:poll()
        assert.equal(1, seen[1])
        for i = 2, #seen do
            assert.equal(2, seen[i])
        end
        play:close()
    end)
end)
