-- SPDX-License-Identifier: MIT
-- How far a command is: a bar that is drawn again and again on a terminal, else a plain line now and then.
-- Lines of text that come between are kept apart from the bar.

local shown = require("writebehind.core").process.shown

local BAR_CELLS = 20
local EVERY_S = { bar = 0.1, line = 5 }

local progress = {}

-- 1234567 as "1,234,567".
function progress.grouped(number)
    local text, count = ("%.0f"):format(number), 1
    while count > 0 do
        text, count = text:gsub("^(%-?%d+)(%d%d%d)", "%1,%2")
    end
    return text
end

-- Seconds as "1:05" or "2:03:04".
function progress.clock_text(seconds)
    local whole = math.floor(seconds + 0.5)
    local hours, minutes = math.floor(whole / 3600), math.floor(whole / 60) % 60
    if hours > 0 then
        return ("%d:%02d:%02d"):format(hours, minutes, whole % 60)
    end
    return ("%d:%02d"):format(minutes, whole % 60)
end

local function share_of(state)
    if state.size and state.size > 0 then
        return math.min(state.position / state.size, 1)
    end
end

-- Bytes as "12.3 MB".
function progress.bytes_text(bytes)
    local units, index = { "B", "kB", "MB", "GB", "TB" }, 1
    while bytes >= 999.5 and index < #units do
        bytes, index = bytes / 1000, index + 1
    end
    return (index == 1 and "%.0f %s" or "%.1f %s"):format(bytes, units[index])
end

-- The facts of a state as text: rows, rate, pending, dead, refused, bytes read, and the time left where it can be told.
function progress.facts(state, elapsed_s)
    local grouped, share = progress.grouped, share_of(state)
    local parts = {
        grouped(state.rows) .. " rows",
        grouped(elapsed_s > 0 and state.rows / elapsed_s or 0) .. " rows/s",
        "pending " .. grouped(state.pending),
        "dead " .. grouped(state.dead),
    }
    if state.refused and state.refused > 0 then
        parts[#parts + 1] = "refused " .. grouped(state.refused)
    end
    if state.position then
        parts[#parts + 1] = progress.bytes_text(state.position)
    end
    if share and share > 0 and share < 1 then
        parts[#parts + 1] = "ETA " .. progress.clock_text(elapsed_s / share - elapsed_s)
    end
    return table.concat(parts, "  ")
end

-- The same behind a bar and the share that is done, no wider than `width` cells.
function progress.bar(state, elapsed_s, width)
    local share, text = share_of(state), progress.facts(state, elapsed_s)
    if share then
        local filled = math.floor(share * BAR_CELLS + 0.5)
        text = ("[%s%s] %3d%%  %s"):format(("#"):rep(filled), ("."):rep(BAR_CELLS - filled),
            math.floor(share * 100), text)
    end
    return text:sub(1, width - 1)
end

local Progress = {}
Progress.__index = Progress

local function draw(self, state, now_s)
    local elapsed_s = now_s - self.began_s
    if self.is_terminal then
        self.drawn = progress.bar(state, elapsed_s, self.width)
        self.stream:write("\r", self.drawn, "\27[K")
    else
        self.stream:write(progress.facts(state, elapsed_s), "\n")
    end
    self.stream:flush()
end

function Progress:is_due()
    return not self.quiet and self.now() >= self.next_s
end

-- Shows the state, which has rows, pending, dead, and refused, position and size where there are any.
function Progress:show(state)
    local now_s = self.now()
    draw(self, state, now_s)
    self.next_s = now_s + self.every_s
end

-- A line of text of its own.
function Progress:note(text)
    text = shown(text)
    if self.drawn then
        self.stream:write("\r\27[K", text, "\n", self.drawn)
    else
        self.stream:write(text, "\n")
    end
    self.stream:flush()
end

-- Leaves the last state of the bar; what is written after it begins on a line of its own.
function Progress:finish(state)
    if self.is_terminal and not self.quiet then
        self:show(state)
        self.stream:write("\n")
        self.drawn = nil
    end
end

function Progress:elapsed_s()
    return self.now() - self.began_s
end

-- Options: stream, is_terminal, now (a function: seconds, never going back), width (columns), quiet.
function progress.new(options)
    local every_s = options.is_terminal and EVERY_S.bar or EVERY_S.line
    local began_s = options.now()
    return setmetatable({
        stream = options.stream, is_terminal = options.is_terminal, now = options.now, quiet = options.quiet,
        width = options.width or tonumber(os.getenv("COLUMNS")) or 80, every_s = every_s, began_s = began_s,
        next_s = began_s + every_s,
    }, Progress)
end

return progress
