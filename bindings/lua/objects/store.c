/* SPDX-License-Identifier: MIT
 * Native stores: descriptions of destinations, shared and counted in the core. Making one connects
 * nothing; `store:schema` and `store:execute` connect, and block until their timeout. A method that the kind of
 * store has not raises. */
#include <string.h>

#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

wb_store *lwb_store_check(lua_State *L, int index)
{
    lwb_store *object = lwb_check(L, index, &lwb_store_kind);
    if (object->store == NULL)
        luaL_error(L, "store: already collected");
    return object->store;
}

int lwb_store_made(lua_State *L, int code, const wb_err *err)
{
    return code == WB_OK ? 1 : lwb_result(L, code, err);
}

int lwb_store_postgres(lua_State *L)
{
    wb_err err;
    const char *conninfo = luaL_checkstring(L, 1);
    int64_t idle_timeout_us = lua_isnoneornil(L, 2) ? 0 : lwb_check_us(L, 2);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    int code = wb_store_postgres(conninfo, &object->store, &err);
    if (code == WB_OK)
        wb_store_idle_timeout(object->store, idle_timeout_us);
    return lwb_store_made(L, code, &err);
}

int lwb_store_sqlite(lua_State *L)
{
    wb_err err;
    const char *path = luaL_checkstring(L, 1);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return lwb_store_made(L, wb_store_sqlite(path, lua_toboolean(L, 2), &object->store, &err),
                          &err);
}

int lwb_store_memory(lua_State *L)
{
    wb_err err;
    double keep = luaL_optnumber(L, 1, -1);
    size_t keep_rows = keep >= 0 && keep < 9e15 ? (size_t)keep : SIZE_MAX;
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return lwb_store_made(L, wb_store_memory(keep_rows, &object->store, &err), &err);
}

/* core.fallback(first, second, seconds) */
int lwb_store_fallback(lua_State *L)
{
    wb_err err;
    wb_store *first = lwb_store_check(L, 1), *second = lwb_store_check(L, 2);
    int64_t after_us = lwb_check_us(L, 3);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return lwb_store_made(L, wb_store_fallback(first, second, after_us, &object->store, &err),
                          &err);
}

int lwb_store_open(lua_State *L)
{
    wb_err err;
    const char *url = luaL_checkstring(L, 1);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return lwb_store_made(L, wb_store_open(url, lua_toboolean(L, 2), &object->store, &err), &err);
}

static int store_schema(lua_State *L)
{
    return lwb_describe(L, lwb_store_check(L, 1));
}

/* store:execute(sql [, timeout]): SQL that answers no rows, in one transaction. */
static int store_execute(lua_State *L)
{
    wb_err err;
    wb_store *store = lwb_store_check(L, 1);
    const char *sql = lwb_check_text(L, 2);
    int64_t deadline_us = lwb_check_deadline(L, 3, LWB_STATEMENT_US);
    return lwb_result(L, wb_store_execute(store, sql, deadline_us, &err), &err);
}

static int store_kind(lua_State *L)
{
    lua_pushstring(L, wb_store_kind(lwb_store_check(L, 1)));
    return 1;
}

/* ---- a memory store's alone; another kind raises ---- */

static wb_store *memory_check(lua_State *L)
{
    wb_store *store = lwb_store_check(L, 1);
    if (strcmp(wb_store_kind(store), "memory") != 0)
        luaL_error(L, "store: a memory store has this, a %s store has not", wb_store_kind(store));
    return store;
}

/* The id at 3; *type becomes that of the key which is named at `index`, by default uuid. */
static void id_check(lua_State *L, int index, int *type, wb_value *out)
{
    const char *name = luaL_optstring(L, index, "uuid");
    *type = wb_type_find(name, strlen(name));
    uint8_t uuid[16];
    luaL_argcheck(L, *type != WB_TYPE_UUID || lwb_to_uuid(L, 3, uuid), 3,
                  "expected a uuid: 36 characters or 16 bytes");
    luaL_argcheck(L, !lua_istable(L, 3) && lwb_to_value(L, 3, out), 3, "expected an id");
}

/* store:rows(table): a list of rows by column name, oldest first. */
static int store_rows(lua_State *L)
{
    wb_err err;
    wb_batch *batch;
    wb_store *store = memory_check(L);
    const char *table = lwb_check_text(L, 2);
    lua_settop(L, 2);
    lwb_claim *holder =
        lwb_claim_blank(L, &lwb_batch_kind, 1); /* frees the batch, whatever happens */
    int code = wb_store_memory_rows(store, table, &batch, NULL, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    holder->work = batch;
    lwb_push_names(L, wb_batch_schema(batch));
    lua_createtable(L, (int)wb_batch_rows(batch), 0);
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        lwb_push_row(L, holder, i, 4);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lwb_claim_drop(holder);
    return 1;
}

/* store:count(table): rows ever written. */
static int store_count(lua_State *L)
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

/* store:put(table, id [, time [, type]]): makes the row of an id. */
static int store_put(lua_State *L)
{
    wb_err err;
    wb_value id;
    int type;
    int64_t time_us = 0;
    wb_store *store = memory_check(L);
    const char *table = lwb_check_text(L, 2);
    id_check(L, 5, &type, &id);
    if (!lua_isnoneornil(L, 4))
        luaL_argcheck(L, lwb_to_time_us(L, 4, &time_us), 4, "expected seconds or RFC 3339 text");
    int code = wb_store_memory_put(store, table, type, &id, time_us, &err);
    return code == WB_INVALID ? luaL_argerror(L, 3, err.text) : lwb_result(L, code, &err);
}

/* store:time(table, id [, type]): seconds, or nil where there is no such row. */
static int store_time(lua_State *L)
{
    wb_value id;
    int type;
    wb_store *store = memory_check(L);
    const char *table = lwb_check_text(L, 2);
    id_check(L, 4, &type, &id);
    int64_t time_us = wb_store_memory_time_us(store, table, type, &id);
    if (time_us == WB_NEVER)
        lua_pushnil(L);
    else
        lwb_push_seconds(L, time_us);
    return 1;
}

/* ---- the class ---- */

static int store_gc(lua_State *L)
{
    lwb_store *object = lwb_test(L, 1, &lwb_store_kind);
    if (object != NULL) {
        wb_store_unref(object->store);
        object->store = NULL;
    }
    return 0;
}

void lwb_open_store(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"schema", store_schema}, {"execute", store_execute},
        {"kind", store_kind},     {"rows", store_rows},
        {"count", store_count},   {"put", store_put},
        {"time", store_time},     {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__gc", store_gc}, {NULL, NULL}};
    lwb_class(L, &lwb_store_kind, methods, meta);
}
