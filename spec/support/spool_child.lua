-- A process that a spec kills: a form of spec/support/spool_forms.lua, to which it adds numbered rows as fast as they
-- are taken. arg: the form, the folder, the way to PostgreSQL, the table, the generation, how many rows at the most. In
-- the folder's accepted.GENERATION it notes how far it may have come, and how far it has.

local forms = require "spec.support.spool_forms"
local system = require "system"

local BLOCK = 60

local name, where = arg[1], { dir = arg[2], conninfo = arg[3], table = arg[4] }
local generation, most = tonumber(arg[5]), tonumber(arg[6])
math.randomseed(generation)

local file = assert(io.open(("%s/accepted.%d"):format(where.dir, generation), "wb"))
file:setvbuf "no"

local function note(attempted, accepted)
    assert(file:seek("set", 0))
    assert(file:write(("%09d %09d\n"):format(attempted, accepted)))
end

local batcher = forms.batcher(name, where)

local function add(n)
    local row = forms.row(name, generation, n)
    local ok, message, code = batcher:add(row)
    while not ok do
        assert(code == "full", message)
        batcher:poll()
        system.sleep(0.001)
        ok, message, code = batcher:add(row)
    end
end

local last = 0
note(0, 0)
while last < most do
    local goal = math.min(last + math.random(BLOCK), most)
    note(goal, last)
    for n = last + 1, goal do
        add(n)
    end
    last = goal
    note(last, last)
    if math.random(10) == 1 then
        system.sleep(0.001)
    end
end
while true do
    batcher:poll()
    system.sleep(0.01)
end
