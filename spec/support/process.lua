-- Files, temporary folders, child processes and waiting, for the specs.

local system = require "system"

local process = {}

-- The longest that a spec waits for what must happen: generous, since the machine may be busy.
process.PATIENCE = 90

function process.read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

function process.write(path, text)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    assert(file:close())
    return path
end

function process.exists(path)
    local file = io.open(path, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

function process.quote(word)
    return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function first_line(command)
    local pipe = assert(io.popen(command, "r"))
    local line = pipe:read("*l")
    pipe:close()
    return assert(line, "nothing from: " .. command)
end

-- A new folder below the system's temporary one; the caller removes it.
function process.dir()
    return first_line("mktemp -d /tmp/wbspec.XXXXXX")
end

function process.remove(path)
    assert(path:match("^/tmp/wbspec%."), path)
    os.execute("rm -rf " .. process.quote(path))
end

-- A word that no other run of the specs has used.
function process.unique()
    local random = assert(io.open("/dev/urandom", "rb"))
    local bytes = random:read(6)
    random:close()
    return (bytes:gsub(".", function(c)
        return ("%02x"):format(c:byte())
    end))
end

-- A path for a new file below the system's temporary folder; the caller removes the file, by os.remove.
function process.path()
    return "/tmp/wbspec." .. process.unique()
end

local function take(path)
    local text = process.read(path)
    assert(os.remove(path))
    return text
end

-- Runs a shell command to its end: { code, out, err }. A signal is a code above 128. Specs run hundreds: so no other
-- program is run for it.
function process.run(command)
    local path = process.path()
    os.execute(("( %s\n) >%s.out 2>%s.err </dev/null; echo $? >%s.code"):format(command, path, path, path))
    return { code = tonumber(take(path .. ".code")), out = take(path .. ".out"), err = take(path .. ".err") }
end

-- Starts a shell command and goes on; ends by itself.
function process.start(command)
    os.execute(("( %s\n) >/dev/null 2>&1 </dev/null &"):format(command))
end

-- The program that runs this spec.
function process.interpreter()
    local first = 0
    while arg and arg[first - 1] do
        first = first - 1
    end
    local name = arg and arg[first] or ""
    if name:match("lua[%w.-]*$") then
        return name
    end
    return rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
end

-- Runs a Lua script (its text) in a child with the same interpreter and environment; words become its arg.
-- `timeout` ends a child that hangs: code 124.
function process.lua(script, words, timeout)
    local dir = process.dir()
    local path = process.write(dir .. "/script.lua", script)
    local command = { "timeout", tostring(timeout or 300), process.quote(process.interpreter()), process.quote(path) }
    for _, word in ipairs(words or {}) do
        command[#command + 1] = process.quote(word)
    end
    local result = process.run(table.concat(command, " "))
    process.remove(dir)
    return result
end

process.sleep = system.sleep
process.now = system.monotime

-- Waits until what the function returns is true, asking it every `nap` seconds; answers it, or false when patience is
-- over.
function process.wait(predicate, seconds, nap)
    local deadline = system.monotime() + (seconds or process.PATIENCE)
    repeat
        local answer = predicate()
        if answer then
            return answer
        end
        system.sleep(nap or 0.02)
    until system.monotime() > deadline
    return false
end

return process
