-- Texts read into rows, and what became of them, for the specs of rows from text.

local writebehind = require "writebehind"

local intake = {}

-- A value as text, in order: NaN is itself here, -0.0 is not 0, and an int8 is exact on every Lua.
function intake.shown(value)
    if type(value) == "table" then
        local parts = {}
        for name, field in pairs(value) do
            parts[#parts + 1] = tostring(name) .. "=" .. intake.shown(field)
        end
        table.sort(parts)
        return "{" .. table.concat(parts, " ") .. "}"
    elseif type(value) == "number" then
        local integer = math.type and math.type(value) == "integer"
        return (integer and "%d" or "%.17g"):format(value)
    elseif type(value) == "string" then
        return ("%q"):format(value)
    end
    return (tostring(value):gsub("LL$", ""):gsub("^userdata.*", "null"):gsub("^cdata.*NULL$", "null"))
end

-- A batcher's answer as a table.
function intake.answer(accepted, refused, ...)
    if accepted ~= nil then
        return { accepted = accepted, refused = refused, message = (...), code = (select(2, ...)) }
    end
    local code, count, list = ...
    return { accepted = count, refused = list, message = refused, code = code, unreadable = true }
end

function intake.add(batcher, format, text, options)
    if format == "ndjson" then
        return intake.answer(batcher:add_ndjson(text, options))
    end
    local all = { format = format }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return intake.answer(batcher:add_csv(text, all))
end

function intake.batcher(columns, options, lenient)
    local all = { store = writebehind.memory(), table = "t", schema = writebehind.schema(columns, lenient),
        log = function() end }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return assert(writebehind.batcher(all)), all.store
end

-- What a threaded batcher with a memory store makes of a text, with the rows that were stored and the stats.
function intake.read(columns, format, text, options, lenient)
    local batcher, store = intake.batcher(columns, nil, lenient)
    local answer = intake.add(batcher, format, text, options)
    assert(batcher:close())
    answer.stats = batcher:stats()
    answer.rows = answer.stats.stored > 0 and store:rows "t" or {}
    return answer
end

-- The same by a reader that is fed the pieces.
function intake.feed(batcher, pieces, options)
    local reader = batcher:reader(options)
    local sum = { accepted = 0, refused = {} }
    local function count(answer)
        sum.accepted = sum.accepted + answer.accepted
        for _, refusal in ipairs(answer.refused) do
            sum.refused[#sum.refused + 1] = refusal
        end
        sum.message, sum.code, sum.unreadable = answer.message, answer.code, answer.unreadable
        return not answer.unreadable
    end
    for _, piece in ipairs(pieces) do
        if not count(intake.answer(reader:feed(piece))) then
            return sum
        end
    end
    count(intake.answer(reader:finish()))
    return sum
end

-- The lines and the texts of what was refused.
function intake.texts(refused)
    local list = {}
    for index, refusal in ipairs(refused) do
        list[index] = refusal.line .. ":" .. refusal.text
    end
    return list
end

-- A generator of numbers from 1 to a limit; the same on every Lua.
function intake.random(seed)
    local state = seed
    return function(limit)
        state = state * 48271 % 2147483647
        return state % limit + 1
    end
end

-- A text of one value in each format's own writing.
intake.write = {
    csv = function(value)
        return '"' .. value:gsub('"', '""') .. '"'
    end,
    tsv = function(value)
        return value
    end,
    copy = function(value)
        return (value:gsub("[\\\t\r\n]", { ["\\"] = "\\\\", ["\t"] = "\\t", ["\r"] = "\\r", ["\n"] = "\\n" }))
    end,
    ndjson = function(value)
        return '"' .. value:gsub('[%c"\\]', function(c)
            return ("\\u%04x"):format(c:byte())
        end) .. '"'
    end,
}

return intake
