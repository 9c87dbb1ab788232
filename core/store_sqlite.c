/* SPDX-License-Identifier: MIT
 * The SQLite store: a path, and sessions of one connection each, opened by the first write or touch. At the
 * opening a missing table is made where `create` says so, and the columns are compared with the schema.
 * Invariant: a session is either closed (no connection, no statement) or ready; whatever breaks it closes
 * it, and the next call opens it again. A file that was moved or removed is noticed before a write.
 * Locks: none; a session belongs to one thread, and connections meet in the database alone.
 * Fails as sqlite_link.c says. WB_HOLD for a missing file, table or column, or one of another type. */
#include <string.h>

#include "env.h"
#include "path.h"
#include "sqlite.h"

typedef struct sqlite_store {
    wb_store base;
    char *path; /* absolute: the process may change its directory before a session opens */
    bool create;
} sqlite_store;

typedef struct sqlite_session {
    wb_session base;
    sqlite_store *store; /* a reference */
    const wb_target *target;
    wb_sqlite_link link;
    wb_sqlite_insert insert;
    wb_sqlite_touch touch;
} sqlite_session;

static int session_open(sqlite_session *session, wb_err *err);
static int session_prepare(sqlite_session *session, wb_err *err);
static int table_create(sqlite_session *session, wb_sqlite_table *table, wb_err *err);
static int table_create_locked(sqlite_session *session, wb_sqlite_table *table, wb_err *err);

/* ---- a session's life ---- */

static wb_session *sqlite_session_new(wb_store *base, const wb_target *target)
{
    sqlite_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->store = (sqlite_store *)wb_store_ref(base);
    session->target = target;
    session->link.path = session->store->path;
    session->link.table = target->table;
    return &session->base;
}

static void session_close(sqlite_session *session)
{
    wb_sqlite_insert_fini(&session->insert);
    wb_sqlite_touch_fini(&session->touch);
    wb_sqlite_close(&session->link);
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
    if (wb_until_passed(session->link.until))
        return wb_fail_store(err, WB_RETRY, "table \"%s\": no time left", session->target->table);
    if (session->link.db != NULL && wb_sqlite_moved(&session->link))
        session_close(session);
    if (session->link.db != NULL)
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
    int code = wb_sqlite_open(&session->link, flags_of(session->store), err);
    if (code == WB_OK)
        code = wb_sqlite_tune(&session->link, err);
    return code == WB_OK ? session_prepare(session, err) : code;
}

static int statements_prepare(sqlite_session *session, const wb_sqlite_table *table, wb_err *err)
{
    const wb_target *target = session->target;
    if (target->schema == NULL)
        return wb_sqlite_touch_prepare(&session->touch, &session->link, target, table, err);
    int code = wb_sqlite_table_check(&session->link, table, target->schema, err);
    if (code != WB_OK)
        return code;
    return wb_sqlite_insert_prepare(&session->insert, &session->link, target, table, err);
}

static int session_prepare(sqlite_session *session, wb_err *err)
{
    wb_sqlite_table table;
    int code = wb_sqlite_table_read(&session->link, &table, err);
    bool missing = table.count == 0;
    bool ledger = session->target->dedupe == WB_DEDUPE_LEDGER && session->target->schema != NULL;
    if (code == WB_OK && missing && !session->store->create)
        code = wb_fail_store(err, WB_HOLD, "table \"%s\": there is none in database \"%s\"",
                             session->link.table, session->link.path);
    else if (code == WB_OK && session->store->create && (missing || ledger))
        code = table_create(session, &table, err);
    if (code == WB_OK)
        code = statements_prepare(session, &table, err);
    wb_sqlite_table_fini(&table);
    return code;
}

/* ---- making tables ---- */

/* NULL: no memory. */
static char *tracker_ddl(const wb_target *target)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "CREATE TABLE ");
    wb_sqlite_put_table(&sql, target->table);
    wb_buffer_put_text(&sql, " (");
    wb_sqlite_put_name(&sql, target->key);
    wb_buffer_put_text(&sql, " uuid TEXT PRIMARY KEY NOT NULL, ");
    wb_sqlite_put_name(&sql, target->column);
    wb_buffer_put_text(&sql, " timestamptz TEXT)");
    return wb_buffer_take(&sql, NULL);
}

