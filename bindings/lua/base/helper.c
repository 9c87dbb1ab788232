/* SPDX-License-Identifier: MIT
 * What C asks Lua for: a table in the registry, which Lua modules fill when they are loaded. */
#include "lua/base/lwb.h"

static const char helpers_key;

void lwb_push_helpers(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&helpers_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (lua_istable(L, -1))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&helpers_key);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

bool lwb_helper(lua_State *L, const char *name)
{
    lwb_push_helpers(L);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    return lua_isfunction(L, -1);
}
