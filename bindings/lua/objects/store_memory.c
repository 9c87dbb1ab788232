/* SPDX-License-Identifier: MIT
 * What only a memory store has: a look at its rows, and the times that a tracker moves forward in it.
 * Another kind of store raises. */
#include <string.h>

#include "lua/base/lwb.h"

static wb_store *memory_check(lua_State *L)
{
    wb_store *store = lwb_store_check(L, 1);
    if (strcmp(wb_store_kind(store), "memory") != 0)
        luaL_error(L, "store: a memory store has this, a %s store has not", wb_store_kind(store));
    return store;
}

static void uuid_check(lua_State *L, int index, uint8_t out[16])
{
    luaL_argcheck(L, lwb_to_uuid(L, index, out), index,
                  "expected a uuid: 36 characters or 16 bytes");
}

/* store:rows(table): a list of rows by column name, oldest first. */
int lwb_store_rows(lua_State *L)
{
    wb_err err;
    wb_batch *batch;
    wb_store *store = memory_check(L);
    const char *table = lwb_check_text(L, 2);
    lua_settop(L, 2);
    lwb_claim *pipeline =
        lwb_claim_blank(L, &lwb_batch_kind, 1); /* frees the batch, whatever happens */
    int code = wb_store_memory_rows(store, table, &batch, NULL, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    pipeline->work = batch;
    lwb_push_names(L, wb_batch_schema(batch), false);
    lua_createtable(L, (int)wb_batch_rows(batch), 0);
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        lwb_push_row(L, pipeline, i, 4);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lwb_claim_drop(pipeline);
    return 1;
}

/* store:count(table): rows ever written. */
int lwb_store_count(lua_State *L)
{
    wb_err err;
    wb_batch *batch;
    uint64_t total;
    wb_store *store = memory_check(L);
    int code = wb_store_memory_rows(store, lwb_check_text(L, 2), &batch, &total, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    wb_batch_free(batch);
    lwb_push_int64(L, (int64_t)total);
    return 1;
}

/* store:put(table, id [, time]): makes the row of an id. */
int lwb_store_put(lua_State *L)
{
    wb_err err;
    uint8_t id[16];
    int64_t time_us = 0;
    wb_store *store = memory_check(L);
    const char *table = lwb_check_text(L, 2);
    uuid_check(L, 3, id);
    if (!lua_isnoneornil(L, 4))
        luaL_argcheck(L, lwb_to_time_us(L, 4, &time_us), 4, "expected seconds or RFC 3339 text");
    return lwb_result(L, wb_store_memory_put(store, table, id, time_us, &err), &err);
}

/* store:time(table, id): seconds, or nil where there is no such row. */
int lwb_store_time(lua_State *L)
{
    uint8_t id[16];
    wb_store *store = memory_check(L);
    const char *table = lwb_check_text(L, 2);
    uuid_check(L, 3, id);
    int64_t time_us = wb_store_memory_time_us(store, table, id);
    if (time_us == WB_NEVER)
        lua_pushnil(L);
    else
        lwb_push_seconds(L, time_us);
    return 1;
}
