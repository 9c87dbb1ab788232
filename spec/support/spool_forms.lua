-- The batchers with a spool that specs kill, by name: what each adds, and what its store has in the end. The same in
-- the process that is killed, in those that go on after it, and in the spec. Rows are numbered from 1 in each
-- generation.

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sqlite = require "spec.support.sqlite"
local writebehind = require "writebehind"

local KEYS = 40
local NUMBERED = { { "gen", "int4" }, { "n", "int8" } }
local WITH_ID = { { "id", "uuid", generate = "uuidv7" }, { "gen", "int4" }, { "n", "int8" } }
local WITH_NOTE = { { "gen", "int4" }, { "n", "int8" }, { "note", "text" } }
local SUMS = { { "gen", "int4" }, { "key", "int4" }, { "total", "int8" }, { "times", "int4" } }
local SUM_RULES = { key = { "gen", "key" }, merge = { total = "sum", times = "sum" } }
local NOTE = ("x"):rep(3000)
local ROUTES = 3

local forms = { NAMES = {} }
local made = {}

-- where: dir, conninfo, table.
local function on_postgres(where)
    return writebehind.postgres { conninfo = where.conninfo }
end

local function on_sqlite(where)
    return writebehind.sqlite { path = where.dir .. "/rows.db" }
end

local function numbered(gen, n)
    return { gen = gen, n = n }
end

