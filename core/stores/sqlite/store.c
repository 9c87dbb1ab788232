/* SPDX-License-Identifier: MIT
 * The SQLite store: a path, and sessions of one connection each. The first write or touch opens the connection;
 * the first of a table makes its plan (table_plan.c). A call is one transaction, which first asks whether a table has
 * changed since; then all plans are made anew. So no row is written by what a table was like before.
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
    wb_sqlite_ledger ledger;
    int64_t schema_version; /* that of the tables that the plans were made for */
    sqlite3_stmt *version_of_schema;
} sqlite_session;

/* What is done to a table, with its plan: writes a batch, or moves times. */
struct job {
    const wb_batch *batch; /* NULL: marks */
    const wb_marks *marks;
    wb_touched *touched;
};

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

static void forget_plans(sqlite_session *session)
{
    while (session->plans != NULL)
        wb_sqlite_plan_free((wb_sqlite_plan *)wb_recent_take(&session->plans));
    wb_sqlite_ledger_forget(&session->ledger);
}

static void session_close(sqlite_session *session)
{
    forget_plans(session);
    sqlite3_finalize(session->version_of_schema);
    session->version_of_schema = NULL;
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

enum { UNKNOWN_VERSION = -1 };

/* SQLite counts the changes of a database's tables ("PRAGMA schema_version"). */
static int read_version(sqlite_session *session, int64_t *version, wb_err *err)
{
    wb_sqlite_connection *connection = &session->connection;
    sqlite3_stmt **statement = &session->version_of_schema;
    int code = WB_OK;
    if (*statement == NULL)
        code = wb_sqlite_prepare(connection, "PRAGMA schema_version", statement, err);
    if (code != WB_OK)
        return code;
    int status = sqlite3_step(*statement);
    *version = sqlite3_column_int64(*statement, 0);
    sqlite3_reset(*statement);
    return status == SQLITE_ROW ? WB_OK : wb_sqlite_fail(connection, status, err);
}

/* Where tables changed, forgets what was made for them. In a transaction: none changes until its end. */
static int see_changes(sqlite_session *session, wb_err *err)
{
    int64_t version = 0;
    int code = read_version(session, &version, err);
    if (code != WB_OK)
        return code;
    if (version != session->schema_version)
        forget_plans(session);
    session->schema_version = version;
    return WB_OK;
}

/* A table that was made counts as changed: whether it stays is open until the transaction's end. */
static int see_own_changes(sqlite_session *session, wb_err *err)
{
    int64_t version = 0;
    int code = read_version(session, &version, err);
    if (version != session->schema_version)
        session->schema_version = UNKNOWN_VERSION;
    return code;
}

static int make_plan(sqlite_session *session, wb_sqlite_plan **out, wb_err *err)
{
    int code =
        wb_sqlite_plan_new(&session->connection, session->target, session->store->create, out, err);
    if (code != WB_OK)
        return code;
    wb_sqlite_plan_free((wb_sqlite_plan *)wb_recent_put(&session->plans, &(*out)->base));
    return see_own_changes(session, err);
}

/* Finds the table's plan, or makes it. */
static int find_plan(sqlite_session *session, wb_sqlite_plan **out, wb_err *err)
{
    *out = (wb_sqlite_plan *)wb_recent_find(&session->plans, session->connection.table);
    return *out != NULL ? WB_OK : make_plan(session, out, err);
}

/* The ledger is asked first: where the rows are in, nothing is wanted of their table. */
static int enter_ledger(sqlite_session *session, const wb_batch *batch, bool *there, wb_err *err)
{
    bool prepared = session->ledger.prune != NULL;
    int code = wb_sqlite_ledger_enter(&session->ledger, &session->connection, batch, there, err);
    return code != WB_OK || prepared ? code : see_own_changes(session, err);
}

static int do_in_transaction(sqlite_session *session, const struct job *job, wb_err *err)
{
    wb_sqlite_plan *plan = NULL;
    bool there = false;
    int code = see_changes(session, err);
    if (code == WB_OK && session->target->dedupe == WB_DEDUPE_LEDGER)
        code = enter_ledger(session, job->batch, &there, err);
    if (code == WB_OK && !there)
        code = find_plan(session, &plan, err);
    if (code != WB_OK || there)
        return code;
    if (job->batch == NULL)
        return wb_sqlite_touch_marks(&plan->touch, job->marks, job->touched, err);
    code = wb_sqlite_insert_rows(&plan->insert, job->batch, err);
    if (code == WB_OK)
        session->base.superseded = plan->insert.superseded;
    return code;
}

/* Of all that was lent for a call nothing is kept. */
static int do_job(wb_session *base, const char *table, const struct job *job,
                  const wb_deadline *deadline, wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    session->connection.table = table;
    session->connection.deadline = deadline;
    session->ledger.absent = false;
    int code = session_ready(session, err);
    if (code == WB_OK)
        code = wb_sqlite_begin(&session->connection, err);
    if (code == WB_OK)
        code = wb_sqlite_end(&session->connection, do_in_transaction(session, job, err), err);
    session->ledger.stored += code == WB_OK;
    if (code != WB_OK && err != NULL)
        wb_sqlite_ledger_rule_out(&session->ledger, &session->connection, err);
    session->connection.table = NULL;
    session->connection.deadline = NULL;
    if (code != WB_OK && session->connection.broken)
        session_close(session);
    return code;
}

static int sqlite_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                        wb_err *err)
{
    const char *table = wb_target_table(((sqlite_session *)base)->target, batch);
    return do_job(base, table, &(struct job){.batch = batch}, deadline, err);
}

static int sqlite_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                        wb_touched *out, wb_err *err)
{
    wb_touched touched = {0};
    const char *table = ((sqlite_session *)base)->target->table;
    int code =
        do_job(base, table, &(struct job){.marks = marks, .touched = &touched}, deadline, err);
    if (code == WB_OK)
        *out = touched;
    return code;
}

/* ---- calls without a session ---- */

static int sqlite_describe(wb_store *base, const char *table, wb_describing *describing,
                           const wb_deadline *deadline, wb_schema **out, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_connection connection = {.path = store->path, .table = table, .deadline = deadline};
    int code = wb_sqlite_open(&connection, SQLITE_OPEN_READWRITE, err);
    if (code == WB_OK)
        code = wb_sqlite_describe(&connection, describing, out, err);
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
    .ledger = true,
    .upserts = true,
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
