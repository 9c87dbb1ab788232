/* SPDX-License-Identifier: MIT
 * The PostgreSQL store: batches by COPY (copy.c) or as upserts (upsert.c), times by UPDATE (touch.c), each in a transaction of its own. Here is what all calls share: connecting, checking the table, trying again, naming the table in errors.
 * What a session assumes, and how its calls end in time, is said in postgres.h.
 *
 * A store never changes after it was made, and a session is one thread's, so nothing is locked. Errors go through a
 * wb_err of this file, since wb_pg_distrust reads it and the caller may give none. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"

/* ---- writing ---- */

/* What a call does: writes a batch, or moves times. */
struct job {
    const wb_batch *batch; /* NULL: marks */
    const wb_marks *marks;
    wb_touched *touched;
};

static bool asks_first(const wb_pg_session *session, const struct job *job)
{
    return job->batch != NULL && job->batch->in_doubt &&
           session->target.dedupe == WB_DEDUPE_COLUMN && session->target.upsert == NULL;
}

static int write_rows(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                      bool *begun, wb_err *err)
{
    const wb_pg_rows rows = {batch, NULL};
    return session->target.upsert != NULL ? wb_pg_upsert(session, &rows, deadline, begun, err)
                                          : wb_pg_write(session, &rows, deadline, begun, err);
}

static int write_with_ledger(wb_pg_session *session, const wb_batch *batch,
                             const wb_deadline *deadline, bool *begun, wb_err *err)
{
    bool in = false;
    int code = wb_pg_ledger_begin(session, batch, deadline, &in, err);
    if (code != WB_OK || in)
        return code;
    code = write_rows(session, batch, deadline, begun, err);
    return wb_pg_ledger_end(session, batch, deadline, code, err);
}

static int do_checked(wb_pg_session *session, const struct job *job, const wb_deadline *deadline,
                      bool *begun, wb_err *err)
{
    if (job->batch == NULL)
        return wb_pg_touch(session, job->marks, deadline, job->touched, err);
    if (session->target.dedupe == WB_DEDUPE_LEDGER)
        return write_with_ledger(session, job->batch, deadline, begun, err);
    return asks_first(session, job) ? wb_pg_copy_missing(session, job->batch, deadline, begun, err)
                                    : write_rows(session, job->batch, deadline, begun, err);
}

/* A table that was found to fit some time ago and is refused now may have changed: it is checked again, which either
 * says by name why it does not fit, or finds how it fits now. */
static int do_once(wb_pg_session *session, const struct job *job, const wb_deadline *deadline,
                   bool *begun, wb_err *err)
{
    bool known = wb_pg_table_now(session)->columns != NULL && !asks_first(session, job);
    int code = known ? WB_OK : wb_pg_check(session, deadline, err);
    if (code == WB_OK)
        code = do_checked(session, job, deadline, begun, err);
    if (code == WB_OK || !known || *begun || err->error_class != WB_HOLD || session->conn == NULL)
        return code;
    code = wb_pg_check(session, deadline, err);
    return code == WB_OK ? do_checked(session, job, deadline, begun, err) : code;
}

/* A connection that was idle may turn out dead at the first word. That is no reason to fail: the job is done once
 * more, on a new one. */
static int do_connected(wb_pg_session *session, const struct job *job, const wb_deadline *deadline,
                        wb_err *err)
{
    bool fresh, begun = false;
    int code = wb_pg_connect(session, deadline, &fresh, err);
    if (code == WB_OK)
        code = do_once(session, job, deadline, &begun, err);
    bool was_dead = code != WB_OK && !fresh && !begun && err->error_class == WB_RETRY &&
                    PQstatus(session->conn) == CONNECTION_BAD; /* of NULL too */
    if (was_dead && !wb_deadline_passed(deadline)) {
        code = wb_pg_connect(session, deadline, &fresh, err);
        if (code == WB_OK)
            code = do_once(session, job, deadline, &begun, err);
    }
    if (code != WB_OK && !begun)
        err->timed_out = false; /* the server was not at work on it */
    return code;
}

static int finish(int code, wb_err *own, const char *table, wb_err *err)
{
    if (code == WB_OK)
        return WB_OK;
    wb_wrap(own, code, "table \"%s\"", table);
    if (err != NULL)
        *err = *own;
    return code;
}

