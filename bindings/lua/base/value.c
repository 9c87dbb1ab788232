/* SPDX-License-Identifier: MIT
 * Values from Lua to the core and back. convert.h converts the common types inline; the rest is here: tables, as
 * JSON, LuaJIT's 64-bit cdata, and the way out.
 * Invariant: integers are exact. Beyond 2^53 a Lua without integers gets a cdata (LuaJIT) or decimal text (5.1).
 * A value that has no place in a column is a message at the top, never an error that is raised. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/base/json_encode.h"

enum { LOCAL_TEXT = 256 };

/* Pushes the JSON of the value at `index`; false: a message. */
static bool push_json(lua_State *L, int index)
{
    wb_buffer *json = lwb_buffer(L);
    int how = lwb_json_encode(L, index, json);
    if (how == LWB_JSON_MEMORY)
        luaL_error(L, "out of memory for JSON");
    if (how == LWB_JSON_REFUSED)
        return false;
    lua_pushlstring(L, json->data, json->bytes);
    wb_buffer_fini(json);
    lua_remove(L, -2);
    return true;
}

int lwb_json(lua_State *L)
{
    lua_settop(L, 1);
    bool made = push_json(L, 1);
    if (!made) {
        lua_pushnil(L);
        lua_insert(L, -2);
    }
    return made ? 1 : 2;
}

static bool table_value(lua_State *L, int index, wb_value *out)
{
    size_t bytes;
    if (!push_json(L, index))
        return false;
    lua_replace(L, index);
    out->kind = WB_TEXT;
    out->text = lua_tolstring(L, index, &bytes);
    out->bytes = (uint32_t)bytes;
    if (bytes > UINT32_MAX)
        lua_pushliteral(L, "the table's JSON is longer than 4 GiB");
    return bytes <= UINT32_MAX;
}

static bool cdata_value(lua_State *L, int index, wb_value *out)
{
    size_t bytes = 0;
    if (lwb_helper(L, "read_int64")) {
        lua_pushvalue(L, index);
        lua_call(L, 1, 1);
    }
    const char *raw = lua_tolstring(L, -1, &bytes);
    bool integer = raw != NULL && bytes == sizeof out->i;
    if (integer) {
        out->kind = WB_INT;
        memcpy(&out->i, raw, sizeof out->i);
    }
    lua_pop(L, 1);
    if (!integer)
        lua_pushliteral(L, "the cdata is no 64-bit integer in the range of int64");
    return integer;
}

bool lwb_value_rare(lua_State *L, int index, wb_value *out)
{
    int type = lua_type(L, index);
    if (type == LUA_TTABLE)
        return table_value(L, index, out);
    if (type == LWB_TCDATA)
        return cdata_value(L, index, out);
    if (type == LUA_TSTRING)
        lua_pushliteral(L, "the string is longer than 4 GiB");
    else
        lua_pushfstring(L, "a Lua %s has no place in a column", lua_typename(L, type));
    return false;
}

/* Beyond 2^53 in a Lua without integers. */
static void push_wide(lua_State *L, int64_t value)
{
    char text[24];
    bool made = lwb_helper(L, "make_int64");
    if (made) {
        lua_pushlstring(L, (const char *)&value, sizeof value);
        lua_call(L, 1, 1);
        return;
    }
    lua_pop(L, 1);
    snprintf(text, sizeof text, "%" PRId64, value);
    lua_pushstring(L, text);
}

void lwb_push_int64(lua_State *L, int64_t value)
{
    const int64_t limit = INT64_C(1) << 53;
    if (LWB_HAS_INTEGERS)
        lua_pushinteger(L, (lua_Integer)value);
    else if (value >= -limit && value <= limit)
        lua_pushnumber(L, (double)value);
    else
        push_wide(L, value);
}

void lwb_push_uuid(lua_State *L, const uint8_t id[16])
{
    char text[36];
    wb_uuid_format(id, text);
    lua_pushlstring(L, text, sizeof text);
}

/* Reads the value before Lua may collect what it borrows from. */
static void push_text(lua_State *L, const wb_column *column, const wb_value *value)
{
    char local[LOCAL_TEXT];
    size_t bytes = wb_value_text(column, value, local, sizeof local);
    if (bytes == SIZE_MAX)
        luaL_error(L, "out of memory for a value's text");
    if (bytes <= sizeof local) {
        lua_pushlstring(L, local, bytes);
        return;
    }
    char *copy = lua_newuserdata(L, bytes);
    wb_value_text(column, value, copy, bytes);
    lua_pushlstring(L, copy, bytes);
    lua_remove(L, -2);
}

static bool is_text_alone(const wb_column *column)
{
    switch (column->type) {
    case WB_TYPE_UUID:
    case WB_TYPE_DATE:
    case WB_TYPE_TIME:
    case WB_TYPE_NUMERIC:
    case WB_TYPE_INTERVAL:
    case WB_TYPE_INET:
    case WB_TYPE_CIDR:
    case WB_TYPE_MACADDR:
        return true;
    default:
        return false;
    }
}

static void push_integer(lua_State *L, const wb_column *column, int64_t value)
{
    bool is_time = column->type == WB_TYPE_TIMESTAMPTZ || column->type == WB_TYPE_TIMESTAMP;
    if (is_time && value == INT64_MIN)
        lua_pushnumber(L, -HUGE_VAL);
    else if (is_time)
        lwb_push_seconds(L, value); /* WB_NEVER is infinity */
    else
        lwb_push_int64(L, value);
}

static void push_array(lua_State *L, const wb_column *column, const wb_value *array)
{
    wb_column of = *column;
    wb_value element;
    size_t at = 0;
    of.array = false;
    lua_createtable(L, (int)wb_array_length(array), 0);
    for (int i = 1; wb_array_next(column, array, &at, &element); i++) {
        if (element.kind == WB_NULL)
            lua_pushlightuserdata(L, NULL);
        else
            lwb_push_value(L, &of, &element);
        lua_rawseti(L, -2, i);
    }
}

void lwb_push_value(lua_State *L, const wb_column *column, const wb_value *value)
{
    if (value->kind == WB_ARRAY) {
        push_array(L, column, value);
        return;
    }
    if (value->kind > WB_NULL && is_text_alone(column)) {
        push_text(L, column, value);
        return;
    }
    switch (value->kind) {
    case WB_BOOL:
        lua_pushboolean(L, value->i != 0);
        break;
    case WB_INT:
        push_integer(L, column, value->i);
        break;
    case WB_FLOAT:
        lua_pushnumber(L, value->f);
        break;
    case WB_TEXT:
        lua_pushlstring(L, value->text, value->bytes);
        break;
    default:
        lua_pushnil(L);
    }
}

bool lwb_to_uuid(lua_State *L, int index, uint8_t out[16])
{
    size_t bytes;
    if (lua_type(L, index) != LUA_TSTRING)
        return false;
    const char *text = lua_tolstring(L, index, &bytes);
    if (bytes == 16)
        memcpy(out, text, 16);
    return bytes == 16 || wb_uuid_parse(text, bytes, out);
}

bool lwb_to_time_us(lua_State *L, int index, int64_t *out)
{
    if (lua_type(L, index) == LUA_TNUMBER)
        return wb_timestamp_of_seconds(lua_tonumber(L, index), out);
    size_t bytes;
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &bytes) : NULL;
    return text != NULL && wb_timestamp_parse(text, bytes, out);
}
