-- Another process with a connection of its own to a SQLite file, for the specs: it can hold the file's lock.

local process = require "spec.support.process"

local peer = {}
peer.__index = peer

-- Sends SQL and waits until it has been done.
function peer:run(text)
    self.count = self.count + 1
    local done = ("%s/done-%d"):format(self.dir, self.count)
    assert(self.pipe:write(("%s\n.once '%s'\nSELECT 'done';\n"):format(text, done)))
    assert(self.pipe:flush())
    local answered = process.wait(function()
        return process.exists(done) and process.read(done) == "done\n"
    end, nil, 0.001)
    assert(answered, "sqlite3 did not answer to: " .. text)
    os.remove(done)
end

-- No other connection writes from now until unlock.
function peer:lock()
    self:run "BEGIN IMMEDIATE;"
end

function peer:unlock()
    self:run "ROLLBACK;"
end

function peer:finish()
    self.pipe:close()
end

-- A connection to the file at `path`; `dir` is a folder for its answers.
function peer.open(path, dir)
    local command = ("exec sqlite3 -batch -bail -init /dev/null %s >/dev/null"):format(process.quote(path))
    local self = setmetatable({ dir = dir, count = 0, pipe = assert(io.popen(command, "w")) }, peer)
    self:run ".timeout 60000"
    return self
end

return peer
