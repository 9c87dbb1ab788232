/* SPDX-License-Identifier: MIT
 * An anchor keeps memory of the core's while Lua may raise: a userdata that frees it when it is collected.
 * Whoever fills it pushed it before. Out of memory raises, and nothing is lost. */
#include "lua/base/lwb.h"

static int anchor_gc(lua_State *L)
{
    void **anchor = lua_touserdata(L, 1);
    wb_free(*anchor);
    *anchor = NULL;
    return 0;
}

void **lwb_anchor(lua_State *L)
{
    void **anchor = lua_newuserdata(L, sizeof *anchor);
    *anchor = NULL;
    if (luaL_newmetatable(L, "writebehind.anchor")) {
        lua_pushcfunction(L, anchor_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return anchor;
}

void lwb_push_anchored(lua_State *L, void **anchor, size_t bytes)
{
    lua_pushlstring(L, *anchor, bytes);
    wb_free(*anchor);
    *anchor = NULL;
}
