/* SPDX-License-Identifier: MIT
 * One connection to an SQLite database, every call of which ends soon after its deadline: a lock is waited
 * for in short sleeps that see a request to stop, a long statement is interrupted. COMMIT and ROLLBACK are
 * not: an interrupted COMMIT would leave it open whether the rows are in.
 * Durability: write-ahead log with synchronous=FULL, so that a commit is on disk before a row is reported
 * as stored. synchronous=NORMAL never syncs at a commit, and loses the last ones with the power; it gains
 * little where one commit carries a thousand rows.
 * Locks: none; a link belongs to one thread, so SQLite's own mutexes are off.
 * Fails by SQLite's status: locks, I/O, memory and interrupts are WB_RETRY, a row's own fault WB_REJECT,
 * everything else WB_HOLD. A COMMIT that failed in I/O is in doubt: its frames may be in the log, where a
 * later recovery would find them. */
#include <errno.h>
#include <unistd.h>

#include "base/env.h"
#include "stores/sqlite/sqlite.h"

enum {
    LOOK_EVERY_OPS = 5000, /* of SQLite's machine: between two looks at the deadline */
    FIRST_NAP_US = 500,    /* while another connection holds the lock; doubles */
    LONGEST_NAP_US = 10 * 1000,
    DOUBLINGS = 5,
};

static int busy(void *context, int tries);
static int out_of_time(void *context);
static int class_of(int status);
static bool breaks(int status);

