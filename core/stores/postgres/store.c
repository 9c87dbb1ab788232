/* SPDX-License-Identifier: MIT
 * The PostgreSQL store: batches by COPY BINARY, times by one ordered UPDATE (postgres_copy.c,
 * postgres_touch.c), each in a transaction of its own. What a session assumes, and how its calls end in
 * time, is said in postgres.h.
 *
 * A store never changes after it was made, and a session is one thread's, so nothing is locked. Each call
 * wraps its error in the table's name; errors go through a wb_err of its own, since the rules for dropping
 * a connection read it. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"

static wb_session *session_new(wb_store *store, const wb_target *target);
static int session_write(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                         wb_err *err);
static int session_touch(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                         wb_touched *out, wb_err *err);
static void session_end(wb_session *session);
static int store_describe(wb_store *store, const char *table, const wb_deadline *deadline,
                          wb_schema **out, wb_err *err);
static int store_execute(wb_store *store, const char *sql, const wb_deadline *deadline,
                         wb_err *err);
static void store_free(wb_store *store);

static const wb_store_class class = {
    .kind = "postgresql",
    .session = session_new,
    .write = session_write,
    .touch = session_touch,
    .end = session_end,
    .describe = store_describe,
    .execute = store_execute,
    .free = store_free,
};

/* OpenSSL registers its exit handler when it is first used: without this, by the first connection, in the
 * middle of which the process may end. Encrypting a password is libpq's only use of it that needs no
 * connection; a libpq without OpenSSL just does it. */
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

static void store_free(wb_store *store)
{
    wb_pg_hosts_free((wb_pg_store *)store);
    wb_free(store);
}

static wb_session *session_new(wb_store *store, const wb_target *target)
{
    wb_pg_session *session = wb_pg_session_new((wb_pg_store *)store, target);
    return session == NULL ? NULL : &session->base;
}

static void session_end(wb_session *session)
{
    wb_pg_session_free((wb_pg_session *)session);
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

static int session_write(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                         wb_err *err)
{
    wb_pg_session *own = (wb_pg_session *)session;
    wb_err why = {.code = WB_OK};
    return finish(wb_pg_write(own, batch, deadline, &why), &why,
                  wb_target_table(&own->target, batch), err);
}

static int session_touch(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                         wb_touched *out, wb_err *err)
{
    wb_pg_session *own = (wb_pg_session *)session;
    wb_err why = {.code = WB_OK};
    return finish(wb_pg_touch(own, marks, deadline, out, &why), &why, own->target.table, err);
}

static int store_describe(wb_store *store, const char *table, const wb_deadline *deadline,
                          wb_schema **out, wb_err *err)
{
    wb_target target = {.table = table};
    wb_err why = {.code = WB_OK};
    wb_pg_session *session = wb_pg_session_new((wb_pg_store *)store, &target);
    if (session == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a session");
    int code = wb_pg_describe(session, deadline, out, &why);
    wb_pg_session_free(session);
    return finish(code, &why, table, err);
}

/* A text of several statements is one transaction, unless it says otherwise. */
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
        code = wb_pg_run(session, sql, NULL, false, deadline, NULL, &why);
    wb_pg_session_free(session);
    if (code != WB_OK && err != NULL)
        *err = why;
    return code;
}
