/* SPDX-License-Identifier: MIT
 * A worker's description, which is a store. It is made in the caller's state and holds no Lua value, so any thread
 * may use and free it. session.c and policy.c run it. Arguments that can't be copied, and a lack of memory, are
 * refused. */
#include "lua/worker/worker.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"

static const wb_store_class worker_class;

/* ---- the description ---- */

static void worker_free(wb_store *base)
{
    lwb_worker *worker = (lwb_worker *)base;
    wb_free(worker->module);
    wb_free(worker->path);
    wb_free(worker->cpath);
    wb_free(worker->args);
    wb_free(worker);
}

static int worker_describe(wb_store *store, const char *table, wb_describing *describing,
                           const wb_deadline *deadline, wb_schema **out, wb_err *err)
{
    (void)store, (void)describing, (void)deadline, (void)out;
    return wb_fail(err, WB_MISUSE, "store: a worker store can't tell the schema of \"%s\"", table);
}

/* Takes what is in `args`, whatever happens. NULL: no memory. */
static lwb_worker *worker_new(const char *module, const char *path, const char *cpath,
                              wb_buffer *args)
{
    lwb_worker *worker = wb_alloc_zeroed(sizeof *worker);
    if (worker == NULL) {
        wb_buffer_fini(args);
        return NULL;
    }
    worker->base.class = &worker_class;
    worker->policy.class = &lwb_worker_policy_class;
    atomic_init(&worker->base.references, 1);
    worker->module = wb_strdup(module);
    worker->path = wb_strdup(path);
    worker->cpath = wb_strdup(cpath);
    worker->args = wb_buffer_take(args, NULL);
    if (worker->module != NULL && worker->path != NULL && worker->cpath != NULL &&
        worker->args != NULL)
        return worker;
    worker_free(&worker->base);
    return NULL;
}

int lwb_store_worker(lua_State *L)
{
    wb_err err;
    char message[LWB_ARGS_MESSAGE];
    wb_buffer args = WB_BUFFER_EMPTY;
    const char *module = luaL_checkstring(L, 1);
    const char *path = luaL_checkstring(L, 2);
    const char *cpath = luaL_checkstring(L, 3);
    lua_settop(L, 4);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    if (!lwb_args_encode(L, 4, &args, message)) {
        wb_buffer_fini(&args);
        return lwb_refused(L, wb_fail(&err, WB_MISUSE, "worker: %s", message), &err);
    }
    lwb_worker *worker = worker_new(module, path, cpath, &args);
    if (worker == NULL)
        return lwb_refused(L, wb_fail(&err, WB_MEMORY, "worker: out of memory"), &err);
    worker->open_core = lua_tocfunction(L, lua_upvalueindex(1));
    object->store = &worker->base;
    object->policy = &worker->policy;
    return 1;
}

static const wb_store_class worker_class = {
    .kind = "worker",
    .scripted = true,
    .session = lwb_worker_session,
    .write = lwb_worker_write,
    .touch = lwb_worker_touch,
    .end = lwb_worker_end,
    .describe = worker_describe,
    .free = worker_free,
};
