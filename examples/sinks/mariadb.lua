-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker that writes to MariaDB with LuaSQL (Debian: lua-sql-mysql):
--   store = writebehind.worker("mariadb", { database = "shop", user = "shop", password = "", host = "127.0.0.1",
--       port = 3306, socket = nil, key = "id", times = { at = true } })
-- A batch is one statement, which is in as a whole or not at all (in InnoDB). A row whose key is in already, since the
-- reply to an earlier try got lost, is left as it is; one that meets another row in another unique index is refused
-- ("cannot be null"). `times` names the timestamps; they become UTC, in columns of datetime(6). Let batch_bytes be no
-- more than a third of the server's max_allowed_packet.

local luasql = require "luasql.mysql"
local json = require "writebehind.json"

local SESSION = "SET NAMES utf8mb4, sql_mode = 'STRICT_ALL_TABLES', max_statement_time = 10"
local INSERT = "INSERT INTO %s (`%s`) VALUES (%s) ON DUPLICATE KEY UPDATE `K` = IF(`K` = VALUES(`K`), `K`, NULL)"

-- Errors, by number: what a row is to blame for, and what passes (a lock, a deadlock, the time limit). Others hold all.
local CLASSES = { ["1205"] = "retry", ["1213"] = "retry", ["1969"] = "retry" }
for code in ("1048 1062 1264 1265 1292 1366 1367 1406 1441 1452 1644 1690 4025"):gmatch "%d+" do
    CLASSES[code] = "reject"
end

-- A value in SQL; a number by all its digits.
local function literal(connection, value, is_time)
    if value == json.null or type(value) == "boolean" then
        return value == json.null and "NULL" or tostring(value)
    elseif is_time then
        return ("'1970-01-01 00:00:00' + INTERVAL %.0f MICROSECOND"):format(value * 1e6)
    end
    return "'" .. connection:escape(type(value) == "string" and value or json.encode(value) or tostring(value)) .. "'"
end

return function(args)
    local mysql, connection = luasql.mysql(), nil
    return { write = function(_, batch)
        if not connection then
            local fresh = assert(mysql:connect(args.database, args.user, args.password, args.host, args.port,
                args.socket))
            connection = assert(fresh:execute(SESSION)) and fresh
        end
        local names, rows, times = batch:columns(), {}, args.times or {}
        for _, name in ipairs(names) do
            for index, value in ipairs(batch:column(name)) do
                rows[index] = (rows[index] and rows[index] .. "," or "") .. literal(connection, value, times[name])
            end
        end
        local sql = INSERT:gsub("`K`", "`" .. args.key .. "`"):format(batch.table:gsub("[^.]+", "`%0`"),
            table.concat(names, "`,`"), table.concat(rows, "),("))
        local done, err = connection:execute(sql)
        local errors = not done and connection:execute "SHOW ERRORS"
        local code = errors and select(2, errors:fetch())
        connection = (done or code) and connection or nil -- it was lost: the next try opens another
        return done and true or nil, err, code and (CLASSES[code] or "hold")
    end }
end
