/* SPDX-License-Identifier: MIT
 * Scalars, and the marks by which an empty table is a list. Invariant: the Lua stack is as it was, but for the message
 * of a refusal. A failed buffer is for the caller to find. */
#include "lua/base/json_scalar.h"

#include <math.h>
#include <string.h>

#include "base/json_bytes.h"
#include "base/show.h"
#include "base/utf8.h"

enum { STRING_SLACK = 3 }; /* two quotes and a byte after them */

/* Floats below it, 2^53, say which integer is meant. */
#define WHOLE_LIMIT (INT64_C(1) << 53)

static inline char *room(wb_buffer *out, size_t bytes)
{
    bool enough = out->capacity - out->bytes >= bytes || wb_buffer_reserve(out, bytes);
    return enough ? out->data + out->bytes : NULL;
}

static __attribute__((noinline)) void put_escaped(lwb_encoder *e, const char *text, size_t bytes,
                                                  char after)
{
    if (!wb_buffer_put_json_string(e->out, text, bytes))
        e->unsure |= wb_utf8_check(text, bytes) != bytes;
    lwb_json_put_byte(e, after);
}

/* The string, and a byte after it. */
static inline void put_string(lwb_encoder *e, int index, char after)
{
    size_t bytes;
    const char *text = lua_tolstring(e->L, index, &bytes);
    char *to = room(e->out, bytes + STRING_SLACK);
    if (to == NULL || !wb_json_copy_plain(to + 1, text, bytes)) {
        put_escaped(e, text, bytes, after);
        return;
    }
    to[0] = '"';
    to[bytes + 1] = '"';
    to[bytes + 2] = after;
    e->out->bytes += bytes + 3;
}

size_t lwb_float_text(double number, char *out)
{
    bool small = number > (double)-WHOLE_LIMIT && number < (double)WHOLE_LIMIT;
    bool whole = small && (double)(int64_t)number == number && !(number == 0 && signbit(number));
    return whole ? wb_integer_format((int64_t)number, out) : wb_number_format(number, out);
}

/* The text's length; 0: JSON has no such number. */
static inline size_t number_text(lua_State *L, int index, char *out)
{
#if LWB_HAS_INTEGERS
    int exact;
    lua_Integer integer = lua_tointegerx(L, index, &exact);
    bool small = integer > -WHOLE_LIMIT && integer < WHOLE_LIMIT && integer != 0; /* not -0.0 */
    if (exact && (small || lua_isinteger(L, index)))
        return wb_integer_format(integer, out);
#endif
    double number = lua_tonumber(L, index);
    return isfinite(number) ? lwb_float_text(number, out) : 0;
}

/* The number, and a byte after it. False: JSON has no such number. */
static inline bool put_number(lwb_encoder *e, int index, char after)
{
    char *to = room(e->out, WB_NUMBER_BYTES);
    size_t bytes = to != NULL ? number_text(e->L, index, to) : 0;
    if (bytes > 0) {
        to[bytes] = after;
        e->out->bytes += bytes + 1;
    }
    return bytes > 0 || to == NULL; /* without memory the buffer says so */
}

bool lwb_json_put_key(lwb_encoder *e)
{
    int type = lua_type(e->L, -2);
    if (type == LUA_TSTRING) {
        put_string(e, -2, ':');
        return true;
    }
    lwb_json_put_byte(e, '"');
    if (type == LUA_TNUMBER && put_number(e, -2, '"')) {
        lwb_json_put_byte(e, ':');
        return true;
    }
    lua_pushfstring(e->L, "a key that is a %s", lua_typename(e->L, type));
    return false;
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
    lwb_json_put_byte(e, ',');
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

static int index_of(lua_State *L)
{
    lua_gettable(L, 1);
    return 1;
}

/* Pushes what the metatable at `meta` says by the key at the top, which is popped. A metatable that has one itself is asked
 * as Lua does. False: that raised an error. */
static bool push_said(lua_State *L, int meta)
{
    lua_pushvalue(L, -1);
    lua_rawget(L, meta);
    bool inherits = lua_isnil(L, -1) && lua_getmetatable(L, meta);
    if (!inherits) {
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 2);
    lua_pushcfunction(L, index_of);
    lua_pushvalue(L, meta);
    lua_pushvalue(L, -3);
    bool said = lua_pcall(L, 2, 1, 0) == 0;
    lua_remove(L, -2);
    return said;
}

/* Does the metatable at the top say __jsontype = "array"? False: asking it raised an error. */
static bool ask_jsontype(lua_State *L, bool *array)
{
    int top = lua_gettop(L);
    bool asked = true;
    if (push_marks(L)) {
        lua_rawgeti(L, -1, 1);
        asked = push_said(L, top);
        *array = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "array") == 0;
    }
    lua_settop(L, top);
    return asked;
}

bool lwb_json_put_empty(lwb_encoder *e)
{
    lua_State *L = e->L;
    bool list = false;
    if (lua_getmetatable(L, -1)) {
        list = is_mark(L);
        bool asked = list || ask_jsontype(L, &list);
        lua_pop(L, 1);
        if (!asked) {
            lua_pushliteral(
                L, "a table that can't be encoded: its metatable raises an error for __jsontype");
            return false;
        }
    }
    wb_buffer_put(e->out, list ? "[]," : "{},", 3);
    return true;
}

static bool put_pointer(lwb_encoder *e)
{
    bool null = lua_touserdata(e->L, -1) == NULL;
    if (!null && !is_mark(e->L)) {
        lua_pushliteral(e->L, "a userdata");
        return false;
    }
    wb_buffer_put_text(e->out, null ? "null," : "[],");
    return true;
}

static bool refuse_number(lwb_encoder *e)
{
    double number = lua_tonumber(e->L, -1);
    lua_pushfstring(e->L, "the number %s", isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
    return false;
}

bool lwb_json_put_scalar(lwb_encoder *e, int type)
{
    switch (type) {
    case LUA_TSTRING:
        put_string(e, -1, ',');
        return true;
    case LUA_TNUMBER:
        return put_number(e, -1, ',') || refuse_number(e);
    case LUA_TBOOLEAN:
        if (lua_toboolean(e->L, -1))
            wb_buffer_put(e->out, "true,", 5);
        else
            wb_buffer_put(e->out, "false,", 6);
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
