/* SPDX-License-Identifier: MIT
 * A batch for stores that want a row at a time: its JSON text and its id, or a time of it to the nanosecond. See batch.c. */
#include "lua/base/pipeline.h"

static wb_batch *batch_check(lua_State *L)
{
    return lwb_claim_check(L, 1, &lwb_batch_kind)->work;
}

static void values_of(lua_State *L, size_t index, wb_value **out)
{
    const wb_schema *schema = wb_batch_schema(batch_check(L));
    *out = lua_newuserdata(L, wb_schema_count(schema) * sizeof **out);
    wb_batch_values(batch_check(L), index, *out);
}

/* Pushes the value of the generated column, or nil. */
static void push_id(lua_State *L, size_t index)
{
    const wb_schema *schema = wb_batch_schema(batch_check(L));
    wb_value *values;
    size_t at = 0, count = wb_schema_count(schema);
    while (at < count && wb_schema_column(schema, at)->generate == WB_GIVEN)
        at++;
    if (at == count) {
        lua_pushnil(L);
        return;
    }
    values_of(L, index, &values);
    lwb_push_cell(L, lua_touserdata(L, 1), wb_schema_column(schema, at), &values[at]);
    lua_remove(L, -2);
}

static void push_line(lua_State *L, size_t index)
{
    wb_err err;
    size_t bytes;
    void **anchor = lwb_anchor(L);
    if (wb_batch_line(batch_check(L), index, (char **)anchor, &bytes, &err) != WB_OK)
        luaL_error(L, "%s", err.text);
    lwb_push_anchored(L, anchor, bytes);
}

/* The iterator: upvalues the batch, how many rows were read. */
static int next_line(lua_State *L)
{
    size_t done = (size_t)lua_tonumber(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    if (done >= wb_batch_rows(batch_check(L)))
        return 0;
    lua_pushnumber(L, (double)(done + 1));
    lua_replace(L, lua_upvalueindex(2));
    push_line(L, done);
    push_id(L, done);
    lua_pushinteger(L, (lua_Integer)(done + 1));
    return 3;
}

/* for line, id, index in batch:lines() */
int lwb_batch_lines(lua_State *L)
{
    batch_check(L);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_line, 2);
    return 1;
}

/* How many ns the column's unit has; raises where it is no time. */
static int64_t unit_ns(lua_State *L, const wb_column *column)
{
    char type[80];
    if (!column->array &&
        (column->type == WB_TYPE_TIMESTAMPTZ || column->type == WB_TYPE_TIMESTAMP))
        return 1000;
    if (!column->array && column->type == WB_TYPE_DATE)
        return INT64_C(86400) * 1000 * 1000 * 1000;
    return luaL_error(L, "batch: column \"%s\" is %s; expected timestamptz, timestamp or date",
                      column->name, wb_column_type(column, type, sizeof type));
}

/* batch:unix_ns(index, column) → whole ns since 1970, as an int8 comes back; nil for NULL; or nil, message, code */
int lwb_batch_unix_ns(lua_State *L)
{
    wb_batch *batch = batch_check(L);
    lua_Number index = luaL_checknumber(L, 2);
    size_t bytes;
    const char *name = luaL_checklstring(L, 3, &bytes);
    luaL_argcheck(
        L, index >= 1 && index <= (double)wb_batch_rows(batch) && index == (double)(size_t)index, 2,
        "no such row");
    int at = wb_schema_find(wb_batch_schema(batch), name, bytes);
    if (at < 0)
        return luaL_error(L, "batch: no column \"%s\"", name);
    int64_t unit = unit_ns(L, wb_schema_column(wb_batch_schema(batch), (size_t)at)), ns;
    wb_value *values;
    values_of(L, (size_t)index - 1, &values);
    if (values[at].kind <= WB_NULL) {
        lua_pushnil(L);
        return 1;
    }
    if (__builtin_mul_overflow(values[at].i, unit, &ns)) {
        lua_pushfstring(L, "column \"%s\": its time is infinite or too far from 1970 for ns", name);
        return lwb_invalid(L);
    }
    lwb_push_int64(L, ns);
    return 1;
}
