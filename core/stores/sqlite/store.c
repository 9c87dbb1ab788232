/* SPDX-License-Identifier: MIT
 * The SQLite store: a path, and sessions of one connection each, opened by the first write or touch. What a
 * session keeps of a table is made by the first write to it after that (sqlite_aim.c).
 * Invariant: a session is either closed (no connection, no table) or open, with tables whose statements are
 * prepared; whatever breaks the connection closes it, and the next call opens it again. A table that is
 * found missing or unfit before it is written to breaks nothing. A file that was moved or removed is noticed
 * before a write.
 * Locks: none; a session belongs to one thread, and connections meet in the database alone.
 * Fails as sqlite_link.c says. WB_HOLD for a missing file. */
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
    wb_sqlite_link link;
    wb_recent *aims; /* wb_sqlite_aim */
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
    session->link.path = session->store->path;
    session->link.table = target->table;
    return &session->base;
}

static void session_close(sqlite_session *session)
{
    while (session->aims != NULL)
        wb_sqlite_aim_free((wb_sqlite_aim *)wb_recent_take(&session->aims));
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
    if (wb_deadline_passed(session->link.deadline))
        return wb_fail_store(err, WB_RETRY, "table \"%s\": no time left", session->link.table);
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
    return code == WB_OK ? wb_sqlite_tune(&session->link, err) : code;
}

/* The record of the link's table, which is the first from now on. */
static int session_aim(sqlite_session *session, wb_sqlite_aim **out, wb_err *err)
{
    int code = session_ready(session, err);
    if (code != WB_OK)
        return code;
    wb_sqlite_aim *aim = (wb_sqlite_aim *)wb_recent_find(&session->aims, session->link.table);
    if (aim == NULL) {
        code =
            wb_sqlite_aim_new(&session->link, session->target, session->store->create, &aim, err);
        if (code != WB_OK)
            return code;
        wb_sqlite_aim_free((wb_sqlite_aim *)wb_recent_put(&session->aims, &aim->base));
    }
    *out = aim;
    return WB_OK;
}

/* ---- calls ---- */

/* The batch's own table may be gone afterwards. */
static int session_leave(sqlite_session *session, int code)
{
    session->link.deadline = NULL;
    session->link.table = session->target->table;
    if (code != WB_OK && session->link.broken)
        session_close(session);
    return code;
}

static int sqlite_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                        wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    wb_sqlite_aim *aim = NULL;
    session->link.deadline = deadline;
    session->link.table = wb_target_table(session->target, batch);
    int code = session_aim(session, &aim, err);
    if (code == WB_OK)
        code = wb_sqlite_insert_rows(&aim->insert, &session->link, session->target, batch, err);
    return session_leave(session, code);
}

static int sqlite_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                        wb_touched *out, wb_err *err)
{
    sqlite_session *session = (sqlite_session *)base;
    wb_sqlite_aim *aim = NULL;
    session->link.deadline = deadline;
    int code = session_aim(session, &aim, err);
    if (code == WB_OK)
        code = wb_sqlite_touch_marks(&aim->touch, &session->link, session->target, marks, out, err);
    return session_leave(session, code);
}

static int sqlite_describe(wb_store *base, const char *table, const wb_deadline *deadline,
                           wb_schema **out, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_link link = {.path = store->path, .table = table, .deadline = deadline};
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

static int sqlite_execute(wb_store *base, const char *sql, const wb_deadline *deadline, wb_err *err)
{
    const sqlite_store *store = (const sqlite_store *)base;
    wb_sqlite_link link = {.path = store->path, .deadline = deadline};
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
