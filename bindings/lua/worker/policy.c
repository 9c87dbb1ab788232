/* SPDX-License-Identifier: MIT
 * A worker that decides: a script that a batcher's flusher asks, in a private state of its own, which the first
 * question opens. The Lua half, writebehind.worker.policy, finds the functions and judges their answers. What it
 * throws is the error of the question, and the built-in rule decides then. */
#include "lua/worker/worker.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/err.h"

enum { TABLE_BYTES = 256 };

/* Keys of the registry: a claim on the batch whose rows are asked about, and the names of its columns. */
static const char claim_key, names_key;

/* What a question is about, and its answer. */
typedef struct worker_script {
    wb_script base;
    lwb_state state;
    lwb_claim *claim; /* anchored; it holds a batch while a row of it is pushed */
    const wb_stats *stats;
    const wb_view *view;
    const wb_batch *batch;
    size_t index;
    const wb_err *failure;
    bool flush;
    bool own_table, refused;
    char table[TABLE_BYTES];
    char why[sizeof((wb_err *)0)->text]; /* a row is refused */
    int64_t retry_us;
} worker_script;

/* WB_OK, or what went wrong in there. */
static int ask(worker_script *script, lua_CFunction question, wb_err *err)
{
    lua_State *L = script->state.L;
    int code = WB_OK;
    if (lwb_state_call(L, question, script) != 0)
        code = wb_fail_store(err, WB_RETRY, "worker \"%s\": %s", script->state.worker->module,
                             lwb_state_error(L));
    if (script->claim != NULL)
        script->claim->work = NULL; /* the batch is only the question's */
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
    worker_script *script = lua_touserdata(L, 1);
    script->base.should_flush = has(L, "should_flush");
    script->base.route = has(L, "route");
    script->base.retry = has(L, "retry_delay");
    script->claim = lwb_claim_blank(L, &lwb_batch_kind, 1);
    lwb_state_keep(L, &claim_key, -1);
    lwb_push_names(L, script->state.target->schema);
    lwb_state_keep(L, &names_key, -1);
    return 0;
}

static int script_open(wb_script *base, wb_err *err)
{
    worker_script *script = (worker_script *)base;
    int code = lwb_state_open(&script->state, "writebehind.worker.policy", err);
    if (code != WB_OK)
        return code;
    code = ask(script, look, err);
    if (code != WB_OK) {
        script->claim = NULL; /* it goes with its state */
        lwb_state_close(&script->state);
    }
    return code;
}

/* ---- the questions ---- */

static void push_view(lua_State *L, const worker_script *script)
{
    lwb_push_stats(L, script->stats);
    lwb_push_int64(L, (int64_t)script->view->rows);
    lwb_push_int64(L, (int64_t)script->view->bytes);
    lwb_push_seconds(L, script->view->age_us);
    lwb_push_int64(L, script->view->attempt);
    lua_pushstring(L, script->view->table);
    lwb_push_last(L, &script->view->last);
}

static int ask_flush(lua_State *L)
{
    worker_script *script = lua_touserdata(L, 1);
    lwb_state_push(L, "should_flush");
    push_view(L, script);
    lua_call(L, 9, 1);
    script->flush = lua_toboolean(L, -1);
    return 0;
}

static int script_flush(wb_script *base, const wb_stats *stats, const wb_view *view, bool *flush,
                        wb_err *err)
{
    worker_script *script = (worker_script *)base;
    script->stats = stats;
    script->view = view;
    int code = ask(script, ask_flush, err);
    if (code == WB_OK)
        *flush = script->flush;
    return code;
}

static int ask_route(lua_State *L)
{
    worker_script *script = lua_touserdata(L, 1);
    lwb_state_push(L, "route");
    lwb_state_kept(L, &names_key);
    script->claim->work = (void *)script->batch;
    lwb_push_row(L, script->claim, script->index, lua_gettop(L));
    script->claim->work = NULL;
    lua_remove(L, -2);
    lua_call(L, 1, 2);
    script->refused = lua_isboolean(L, -2);
    if (script->refused)
        snprintf(script->why, sizeof script->why, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    script->own_table = lua_isnil(L, -1);
    if (script->own_table || script->refused)
        return 0;
    if (lwb_rawlen(L, -1) >= sizeof script->table)
        return luaL_error(L, "route answered the name of a table of %d bytes; expected up to %d",
                          (int)lwb_rawlen(L, -1), (int)sizeof script->table - 1);
    strcpy(script->table, lua_tostring(L, -1));
    return 0;
}

static int script_route(wb_script *base, const wb_batch *batch, size_t index, const char **table,
                        wb_err *err)
{
    worker_script *script = (worker_script *)base;
    script->batch = batch;
    script->index = index;
    int code = ask(script, ask_route, err);
    if (code == WB_OK && script->refused)
        return wb_fail(err, WB_INVALID, "%s", script->why);
    if (code == WB_OK && !script->own_table)
        *table = script->table;
    return code;
}

static int ask_retry(lua_State *L)
{
    worker_script *script = lua_touserdata(L, 1);
    lwb_state_push(L, "retry_delay");
    lua_pushstring(L, script->failure->text);
    lua_pushstring(L, lwb_class_names[script->failure->error_class]);
    push_view(L, script);
    lua_call(L, 11, 1);
    if (lua_isboolean(L, -1))
        script->retry_us = WB_NEVER;
    else
        script->retry_us = lua_isnumber(L, -1) ? lwb_check_delay(L, -1) : 0;
    return 0;
}

static int script_retry(wb_script *base, const wb_stats *stats, const wb_view *view,
                        const wb_err *failure, int64_t *retry_us, wb_err *err)
{
    worker_script *script = (worker_script *)base;
    script->stats = stats;
    script->view = view;
    script->failure = failure;
    int code = ask(script, ask_retry, err);
    if (code == WB_OK)
        *retry_us = script->retry_us;
    return code;
}

/* ---- its life ---- */

static void script_end(wb_script *base)
{
    worker_script *script = (worker_script *)base;
    lwb_state_close(&script->state);
    wb_store_unref(&script->state.worker->base);
    wb_free(script);
}

static const wb_script_class class = {
    .open = script_open,
    .should_flush = script_flush,
    .route = script_route,
    .retry = script_retry,
    .end = script_end,
};

/* ---- the policy ---- */

static lwb_worker *worker_of(wb_policy *policy)
{
    return (lwb_worker *)((char *)policy - offsetof(lwb_worker, policy));
}

static void policy_ref(wb_policy *policy)
{
    wb_store_ref(&worker_of(policy)->base);
}

static void policy_unref(wb_policy *policy)
{
    wb_store_unref(&worker_of(policy)->base);
}

static wb_script *policy_script(wb_policy *policy, const wb_target *target)
{
    worker_script *script = wb_alloc_zeroed(sizeof *script);
    if (script == NULL)
        return NULL;
    policy_ref(policy);
    script->base.class = &class;
    script->state.worker = worker_of(policy);
    script->state.target = target;
    return &script->base;
}

const wb_policy_class lwb_worker_policy_class = {policy_script, policy_ref, policy_unref};