int wb_sqlite_open(wb_sqlite_link *link, int flags, wb_err *err)
{
    if (!(flags & SQLITE_OPEN_CREATE) && access(link->path, F_OK) != 0 && errno == ENOENT)
        return wb_fail_store(err, WB_HOLD, "database \"%s\": there is no such file", link->path);
    if (wb_sqlite_inherited(link->path))
        return wb_fail_store(
            err, WB_HOLD,
            "database \"%s\": it was open when this process was forked, and SQLite can't use it "
            "in both: close what uses it before the fork",
            link->path);
    int status = sqlite3_open_v2(link->path, &link->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (status == SQLITE_OK && (link->file = wb_sqlite_file_opened(link->path)) == NULL)
        status = SQLITE_NOMEM;
    if (status == SQLITE_OK) {
        link->broken = false;
        sqlite3_extended_result_codes(link->db, 1);
        sqlite3_busy_handler(link->db, busy, link);
        sqlite3_progress_handler(link->db, LOOK_EVERY_OPS, out_of_time, link);
        return WB_OK;
    }
    int cause = link->db == NULL ? ENOMEM : sqlite3_system_errno(link->db);
    wb_sqlite_close(link);
    errno = cause;
    return wb_fail_store(err, class_of(status),
                         cause != 0 ? "database \"%s\": %s: %m" : "database \"%s\": %s", link->path,
                         sqlite3_errstr(status));
}

/* That the log can't be switched on is no failure: another connection is at it, or the file system has no
 * shared memory; commits are as durable without. What is wrong with the file shows at its first reading. */
int wb_sqlite_tune(wb_sqlite_link *link, wb_err *err)
{
    sqlite3_exec(link->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    return wb_sqlite_exec(link, "PRAGMA synchronous = FULL", err);
}

void wb_sqlite_close(wb_sqlite_link *link)
{
    sqlite3_close(link->db);
    link->db = NULL;
    wb_sqlite_file_closed(link->file);
    link->file = NULL;
}

bool wb_sqlite_moved(wb_sqlite_link *link)
{
    int moved = 0;
    return sqlite3_file_control(link->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved != 0;
}

/* ---- ending in time ---- */

static int busy(void *context, int tries)
{
    const wb_sqlite_link *link = context;
    if (link->deadline == NULL || wb_deadline_passed(link->deadline))
        return 0;
    int64_t nap_us = FIRST_NAP_US << (tries < DOUBLINGS ? tries : DOUBLINGS);
    int64_t wake_us = wb_now_us() + (nap_us < LONGEST_NAP_US ? nap_us : LONGEST_NAP_US);
    wb_deadline nap = *link->deadline;
    if (wake_us < nap.at_us)
        nap.at_us = wake_us;
    wb_deadline_wait(&nap, -1, 0);
    return !wb_deadline_passed(link->deadline);
}

static int out_of_time(void *context)
{
    const wb_sqlite_link *link = context;
    return !link->settling && link->deadline != NULL && wb_deadline_passed(link->deadline);
}

/* ---- failing ---- */

static int class_of(int status)
{
    switch (status & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
        return WB_RETRY;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return WB_REJECT;
    default:
        return WB_HOLD;
    }
}

/* What another try on the same connection might see again for no better reason than its state. */
static bool breaks(int status)
{
    int primary = status & 0xff;
    return class_of(status) == WB_HOLD || primary == SQLITE_IOERR || primary == SQLITE_PROTOCOL ||
           primary == SQLITE_ABORT;
}

int wb_sqlite_fail(wb_sqlite_link *link, int status, wb_err *err)
{
    link->broken = link->broken || breaks(status);
    int primary = status & 0xff;
    bool late = (primary == SQLITE_BUSY || primary == SQLITE_INTERRUPT) && link->deadline != NULL &&
                wb_deadline_passed(link->deadline);
    return wb_fail_store(err, class_of(status), "%s \"%s\": %s%s",
                         link->table != NULL ? "table" : "database",
                         link->table != NULL ? link->table : link->path,
                         late ? "no time left: " : "", sqlite3_errmsg(link->db));
}

/* ---- statements ---- */

int wb_sqlite_exec(wb_sqlite_link *link, const char *sql, wb_err *err)
{
    int status = sqlite3_exec(link->db, sql, NULL, NULL, NULL);
    return status == SQLITE_OK ? WB_OK : wb_sqlite_fail(link, status, err);
}

int wb_sqlite_prepare(wb_sqlite_link *link, const char *sql, sqlite3_stmt **out, wb_err *err)
{
    int status = sqlite3_prepare_v3(link->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return status == SQLITE_OK ? WB_OK : wb_sqlite_fail(link, status, err);
}

int wb_sqlite_prepare_buffer(wb_sqlite_link *link, wb_buffer *sql, sqlite3_stmt **out, wb_err *err)
{
    char *text = wb_buffer_take(sql, NULL);
    if (text == NULL)
        return wb_fail_store(err, WB_RETRY, "table \"%s\": out of memory", link->table);
    int code = wb_sqlite_prepare(link, text, out, err);
    wb_free(text);
    return code;
}

int wb_sqlite_run(wb_sqlite_link *link, sqlite3_stmt *statement, wb_err *err)
{
    int status = sqlite3_step(statement);
    int code = status == SQLITE_DONE ? WB_OK : wb_sqlite_fail(link, status, err);
    sqlite3_reset(statement);
    return code;
}

/* ---- transactions ---- */

int wb_sqlite_begin(wb_sqlite_link *link, wb_err *err)
{
    return wb_sqlite_exec(link, "BEGIN IMMEDIATE", err);
}

static int commit(wb_sqlite_link *link, wb_err *err)
{
    int status = sqlite3_exec(link->db, "COMMIT", NULL, NULL, NULL);
    if (status == SQLITE_OK)
        return WB_OK;
    int code = wb_sqlite_fail(link, status, err);
    if (err != NULL)
        err->in_doubt = (status & 0xff) == SQLITE_IOERR;
    return code;
}

int wb_sqlite_settle(wb_sqlite_link *link, int code, wb_err *err)
{
    link->settling = true;
    if (code == WB_OK)
        code = commit(link, err);
    if (code != WB_OK && !sqlite3_get_autocommit(link->db) &&
        sqlite3_exec(link->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        link->broken = true;
    link->settling = false;
    return code;
}
