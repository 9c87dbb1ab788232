-- SPDX-License-Identifier: MIT
-- A store for writebehind.worker that writes to PostgreSQL with LuaSQL (Debian: lua-sql-postgres):
--   store = writebehind.worker("luasql_store", { conninfo = "dbname=stats", table = "notes" })
-- Each batch is one statement: it is in as a whole or not at all. A row that is in already, since the reply to an
-- earlier try got lost, is left as it is.

local luasql = require "luasql.postgres"

local INSERT = "INSERT INTO %s SELECT * FROM json_populate_recordset(NULL::%s, '[%s]') ON CONFLICT DO NOTHING"

return function(args)
    local store, environment, connection = {}, luasql.postgres(), nil

    function store.write(_, batch)
        connection = connection or assert(environment:connect(args.conninfo))
        local rows = batch:ndjson():gsub("\n(.)", ",%1")
        local done, err = connection:execute(INSERT:format(args.table, args.table, connection:escape(rows)))
        if done then
            return true
        elseif not connection:execute "SELECT 1" then -- it is the connection: the next try opens another
            connection:close()
            connection = nil
            return nil, err, "retry"
        end
        return nil, err, err:find "violates" and "reject" or "hold"
    end

    function store.close()
        if connection then
            connection:close()
        end
        environment:close()
    end

    return store
end
