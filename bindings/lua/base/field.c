/* SPDX-License-Identifier: MIT
 * Fields of the flat option table that Lua has checked: each is read where it is there and else left as it
 * was. A wrong type still raises, so that a mistake in Lua can't reach the core. */
#include <math.h>

#include "lua/base/lwb.h"

/* Option durations end here, about 31 years, so that sums of them can't overflow in the core. */
#define LONGEST_US INT64_C(1000000000000000)

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

bool lwb_field_u64(lua_State *L, int index, const char *name, uint64_t *out)
{
    double number;
    bool found = field_number(L, index, name, &number);
    if (found)
        *out = number >= 0 && number < 9e15 ? (uint64_t)number : (uint64_t)9e15;
    return found;
}

bool lwb_field_us(lua_State *L, int index, const char *name, int64_t *out)
{
    double number;
    bool found = field_number(L, index, name, &number);
    if (found)
        *out = number * 1e6 < (double)LONGEST_US ? (int64_t)llround(number * 1e6) : LONGEST_US;
    return found;
}

bool lwb_field_i32(lua_State *L, int index, const char *name, int32_t *out)
{
    double number;
    bool found = field_number(L, index, name, &number);
    if (found)
        *out = number > -1e9 && number < 1e9 ? (int32_t)number : 0;
    return found;
}

bool lwb_field_double(lua_State *L, int index, const char *name, double *out)
{
    double number;
    bool found = field_number(L, index, name, &number);
    if (found)
        *out = number;
    return found;
}

void lwb_field_retry(lua_State *L, int index, wb_retry *out)
{
    uint64_t attempts;
    lwb_field_us(L, index, "retry_initial", &out->initial_us);
    lwb_field_us(L, index, "retry_max", &out->max_us);
    if (lwb_field_u64(L, index, "retry_attempts", &attempts))
        out->attempts = attempts > UINT32_MAX ? 0 : (uint32_t)attempts;
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
