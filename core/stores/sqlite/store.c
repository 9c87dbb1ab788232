/* SPDX-License-Identifier: MIT
 * The SQLite store: a path, and sessions of one connection each. The first write or touch opens the connection;
 * the first of a table makes its plan (table_plan.c).
 * Invariant: a session that is closed has no plans. A failure that breaks the connection closes the session, and
 * the next call opens it again. A table that is missing or does not fit breaks nothing. A file that was moved or
 * removed is noticed before a write.
 * Locks: none; a session belongs to one thread, and connections meet in the database alone.
 * Fails as connection.c says, and with WB_HOLD for a missing file. */
#include <string.h>

#include "base/env.h"
#include "base/path.h"
#include "stores/sqlite/sqlite.h"

typedef struct sqlite_store {
    wb_store base;
    char *path; /* absolute, since the process may change its directory */
    bool create;
} sqlite_store;

typedef struct sqlite_session {
    wb_session base;
    sqlite_store *store; /* a reference */
    const wb_target *target;
    wb_sqlite_connection connection;
    wb_recent *plans; /* wb_sqlite_plan */
} sqlite_session;

static int store_connect(const sqlite_store *store, wb_sqlite_connection *connection, wb_err *err);

/* ---- a session's life ---- */

static wb_session *sqlite_session_new(wb_store *base, const wb_target *target)
{
    sqlite_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->store = (sqlite_store *)wb_store_ref(base);
    session->target = target;
    session->connection.path = session->store->path;
    return &session->base;
}

static void session_close(sqlite_session *session)
{
    while (session->plans != NULL)
        wb_sqlite_plan_free((wb_sqlite_plan *)wb_recent_take(&session->plans));
    wb_sqlite_close(&session->connection);
}

static void sqlite_session_end(wb_session *base)
{
    sqlite_session *session = (sqlite_session *)base;
    session_close(session);
    wb_store_unref(&session->store->base);
    wb_free(session);
}

/* ---- a call ---- */

/* Open, in time, and on the file that the path names. */
static int session_ready(sqlite_session *session, wb_err *err)
{
    wb_sqlite_connection *connection = &session->connection;
    if (wb_deadline_passed(connection->deadline))
        return wb_fail_store(err, WB_RETRY, "table \"%s\": no time left", connection->table);
    if (connection->db != NULL && wb_sqlite_moved(connection)) {
        int status = wb_sqlite_leave_moved(connection);
        if (status != SQLITE_OK)
            return wb_sqlite_fail(connection, status, err);
        session_close(session);
    }
    return connection->db != NULL ? WB_OK : store_connect(session->store, connection, err);
}

/* Begins a call, and finds the table's plan or makes it. session_leave ends the call, also where this failed. */
static int session_enter(sqlite_session *session, const char *table, const wb_deadline *deadline,
                         wb_sqlite_plan **out, wb_err *err)
{
    session->connection.table = table;
    session->connection.deadline = deadline;
    int code = session_ready(session, err);
    if (code != WB_OK)
        return code;
    *out = (wb_sqlite_plan *)wb_recent_find(&session->plans, table);
    if (*out != NULL)
        return WB_OK;
    code =
        wb_sqlite_plan_new(&session->connection, session->target, session->store->create, out, err);
    if (code == WB_OK)
        wb_sqlite_plan_free((wb_sqlite_plan *)wb_recent_put(&session->plans, &(*out)->base));
    return code;
}

/* The batch's table and the deadline may be gone afterwards. */
static int session_leave(sqlite_session *session, int code)
{
    session->connection.table = NULL;
    session->connection.deadline = NULL;
    if (code != WB_OK && session->connection.broken)
        session_close(session);
    return code;
}

static int sqlite_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                        wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    wb_sqlite_plan *plan = NULL;
    const char *table = wb_target_table(session->target, batch);
    int code = session_enter(session, table, deadline, &plan, err);
    if (code == WB_OK)
        code = wb_sqlite_insert_rows(&plan->insert, batch, err);
    return session_leave(session, code);
}

static int sqlite_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                        wb_touched *out, wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    wb_sqlite_plan *plan = NULL;
    int code = session_enter(session, session->target->table, deadline, &plan, err);
    if (code == WB_OK)
        code = wb_sqlite_touch_marks(&plan->touch, marks, out, err);
    return session_leave(session, code);
}

/* ---- calls without a session ---- */

static int sqlite_describe(wb_store *base, const char *table, const wb_deadline *deadline,
                           wb_schema **out, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_connection connection = {.path = store->path, .table = table, .deadline = deadline};
    int code = wb_sqlite_open(&connection, SQLITE_OPEN_READWRITE, err);
    if (code == WB_OK)
        code = wb_sqlite_describe(&connection, out, err);
    wb_sqlite_close(&connection);
    return code;
}

/* Opens a connection that can write. Where this fails it is closed again. */
static int store_connect(const sqlite_store *store, wb_sqlite_connection *connection, wb_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | (store->create ? SQLITE_OPEN_CREATE : 0);
    int code = wb_sqlite_open(connection, flags, err);
    if (code == WB_OK)
        code = wb_sqlite_tune(connection, err);
    if (code != WB_OK)
        wb_sqlite_close(connection);
    return code;
}

static int sqlite_execute(wb_store *base, const char *sql, const wb_deadline *deadline, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_connection connection = {.path = store->path, .deadline = deadline};
    int code = store_connect(store, &connection, err);
    if (code != WB_OK)
        return code;
    code = wb_sqlite_begin(&connection, err);
    if (code == WB_OK)
        code = wb_sqlite_end(&connection, wb_sqlite_exec(&connection, sql, err), err);
    wb_sqlite_close(&connection);
    return code;
}

static void sqlite_free(wb_store *base)
{
    sqlite_store *store = (sqlite_store *)base;
    wb_free(store->path);
    wb_free(store);
}

static const wb_store_class sqlite_class = {
    .kind = "sqlite",
    .session = sqlite_session_new,
    .write = sqlite_write,
    .touch = sqlite_touch,
    .end = sqlite_session_end,
    .describe = sqlite_describe,
    .execute = sqlite_execute,
    .free = sqlite_free,
};

/* ---- the public function ---- */

int wb_store_sqlite(const char *path, bool create, wb_store **out, wb_err *err)
{
    if (path == NULL || path[0] == '\0')
        return wb_fail(err, WB_INVALID, "sqlite store: the path is empty");
    if (strcmp(path, ":memory:") == 0)
        return wb_fail(
            err, WB_INVALID,
            "sqlite store: \":memory:\" would be another database in every session; give a "
            "file, or use the memory store");
    sqlite_store *store = wb_alloc_zeroed(sizeof *store);
    char *absolute = wb_path_absolute(path);
    if (store == NULL || absolute == NULL) {
        wb_free(store);
        wb_free(absolute);
        return wb_fail(err, WB_MEMORY, "sqlite store: out of memory");
    }
    store->base.class = &sqlite_class;
    atomic_init(&store->base.references, 1);
    store->path = absolute;
    store->create = create;
    *out = &store->base;
    return WB_OK;
}
