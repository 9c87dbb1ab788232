-- A segment of a spool as bytes, for the specs that damage it: core/spool/format.h says where what lies.

local process = require "spec.support.process"

local segments = { PAGE = 4096, ENTRY = 48, COUNT_AT = 512, PROOFS_AT = 1024, ENTRIES_AT = 4096 }

local SIGNED, VERSION_AT, SIZE_AT, BOOT_AT, CHECK_AT = 52, 8, 12, 24, 52

-- ---- numbers ----

local bxor = rawget(_G, "bit") and require "bit".bxor or load "return function(a, b) return a ~ b end" ()

function segments.u32(value)
    local bytes = {}
    for i = 1, 4 do
        bytes[i], value = string.char(value % 256), math.floor(value / 256)
    end
    return table.concat(bytes)
end

function segments.read_u32(text, at)
    local a, b, c, d = text:byte(at + 1, at + 4)
    return a + 256 * (b + 256 * (c + 256 * d))
end

-- CRC-32C, a bit at a time.
local function sum_of(text)
    local crc = 0xffffffff
    for i = 1, #text do
        crc = bxor(crc, text:byte(i)) % 4294967296
        for _ = 1, 8 do
            local odd = crc % 2 == 1
            crc = math.floor(crc / 2)
            crc = odd and bxor(crc, 0x82f63b78) % 4294967296 or crc
        end
    end
    return 4294967295 - crc
end

-- ---- changes, of a text ----

function segments.put(text, at, bytes)
    return text:sub(1, at) .. bytes .. text:sub(at + #bytes + 1)
end

function segments.zero(text, from, to)
    return segments.put(text, from, ("\0"):rep(to - from))
end

-- The header is as its process wrote it.
function segments.sign(text)
    return segments.put(text, CHECK_AT, segments.u32(sum_of(text:sub(1, SIGNED))))
end

-- Written before the machine was started anew; or on another one.
function segments.of_other_boot(text)
    return segments.sign(segments.put(text, BOOT_AT, ("another boot" .. "\0"):rep(2):sub(1, 16)))
end

function segments.of_version(text, version)
    return segments.sign(segments.put(text, VERSION_AT, segments.u32(version)))
end

function segments.entries(text)
    return segments.read_u32(text, segments.COUNT_AT)
end

-- Where entry `number` lies, and where its bytes begin.
function segments.entry(text, number)
    local at = segments.ENTRIES_AT + number * segments.ENTRY
    return at, segments.read_u32(text, at)
end

-- The same entries in a file of so many bytes.
function segments.resize(text, size)
    local count = segments.entries(text)
    local _, floor = segments.entry(text, count - 1)
    local less, top = #text - size, segments.entry(text, count)
    local tail = text:sub(floor + 1)
    local head = text:sub(1, top)
    for number = 0, count - 1 do
        local at, begin = segments.entry(text, number)
        head = segments.put(head, at, segments.u32(begin - less))
    end
    head = segments.put(head, SIZE_AT, segments.u32(size))
    return segments.sign(head .. ("\0"):rep(size - #head - #tail) .. tail)
end

-- ---- files ----

-- Changes a file by a function of its text.
function segments.change(path, how)
    process.write(path, how(process.read(path)))
end

return segments
