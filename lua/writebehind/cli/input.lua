-- SPDX-License-Identifier: MIT
-- Where lines come from: a file or standard input, plain or compressed by gzip, which begins with a byte that no
-- text begins with. input.position grows up to input.size, where the size is known.

local CHUNK = 64 * 1024
local GZIP = "\31"
local BOM = "\239\187\191"

local Input = {}
Input.__index = Input

-- ---- plain text: line by line, so that a pipe's lines come as they are written ----

function Input:plain_line()
    local first = self.first
    self.first = nil
    if first == "\n" then
        self.position = 1
        return ""
    end
    local line, message = self.file:read("*l")
    if first then
        line = first .. (line or "")
    elseif not line then
        return nil, message
    end
    self.position = self.position + #line + 1
    return line
end

-- ---- gzip: one member after another ----

local function inflate(self, chunk)
    local ok, text, ended, consumed = pcall(self.inflate, chunk)
    if not ok then
        return nil, "gzip: " .. tostring(text):gsub(" at .*", "")
    elseif not ended then
        self.fed = self.fed + #chunk
        self.open_member = true
        return text
    end
    local rest = chunk:sub(consumed - self.fed + 1)
    self.inflate, self.fed, self.open_member = self.zlib.inflate(), 0, false
    if rest == "" then
        return text
    end
    local more, message = inflate(self, rest)
    return more and text .. more, message
end

-- More text, "" where the compressed bytes gave none yet; nil at the end, nil and a message on failure.
local function next_text(self)
    local chunk, message = self.file:read(CHUNK)
    if chunk then
        chunk, self.first = (self.first or "") .. chunk, nil
        self.position = self.position + #chunk
        return inflate(self, chunk)
    elseif not message and self.open_member then
        return nil, "gzip: the file ends in the middle"
    end
    return nil, message
end

function Input:gzip_line()
    while true do
        local stop = self.text:find("\n", self.at, true)
        if stop then
            local line = self.text:sub(self.at, stop - 1)
            self.at = stop + 1
            return line
        end
        local more, message = next_text(self)
        local left = self.text:sub(self.at)
        if not more then
            self.text, self.at = "", 1
            return not message and left ~= "" and left or nil, message
        end
        self.text, self.at = left .. more, 1
    end
end

local function begin_gzip(self)
    local ok, zlib = pcall(require, "zlib")
    if not ok then
        return nil, "reading gzip needs the Lua module zlib (lua-zlib)"
    end
    self.zlib, self.inflate, self.fed = zlib, zlib.inflate(), 0
    self.text, self.at, self.next_line = "", 1, self.gzip_line
    return self
end

-- ---- the object ----

-- The next line without its end, nil at the end of the input; nil and a message where reading fails.
function Input:line()
    if self.ended then
        return nil
    end
    local line, message = self:next_line()
    if line then
        self.number = self.number + 1
        if self.number == 1 and line:sub(1, 3) == BOM then
            line = line:sub(4)
        end
        return line
    end
    self.ended = true
    return nil, message and ("%s: %s"):format(self.name, message)
end

function Input:close()
    if self.file ~= io.stdin then
        self.file:close()
    end
end

local function size_of(file)
    local size = file:seek("end")
    return size and file:seek("set", 0) and size
end

local input = {}

-- Opens a path, or "-" for standard input; nil and a message on failure.
function input.open(path)
    local file, message = io.stdin, nil
    if path ~= "-" then
        file, message = io.open(path, "rb")
    end
    if not file then
        return nil, message
    end
    local self = setmetatable({
        name = path == "-" and "standard input" or path, file = file, number = 0, position = 0,
        size = path ~= "-" and size_of(file) or nil,
    }, Input)
    self.next_line = self.plain_line
    self.first, message = file:read(1)
    if message then
        return nil, ("%s: %s"):format(self.name, message)
    elseif self.first == GZIP then
        return begin_gzip(self)
    end
    self.ended = self.first == nil
    return self
end

return input
