/* SPDX-License-Identifier: MIT
 * The options `upsert` and `coalesce`, as forms/upsert.lua leaves them: { key = { place, … }, merge = { word, … }, expressions = { [place] =
 * text }, newest = place, nothing = flag }, places from 1. */
#include <string.h>

#include "lua/base/pipeline.h"

/* Memory that is gone with the stack. */
static void *stacked(lua_State *L, size_t bytes)
{
    return memset(lua_newuserdata(L, bytes), 0, bytes);
}

static int number_at(lua_State *L, int list, size_t at)
{
    lua_rawgeti(L, list, (int)at);
    int number = (int)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static void read_key(lua_State *L, int from, wb_upsert *upsert)
{
    lua_getfield(L, from, "key");
    int list = lua_gettop(L);
    upsert->key_count = lwb_rawlen(L, list);
    int32_t *key = stacked(L, upsert->key_count * sizeof *key + 1);
    for (size_t i = 0; i < upsert->key_count; i++)
        key[i] = number_at(L, list, i + 1) - 1;
    upsert->key = key;
}

static void read_merge(lua_State *L, int from, const wb_schema *schema, wb_upsert *upsert)
{
    size_t count = wb_schema_count(schema);
    lua_getfield(L, from, "merge");
    int list = lua_gettop(L);
    int32_t *merge = stacked(L, count * sizeof *merge);
    lua_getfield(L, from, "expressions");
    int texts = lua_gettop(L);
    const char **expressions = stacked(L, count * sizeof *expressions);
    for (size_t i = 0; i < count; i++) {
        merge[i] = number_at(L, list, i + 1);
        lua_rawgeti(L, texts, (int)i + 1);
        expressions[i] = lua_tostring(L, -1); /* the table has it */
        lua_pop(L, 1);
    }
    upsert->merge = merge;
    upsert->expressions = expressions;
}

const wb_upsert *lwb_field_upsert(lua_State *L, int index, const char *name,
                                  const wb_schema *schema)
{
    luaL_checkstack(L, 12, "too many options");
    lua_getfield(L, index, name);
    int from = lua_gettop(L);
    if (!lua_istable(L, from))
        return NULL;
    wb_upsert *upsert = stacked(L, sizeof *upsert);
    lua_getfield(L, from, "newest");
    upsert->newest = lua_isnil(L, -1) ? -1 : (int32_t)lua_tonumber(L, -1) - 1;
    lua_getfield(L, from, "nothing");
    upsert->nothing = lua_toboolean(L, -1);
    read_key(L, from, upsert);
    read_merge(L, from, schema, upsert);
    return upsert;
}
