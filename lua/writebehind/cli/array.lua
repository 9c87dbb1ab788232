-- SPDX-License-Identifier: MIT
-- An array's text as a list: PostgreSQL's literal of one dimension ("Array Input and Output Syntax":
-- {1,"a b",NULL}), or a JSON list. What is neither stays text, which the core refuses.

local json = require "writebehind.json"

local array = {}

-- The element that begins at a place of a literal, and where it ends: in quotes, with backslashes before quotes and
-- backslashes; or bare, up to a comma.
local function element(text, at)
    if text:sub(at, at) == '"' then
        local stop = at + 1
        while stop <= #text and text:sub(stop, stop) ~= '"' do
            stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
        end
        return stop <= #text and text:sub(at + 1, stop - 1):gsub("\\(.)", "%1") or nil, stop + 1
    end
    local bare, stop = text:match('^([^,{}"\\]+)()', at)
    if not bare then
        return nil
    end
    bare = bare:match("^%s*(.-)%s*$")
    return bare:upper() == "NULL" and json.null or bare ~= "" and bare or nil, stop
end

-- What is between the braces; nil where it is no literal.
local function elements(text)
    local list, at = {}, 1
    while at <= #text do
        local value, stop = element(text, text:match("^%s*()", at))
        if value == nil then
            return nil
        end
        list[#list + 1] = value
        stop = text:match("^%s*()", stop)
        if stop <= #text and (text:sub(stop, stop) ~= "," or stop == #text) then
            return nil
        end
        at = stop + 1
    end
    return list
end

-- `read` makes a value of an element's text.
function array.of_text(text, read)
    if text:find "^%s*%[" then
        return array.of_json(text, read)
    end
    local body = text:match "^%s*{%s*(.-)%s*}%s*$"
    local list = body and elements(body)
    for index, value in ipairs(list or {}) do
        list[index] = value == json.null and value or read(value)
    end
    return list or text
end

-- Strings are read as text is; the other elements are what JSON says.
function array.of_json(text, read)
    local value = json.decode(text)
    if type(value) ~= "table" then
        return text
    end
    for index, item in ipairs(value) do
        value[index] = type(item) == "string" and read(item) or item
    end
    return value
end

return array
