/* SPDX-License-Identifier: MIT
 * core.fast: the functions that LuaJIT's fast path calls through the FFI, as addresses, so that it needs no symbol.
 * They are the core's; only C tells what an object is (slot). */
#include "lua/base/lwb.h"

/* slot(object) → the address at which a threaded tracker keeps its core object, which is NULL once it was
 * collected; valid as long as the object. Nothing for anything else. */
static int fast_slot(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_test(L, 1, &lwb_tracker_kind);
    if (pipeline == NULL || pipeline->core == NULL || pipeline->driven)
        return 0;
    lua_pushlightuserdata(L, &pipeline->core);
    return 1;
}

typedef void (*function)(void);

/* POSIX lets a pointer to a function be a void pointer. */
static void set_address(lua_State *L, const char *name, function address)
{
    lua_pushlightuserdata(L, *(void **)&address);
    lua_setfield(L, -2, name);
}

/* core.fast() → a table. Raises where a LuaJIT can't hold an address of this machine in a lightuserdata. */
int lwb_fast(lua_State *L)
{
    lua_newtable(L);
    set_address(L, "tracker_add", (function)wb_tracker_add);
    set_address(L, "uuid_parse", (function)wb_uuid_parse);
    set_address(L, "code_name", (function)wb_code_name);
    lua_pushnumber(L, (lua_Number)sizeof(wb_err));
    lua_setfield(L, -2, "err_bytes");
    lua_pushcfunction(L, fast_slot);
    lua_setfield(L, -2, "slot");
    return 1;
}
