/* SPDX-License-Identifier: MIT
 * What batchers and trackers do alike. The user value of either is its options: the flat table it was made of. They
 * anchor the schema, the store and the hooks, and drivers keep their state in them.
 * Invariant: a claim is in its pipeline's list until it is completed. Whichever of the two is collected first, the
 * claim is completed exactly once, and never after the pipeline was detached. A collected one raises. */
#include <errno.h>
#include <string.h>

#include "lua/base/pipeline.h"

static lwb_pipeline *pipeline_test(lua_State *L, int index)
{
    lwb_pipeline *pipeline = lwb_test(L, index, &lwb_batcher_kind);
    return pipeline != NULL ? pipeline : lwb_test(L, index, &lwb_tracker_kind);
}

lwb_pipeline *lwb_pipeline_check(lua_State *L, int index)
{
    lwb_pipeline *pipeline = pipeline_test(L, index);
    if (pipeline == NULL)
        pipeline = lwb_check(L, index, &lwb_batcher_kind);
    if (pipeline->core == NULL)
        luaL_error(L, "%s: already collected", pipeline->kind->name);
    return pipeline;
}

lwb_pipeline *lwb_pipeline_new(lua_State *L, const lwb_kind *kind, int meta, int options)
{
    lwb_pipeline *pipeline = lwb_new(L, kind);
    lua_pushvalue(L, options);
    lwb_setuservalue(L, -2);
    if (lua_istable(L, meta)) {
        lua_pushvalue(L, meta);
        lua_setmetatable(L, -2);
    }
    return pipeline;
}

static int pipeline_flush(lua_State *L)
{
    wb_err err;
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int64_t deadline_us = lwb_check_deadline(L, 2, pipeline->close_timeout_us);
    return lwb_result(L, wb_pipeline_flush(pipeline->pipeline, deadline_us, &err), &err);
}

static int pipeline_close(lua_State *L)
{
    wb_err err;
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int64_t deadline_us = lwb_check_deadline(L, 2, pipeline->close_timeout_us);
    return lwb_result(L, wb_pipeline_close(pipeline->pipeline, deadline_us, &err), &err);
}

int lwb_pipeline_autoclose(lua_State *L)
{
    lua_settop(L, 1); /* the error that closes it is no timeout */
    pipeline_close(L);
    return 0;
}

lwb_pipeline *lwb_batcher_refuse(lua_State *L)
{
    if (lwb_test(L, 1, &lwb_batcher_kind) != NULL)
        lwb_pipeline_check(L, 1); /* raises: it is closed */
    return lwb_check(L, 1, &lwb_batcher_kind);
}

int lwb_add_answer(lua_State *L, const lwb_pipeline *pipeline, int code, const wb_err *err,
                   bool due)
{
    if (code != WB_OK)
        return lwb_result(L, code, err);
    lua_pushboolean(L, 1);
    if (!pipeline->driven)
        return 1;
    lua_pushboolean(L, due);
    return 2;
}

/* Into the statistics on top, where rows are routed. */
static void set_tables(lua_State *L, const lwb_pipeline *pipeline)
{
    size_t count;
    wb_table_stats *tables;
    void **anchor = lwb_anchor(L);
    if (wb_batcher_tables(pipeline->core, &tables, &count, NULL) == WB_OK && tables != NULL) {
        *anchor = tables;
        lwb_push_tables(L, tables, count);
        lua_setfield(L, -3, "tables");
    }
    lua_pop(L, 1);
}

static int pipeline_stats(lua_State *L)
{
    wb_err err;
    wb_stats stats;
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int code = wb_pipeline_stats(pipeline->pipeline, &stats, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    stats.rejected += pipeline->refused;
    lwb_push_stats(L, &stats);
    if (pipeline->kind == &lwb_batcher_kind)
        set_tables(L, pipeline);
    return 1;
}

/* health() → name, failures in a row, last error or nil. */
static int pipeline_health(lua_State *L)
{
    wb_err err;
    wb_stats stats;
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int code = wb_pipeline_stats(pipeline->pipeline, &stats, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lua_pushstring(L, wb_health_name(stats.health));
    lwb_push_int64(L, (int64_t)stats.consecutive_failures);
    lua_pushstring(L, stats.last_error);
    if (stats.last_error[0] == '\0')
        lua_pop(L, 1);
    return stats.last_error[0] == '\0' ? 2 : 3;
}

/* A threaded one without hooks has nothing to do here. */
static int pipeline_poll(lua_State *L)
{
    lwb_pipeline_check(L, 1);
    lua_pushinteger(L, 0);
    return 1;
}

static int pipeline_fd(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int fd = wb_pipeline_fd(pipeline->pipeline);
    if (fd >= 0) {
        lua_pushinteger(L, fd);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "no descriptor: %s", strerror(errno));
    lua_pushstring(L, wb_code_name(WB_STORE));
    return 3;
}

/* Seconds until work is due, 0 where it is, infinity where none will be before something is added. */
static int pipeline_next_due(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int64_t due_us = wb_pipeline_next_due_us(pipeline->pipeline);
    int64_t now_us = due_us == WB_NEVER ? 0 : wb_pipeline_now_us(pipeline->pipeline);
    lwb_push_seconds(L, due_us > now_us ? due_us - now_us : 0);
    return 1;
}

void lwb_pipeline_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"flush", pipeline_flush},   {"close", pipeline_close},
        {"stats", pipeline_stats},   {"poll", pipeline_poll},
        {"fd", pipeline_fd},         {"next_due", pipeline_next_due},
        {"health", pipeline_health}, {NULL, NULL},
    };
    lwb_setfuncs(L, methods);
}

static void claims_drop(lwb_pipeline *pipeline)
{
    while (pipeline->claims != NULL)
        lwb_claim_drop(pipeline->claims);
}

int lwb_pipeline_gc(lua_State *L)
{
    lwb_pipeline *pipeline = pipeline_test(L, 1);
    if (pipeline == NULL)
        return 0;
    if (pipeline->core != NULL) {
        claims_drop(pipeline);
        wb_pipeline_detach(pipeline->pipeline);
        pipeline->core = NULL;
    }
    lwb_event_told(pipeline);
    wb_buffer_fini(&pipeline->tuple);
    wb_buffer_fini(&pipeline->json);
    wb_schema_unref(pipeline->schema);
    pipeline->schema = NULL;
    return 0;
}
