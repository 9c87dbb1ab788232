/* SPDX-License-Identifier: MIT
 * Native stores: descriptions of destinations, shared and counted in the core. Making one connects nothing;
 * `store:schema` and `store:execute` do, and block until their timeout. */
#include "lua/base/lwb.h"

#define STATEMENT_TIMEOUT_US INT64_C(10000000)

const lwb_kind lwb_store_kind = {"store", sizeof(lwb_store)};

wb_store *lwb_store_check(lua_State *L, int index)
{
    lwb_store *object = lwb_check(L, index, &lwb_store_kind);
    if (object->store == NULL)
        luaL_error(L, "store: already collected");
    return object->store;
}

/* Pushes the store at the top, or nil, message, code. */
static int made(lua_State *L, int code, const wb_err *err)
{
    return code == WB_OK ? 1 : lwb_result(L, code, err);
}

int lwb_store_postgres(lua_State *L)
{
    wb_err err;
    const char *conninfo = luaL_checkstring(L, 1);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return made(L, wb_store_postgres(conninfo, &object->store, &err), &err);
}

int lwb_store_sqlite(lua_State *L)
{
    wb_err err;
    const char *path = luaL_checkstring(L, 1);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return made(L, wb_store_sqlite(path, lua_toboolean(L, 2), &object->store, &err), &err);
}

int lwb_store_memory(lua_State *L)
{
    wb_err err;
    double keep = luaL_optnumber(L, 1, -1);
    size_t keep_rows = keep >= 0 && keep < 9e15 ? (size_t)keep : SIZE_MAX;
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return made(L, wb_store_memory(keep_rows, &object->store, &err), &err);
}

int lwb_store_open(lua_State *L)
{
    wb_err err;
    const char *url = luaL_checkstring(L, 1);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return made(L, wb_store_open(url, lua_toboolean(L, 2), &object->store, &err), &err);
}

static int store_schema(lua_State *L)
{
    wb_err err;
    wb_store *store = lwb_store_check(L, 1);
    const char *table = lwb_check_text(L, 2);
    int64_t deadline_us = lwb_check_deadline(L, 3, STATEMENT_TIMEOUT_US);
    lwb_schema *object = lwb_schema_blank(L);
    return made(L, wb_store_schema(store, table, deadline_us, &object->schema, &err), &err);
}

/* store:execute(sql [, timeout]): SQL that answers no rows, in one transaction. */
static int store_execute(lua_State *L)
{
    wb_err err;
    wb_store *store = lwb_store_check(L, 1);
    const char *sql = lwb_check_text(L, 2);
    int64_t deadline_us = lwb_check_deadline(L, 3, STATEMENT_TIMEOUT_US);
    return lwb_result(L, wb_store_execute(store, sql, deadline_us, &err), &err);
}

static int store_kind(lua_State *L)
{
    lua_pushstring(L, wb_store_kind(lwb_store_check(L, 1)));
    return 1;
}

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
        {"schema", store_schema},   {"execute", store_execute},
        {"kind", store_kind},       {"rows", lwb_store_rows},
        {"count", lwb_store_count}, {"put", lwb_store_put},
        {"time", lwb_store_time},   {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__gc", store_gc}, {NULL, NULL}};
    lwb_class(L, &lwb_store_kind, methods, meta);
}
