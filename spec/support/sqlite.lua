-- SQLite files of the specs, read and changed with the sqlite3 program.

local process = require "spec.support.process"

local sqlite = {}

-- Runs SQL on a file; the output, a line a row, columns parted by "|". Waits for another's lock.
function sqlite.sql(path, text)
    local script = process.write(process.path(), ".timeout 60000\n" .. text .. "\n")
    local result = process.run(("sqlite3 -batch -bail -init /dev/null %s <%s"):format(process.quote(path),
        process.quote(script)))
    os.remove(script)
    if result.code ~= 0 then
        error("sqlite3: " .. result.err .. "\n" .. text, 2)
    end
    return (result.out:gsub("\n$", ""))
end

function sqlite.lines(path, text)
    local lines = {}
    for line in (sqlite.sql(path, text) .. "\n"):gmatch("(.-)\n") do
        if line ~= "" then
            lines[#lines + 1] = line
        end
    end
    return lines
end

function sqlite.count(path, name)
    return tonumber(sqlite.sql(path, "SELECT count(*) FROM " .. name .. ";"))
end

return sqlite
