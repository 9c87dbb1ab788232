/* SPDX-License-Identifier: MIT
 * What is done to a batcher while it runs: how much room there is, dropping what waits, other options. Lua checks the
 * options first; nothing is changed where the core refuses one. */
#include <math.h>

#include "lua/base/pipeline.h"

static void push_room(lua_State *L, uint64_t left)
{
    if (left == UINT64_MAX)
        lua_pushnumber(L, HUGE_VAL);
    else
        lwb_push_int64(L, (int64_t)left);
}

/* room() → rows, bytes */
int lwb_batcher_room(lua_State *L)
{
    wb_err err;
    uint64_t rows, bytes;
    int code = wb_batcher_room(lwb_batcher_check(L)->core, &rows, &bytes, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    push_room(L, rows);
    push_room(L, bytes);
    return 2;
}

/* purge(batcher) → rows dropped */
static int raw_purge(lua_State *L)
{
    wb_err err;
    uint64_t rows;
    int code = wb_batcher_purge(lwb_batcher_check(L)->core, &rows, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lwb_push_int64(L, (int64_t)rows);
    return 1;
}

/* sync(batcher or tracker, seconds or nil) → true; or nil, message, code: "timeout", "store", "misuse" */
static int raw_sync(lua_State *L)
{
    wb_err err;
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int64_t deadline_us = lwb_check_deadline(L, 2, pipeline->close_timeout_us);
    bool rows = lwb_test(L, 1, &lwb_batcher_kind) != NULL;
    int code = rows ? wb_batcher_sync(pipeline->core, deadline_us, &err)
                    : wb_tracker_sync(pipeline->core, deadline_us, &err);
    return code == WB_OK ? lwb_result(L, code, &err) : lwb_refused(L, code, &err);
}

/* configure(batcher, options): those in the flat table; nil, message, code where the core refuses them. */
static int raw_configure(lua_State *L)
{
    wb_err err;
    wb_batcher_options options;
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    wb_batcher_options_of(pipeline->core, &options);
    lwb_field_options(L, 2, wb_batcher_option_list, &options);
    int code = wb_batcher_configure(pipeline->core, &options, &err);
    if (code != WB_OK)
        return lwb_refused(L, code, &err);
    pipeline->close_timeout_us = options.close_timeout_us;
    pipeline->block_timeout_us = options.block_timeout_us;
    lua_pushboolean(L, 1);
    return 1;
}

void lwb_raw_running(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"purge", raw_purge},
        {"configure", raw_configure},
        {"sync", raw_sync},
        {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
}
