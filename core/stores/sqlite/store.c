/* SPDX-License-Identifier: MIT
 * The SQLite store: a path, and sessions of one connection each, opened by the first write or touch. What a
 * session keeps of a table is made by the first write to it after that (table_plan.c).
 * Invariant: a session is either closed (no connection, no table) or open, with tables whose statements are
 * prepared; whatever breaks the connection closes it, and the next call opens it again. A table that is
 * found missing or unfit before it is written to breaks nothing. A file that was moved or removed is noticed
 * before a write.
 * Locks: none; a session belongs to one thread, and connections meet in the database alone.
 * Fails as connection.c says. WB_HOLD for a missing file. */
#include <string.h>

#include "base/env.h"
#include "base/path.h"
#include "stores/sqlite/sqlite.h"

typedef struct sqlite_store {
    wb_store base;
    char *path; /* absolute: the process may change its directory before a session opens */
    bool create;
} sqlite_store;

typedef struct sqlite_session {
    wb_session base;
    sqlite_store *store; /* a reference */
    const wb_target *target;
    wb_sqlite_connection connection;
    wb_recent *plans; /* wb_sqlite_plan */
} sqlite_session;

static int session_open(sqlite_session *session, wb_err *err);

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
    session->connection.table = target->table;
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

/* ---- opening ---- */

/* Before every write: open, in time, and on the file that the path names. */
static int session_ready(sqlite_session *session, wb_err *err)
{
    if (wb_deadline_passed(session->connection.deadline))
        return wb_fail_store(err, WB_RETRY, "table \"%s\": no time left",
                             session->connection.table);
    if (session->connection.db != NULL && wb_sqlite_moved(&session->connection))
        session_close(session);
    if (session->connection.db != NULL)
        return WB_OK;
    int code = session_open(session, err);
    if (code != WB_OK)
        session_close(session);
    return code;
}

static int flags_of(const sqlite_store *store)
{
    return SQLITE_OPEN_READWRITE | (store->create ? SQLITE_OPEN_CREATE : 0);
}

static int session_open(sqlite_session *session, wb_err *err)
{
    int code = wb_sqlite_open(&session->connection, flags_of(session->store), err);
    return code == WB_OK ? wb_sqlite_tune(&session->connection, err) : code;
}

/* The record of the connection's table, which is the first from now on. */
static int session_plan(sqlite_session *session, wb_sqlite_plan **out, wb_err *err)
{
    int code = session_ready(session, err);
    if (code != WB_OK)
        return code;
    wb_sqlite_plan *plan =
        (wb_sqlite_plan *)wb_recent_find(&session->plans, session->connection.table);
    if (plan == NULL) {
        code = wb_sqlite_plan_new(&session->connection, session->target, session->store->create,
                                  &plan, err);
        if (code != WB_OK)
            return code;
        wb_sqlite_plan_free((wb_sqlite_plan *)wb_recent_put(&session->plans, &plan->base));
    }
    *out = plan;
    return WB_OK;
}

/* ---- calls ---- */

/* The batch's own table may be gone afterwards. */
static int session_leave(sqlite_session *session, int code)
{
    session->connection.deadline = NULL;
    session->connection.table = session->target->table;
    if (code != WB_OK && session->connection.broken)
        session_close(session);
    return code;
}

static int sqlite_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                        wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    wb_sqlite_plan *plan = NULL;
    session->connection.deadline = deadline;
    session->connection.table = wb_target_table(session->target, batch);
    int code = session_plan(session, &plan, err);
    if (code == WB_OK)
        code =
            wb_sqlite_insert_rows(&plan->insert, &session->connection, session->target, batch, err);
    return session_leave(session, code);
}

static int sqlite_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                        wb_touched *out, wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    wb_sqlite_plan *plan = NULL;
    session->connection.deadline = deadline;
    int code = session_plan(session, &plan, err);
    if (code == WB_OK)
        code = wb_sqlite_touch_marks(&plan->touch, &session->connection, session->target, marks,
                                     out, err);
    return session_leave(session, code);
}

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

static int script_run(wb_sqlite_connection *connection, const char *sql, wb_err *err)
{
    int code = wb_sqlite_begin(connection, err);
    if (code != WB_OK)
        return code;
    return wb_sqlite_end(connection, wb_sqlite_exec(connection, sql, err), err);
}

static int sqlite_execute(wb_store *base, const char *sql, const wb_deadline *deadline, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_connection connection = {.path = store->path, .deadline = deadline};
    int code = wb_sqlite_open(&connection, flags_of(store), err);
    if (code == WB_OK)
        code = wb_sqlite_tune(&connection, err);
    if (code == WB_OK)
        code = script_run(&connection, sql, err);
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
