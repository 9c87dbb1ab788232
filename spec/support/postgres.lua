-- The PostgreSQL server of the specs: named by WRITEBEHIND_TEST_POSTGRES (a conninfo), read with psql.

local process = require "spec.support.process"

local postgres = {}

function postgres.conninfo()
    local conninfo = os.getenv("WRITEBEHIND_TEST_POSTGRES")
    if not conninfo or conninfo == "" then
        error("WRITEBEHIND_TEST_POSTGRES is not set: it names the PostgreSQL server of the specs (a conninfo)", 0)
    end
    return conninfo
end

-- Runs SQL; the output of psql, a line a row, columns parted by "|".
function postgres.sql(text)
    local conninfo = postgres.conninfo()
    local path = process.write(process.path(), text)
    local result = process.run(("PGOPTIONS='-c client_min_messages=warning' psql %s -d %s -f %s"):format(
        "-X -A -t -q -v ON_ERROR_STOP=1", process.quote(conninfo), process.quote(path)))
    os.remove(path)
    if result.code ~= 0 then
        error("psql: " .. result.err .. "\n" .. text, 2)
    end
    return (result.out:gsub("\n$", ""))
end

function postgres.lines(text)
    local lines = {}
    for line in (postgres.sql(text) .. "\n"):gmatch("(.-)\n") do
        if line ~= "" then
            lines[#lines + 1] = line
        end
    end
    return lines
end

function postgres.number(text)
    return tonumber(postgres.sql(text))
end

function postgres.count(name)
    return postgres.number("SELECT count(*) FROM " .. name)
end

-- A name for a table; drop_all drops the tables of all names given out.
local names = {}

function postgres.name()
    local name = "wb_spec_" .. process.unique()
    names[#names + 1] = name
    return name
end

function postgres.drop_all()
    local drops = {}
    for i, name in ipairs(names) do
        drops[i] = "DROP TABLE IF EXISTS " .. name .. " CASCADE;"
    end
    names = {}
    if #drops > 0 then
        postgres.sql(table.concat(drops, "\n"))
    end
end

-- A way to the same server that can be shut and opened: its socket's folder by another name.
local gate = {}
gate.__index = gate

function postgres.gate(dir)
    local row = postgres.sql("SELECT current_user, current_database(), current_setting('port'), "
        .. "split_part(current_setting('unix_socket_directories'), ',', 1)")
    local user, database, port, folder = row:match("^(.-)|(.-)|(.-)|(.*)$")
    local application = "wb_" .. process.unique()
    return setmetatable({
        link = dir .. "/gate",
        folder = folder,
        application = application,
        conninfo = ("host=%s/gate port=%s user=%s dbname=%s application_name=%s"):format(dir, port, user, database,
            application),
    }, gate)
end

function gate:open()
    os.execute(("ln -sfn %s %s"):format(process.quote(self.folder), process.quote(self.link)))
end

-- No new connection gets through, and those that did are ended.
function gate:shut()
    os.execute("rm -f " .. process.quote(self.link))
    postgres.sql(("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s'"):format(
        self.application))
end

return postgres