static int table_make(sqlite_session *session, wb_err *err)
{
    const wb_target *target = session->target;
    char *sql = NULL;
    if (target->schema == NULL)
        sql = tracker_ddl(target);
    else
        wb_schema_ddl(target->schema, "sqlite", target->table, &sql, NULL);
    if (sql == NULL)
        return wb_fail_store(err, WB_RETRY, "table \"%s\": out of memory", target->table);
    int code = wb_sqlite_exec(&session->link, sql, err);
    wb_free(sql);
    return code;
}

static int ledger_make(sqlite_session *session, wb_err *err)
{
    if (session->target->schema == NULL || session->target->dedupe != WB_DEDUPE_LEDGER)
        return WB_OK;
    return wb_sqlite_exec(
        &session->link,
        "CREATE TABLE IF NOT EXISTS writebehind_ledger (batch uuid TEXT PRIMARY KEY "
        "NOT NULL, at timestamptz TEXT NOT NULL DEFAULT "
        "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) WITHOUT ROWID",
        err);
}

static int table_create(sqlite_session *session, wb_sqlite_table *table, wb_err *err)
{
    int code = wb_sqlite_begin(&session->link, err);
    if (code != WB_OK)
        return code;
    code = table_create_locked(session, table, err);
    return wb_sqlite_settle(&session->link, code, err);
}

/* Another session may have made it since it was looked for. */
static int table_create_locked(sqlite_session *session, wb_sqlite_table *table, wb_err *err)
{
    wb_sqlite_table_fini(table);
    int code = wb_sqlite_table_read(&session->link, table, err);
    if (code == WB_OK && table->count == 0) {
        code = table_make(session, err);
        if (code == WB_OK)
            code = wb_sqlite_table_read(&session->link, table, err);
    }
    return code == WB_OK ? ledger_make(session, err) : code;
}

/* ---- calls ---- */

static int session_leave(sqlite_session *session, int code)
{
    session->link.until = NULL;
    if (code != WB_OK && session->link.broken)
        session_close(session);
    return code;
}

static int sqlite_write(wb_session *base, const wb_batch *batch, const wb_until *until, wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    session->link.until = until;
    int code = session_ready(session, err);
    if (code == WB_OK)
        code = wb_sqlite_insert_rows(&session->insert, &session->link, session->target, batch, err);
    return session_leave(session, code);
}

static int sqlite_touch(wb_session *base, const wb_marks *marks, const wb_until *until,
                        wb_touched *out, wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    session->link.until = until;
    int code = session_ready(session, err);
    if (code == WB_OK)
        code = wb_sqlite_touch_marks(&session->touch, &session->link, session->target, marks, out,
                                     err);
    return session_leave(session, code);
}

static int sqlite_describe(wb_store *base, const char *table, const wb_until *until,
                           wb_schema **out, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_link link = {.path = store->path, .table = table, .until = until};
    int code = wb_sqlite_open(&link, SQLITE_OPEN_READWRITE, err);
    if (code == WB_OK)
        code = wb_sqlite_describe(&link, out, err);
    wb_sqlite_close(&link);
    return code;
}

static int script_run(wb_sqlite_link *link, const char *sql, wb_err *err)
{
    int code = wb_sqlite_begin(link, err);
    if (code != WB_OK)
        return code;
    return wb_sqlite_settle(link, wb_sqlite_exec(link, sql, err), err);
}

static int sqlite_execute(wb_store *base, const char *sql, const wb_until *until, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_link link = {.path = store->path, .until = until};
    int code = wb_sqlite_open(&link, flags_of(store), err);
    if (code == WB_OK)
        code = wb_sqlite_tune(&link, err);
    if (code == WB_OK)
        code = script_run(&link, sql, err);
    wb_sqlite_close(&link);
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
