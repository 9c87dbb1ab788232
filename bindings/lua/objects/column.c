/* SPDX-License-Identifier: MIT
 * A schema's column: { name, type, null =, default =, generate =, server_default =, max =, values =, cast = }, or the
 * first two by name. Whatever is wrong raises, and the message names the column. */
#include <string.h>

#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

static const char *const generate_names[] = {[WB_UUIDV4] = "uuidv4", [WB_UUIDV7] = "uuidv7"};

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
    static const char *const names[] = {"name",           "type", "null",   "default", "generate",
                                        "server_default", "max",  "values", "cast",    "lenient"};
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

/* "int8[]" is an array of "int8". */
static void read_type(lua_State *L, const char *type, wb_column *out)
{
    size_t bytes = strlen(type);
    out->array = bytes > 2 && strcmp(type + bytes - 2, "[]") == 0;
    out->type = wb_type_find(type, out->array ? bytes - 2 : bytes);
    if (out->type < 0)
        luaL_error(L, "schema: column \"%s\": unknown type \"%s\"", out->name, type);
}

static uint32_t max_of(lua_State *L, int column, const char *name)
{
    lua_getfield(L, column, "max");
    double max = lua_tonumber(L, -1);
    bool whole =
        lua_type(L, -1) == LUA_TNUMBER && max >= 1 && max <= 1 << 30 && max == (uint32_t)max;
    if (!lua_isnil(L, -1) && !whole)
        luaL_error(L, "schema: column \"%s\": max: expected a number of characters", name);
    lua_pop(L, 1);
    return (uint32_t)max;
}

/* Leaves what it answers on the stack. */
static const char *cast_of(lua_State *L, int column, const char *name)
{
    lua_getfield(L, column, "cast");
    const char *cast = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (!lua_isnil(L, -1) && (cast == NULL || strlen(cast) != lwb_rawlen(L, -1)))
        luaL_error(L, "schema: column \"%s\": cast: expected the name of a type", name);
    return cast;
}

/* The same. */
static const char *const *values_of(lua_State *L, int column, const char *name)
{
    lua_getfield(L, column, "values");
    if (lua_isnil(L, -1))
        return NULL;
    int count = lua_istable(L, -1) ? (int)lwb_rawlen(L, -1) : 0, list = lua_gettop(L);
    const char **values = lua_newuserdata(L, ((size_t)count + 1) * sizeof *values);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        values[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        if (values[i] == NULL || strlen(values[i]) != lwb_rawlen(L, -1))
            count = 0;
        lua_pop(L, 1);
    }
    values[count] = NULL;
    if (count == 0)
        luaL_error(L, "schema: column \"%s\": values: expected a list of strings", name);
    return values;
}

static bool read_default(lua_State *L, int column, wb_column *out)
{
    lua_getfield(L, column, "default");
    int index = lua_gettop(L);
    bool is_list = out->array && lua_istable(L, index);
    return is_list ? lwb_list_value(L, index, &out->default_value)
                   : lwb_to_value(L, index, &out->default_value);
}

/* Reads the column at `column` (the top); leaves name, type and default above it, since *out borrows. */
void lwb_read_column(lua_State *L, int column, int at, wb_column *out)
{
    out->name = column_text(L, column, at, "name", 1);
    const char *type = column_text(L, column, at, "type", 2);
    read_type(L, type, out);
    check_keys(L, column, out->name);
    out->generate = generate_of(L, column, out->name);
    out->null = flag_of(L, column, out->name, "null");
    out->server_default = flag_of(L, column, out->name, "server_default");
    out->lenient = flag_of(L, column, out->name, "lenient");
    out->max = max_of(L, column, out->name);
    out->cast = cast_of(L, column, out->name);
    out->values = values_of(L, column, out->name);
    if (!read_default(L, column, out))
        luaL_error(L, "schema: column \"%s\": default: %s", out->name, lua_tostring(L, -1));
}

static void push_text_key(lua_State *L, const char *key, const char *text)
{
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void push_flag(lua_State *L, const char *key, bool flag)
{
    if (!flag)
        return;
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, key);
}

/* As it was given; an array as a list. */
static void push_default(lua_State *L, const wb_column *column)
{
    static const wb_column plain = {.type = WB_TYPE_TEXT};
    const wb_value *value = &column->default_value;
    lwb_push_value(L, value->kind == WB_ARRAY ? column : &plain, value);
    lua_setfield(L, -2, "default");
}

static void push_values(lua_State *L, const char *const *values)
{
    if (values == NULL)
        return;
    lua_newtable(L);
    for (int i = 0; values[i] != NULL; i++) {
        lua_pushstring(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "values");
}

void lwb_push_column(lua_State *L, const wb_column *column)
{
    char type[32];
    wb_column own = *column;
    own.cast = NULL;
    lua_createtable(L, 0, 5);
    push_text_key(L, "name", column->name);
    push_text_key(L, "type", wb_column_type(&own, type, sizeof type));
    push_text_key(L, "cast", column->cast);
    lua_pushboolean(L, column->null);
    lua_setfield(L, -2, "null");
    push_default(L, column);
    push_values(L, column->values);
    if (column->max > 0) {
        lua_pushinteger(L, (lua_Integer)column->max);
        lua_setfield(L, -2, "max");
    }
    push_flag(L, "server_default", column->server_default);
    push_flag(L, "lenient", column->lenient);
    if (column->generate != WB_GIVEN)
        push_text_key(L, "generate", generate_names[column->generate]);
}
