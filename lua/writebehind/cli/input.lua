-- SPDX-License-Identifier: MIT
-- Where text comes from: a file or standard input, plain or compressed by gzip, which begins with a byte that no text
-- begins with; in UTF-8, or in another encoding that iconv knows. input.position grows up to input.size, where the size
-- is known.

local process = require("writebehind.core").process

local CHUNK = 128 * 1024
local GZIP = "\31"

local Input = {}
Input.__index = Input

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

local function begin_gzip(self)
    local ok, zlib = pcall(require, "zlib")
    if not ok then
        return nil, "reading gzip needs the Lua module zlib (lua-zlib)"
    end
    self.zlib, self.inflate, self.fed = zlib, zlib.inflate(), 0
    return self
end

-- ---- the object ----

-- What the file has next, as it comes: a pipe's lines are not held back. nil at the end; nil and a message.
local function next_chunk(self)
    local chunk, message = self.first, nil
    self.first = nil
    if not chunk then
        chunk, message = process.read(self.file, CHUNK)
    end
    if chunk == "" or not chunk then
        return nil, message
    end
    self.position = self.position + #chunk
    return chunk
end

local function next_plain(self)
    local chunk, message = next_chunk(self)
    if chunk and self.inflate then
        return inflate(self, chunk)
    elseif not chunk and not message and self.open_member then
        return nil, "gzip: the file ends in the middle"
    end
    return chunk, message
end

-- More text, "" where there is none yet; nil at the end; nil and a message where reading fails.
function Input:read()
    local text, message = next_plain(self)
    if text and self.decoder then
        text, message = self.decoder(text)
    elseif not text and not message and self.decoder and not self.decoder() then
        message = "it ends within a character of its encoding"
    end
    return text, message and ("%s: %s"):format(self.name, message)
end

function Input:close()
    if self.file ~= io.stdin then
        self.file:close()
    end
end

local input = {}

local FORMATS = { csv = "csv", tsv = "tsv", tab = "tsv" }

-- The format that a file's name tells; NDJSON where it tells none.
function input.format_of(path)
    return FORMATS[path:lower():gsub("%.gz$", ""):match("%.([^./]+)$")] or "ndjson"
end

-- Opens a path, or "-" for standard input; nil and a message on failure. `encoding`: a name that iconv knows.
function input.open(path, encoding)
    local file, message = io.stdin, nil
    if path ~= "-" then
        file, message = io.open(path, "rb")
    end
    if not file then
        return nil, message
    end
    local self = setmetatable({
        name = path == "-" and "standard input" or path, file = file, position = 0,
        size = path ~= "-" and process.size(path) or nil, decoder = encoding and process.decoder(encoding),
    }, Input)
    if encoding and not self.decoder then
        return nil, ('--encoding: iconv knows no "%s"'):format(encoding)
    end
    self.first, message = process.read(file, CHUNK)
    if not self.first then
        return nil, ("%s: %s"):format(self.name, message)
    elseif self.first:sub(1, 1) == GZIP then
        return begin_gzip(self)
    end
    return self
end

return input
