/* SPDX-License-Identifier: MIT
 * writebehind.schema: a list of columns becomes a core schema, and back. Whatever is wrong raises, and the message names
 * the column. */
#include <string.h>

#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

wb_schema *lwb_schema_check(lua_State *L, int index)
{
    lwb_schema *object = lwb_check(L, index, &lwb_schema_kind);
    if (object->schema == NULL)
        luaL_error(L, "schema: already collected");
    return object->schema;
}

lwb_schema *lwb_schema_blank(lua_State *L)
{
    return lwb_new(L, &lwb_schema_kind);
}

void lwb_push_names(lua_State *L, const wb_schema *schema)
{
    lua_createtable(L, (int)wb_schema_count(schema), 4);
    for (size_t i = 0; i < wb_schema_count(schema); i++) {
        lua_pushstring(L, wb_schema_column(schema, i)->name);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static int list_length(lua_State *L, int index)
{
    size_t count = lwb_rawlen(L, index);
    size_t keys = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        keys++;
    if (keys != count)
        luaL_error(L, "schema: expected a list of columns, got a table with other keys or holes");
    luaL_argcheck(L, count >= 1 && count <= 1600, index, "schema: expected 1 to 1600 columns");
    return (int)count;
}

/* Of the options at 2, which are nil or a table: are all columns lenient? */
static bool lenient_option(lua_State *L)
{
    if (lua_isnoneornil(L, 2))
        return false;
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
        if (strcmp(lwb_key(L, -2), "lenient") != 0)
            luaL_error(L, "schema: unknown option \"%s\"", lwb_key(L, -2));
    lua_getfield(L, 2, "lenient");
    if (!lua_isnil(L, -1) && !lua_isboolean(L, -1))
        luaL_error(L, "schema: lenient: expected a boolean, got %s", luaL_typename(L, -1));
    return lua_toboolean(L, -1);
}

int lwb_schema_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    bool lenient = lenient_option(L);
    lua_settop(L, 1);
    int count = list_length(L, 1);
    lwb_schema *object = lwb_schema_blank(L);
    wb_column *columns = lua_newuserdata(L, (size_t)count * sizeof *columns);
    memset(columns, 0, (size_t)count * sizeof *columns);
    lua_createtable(L, count * 4, 0); /* keeps what the columns borrow */
    int kept = lua_gettop(L), borrowed = 0;
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        if (!lua_istable(L, -1))
            return luaL_error(L, "schema: column %d: expected a table, got %s", i,
                              luaL_typename(L, -1));
        lwb_read_column(L, lua_gettop(L), i, &columns[i - 1]);
        columns[i - 1].lenient = columns[i - 1].lenient || lenient;
        while (lua_gettop(L) > kept)
            lua_rawseti(L, kept, ++borrowed);
    }
    wb_err err;
    if (wb_schema_new(columns, (size_t)count, &object->schema, &err) != WB_OK)
        return luaL_error(L, "schema: %s", err.text);
    lua_pushvalue(L, 2);
    return 1;
}

static int schema_columns(lua_State *L)
{
    wb_schema *schema = lwb_schema_check(L, 1);
    size_t count = wb_schema_count(schema);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lwb_push_column(L, wb_schema_column(schema, i));
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int schema_ddl(lua_State *L)
{
    wb_schema *schema = lwb_schema_check(L, 1);
    const char *dialect = luaL_checkstring(L, 2);
    const char *table = luaL_checkstring(L, 3);
    luaL_argcheck(L, strcmp(dialect, "postgresql") == 0 || strcmp(dialect, "sqlite") == 0, 2,
                  "expected \"postgresql\" or \"sqlite\"");
    luaL_argcheck(L, *table != '\0' && strlen(table) == lwb_rawlen(L, 3), 3,
                  "expected a table's name");
    wb_err err;
    void **anchor = lwb_anchor(L);
    int code = wb_schema_ddl(schema, dialect, table, (char **)anchor, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lwb_push_anchored(L, anchor, strlen(*anchor));
    return 1;
}

static int schema_gc(lua_State *L)
{
    lwb_schema *object = lwb_test(L, 1, &lwb_schema_kind);
    if (object != NULL) {
        wb_schema_unref(object->schema);
        object->schema = NULL;
    }
    return 0;
}

void lwb_open_schema(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"columns", schema_columns}, {"ddl", schema_ddl}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", schema_gc}, {NULL, NULL}};
    lwb_class(L, &lwb_schema_kind, methods, meta);
}
