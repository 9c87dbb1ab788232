/* SPDX-License-Identifier: MIT
 * A batch: rows lent for delivery, read by row, by column or as a stream. Its id, attempt, reason and length stay
 * readable after it was completed; reading its rows then raises.
 * A finalizer may complete the claim that is being read: see cell.c. */
#include <string.h>

#include "lua/base/pipeline.h"

static wb_batch *batch_check(lua_State *L)
{
    return lwb_claim_check(L, 1, &lwb_batch_kind)->work;
}

/* Pushes the list of column names, made at the first use. */
static void push_names(lua_State *L, const wb_batch *batch)
{
    lwb_getuservalue(L, 1);
    lua_rawgeti(L, -1, 2);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lwb_push_names(L, wb_batch_schema(batch));
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, 2);
    }
    lua_remove(L, -2);
}

static int batch_row(lua_State *L)
{
    wb_batch *batch = batch_check(L);
    lua_Number index = luaL_checknumber(L, 2);
    luaL_argcheck(
        L, index >= 1 && index <= (double)wb_batch_rows(batch) && index == (double)(size_t)index, 2,
        "no such row");
    push_names(L, batch);
    lwb_push_row(L, lua_touserdata(L, 1), (size_t)index - 1, lua_gettop(L));
    return 1;
}

/* The iterator: upvalues the batch, how many rows were read. */
static int next_row(lua_State *L)
{
    size_t done = (size_t)lua_tonumber(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    wb_batch *batch = batch_check(L);
    if (done >= wb_batch_rows(batch))
        return 0;
    lua_pushnumber(L, (double)(done + 1));
    lua_replace(L, lua_upvalueindex(2));
    push_names(L, batch);
    lwb_push_row(L, lua_touserdata(L, 1), done, 2);
    lua_pushinteger(L, (lua_Integer)(done + 1));
    return 2;
}

/* for row, index in batch:rows() */
static int batch_rows(lua_State *L)
{
    batch_check(L);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_row, 2);
    return 1;
}

/* batch:column(name): a list of its values; NULL is cjson.null, so that the list has no holes. */
static int batch_column(lua_State *L)
{
    size_t bytes;
    wb_batch *batch = batch_check(L);
    const char *name = luaL_checklstring(L, 2, &bytes);
    const wb_schema *schema = wb_batch_schema(batch);
    int at = wb_schema_find(schema, name, bytes);
    if (at < 0)
        return luaL_error(L, "batch: no column \"%s\"", name);
    wb_value *values = lua_newuserdata(L, wb_schema_count(schema) * sizeof *values);
    const lwb_claim *claim = lua_touserdata(L, 1);
    lua_createtable(L, (int)claim->count, 0);
    for (size_t i = 0; i < claim->count; i++) {
        wb_batch_values(lwb_still(L, claim), i, values);
        if (values[at].kind <= WB_NULL)
            lua_pushlightuserdata(L, NULL);
        else
            lwb_push_cell(L, claim, wb_schema_column(schema, (size_t)at), &values[at]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int batch_ndjson(lua_State *L)
{
    wb_err err;
    size_t bytes;
    batch_check(L);
    void **anchor = lwb_anchor(L);
    int code = wb_batch_ndjson(batch_check(L), (char **)anchor, &bytes, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lwb_push_anchored(L, anchor, bytes);
    return 1;
}

/* batch:columns() → the names of those that the first row gives. */
static int batch_columns(lua_State *L)
{
    int count = 0;
    const wb_schema *schema = wb_batch_schema(batch_check(L));
    const lwb_claim *claim = lua_touserdata(L, 1);
    lua_createtable(L, (int)wb_schema_count(schema), 0);
    for (size_t i = 0; i < wb_schema_count(schema); i++) {
        if (!wb_batch_gives(lwb_still(L, claim), i))
            continue;
        lua_pushstring(L, wb_schema_column(schema, i)->name);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int batch_copy_binary(lua_State *L)
{
    wb_err err;
    size_t bytes;
    batch_check(L);
    void **anchor = lwb_anchor(L);
    int code = wb_batch_copy_binary(batch_check(L), (uint8_t **)anchor, &bytes, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lwb_push_anchored(L, anchor, bytes);
    return 1;
}

static int batch_len(lua_State *L)
{
    lwb_claim *claim = lwb_check(L, 1, &lwb_batch_kind);
    lua_pushinteger(L, (lua_Integer)claim->count);
    return 1;
}

/* Where the rows go: to the table that a policy chose, or to the batcher's own, which its options name. A finalizer may look
 * at a claim whose batcher is gone. */
static void push_table(lua_State *L, const lwb_claim *claim)
{
    lwb_getuservalue(L, 1);
    lua_rawgeti(L, -1, 1);
    const lwb_pipeline *pipeline = lwb_test(L, -1, &lwb_batcher_kind);
    if (claim->table[0] != '\0') {
        lua_pushstring(L, claim->table);
    } else if (pipeline == NULL) {
        lua_pushnil(L);
    } else {
        lwb_getuservalue(L, -1);
        lua_getfield(L, -1, "table");
    }
}

/* Upvalue: the methods. Besides: id, attempt, reason, table. */
static int batch_index(lua_State *L)
{
    lwb_claim *claim = lwb_check(L, 1, &lwb_batch_kind);
    const char *key = lwb_key(L, 2);
    if (strcmp(key, "id") == 0) {
        lwb_push_uuid(L, claim->id);
    } else if (strcmp(key, "attempt") == 0) {
        lua_pushinteger(L, (lua_Integer)claim->attempt);
    } else if (strcmp(key, "reason") == 0) {
        lua_pushstring(L, wb_reason_name(claim->reason));
    } else if (strcmp(key, "table") == 0) {
        push_table(L, claim);
    } else {
        lua_settop(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
    }
    return 1;
}

void lwb_open_batch(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"rows", batch_rows},
        {"row", batch_row},
        {"column", batch_column},
        {"ndjson", batch_ndjson},
        {"lines", lwb_batch_lines},
        {"unix_ns", lwb_batch_unix_ns},
        {"copy_binary", batch_copy_binary},
        {"columns", batch_columns},
        {"complete", lwb_claim_complete},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__gc", lwb_claim_gc}, {"__len", batch_len}, {NULL, NULL}};
    lwb_class(L, &lwb_batch_kind, methods, meta);
    lwb_metatable(L, &lwb_batch_kind);
    lua_getfield(L, -1, "__index");
    lua_pushcclosure(L, batch_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