static int do_job(wb_session *session, const char *table, const struct job *job,
                  const wb_deadline *deadline, wb_err *err)
{
    wb_pg_session *own = (wb_pg_session *)session;
    wb_err why = {.code = WB_OK};
    int code = wb_pg_table_use(own, table, &why);
    if (code == WB_OK)
        code = wb_pg_distrust(own, do_connected(own, job, deadline, &why), &why);
    return finish(code, &why, table, err);
}

static int session_write(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                         wb_err *err)
{
    const char *table = wb_target_table(&((wb_pg_session *)session)->target, batch);
    struct job job = {.batch = batch};
    return wb_batch_left(batch) == 0 ? WB_OK : do_job(session, table, &job, deadline, err);
}

static int session_touch(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                         wb_touched *out, wb_err *err)
{
    const char *table = ((wb_pg_session *)session)->target.table;
    struct job job = {.marks = marks, .touched = out};
    if (marks->count > 0)
        return do_job(session, table, &job, deadline, err);
    *out = (wb_touched){0, 0};
    return WB_OK;
}

/* ---- other calls, each with a session of its own ---- */

static int store_describe(wb_store *store, const char *table, wb_describing *describing,
                          const wb_deadline *deadline, wb_schema **out, wb_err *err)
{
    wb_target target = {.table = table};
    wb_err why = {.code = WB_OK};
    wb_pg_session *session = wb_pg_session_new((wb_pg_store *)store, &target);
    if (session == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a session");
    int code = wb_pg_describe(session, describing, deadline, out, &why);
    wb_pg_session_free(session);
    return finish(code, &why, table, err);
}

static int execute(wb_pg_session *session, const char *sql, bool bounded,
                   const wb_deadline *deadline, wb_err *err)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    if (bounded)
        wb_pg_put_end(&text, session,
                      deadline->at_us == WB_NEVER ? WB_NEVER : deadline->at_us - wb_now_us());
    wb_buffer_put_text(&text, sql);
    return wb_pg_run(session, &text, deadline, err);
}

/* A text of several statements is one transaction, unless it says otherwise. One that can be in none with others
 * (25001: VACUUM, CREATE INDEX CONCURRENTLY) can't be bounded on the server. */
static int store_execute(wb_store *store, const char *sql, const wb_deadline *deadline, wb_err *err)
{
    wb_target target = {.table = ""};
    wb_err why = {.code = WB_OK};
    bool fresh;
    wb_pg_session *session = wb_pg_session_new((wb_pg_store *)store, &target);
    if (session == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a session");
    int code = wb_pg_connect(session, deadline, &fresh, &why);
    if (code == WB_OK)
        code = execute(session, sql, true, deadline, &why);
    if (code != WB_OK && strcmp(why.sqlstate, "25001") == 0)
        code = execute(session, sql, false, deadline, &why);
    wb_pg_session_free(session);
    if (code != WB_OK && err != NULL)
        *err = why;
    return code;
}

/* ---- a store and its sessions ---- */

static wb_session *session_new(wb_store *store, const wb_target *target)
{
    wb_pg_session *session = wb_pg_session_new((wb_pg_store *)store, target);
    return session == NULL ? NULL : &session->base;
}

static void session_end(wb_session *session)
{
    wb_pg_session_free((wb_pg_session *)session);
}

static void store_free(wb_store *store)
{
    wb_pg_hosts_free((wb_pg_store *)store);
    wb_free(store);
}

static const wb_store_class class = {
    .kind = "postgresql",
    .ledger = true,
    .upserts = true,
    .one_shape = true,
    .session = session_new,
    .write = session_write,
    .touch = session_touch,
    .end = session_end,
    .describe = store_describe,
    .execute = store_execute,
    .free = store_free,
};

/* OpenSSL registers its exit handler when it is first used. That must not be by the first connection, in the
 * middle of which the process may end. Encrypting a password is libpq's only use of it that needs no connection; a
 * libpq without OpenSSL just does it. */
static void start_tls_library(void)
{
    static atomic_flag started = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&started))
        return;
    PQfreemem(PQencryptPassword("", ""));
    wb_store_count_exit_handler();
}

int wb_store_postgres(const char *conninfo, wb_store **out, wb_err *err)
{
    start_tls_library();
    wb_pg_store *store = wb_alloc_zeroed(sizeof *store);
    if (store == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a store");
    store->base.class = &class;
    atomic_init(&store->base.references, 1);
    int code = wb_pg_hosts_parse(store, conninfo, err);
    if (code == WB_OK)
        *out = &store->base;
    else
        store_free(&store->base);
    return code;
}
