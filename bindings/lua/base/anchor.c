/* SPDX-License-Identifier: MIT
 * An anchor keeps memory of the core's while Lua may raise: a userdata that frees it when it is collected.
 * Whoever fills it pushed it before. Out of memory raises, and nothing is lost. */
#include "lua/base/lwb.h"

#include <stddef.h>
#include <string.h>

static int anchor_gc(lua_State *L)
{
    void **anchor = lua_touserdata(L, 1);
    wb_free(*anchor);
    *anchor = NULL;
    return 0;
}

static void *new_anchor(lua_State *L, size_t bytes)
{
    void *anchor = memset(lua_newuserdata(L, bytes), 0, bytes);
    if (luaL_newmetatable(L, "writebehind.anchor")) {
        lua_pushcfunction(L, anchor_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return anchor;
}

void **lwb_anchor(lua_State *L)
{
    return new_anchor(L, sizeof(void *));
}

_Static_assert(offsetof(wb_buffer, data) == 0, "anchor_gc frees what comes first");

wb_buffer *lwb_buffer(lua_State *L)
{
    return new_anchor(L, sizeof(wb_buffer));
}

void lwb_push_anchored(lua_State *L, void **anchor, size_t bytes)
{
    lua_pushlstring(L, *anchor, bytes);
    wb_free(*anchor);
    *anchor = NULL;
}
