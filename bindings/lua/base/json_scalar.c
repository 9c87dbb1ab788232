/* SPDX-License-Identifier: MIT
 * Scalars, and the marks by which an empty table is a list. Invariant: the Lua stack is as it was, but for the message
 * of a refusal. A failed buffer is for the caller to find. */
#include "lua/base/json_scalar.h"

#include <math.h>
#include <string.h>

#include "base/show.h"
#include "base/utf8.h"

#define WHOLE_LIMIT 9007199254740992.0 /* 2^53 */

void lwb_json_put_string(lwb_encoder *e, int index)
{
    size_t bytes;
    const char *text = lua_tolstring(e->L, index, &bytes);
    if (!wb_buffer_put_json_string(e->out, text, bytes))
        e->unsure |= wb_utf8_check(text, bytes) != bytes;
}

static inline bool is_integer(lua_State *L, int index)
{
#if LWB_HAS_INTEGERS
    return lua_isinteger(L, index);
#else
    (void)L, (void)index;
    return false;
#endif
}

static size_t float_text(double number, char *out)
{
    bool whole = fabs(number) < WHOLE_LIMIT && (double)(int64_t)number == number &&
                 !(number == 0 && signbit(number));
    return whole ? wb_integer_format((int64_t)number, out) : wb_number_format(number, out);
}

bool lwb_json_put_number(lwb_encoder *e, int index)
{
    wb_buffer *out = e->out;
    if (!wb_buffer_reserve(out, WB_NUMBER_BYTES))
        return true;
    char *to = out->data + out->bytes;
    if (is_integer(e->L, index)) {
        out->bytes += wb_integer_format((int64_t)lua_tointeger(e->L, index), to);
        return true;
    }
    double number = lua_tonumber(e->L, index);
    if (isfinite(number))
        out->bytes += float_text(number, to);
    return isfinite(number);
}

/* A 64-bit integer of LuaJIT. */
static bool put_cdata(lwb_encoder *e)
{
    lua_State *L = e->L;
    size_t bytes = 0;
    lwb_helper(L, "int64_text");
    lua_pushvalue(L, -2);
    int status = lua_pcall(L, 1, 1, 0);
    const char *text = status == 0 ? lua_tolstring(L, -1, &bytes) : NULL;
    e->out->failed |= status == LUA_ERRMEM; /* the caller finds it */
    if (text == NULL && status != LUA_ERRMEM) {
        lua_pushliteral(L, "a cdata");
        return false;
    }
    wb_buffer_put(e->out, text, bytes);
    lua_pop(L, 1);
    return true;
}

/* Pushes helpers.json_arrays: the marks of empty lists as keys, and at 1 the name of a metatable's field. */
static bool push_marks(lua_State *L)
{
    lwb_helper(L, "json_arrays");
    return lua_istable(L, -1);
}

/* Is what is at the top, a metatable or a pointer, one of the marks? */
static bool is_mark(lua_State *L)
{
    int top = lua_gettop(L);
    bool marked = false;
    if (push_marks(L)) {
        lua_pushvalue(L, top);
        lua_rawget(L, -2);
        marked = lua_toboolean(L, -1);
    }
    lua_settop(L, top);
    return marked;
}

/* Does the metatable at the top say __jsontype = "array"? */
static bool says_array(lua_State *L)
{
    int top = lua_gettop(L);
    size_t bytes = 0;
    const char *type = NULL;
    if (push_marks(L)) {
        lua_rawgeti(L, -1, 1);
        lua_rawget(L, top);
        type = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &bytes) : NULL;
    }
    bool array = bytes == 5 && memcmp(type, "array", 5) == 0;
    lua_settop(L, top);
    return array;
}

void lwb_json_put_empty(lwb_encoder *e)
{
    lua_State *L = e->L;
    bool list = false;
    if (lua_getmetatable(L, -1)) {
        list = is_mark(L) || says_array(L);
        lua_pop(L, 1);
    }
    wb_buffer_put(e->out, list ? "[]" : "{}", 2);
}

static bool put_pointer(lwb_encoder *e)
{
    bool null = lua_touserdata(e->L, -1) == NULL;
    if (!null && !is_mark(e->L)) {
        lua_pushliteral(e->L, "a userdata");
        return false;
    }
    wb_buffer_put_text(e->out, null ? "null" : "[]");
    return true;
}

static bool put_finite(lwb_encoder *e)
{
    if (lwb_json_put_number(e, -1))
        return true;
    double number = lua_tonumber(e->L, -1);
    lua_pushfstring(e->L, "the number %s", isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
    return false;
}

bool lwb_json_put_scalar(lwb_encoder *e, int type)
{
    switch (type) {
    case LUA_TSTRING:
        lwb_json_put_string(e, -1);
        return true;
    case LUA_TNUMBER:
        return put_finite(e);
    case LUA_TBOOLEAN:
        wb_buffer_put_text(e->out, lua_toboolean(e->L, -1) ? "true" : "false");
        return true;
    case LUA_TLIGHTUSERDATA:
        return put_pointer(e);
    case LWB_TCDATA:
        return put_cdata(e);
    default:
        lua_pushfstring(e->L, "a %s", lua_typename(e->L, type));
        return false;
    }
}
