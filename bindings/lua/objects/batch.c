/* SPDX-License-Identifier: MIT
 * A batch: rows lent for delivery, read by row, by column or as a stream. Its id, attempt, reason and length stay
 * readable after it was completed; reading its rows then raises.
 * Any allocation in Lua may run a finalizer, and a finalizer may complete the claim that is being read. So a reader
 * checks the claim again before it touches what it borrows from the batch. */
#include <string.h>

#include "lua/base/lwb.h"

enum { LOCAL_COLUMNS = 64, LOCAL_TEXT = 512 };

static wb_batch *batch_check(lua_State *L)
{
    return lwb_claim_check(L, 1, &lwb_batch_kind)->work;
}

static const wb_batch *still(lua_State *L, const lwb_claim *claim)
{
    if (claim->work == NULL)
        luaL_error(L, "batch: completed while it was read");
    return claim->work;
}

/* Pushes text that is borrowed from the claim's batch. Where Lua may collect first, it gets a copy. */
static void push_borrowed(lua_State *L, const lwb_claim *claim, const wb_value *value)
{
    char local[LOCAL_TEXT];
    bool in_place = LWB_COPIES_FIRST;
    char *copy = local;
    if (!in_place && value->bytes > sizeof local)
        copy = lua_newuserdata(L, value->bytes);
    still(L, claim);
    if (!in_place)
        memcpy(copy, value->text, value->bytes);
    lua_pushlstring(L, in_place ? value->text : copy, value->bytes);
    if (copy != local)
        lua_remove(L, -2);
}

static void push_cell(lua_State *L, const lwb_claim *claim, const wb_column *column,
                      const wb_value *value)
{
    if (value->kind == WB_TEXT && column->type != WB_TYPE_UUID) {
        push_borrowed(L, claim, value);
        return;
    }
    still(L, claim); /* an id is borrowed, and is copied at once */
    lwb_push_value(L, column, value);
}

void lwb_push_row(lua_State *L, const lwb_claim *claim, size_t index, int names)
{
    wb_value local[LOCAL_COLUMNS], *values = local;
    const wb_schema *schema = wb_batch_schema(claim->work);
    size_t count = wb_schema_count(schema);
    if (count > LOCAL_COLUMNS)
        values = lua_newuserdata(L, count * sizeof *values);
    lua_createtable(L, 0, (int)count);
    wb_batch_values(still(L, claim), index, values);
    for (size_t i = 0; i < count; i++) {
        if (values[i].kind == WB_NULL)
            continue;
        lua_rawgeti(L, names, (int)i + 1);
        push_cell(L, claim, wb_schema_column(schema, i), &values[i]);
        lua_rawset(L, -3);
    }
    if (values != local)
        lua_remove(L, -2);
}

/* Pushes the list of column names, made at the first use. */
static void push_names(lua_State *L, const wb_batch *batch)
{
    lwb_getuservalue(L, 1);
    lua_rawgeti(L, -1, 2);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lwb_push_names(L, wb_batch_schema(batch), false);
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
        wb_batch_values(still(L, claim), i, values);
        if (values[at].kind == WB_NULL)
            lua_pushlightuserdata(L, NULL);
        else
            push_cell(L, claim, wb_schema_column(schema, (size_t)at), &values[at]);
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

/* Where the rows go: to the table that a policy chose, whose name lives as long as the batcher, or to the batcher's
 * own, which its options name. A finalizer may look at a claim whose batcher is gone. */
static void push_table(lua_State *L, const lwb_claim *claim)
{
    lwb_getuservalue(L, 1);
    lua_rawgeti(L, -1, 1);
    const lwb_pipeline *pipeline = lwb_test(L, -1, &lwb_batcher_kind);
    if (claim->table != NULL && (pipeline == NULL || pipeline->core != NULL)) {
        lua_pushstring(L, claim->table);
    } else if (pipeline == NULL || claim->table != NULL) {
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
        {"copy_binary", batch_copy_binary},
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
