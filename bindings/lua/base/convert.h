/* SPDX-License-Identifier: MIT
 * The hot half of the conversion from Lua: inline, without memory and without a metamethod.
 * A number is an integer where it has no fraction (2.0 is 2): within 2^53 where Lua has doubles only,
 * since a larger double no longer says which integer was meant. -0.0 stays a float. */
#ifndef LWB_CONVERT_H
#define LWB_CONVERT_H

#include "lua/base/lwb.h"

#if LWB_HAS_INTEGERS

static inline void lwb_number(lua_State *L, int index, wb_value *out)
{
    int exact;
    lua_Integer integer = lua_tointegerx(L, index, &exact);
    bool is_integer = exact && (integer != 0 || lua_isinteger(L, index));
    out->kind = is_integer ? WB_INT : WB_FLOAT;
    if (is_integer)
        out->i = integer;
    else
        out->f = lua_tonumber(L, index);
}

/* The integer that a number is, of any column of integers; false: it is none. */
static inline bool lwb_integer(lua_State *L, int index, int64_t *out)
{
    int exact;
    *out = lua_tointegerx(L, index, &exact);
    return exact != 0;
}

#else

/* The integer that a number is, of any column of integers; false: it is none. */
static inline bool lwb_integer_of(double number, int64_t *out)
{
    const double limit = 9007199254740992.0;
    if (!(number >= -limit && number <= limit))
        return false;
    *out = (int64_t)number;
    return (double)*out == number;
}

static inline void lwb_number_of(double number, wb_value *out)
{
    int64_t integer;
    bool is_integer =
        lwb_integer_of(number, &integer) && !(number == 0 && __builtin_signbit(number));
    out->kind = is_integer ? WB_INT : WB_FLOAT;
    if (is_integer)
        out->i = integer;
    else
        out->f = number;
}

static inline void lwb_number(lua_State *L, int index, wb_value *out)
{
    lwb_number_of(lua_tonumber(L, index), out);
}

static inline bool lwb_integer(lua_State *L, int index, int64_t *out)
{
    return lwb_integer_of(lua_tonumber(L, index), out);
}

#endif

/* The value at `index`, which is of that type. False: pushed a message. True: *out borrows from the value, or
 * from what was put in its place. */
static inline bool lwb_to_value_of(lua_State *L, int index, int type, wb_value *out)
{
    size_t bytes;
    switch (type) {
    case LUA_TNONE:
    case LUA_TNIL:
        out->kind = WB_ABSENT;
        return true;
    case LUA_TNUMBER:
        lwb_number(L, index, out);
        return true;
    case LUA_TSTRING:
        out->text = lua_tolstring(L, index, &bytes);
        out->kind = WB_TEXT;
        out->bytes = (uint32_t)bytes;
        return bytes <= UINT32_MAX || lwb_value_rare(L, index, out);
    case LUA_TBOOLEAN:
        out->kind = WB_BOOL;
        out->i = lua_toboolean(L, index);
        return true;
    case LUA_TLIGHTUSERDATA: /* NULL: cjson.null, ngx.null */
        out->kind = WB_NULL;
        return lua_touserdata(L, index) == NULL || lwb_value_rare(L, index, out);
    default:
        return lwb_value_rare(L, index, out);
    }
}

static inline bool lwb_to_value(lua_State *L, int index, wb_value *out)
{
    return lwb_to_value_of(L, index, lua_type(L, index), out);
}

#endif
