/* SPDX-License-Identifier: MIT
 * What differs between Lua 5.1 (LuaJIT with it), 5.3 and 5.4, under names of our own. An object has one
 * table as its user value: 5.1 keeps it as the userdata's environment. */
#ifndef LWB_COMPAT_H
#define LWB_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#define LWB_HAS_INTEGERS (LUA_VERSION_NUM >= 503)
#define LWB_COPIES_FIRST (LUA_VERSION_NUM >= 503) /* lua_pushlstring: copies, then collects */
#define LWB_TCDATA       10 /* lua_type of a LuaJIT cdata; no other Lua has a type of that number */

#if LUA_VERSION_NUM < 502

#define lwb_rawlen(L, index)       lua_objlen(L, index)
#define lwb_setuservalue(L, index) lua_setfenv(L, index)
#define lwb_getuservalue(L, index) lua_getfenv(L, index)

#else

#define lwb_rawlen(L, index)       lua_rawlen(L, index)
#define lwb_setuservalue(L, index) lua_setuservalue(L, index)
#define lwb_getuservalue(L, index) lua_getuservalue(L, index)

#endif

/* What a key is, if it is a string: equal strings that are short have one. A key of another type has one that no string has,
 * or none. */
#if LUA_VERSION_NUM >= 504 || defined(LUAJIT_VERSION_NUM)
#define lwb_string(L, index) lua_topointer(L, index)
#else
#define lwb_string(L, index)                                                                       \
    (lua_type(L, index) == LUA_TSTRING ? (const void *)lua_tostring(L, index) : NULL)
#endif

/* Sets the functions of a list in the table at the top. */
static inline void lwb_setfuncs(lua_State *L, const luaL_Reg *list)
{
    for (; list->name != NULL; list++) {
        lua_pushcfunction(L, list->func);
        lua_setfield(L, -2, list->name);
    }
}

#endif
