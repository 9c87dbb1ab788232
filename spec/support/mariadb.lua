-- A MariaDB server for a spec, on a socket in a folder of its own. It has no tables of the system's own, so that it
-- starts in less than a second, and asks nobody who he is. Ended by the pid that it wrote.

local process = require "spec.support.process"

local mariadb = {}
mariadb.__index = mariadb

local OPTIONS = "--no-defaults --skip-networking --skip-grant-tables --character-set-server=utf8mb4 "
    .. "--innodb-flush-log-at-trx-commit=2 --innodb-log-file-size=8M --innodb-buffer-pool-size=16M "
    .. "--skip-innodb-doublewrite --innodb-lock-wait-timeout=1"

-- Starts it, in an empty folder or where it was stopped.
function mariadb.start(dir)
    local self = setmetatable({ dir = dir, socket = dir .. "/socket" }, mariadb)
    os.execute("mkdir -p " .. dir .. "/data")
    process.start(("exec mariadbd %s --datadir=%s/data --socket=%s --pid-file=%s/pid --user=$(id -un) >>%s/log 2>&1")
        :format(OPTIONS, dir, self.socket, dir, dir))
    local mysql = require("luasql.mysql").mysql()
    self.link = process.wait(function()
        return mysql:connect("", "root", "", nil, nil, self.socket)
    end)
    assert(self.link, process.exists(dir .. "/log") and process.read(dir .. "/log") or "no mariadbd")
    return self
end

-- Runs SQL; → the rows that it answers, lists of texts.
function mariadb:sql(text)
    local cursor = assert(self.link:execute(text))
    local rows = {}
    if type(cursor) ~= "number" then
        local row = cursor:fetch {}
        while row do
            rows[#rows + 1] = row
            row = cursor:fetch {}
        end
        cursor:close()
    end
    return rows
end

-- The first value of the first row.
function mariadb:value(text)
    return self:sql(text)[1][1]
end

-- Ends it, and waits until it is gone.
function mariadb:stop()
    local pid = process.read(self.dir .. "/pid"):match "%d+"
    self.link:close()
    os.execute("kill " .. pid)
    assert(process.wait(function()
        return not process.exists(("/proc/%s/stat"):format(pid))
    end))
end

return mariadb
