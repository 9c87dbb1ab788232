-- A store in a folder, which has a batch once: a file by the batch's id, made whole under another name. For a script
-- and for a worker: a function of { dir = } that answers a store. A line a row: "generation|number".

local function write(dir, batch)
    local path = ("%s/%s"):format(dir, batch.id)
    local there = io.open(path, "r")
    if there then
        there:close()
        return true
    end
    local lines = {}
    for row, index in batch:rows() do
        lines[index] = ("%d|%d\n"):format(tonumber(row.gen), tonumber(row.n))
    end
    local file = assert(io.open(path .. ".new", "w"))
    assert(file:write(table.concat(lines)))
    assert(file:close())
    assert(os.rename(path .. ".new", path))
    return true
end

return function(args)
    return {
        write = function(_, batch)
            return write(args.dir, batch)
        end,
    }
end