local function with_note(gen, n)
    return { gen = gen, n = n, note = NOTE:sub(1, n % #NOTE) }
end

local function summed(gen, n)
    return { gen = gen, key = n % KEYS, total = n, times = 1 }
end

local function add(name, form)
    forms.NAMES[#forms.NAMES + 1] = name
    made[name] = form
    form.schema, form.row = form.schema or NUMBERED, form.row or numbered
    form.store, form.options = form.store or on_postgres, form.options or {}
end

-- ---- one name of a table, or several ----

local function create(name, kind)
    local columns = {
        plain = "(gen int4, n int8, note text)",
        ids = "(id uuid PRIMARY KEY, gen int4, n int8)",
        sums = "(gen int4, key int4, total int8, times int4, PRIMARY KEY (gen, key))",
    }
    return ("CREATE TABLE %s %s;\n"):format(name, columns[kind])
end

local function tables_of(form, where)
    local names = {}
    for route = 0, form.routes and ROUTES - 1 or 0 do
        names[route + 1] = where.table .. (form.routes and "_" .. route or "")
    end
    return names
end

local COUNT = "SELECT gen, count(*), count(DISTINCT n), max(n) FROM (%s) AS rows GROUP BY gen;"
local TOTALS = "SELECT gen, key, total, times FROM %s;"

local function question(form, where)
    if form.kind == "sums" then
        return TOTALS:format(where.table)
    end
    local parts = {}
    for i, name in ipairs(tables_of(form, where)) do
        parts[i] = "SELECT gen, n FROM " .. name
    end
    return COUNT:format(table.concat(parts, " UNION ALL "))
end

-- ---- the forms ----

add("a generated id", { schema = WITH_ID, kind = "ids" })
add("the ledger", { options = { dedupe = "ledger" } })
add("the ledger, and more rows than the memory has room for", {
    schema = WITH_NOTE, row = with_note, options = { dedupe = "ledger" }, spool = { memory_bytes = 1048576 },
})
add("the ledger, as durable as the machine", {
    schema = WITH_NOTE, row = with_note, options = { dedupe = "ledger" },
    spool = { durability = "machine", sync = 0.005 },
})
add("sums, which coalesce, and the ledger", {
    schema = SUMS, kind = "sums", row = summed,
    options = { dedupe = "ledger", upsert = SUM_RULES, coalesce = SUM_RULES, batch_size = 16, merge_rows = 64 },
})
add("routed tables and the ledger", {
    routes = true,
    options = {
        dedupe = "ledger",
        policy = { route = function(row) return ("%s_%d"):format(forms.table, tonumber(row.n) % ROUTES) end },
    },
})
add("tables that a worker routes to, and the ledger", {
    routes = true,
    options = { dedupe = "ledger" },
    policy = function(where)
        return writebehind.worker("spec.support.policies.thirds", { table = where.table, routes = ROUTES })
    end,
})
add("a SQLite file and the ledger", { store = on_sqlite, sqlite = true, options = { dedupe = "ledger" } })
add("a SQLite file and a generated id", { store = on_sqlite, sqlite = true, schema = WITH_ID, kind = "ids" })
add("sums in a SQLite file, which coalesce, and the ledger", {
    store = on_sqlite, sqlite = true, schema = SUMS, kind = "sums", row = summed,
    options = { dedupe = "ledger", upsert = SUM_RULES, coalesce = SUM_RULES, batch_size = 16, merge_rows = 64 },
})
add("a scripted store that knows batches", {
    folder = true,
    store = function(where) return require "spec.support.spool_store" { dir = where.dir .. "/store" } end,
})
add("a worker's store that knows batches", {
    folder = true,
    store = function(where)
        return writebehind.worker("spec.support.spool_store", { dir = where.dir .. "/store" })
    end,
})

-- ---- what a spec and its processes do with them ----

-- Whether its spool can't be in memory.
function forms.needs_disk(name)
    return made[name].spool ~= nil and made[name].spool.durability == "machine"
end

function forms.uses_postgres(name)
    return made[name].store == on_postgres
end

-- Makes the tables. sql: function(text), for a server of the spec's own.
function forms.prepare(name, where, sql)
    local form, text = made[name], ""
    if form.folder then
        assert(process.run(("mkdir %s/store"):format(where.dir)).code == 0)
        return
    end
    for _, each in ipairs(tables_of(form, where)) do
        text = text .. create(each, form.kind or "plain")
    end
    if form.sqlite then
        sqlite.sql(where.dir .. "/rows.db", "PRAGMA journal_mode = wal;\n" .. text)
    else
        (sql or postgres.sql)(text)
    end
end

-- Drops them.
function forms.forget(name, where)
    if forms.uses_postgres(name) then
        for _, each in ipairs(tables_of(made[name], where)) do
            postgres.sql("DROP TABLE IF EXISTS " .. each)
        end
    end
end

-- → a batcher with a spool at where.dir/spool.
function forms.batcher(name, where, changes)
    local form = made[name]
    local options = {
        store = form.store(where), schema = writebehind.schema(form.schema), table = where.table, name = "killed",
        interval = 0.005, batch_size = 100, retry = { initial = 0.005, max = 0.05 }, log = function() end,
        spool = { path = where.dir .. "/spool" },
    }
    forms.table = where.table
    for key, value in pairs(form.spool or {}) do
        options.spool[key] = value
    end
    for _, more in ipairs { form.options, changes or {} } do
        for key, value in pairs(more) do
            options[key] = value
        end
    end
    options.policy = form.policy and form.policy(where) or options.policy
    return assert(writebehind.batcher(options))
end

function forms.row(name, gen, n)
    return made[name].row(gen, n)
end

-- ---- what is there in the end ----

-- What is in a folder of spec/support/spool_store.lua, as COUNT says it.
local function count_files(dir)
    local pipe = assert(io.popen(("find %s -type f ! -name '*.new' -exec cat {} +"):format(dir)))
    local counts, words = {}, {}
    for line in pipe:lines() do
        local gen, n = line:match "^(%d+)|(%d+)$"
        local count = counts[gen] or { rows = 0, different = 0, last = 0, seen = {} }
        counts[gen], n = count, tonumber(n)
        count.rows, count.last = count.rows + 1, math.max(count.last, n)
        count.different = count.different + (count.seen[n] and 0 or 1)
        count.seen[n] = true
    end
    pipe:close()
    for gen, count in pairs(counts) do
        words[#words + 1] = ("%s|%d|%d|%d"):format(gen, count.rows, count.different, count.last)
    end
    return table.concat(words, "\n")
end

local function ask(form, where, sql)
    if form.folder then
        return count_files(where.dir .. "/store")
    elseif form.sqlite then
        return sqlite.sql(where.dir .. "/rows.db", question(form, where))
    end
    return (sql or postgres.sql)(question(form, where))
end

local function each_line(text, look)
    for line in (text .. "\n"):gmatch "([^\n]+)\n" do
        local numbers = {}
        for number in line:gmatch "[^|]+" do
            numbers[#numbers + 1] = tonumber(number)
        end
        look(numbers)
    end
end

-- The sums of the numbers up to `last`, as one text.
local function sums_of(last)
    local totals, times, words = {}, {}, {}
    for n = 1, last do
        local key = n % KEYS
        totals[key], times[key] = (totals[key] or 0) + n, (times[key] or 0) + 1
    end
    for key = 0, KEYS - 1 do
        words[#words + 1] = totals[key] and ("%d:%d:%d"):format(key, totals[key], times[key]) or ""
    end
    return table.concat(words, " ")
end

local function read_sums(text)
    local by_gen, found = {}, {}
    each_line(text, function(line)
        local gen = by_gen[line[1]] or { times = 0, words = {} }
        by_gen[line[1]] = gen
        gen.times, gen.words[line[2]] = gen.times + line[4], ("%d:%d:%d"):format(line[2], line[3], line[4])
    end)
    for name, gen in pairs(by_gen) do
        local words = {}
        for key = 0, KEYS - 1 do
            words[#words + 1] = gen.words[key] or ""
        end
        local same = table.concat(words, " ") == sums_of(gen.times)
        found[name] = { last = gen.times, wrong = not same and table.concat(words, " ") }
    end
    return found
end

-- → of each generation the number of its last row; and `wrong`, if not all up to it are there once.
function forms.found(name, where, sql)
    local form = made[name]
    local text = ask(form, where, sql)
    if form.kind == "sums" then
        return read_sums(text)
    end
    local found = {}
    each_line(text, function(line)
        local wrong = (line[2] ~= line[4] or line[3] ~= line[4])
            and ("%d rows, %d of them different, the last is %d"):format(line[2], line[3], line[4])
        found[line[1]] = { last = line[4], wrong = wrong }
    end)
    return found
end

return forms
