/* SPDX-License-Identifier: MIT
 * writebehind.schema: a list of columns becomes a core schema, and back. A column is { name, type, null =,
 * default =, generate = }, or has the first two by name. Whatever is wrong raises, and the message names the column. */
#include <string.h>

#include "lua/base/convert.h"

static const char *const generate_names[] = {[WB_UUIDV4] = "uuidv4", [WB_UUIDV7] = "uuidv7"};

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

/* Pushes the string in field `key`, or else in item `item`, of the column at `column`. */
static const char *column_text(lua_State *L, int column, int at, const char *key, int item)
{
    lua_getfield(L, column, key);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_rawgeti(L, column, item);
    }
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "schema: column %d: expected a string as its %s, got %s", at, key,
                   luaL_typename(L, -1));
    const char *text = lua_tostring(L, -1);
    if (strlen(text) != lwb_rawlen(L, -1))
        luaL_error(L, "schema: column %d: its %s holds a NUL", at, key);
    return text;
}

static bool known_key(lua_State *L, int key)
{
    static const char *const names[] = {"name",    "type",     "null",
                                        "default", "generate", "server_default"};
    if (lua_type(L, key) == LUA_TNUMBER)
        return lua_tonumber(L, key) == 1 || lua_tonumber(L, key) == 2;
    for (size_t i = 0; lua_type(L, key) == LUA_TSTRING && i < sizeof names / sizeof *names; i++) {
        if (strcmp(lua_tostring(L, key), names[i]) == 0)
            return true;
    }
    return false;
}

static void check_keys(lua_State *L, int column, const char *name)
{
    lua_pushnil(L);
    while (lua_next(L, column)) {
        lua_pop(L, 1);
        if (known_key(L, -1))
            continue;
        if (lua_type(L, -1) == LUA_TSTRING)
            luaL_error(L, "schema: column \"%s\": unknown key \"%s\"", name, lua_tostring(L, -1));
        luaL_error(L, "schema: column \"%s\": unknown key (a %s)", name, luaL_typename(L, -1));
    }
}

static int generate_of(lua_State *L, int column, const char *name)
{
    lua_getfield(L, column, "generate");
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    bool none = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (none)
        return WB_GIVEN;
    for (int i = WB_UUIDV4; i <= WB_UUIDV7; i++) {
        if (text != NULL && strcmp(text, generate_names[i]) == 0)
            return i;
    }
    return luaL_error(L, "schema: column \"%s\": generate: expected \"uuidv4\" or \"uuidv7\"",
                      name);
}

static bool flag_of(lua_State *L, int column, const char *name, const char *key)
{
    lua_getfield(L, column, key);
    if (!lua_isnil(L, -1) && !lua_isboolean(L, -1))
        luaL_error(L, "schema: column \"%s\": %s: expected a boolean, got %s", name, key,
                   luaL_typename(L, -1));
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

/* Reads the column at `column` (the top); leaves name, type and default above it, since *out borrows. */
static void read_column(lua_State *L, int column, int at, wb_column *out)
{
    out->name = column_text(L, column, at, "name", 1);
    const char *type = column_text(L, column, at, "type", 2);
    out->type = wb_type_find(type, strlen(type));
    if (out->type < 0)
        luaL_error(L, "schema: column \"%s\": unknown type \"%s\"", out->name, type);
    check_keys(L, column, out->name);
    out->generate = generate_of(L, column, out->name);
    out->null = flag_of(L, column, out->name, "null");
    out->server_default = flag_of(L, column, out->name, "server_default");
    lua_getfield(L, column, "default");
    if (!lwb_to_value(L, lua_gettop(L), &out->default_value))
        luaL_error(L, "schema: column \"%s\": default: %s", out->name, lua_tostring(L, -1));
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

int lwb_schema_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int count = list_length(L, 1);
    lwb_schema *object = lwb_schema_blank(L);
    wb_column *columns = lua_newuserdata(L, (size_t)count * sizeof *columns);
    memset(columns, 0, (size_t)count * sizeof *columns);
    luaL_checkstack(L, count * 4 + 20, "schema: too many columns");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        if (!lua_istable(L, -1))
            return luaL_error(L, "schema: column %d: expected a table, got %s", i,
                              luaL_typename(L, -1));
        read_column(L, lua_gettop(L), i, &columns[i - 1]);
    }
    wb_err err;
    if (wb_schema_new(columns, (size_t)count, &object->schema, &err) != WB_OK)
        return luaL_error(L, "schema: %s", err.text);
    lua_pushvalue(L, 2);
    return 1;
}

static void push_column(lua_State *L, const wb_column *column)
{
    static const wb_column plain = {.type = WB_TYPE_TEXT};
    lua_createtable(L, 0, 5);
    lua_pushstring(L, column->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, wb_type_name(column->type));
    lua_setfield(L, -2, "type");
    lua_pushboolean(L, column->null);
    lua_setfield(L, -2, "null");
    lwb_push_value(L, &plain, &column->default_value);
    lua_setfield(L, -2, "default");
    if (column->server_default) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "server_default");
    }
    if (column->generate == WB_GIVEN)
        return;
    lua_pushstring(L, generate_names[column->generate]);
    lua_setfield(L, -2, "generate");
}

static int schema_columns(lua_State *L)
{
    wb_schema *schema = lwb_schema_check(L, 1);
    size_t count = wb_schema_count(schema);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_column(L, wb_schema_column(schema, i));
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
