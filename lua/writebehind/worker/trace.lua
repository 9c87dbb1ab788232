-- SPDX-License-Identifier: MIT
-- Errors in a worker's private state: calls that keep the frames which an error went through, and their text. The core
-- bounds the text of an error and a line of the log: both are cut between two frames.

local hooks = require "writebehind.forms.hooks"

local trace = {}

local error, type, xpcall = error, type, xpcall
local traceback = debug.traceback -- a module may take it away from others

local MOST = 240 -- bytes of a text or a line
local MOST_FRAMES = 20 -- told of an error
local BETWEEN = " < " -- frames; the right one called

trace.text_of = hooks.text_of

-- ---- frames ----

-- Is it a frame of this library, below what it called, or of require?
local function is_own(frame)
    return frame:find "writebehind/worker/%a+%.lua:%d+: in " or frame == "[C]: in function 'require'"
end

-- Tail calls, and functions of C that have no name.
local function is_empty(frame)
    return frame:find "^%(%.%.%.tail calls?" or frame == "[C]: in ?" or frame:find "^%[C%]: at 0x"
end

-- Adds a frame. The same frame again, as in a recursion, only counts.
local function put(frames, text)
    local last = frames[#frames]
    if last and last.text == text then
        last.times = last.times + 1
    elseif not is_empty(text) then
        frames[#frames + 1] = { text = text, times = 1 }
    end
end

-- The frames of this stack, the innermost first, down to the call by `trace.call`.
local function frames_here()
    local text = traceback("", 3):gsub("^%s*stack traceback:%s*", "")
    text = (text:match "^(.*)\n[^\n]*'xpcall'" or text):gsub("^%[C%]: in function 'error'%s*", "")
    local frames, list = {}, {}
    for frame in text:gmatch "[^\n]+" do
        put(frames, (frame:match("^%s*(.-)%s*$"):gsub("%s+", " ")))
    end
    while frames[1] and is_own(frames[#frames].text) do
        frames[#frames] = nil
    end
    for index, frame in ipairs(frames) do
        list[index] = frame.times > 1 and ("%s (%d times)"):format(frame.text, frame.times) or frame.text
    end
    return list
end

local function with_frames(err)
    return { message = trace.text_of(err), frames = frames_here() }
end

local function same(...)
    return ...
end

-- As pcall, but the error is one for the functions below. It must not be a tail call: the frames end at xpcall.
function trace.call(call)
    return same(xpcall(call, with_frames))
end

-- ---- as text ----

-- Where memory or stack is out, Lua calls no handler: then there is only a text.
local function parts_of(err)
    if type(err) == "table" and type(err.frames) == "table" then
        return err.message, err.frames
    end
    return trace.text_of(err), {}
end

-- The message, which says most, and the first frames, as many as fit.
function trace.brief(err)
    local text, frames = parts_of(err)
    for index, frame in ipairs(frames) do
        local more = (index == 1 and "; from " or BETWEEN) .. frame
        if #text + #more > MOST then
            break
        end
        text = text .. more
    end
    return text
end

-- Text of any length as lines, cut between characters.
local function put_text(lines, text)
    text = text:gsub("[\r\n]+", " ")
    while #text > MOST do
        local cut = MOST
        while cut > MOST - 4 and text:find("^[\128-\191]", cut + 1) do
            cut = cut - 1
        end
        lines[#lines + 1] = text:sub(1, cut)
        text = text:sub(cut + 1)
    end
    lines[#lines + 1] = text
end

-- Frames in as few lines as hold them whole.
local function put_frames(lines, frames)
    for index = 1, math.min(#frames, MOST_FRAMES) do
        local frame, last = (index > 1 and BETWEEN or " from ") .. frames[index], #lines
        if index > 1 and #lines[last] + #frame <= MOST then
            lines[last] = lines[last] .. frame
        else
            put_text(lines, frame)
        end
    end
end

-- The whole error as lines: `title` and the message, then the frames.
function trace.lines(title, err)
    local message, frames = parts_of(err)
    local lines = {}
    put_text(lines, title .. message)
    put_frames(lines, frames)
    return table.concat(lines, "\n")
end

-- Answers what a call by trace.call answered. An error goes to the log, as lines, and is thrown on as text.
function trace.outcome(log, title, ok, answer, ...)
    if not ok then
        log(trace.lines(title, answer))
        error(trace.brief(answer), 0)
    end
    return answer, ...
end

return trace
