/* SPDX-License-Identifier: MIT
 * Objects and their classes: userdata that begin with their kind, and a metatable a kind in the registry.
 * Invariant: a userdata whose first word is a kind's address has that kind's size and layout. The metatable only
 * chooses methods, so a variant for hooks or a driver needs no check of its own. What is no object, or one of
 * another kind, raises. */
#include <string.h>

#include "lua/base/pipeline.h"

const lwb_kind lwb_schema_kind = {"schema", sizeof(lwb_schema)};
const lwb_kind lwb_store_kind = {"store", sizeof(lwb_store)};
const lwb_kind lwb_batcher_kind = {"batcher", sizeof(lwb_pipeline)};
const lwb_kind lwb_tracker_kind = {"tracker", sizeof(lwb_pipeline)};
const lwb_kind lwb_batch_kind = {"batch", sizeof(lwb_claim)};
const lwb_kind lwb_marks_kind = {"marks", sizeof(lwb_claim)};
const lwb_kind lwb_clock_kind = {"clock", sizeof(lwb_clock)};

static const lwb_kind *const kinds[] = {
    &lwb_schema_kind, &lwb_store_kind, &lwb_batcher_kind, &lwb_tracker_kind,
    &lwb_batch_kind,  &lwb_marks_kind, &lwb_clock_kind,
};

const char *lwb_kind_name(lua_State *L, int index)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (lwb_test(L, index, kinds[i]) != NULL)
            return kinds[i]->name;
    }
    return NULL;
}

static const char *type_name(lua_State *L, int index)
{
    const char *name = lwb_kind_name(L, index);
    return name != NULL ? name : luaL_typename(L, index);
}

void *lwb_check(lua_State *L, int index, const lwb_kind *kind)
{
    void *object = lwb_test(L, index, kind);
    if (object == NULL)
        luaL_error(L, "bad argument #%d: expected a %s, got %s%s", index, kind->name,
                   lua_isnone(L, index) ? "nothing" : type_name(L, index),
                   index == 1 ? " (methods are called with a colon)" : "");
    return object;
}

void lwb_metatable(lua_State *L, const lwb_kind *kind)
{
    lua_pushlightuserdata(L, (void *)kind);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

void *lwb_new(lua_State *L, const lwb_kind *kind)
{
    const lwb_kind **object = lua_newuserdata(L, kind->bytes);
    memset(object, 0, kind->bytes);
    *object = kind;
    lwb_metatable(L, kind);
    lua_setmetatable(L, -2);
    return object;
}

static int object_tostring(lua_State *L)
{
    lua_pushfstring(L, "writebehind.%s: %p", type_name(L, 1), lua_touserdata(L, 1));
    return 1;
}

void lwb_class(lua_State *L, const lwb_kind *kind, const luaL_Reg *methods, const luaL_Reg *meta)
{
    lua_pushlightuserdata(L, (void *)kind);
    lua_newtable(L);
    lua_pushfstring(L, "writebehind.%s", kind->name);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__name");
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, object_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_newtable(L);
    lwb_setfuncs(L, methods);
    lua_setfield(L, -2, "__index");
    lwb_setfuncs(L, meta);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* Copies the table at the top into the one at `to`. */
static void copy_table(lua_State *L, int to)
{
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, to);
    }
}

int lwb_variant(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const lwb_kind *kind =
        strcmp(name, lwb_tracker_kind.name) == 0 ? &lwb_tracker_kind : &lwb_batcher_kind;
    lua_settop(L, 1);
    lua_newtable(L); /* 2: the copy */
    lua_newtable(L); /* 3: its methods */
    lwb_metatable(L, kind);
    copy_table(L, 2);
    lua_getfield(L, 2, "__index");
    copy_table(L, 3);
    lua_pushvalue(L, 3);
    lua_setfield(L, 2, "__index");
    lua_pushvalue(L, 2);
    return 1;
}
