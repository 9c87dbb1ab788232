/* SPDX-License-Identifier: MIT
 * A worker that decides: what a batcher's flusher asks, in a private state of its own, opened by the first
 * question. The Lua half, writebehind.worker.policy, finds the functions and judges their answers; whatever it
 * throws is the error of the call. */
#include "lua/worker/worker.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"

enum { TABLE_BYTES = 256 };

/* Keys of the registry: a claim on the batch whose rows are asked about, and the names of its columns. */
static const char claim_key, names_key;

/* What a question is about, and its answer. */
typedef struct worker_decider {
    wb_script base;
    lwb_state state;
    lwb_claim *claim; /* anchored; it holds a batch while a row of it is pushed */
    const wb_stats *stats;
    const wb_view *view;
    const wb_batch *batch;
    size_t index;
    const wb_err *failure;
    bool flush;
    bool own_table;
    char table[TABLE_BYTES];
    int64_t retry_us;
} worker_decider;

/* WB_OK, or what went wrong in there. */
static int ask(worker_decider *decider, lua_CFunction question, wb_err *err)
{
    lua_State *L = decider->state.L;
    int code = WB_OK;
    if (lwb_state_call(L, question, decider) != 0)
        code = wb_fail_store(err, WB_RETRY, "worker \"%s\": %s", decider->state.worker->module,
                             lwb_state_error(L));
    if (decider->claim != NULL)
        decider->claim->work = NULL; /* the batch is only the question's */
    lua_settop(L, 0);
    return code;
}

/* ---- opening ---- */

static bool has(lua_State *L, const char *name)
{
    lwb_state_push(L, name);
    bool found = lua_isfunction(L, -1);
    lua_pop(L, 1);
    return found;
}

static int look(lua_State *L)
{
    worker_decider *decider = lua_touserdata(L, 1);
    decider->base.should_flush = has(L, "should_flush");
    decider->base.route = has(L, "route");
    decider->base.retry = has(L, "retry_delay");
    decider->claim = lwb_claim_blank(L, &lwb_batch_kind, 1);
    lwb_state_keep(L, &claim_key, -1);
    lwb_push_names(L, decider->state.target->schema, false);
    lwb_state_keep(L, &names_key, -1);
    return 0;
}

static int decider_open(wb_script *base, wb_err *err)
{
    worker_decider *decider = (worker_decider *)base;
    int code = lwb_state_open(&decider->state, "writebehind.worker.policy", err);
    if (code != WB_OK)
        return code;
    code = ask(decider, look, err);
    if (code != WB_OK) {
        decider->claim = NULL; /* it goes with its state */
        lwb_state_close(&decider->state);
    }
    return code;
}

/* ---- the questions ---- */

static void push_view(lua_State *L, const worker_decider *decider)
{
    lwb_push_stats(L, decider->stats);
    lwb_push_int64(L, (int64_t)decider->view->rows);
    lwb_push_int64(L, (int64_t)decider->view->bytes);
    lwb_push_seconds(L, decider->view->age_us);
    lwb_push_int64(L, decider->view->attempt);
    lua_pushstring(L, decider->view->table);
}

static int ask_flush(lua_State *L)
{
    worker_decider *decider = lua_touserdata(L, 1);
    lwb_state_push(L, "should_flush");
    push_view(L, decider);
    lua_call(L, 6, 1);
    decider->flush = lua_toboolean(L, -1);
    return 0;
}

static int decider_flush(wb_script *base, const wb_stats *stats, const wb_view *view, bool *flush,
                         wb_err *err)
{
    worker_decider *decider = (worker_decider *)base;
    decider->stats = stats;
    decider->view = view;
    int code = ask(decider, ask_flush, err);
    if (code == WB_OK)
        *flush = decider->flush;
    return code;
}

static int ask_route(lua_State *L)
{
    worker_decider *decider = lua_touserdata(L, 1);
    lwb_state_push(L, "route");
    lwb_state_kept(L, &names_key);
    decider->claim->work = (void *)decider->batch;
    lwb_push_row(L, decider->claim, decider->index, lua_gettop(L));
    decider->claim->work = NULL;
    lua_remove(L, -2);
    lua_call(L, 1, 1);
    decider->own_table = lua_isnil(L, -1);
    if (decider->own_table)
        return 0;
    if (lwb_rawlen(L, -1) >= sizeof decider->table)
        return luaL_error(L, "route answered the name of a table of %d bytes; expected up to %d",
                          (int)lwb_rawlen(L, -1), (int)sizeof decider->table - 1);
    strcpy(decider->table, lua_tostring(L, -1));
    return 0;
}

static int decider_route(wb_script *base, const wb_batch *batch, size_t index, const char **table,
                         wb_err *err)
{
    worker_decider *decider = (worker_decider *)base;
    decider->batch = batch;
    decider->index = index;
    int code = ask(decider, ask_route, err);
    if (code == WB_OK && !decider->own_table)
        *table = decider->table;
    return code;
}

static int ask_retry(lua_State *L)
{
    worker_decider *decider = lua_touserdata(L, 1);
    lwb_state_push(L, "retry_delay");
    lua_pushstring(L, decider->failure->text);
    lua_pushstring(L, lwb_class_names[decider->failure->error_class]);
    push_view(L, decider);
    lua_call(L, 8, 1);
    decider->retry_us = lua_isnumber(L, -1) ? lwb_check_delay(L, -1) : WB_NEVER;
    return 0;
}

static int decider_retry(wb_script *base, const wb_stats *stats, const wb_view *view,
                         const wb_err *failure, int64_t *retry_us, wb_err *err)
{
    worker_decider *decider = (worker_decider *)base;
    decider->stats = stats;
    decider->view = view;
    decider->failure = failure;
    int code = ask(decider, ask_retry, err);
    if (code == WB_OK)
        *retry_us = decider->retry_us;
    return code;
}

/* ---- its life ---- */

static void decider_end(wb_script *base)
{
    worker_decider *decider = (worker_decider *)base;
    lwb_state_close(&decider->state);
    wb_store_unref(&decider->state.worker->base);
    wb_free(decider);
}

static const wb_script_class class = {
    .open = decider_open,
    .should_flush = decider_flush,
    .route = decider_route,
    .retry = decider_retry,
    .end = decider_end,
};

wb_script *lwb_worker_script(wb_store *store, const wb_target *target)
{
    worker_decider *decider = wb_alloc_zeroed(sizeof *decider);
    if (decider == NULL)
        return NULL;
    decider->base.class = &class;
    decider->state.worker = (lwb_worker *)wb_store_ref(store);
    decider->state.target = target;
    return &decider->base;
}
