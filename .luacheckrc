-- What Lua 5.1, LuaJIT, 5.3 and 5.4 have in common, and the few names that the library tests for before use.
std = "min"
max_line_length = 120
read_globals = { "jit", "unpack", "loadstring", "setfenv", table = { fields = { "unpack", "pack", "move" } },
    math = { fields = { "type", "tointeger", "maxinteger", "mininteger" } },
    string = { fields = { "pack", "unpack" } }, "utf8", "ngx" }
exclude_files = { "build" }
files["spec"] = { std = "min+busted" }
