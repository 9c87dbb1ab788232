rockspec_format = "3.0"
package = "writebehind"
version = "scm-1"
source = {
   url = "git+file://.",
}
description = {
   summary = "Rows added one by one, written in few, large writes behind the caller's back",
   detailed = [[
      A write-behind batching library: a C core with Lua bindings. A Batcher takes rows of a schema and
      delivers them to PostgreSQL (binary COPY), SQLite or a scripted store; a Tracker keeps when each id
      was last used. Rows are conserved: accepted = stored + pending + dead + dropped.
   ]],
   license = "MIT",
   labels = { "database", "postgresql", "sqlite", "batching" },
}
supported_platforms = { "unix", "!windows" }
dependencies = {
   "lua >= 5.1, < 5.5",
   "lua-cjson >= 2.1.0",
   "argparse >= 0.7.0", -- the command; lua-zlib beside it reads .gz, where it is installed
}
external_dependencies = {
   PQ = { library = "pq" }, -- its header is in a folder that differs: pkg-config knows
   SQLITE = { header = "sqlite3.h" },
}
build = {
   type = "make",
   build_target = "rock",
   install_target = "install-rock",
   variables = {
      LUA = "$(LUA)",
      LUA_INCDIR = "$(LUA_INCDIR)",
      BUILD = "build/rock/$(LUA_INCDIR)", -- of its own for each Lua, so that two may be built at once
      CC = "$(CC)",
      CFLAGS = "$(CFLAGS)",
      LIBFLAG = "$(LIBFLAG)",
      LUADIR = "$(LUADIR)",
      LIBDIR = "$(LIBDIR)",
      BINDIR = "$(BINDIR)",
   },
}
