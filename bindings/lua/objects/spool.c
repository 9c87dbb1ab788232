/* SPDX-License-Identifier: MIT
 * Looking into spools, for the command line: what there is, its rows as text, their schema. */
#include <string.h>
#include <writebehind/spool.h>

#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static void push_summary(lua_State *L, const wb_spool_summary *summary)
{
    lua_newtable(L);
    set_text(L, "file", summary->file);
    set_text(L, "kind", summary->kind);
    set_text(L, "name", summary->name);
    set_text(L, "table", summary->table);
    set_text(L, "damage", summary->damage[0] != '\0' ? summary->damage : NULL);
    lua_pushboolean(L, summary->held);
    lua_setfield(L, -2, "held");
    set_number(L, "bytes", (double)summary->bytes);
    set_number(L, "rows", (double)summary->rows);
    set_number(L, "waiting", (double)summary->waiting);
    set_number(L, "in_doubt", (double)summary->in_doubt);
    set_number(L, "first", (double)summary->first_us / 1e6);
    set_number(L, "last", (double)summary->last_us / 1e6);
}

/* spool_look(path) → a list of summaries; nil, message, code */
static int raw_spool_look(lua_State *L)
{
    wb_err err;
    wb_spool_summary *found;
    size_t count;
    int code = wb_spool_look(luaL_checkstring(L, 1), &found, &count, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    wb_spool_summary *summaries = lua_newuserdata(L, count * sizeof *summaries + 1);
    memcpy(summaries, found, count * sizeof *summaries);
    wb_free(found);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        push_summary(L, &summaries[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* spool_export(file) → its rows as lines of a dead-letter file; nil, message, code */
static int raw_spool_export(lua_State *L)
{
    wb_err err;
    char *text;
    size_t bytes;
    int code = wb_spool_export(luaL_checkstring(L, 1), &text, &bytes, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lua_pushlstring(L, text, bytes);
    wb_free(text);
    return 1;
}

/* spool_schema(file) → a schema; nil, message, code */
static int raw_spool_schema(lua_State *L)
{
    wb_err err;
    const char *file = luaL_checkstring(L, 1);
    lwb_schema *object = lwb_new(L, &lwb_schema_kind);
    int code = wb_spool_schema(file, &object->schema, &err);
    return code == WB_OK ? 1 : lwb_result(L, code, &err);
}

void lwb_raw_spool(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spool_look", raw_spool_look},
        {"spool_export", raw_spool_export},
        {"spool_schema", raw_spool_schema},
        {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
}
