/* SPDX-License-Identifier: MIT
 * store:schema: the schema of a live table, and what it leaves out. A wrong option raises. */
#include <string.h>

#include "lua/base/pipeline.h"

/* The names in the field server_default of the options at 3, up to a NULL; NULL: none. Left on the stack. */
static const char **names_left(lua_State *L)
{
    if (!lua_istable(L, 3))
        return NULL;
    lua_getfield(L, 3, "server_default");
    int list = lua_gettop(L), count = lua_istable(L, list) ? (int)lwb_rawlen(L, list) : 0;
    luaL_argcheck(L, lua_isnil(L, list) || lua_istable(L, list), 3,
                  "server_default: expected a list of columns' names");
    const char **names = lua_newuserdata(L, ((size_t)count + 1) * sizeof *names);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 3,
                      "server_default: expected a list of columns' names");
        names[i] = lua_tostring(L, -1); /* anchored in the list */
        lua_pop(L, 1);
    }
    names[count] = NULL;
    return names;
}

/* Of the argument at 3: a number, or options, of which it takes no other. */
static int64_t schema_deadline(lua_State *L)
{
    if (!lua_istable(L, 3))
        return lwb_check_deadline(L, 3, LWB_STATEMENT_US);
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
        const char *key = lwb_key(L, -2);
        if (strcmp(key, "timeout") != 0 && strcmp(key, "server_default") != 0)
            luaL_error(L, "schema: unknown option \"%s\"", key);
    }
    lua_getfield(L, 3, "timeout");
    int64_t deadline_us = lwb_check_deadline(L, lua_gettop(L), LWB_STATEMENT_US);
    lua_pop(L, 1);
    return deadline_us;
}

static void push_left_out(lua_State *L, const wb_left_out *left_out)
{
    lua_newtable(L);
    for (int i = 1; left_out != NULL; left_out = left_out->next, i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, left_out->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, left_out->reason);
        lua_setfield(L, -2, "reason");
        lua_rawseti(L, -2, i);
    }
}

static int left_out_gc(lua_State *L)
{
    wb_left_out **left_out = lua_touserdata(L, 1);
    wb_left_out_free(*left_out);
    *left_out = NULL;
    return 0;
}

/* Pushes what frees the list that is put into it. */
static wb_left_out **left_out_holder(lua_State *L)
{
    wb_left_out **holder = lua_newuserdata(L, sizeof *holder);
    *holder = NULL;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, left_out_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return holder;
}

/* store:schema(table [, timeout or options]) → the schema, and what was left out. */
int lwb_describe(lua_State *L, wb_store *store)
{
    wb_err err;
    const char *table = lwb_check_text(L, 2);
    lua_settop(L, 3);
    int64_t deadline_us = schema_deadline(L);
    const char **left = names_left(L);
    wb_left_out **left_out = left_out_holder(L);
    lwb_schema *object = lwb_schema_blank(L);
    int code = wb_store_describe(store, table, left, deadline_us, &object->schema, left_out, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    push_left_out(L, *left_out);
    return 2;
}
