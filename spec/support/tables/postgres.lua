-- The tables of PostgreSQL, of all files.

local list = {}
for _, part in ipairs { "web", "types", "arrays", "defaults", "domains", "keys" } do
    for _, case in ipairs(require("spec.support.tables." .. part)) do
        list[#list + 1] = case
    end
end
return list
