/* SPDX-License-Identifier: MIT
 * Fields of the flat option table, which Lua has checked. A field that is not there leaves its option as it was. A
 * wrong type still raises, so that a mistake in Lua can't reach the core. */
#include <math.h>

#include "lua/base/lwb.h"

/* Option durations end here, about 31 years, so that sums of them can't overflow in the core. */
#define LONGEST_US 1e15

/* Pushes the number in a field, or pops nil and returns false. */
static bool field_number(lua_State *L, int index, const char *name, double *out)
{
    lua_getfield(L, index, name);
    bool found = !lua_isnil(L, -1);
    if (found && lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "option \"%s\": expected a number, got %s", name, luaL_typename(L, -1));
    *out = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return found;
}

/* A duration that is not above LONGEST_US, a limit that is not above its most: in the core's units. */
static double core_value(const wb_option *option, double number)
{
    if (option->type == WB_OPTION_TIME)
        return fmin(number * 1e6, LONGEST_US);
    return option->type == WB_OPTION_LIMIT ? fmin(number, option->most) : number;
}

void lwb_field_options(lua_State *L, int index, const wb_option *list, void *options)
{
    for (const wb_option *option = list; option->name != NULL; option++) {
        bool flag;
        double number;
        if (option->type == WB_OPTION_FLAG) {
            if (lwb_field_bool(L, index, option->name, &flag))
                wb_option_set(option, options, flag);
        } else if (field_number(L, index, option->name, &number)) {
            wb_option_set(option, options, core_value(option, number));
        }
    }
}

bool lwb_field_bool(lua_State *L, int index, const char *name, bool *out)
{
    lua_getfield(L, index, name);
    bool found = !lua_isnil(L, -1);
    if (found)
        *out = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return found;
}

const char *lwb_field_text(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "option \"%s\": expected a string, got %s", name, luaL_typename(L, -1));
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

const char *lwb_field_text_or(lua_State *L, int index, const char *name, const char *absent)
{
    lua_getfield(L, index, name);
    bool given = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return given ? lwb_field_text(L, index, name) : absent;
}

void *lwb_field_object(lua_State *L, int index, const char *name, const lwb_kind *kind)
{
    lua_getfield(L, index, name);
    void *object = lwb_test(L, -1, kind);
    if (object == NULL && !lua_isnil(L, -1))
        luaL_error(L, "option \"%s\": expected a %s, got %s", name, kind->name,
                   luaL_typename(L, -1));
    lua_pop(L, 1);
    return object;
}
