/* SPDX-License-Identifier: MIT
 * The worker store: its description and what the core calls. A description is made in the caller's state and
 * holds no Lua value, so that any thread may use and free it. A session opens its private state in the
 * flusher's thread, by the first write or touch, and closes it there.
 * A store at work is not interrupted: its deadline is that of the libraries which it calls. */
#include "worker.h"

#include <string.h>

#include "../../core/env.h"
#include "../../core/err.h"

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

static int worker_describe(wb_store *store, const char *table, const wb_until *until,
                           wb_schema **out, wb_err *err)
{
    (void)store, (void)until, (void)out;
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
    object->store = &worker->base;
    return 1;
}

/* ---- a session ---- */

static void lent_complete(void *core, lwb_claim *claim, const wb_outcome *outcome)
{
    lwb_worker_session *session = core;
    session->answered = true;
    session->code = outcome->code;
    session->touched = (wb_touched){.updated = claim->updated, .unmatched = claim->unmatched};
    if (outcome->code != WB_OK) {
        wb_fail_store(session->err, outcome->class, "%s", outcome->text);
        session->base.stored = outcome->stored;
    }
}

static const lwb_engine lent_engine = {.complete = lent_complete};

static wb_session *worker_session(wb_store *base, const wb_target *target)
{
    lwb_worker_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->worker = (lwb_worker *)wb_store_ref(base);
    session->target = target;
    session->lender.engine = &lent_engine;
    session->lender.core = session;
    return &session->base;
}

static int deliver(wb_session *base, const char *entry, const lwb_kind *kind, void *work,
                   wb_err *err)
{
    lwb_worker_session *session = (lwb_worker_session *)base;
    session->base.stored = 0;
    if (session->L == NULL) {
        int code = lwb_worker_open(session, err);
        if (code != WB_OK)
            return code;
    }
    session->entry = entry;
    session->kind = kind;
    session->work = work;
    return lwb_worker_deliver(session, err);
}

static int worker_write(wb_session *base, const wb_batch *batch, const wb_until *until, wb_err *err)
{
    (void)until;
    return deliver(base, "write", &lwb_batch_kind, (void *)batch, err);
}

static int worker_touch(wb_session *base, const wb_marks *marks, const wb_until *until,
                        wb_touched *out, wb_err *err)
{
    (void)until;
    int code = deliver(base, "touch", &lwb_marks_kind, (void *)marks, err);
    if (code == WB_OK)
        *out = ((lwb_worker_session *)base)->touched;
    return code;
}

static void worker_end(wb_session *base)
{
    lwb_worker_session *session = (lwb_worker_session *)base;
    if (session->L != NULL)
        lwb_worker_close(session);
    wb_store_unref(&session->worker->base);
    wb_free(session);
}

static const wb_store_class worker_class = {
    .kind = "worker",
    .session = worker_session,
    .write = worker_write,
    .touch = worker_touch,
    .end = worker_end,
    .describe = worker_describe,
    .execute = NULL,
    .free = worker_free,
};
