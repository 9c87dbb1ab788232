/* SPDX-License-Identifier: MIT
 * One connection to an SQLite database. Every call ends soon after its deadline: it waits for a lock in short sleeps
 * that notice a request to stop, and a long statement is interrupted. COMMIT and ROLLBACK are not, since after an
 * interrupted COMMIT nobody knows whether the rows are in.
 * Durability: a write-ahead log with synchronous=FULL, so a commit is on disk before a row is reported as stored.
 * synchronous=NORMAL doesn't sync at a commit: a loss of power takes the last ones. It gains little where one
 * commit carries a thousand rows.
 * Invariant: between two calls no transaction is open, unless the connection is broken.
 * Locks: none; a connection belongs to one thread, so SQLite's own mutexes are off.
 * Fails by SQLite's status: locks, I/O, memory and interrupts are WB_RETRY, a row's own fault is WB_REJECT,
 * everything else WB_HOLD. A COMMIT that failed in I/O is in doubt: its frames may be in the log, where a
 * later recovery would find them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/path.h"
#include "stores/sqlite/sqlite.h"

enum {
    LOOK_EVERY_OPS = 5000, /* of SQLite's machine, between two looks at the deadline */
    FIRST_NAP_US = 500,    /* while another connection holds the lock; doubles */
    LONGEST_NAP_US = 10 * 1000,
    DOUBLINGS = 5,
};

/* What a checkpoint leaves of the log's file. */
#define LOG_LIMIT "PRAGMA journal_size_limit = 16777216"

static int busy(void *context, int tries);
static int out_of_time(void *context);
static int class_of(int status);
static bool breaks(int status);

/* SQLite would make a missing file for everybody to read. Its log and index have the file's mode. Where this fails, so
 * does SQLite, and says why. */
static void make_for_owner(const char *path, int flags)
{
    const char *why;
    int fd = -1;
    if (flags & SQLITE_OPEN_CREATE)
        fd = wb_path_open(path, O_RDWR | O_CREAT | O_EXCL, &why);
    if (fd >= 0)
        close(fd);
}

int wb_sqlite_open(wb_sqlite_connection *connection, int flags, wb_err *err)
{
    if (!(flags & SQLITE_OPEN_CREATE) && access(connection->path, F_OK) != 0 && errno == ENOENT)
        return wb_fail_store(err, WB_HOLD, "database \"%s\": there is no such file",
                             connection->path);
    struct stat status;
    if (stat(connection->path, &status) == 0 && !S_ISREG(status.st_mode))
        return wb_fail_store(err, WB_HOLD, "database \"%s\": it is no regular file",
                             connection->path);
    if (wb_sqlite_inherited(connection->path))
        return wb_fail_store(
            err, WB_HOLD,
            "database \"%s\": it was open when this process was forked, and SQLite can't use it "
            "in both: close what uses it before the fork",
            connection->path);
    make_for_owner(connection->path, flags);
    int code =
        sqlite3_open_v2(connection->path, &connection->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK && (connection->file = wb_sqlite_file_opened(connection->path)) == NULL)
        code = SQLITE_NOMEM;
    if (code == SQLITE_OK) {
        connection->broken = false;
        sqlite3_extended_result_codes(connection->db, 1);
        sqlite3_busy_handler(connection->db, busy, connection);
        sqlite3_progress_handler(connection->db, LOOK_EVERY_OPS, out_of_time, connection);
        return WB_OK;
    }
    int cause = connection->db == NULL ? ENOMEM : sqlite3_system_errno(connection->db);
    wb_sqlite_close(connection);
    errno = cause;
    return wb_fail_store(err, class_of(code),
                         cause != 0 ? "database \"%s\": %s: %m" : "database \"%s\": %s",
                         connection->path, sqlite3_errstr(code));
}

/* It is no failure if the log can't be switched on (another connection uses the database, or the file system has no
 * shared memory): commits are as durable without it. A damaged file shows when it is first read. */
int wb_sqlite_tune(wb_sqlite_connection *connection, wb_err *err)
{
    sqlite3_exec(connection->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    sqlite3_exec(connection->db, LOG_LIMIT, NULL, NULL, NULL);
    wb_sqlite_log_opened(connection);
    int status = wb_sqlite_functions_add(connection->db);
    if (status != SQLITE_OK)
        return wb_sqlite_fail(connection, status, err);
    return wb_sqlite_exec(connection, "PRAGMA synchronous = FULL", err);
}

void wb_sqlite_close(wb_sqlite_connection *connection)
{
    if (connection->db != NULL)
        wb_sqlite_leave_moved(connection);
    sqlite3_close(connection->db);
    connection->db = NULL;
    wb_sqlite_file_closed(connection->file);
    connection->file = NULL;
}

/* ---- ending in time ---- */

static int busy(void *context, int tries)
{
    const wb_sqlite_connection *connection = context;
    if (connection->deadline == NULL || wb_deadline_passed(connection->deadline))
        return 0;
    int64_t nap_us = FIRST_NAP_US << (tries < DOUBLINGS ? tries : DOUBLINGS);
    int64_t wake_us = wb_now_us() + (nap_us < LONGEST_NAP_US ? nap_us : LONGEST_NAP_US);
    wb_deadline nap = *connection->deadline;
    if (wake_us < nap.at_us)
        nap.at_us = wake_us;
    wb_deadline_wait(&nap, -1, 0);
    return !wb_deadline_passed(connection->deadline);
}

static int out_of_time(void *context)
{
    const wb_sqlite_connection *connection = context;
    return !connection->ending && connection->deadline != NULL &&
           wb_deadline_passed(connection->deadline);
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

/* The connection itself may be the cause, so the next try needs a new one. */
static bool breaks(int status)
{
    int primary = status & 0xff;
    return class_of(status) == WB_HOLD || primary == SQLITE_IOERR || primary == SQLITE_PROTOCOL ||
           primary == SQLITE_ABORT;
}

int wb_sqlite_fail(wb_sqlite_connection *connection, int status, wb_err *err)
{
    connection->broken = connection->broken || breaks(status);
    int primary = status & 0xff;
    bool late = (primary == SQLITE_BUSY || primary == SQLITE_INTERRUPT) &&
                connection->deadline != NULL && wb_deadline_passed(connection->deadline);
    wb_fail_store(err, class_of(status), "%s \"%s\": %s%s",
                  connection->table != NULL ? "table" : "database",
                  connection->table != NULL ? connection->table : connection->path,
                  late ? "no time left: " : "", sqlite3_errmsg(connection->db));
    if (err != NULL)
        err->timed_out = late && primary == SQLITE_INTERRUPT; /* else it waited for a lock */
    return WB_STORE;
}

int wb_sqlite_no_memory(const wb_sqlite_connection *connection, wb_err *err)
{
    return wb_fail_store(err, WB_RETRY, "table \"%s\": out of memory", connection->table);
}

/* ---- statements ---- */

int wb_sqlite_exec(wb_sqlite_connection *connection, const char *sql, wb_err *err)
{
    int status = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    return status == SQLITE_OK ? WB_OK : wb_sqlite_fail(connection, status, err);
}

int wb_sqlite_prepare(wb_sqlite_connection *connection, const char *sql, sqlite3_stmt **out,
                      wb_err *err)
{
    int status = sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return status == SQLITE_OK ? WB_OK : wb_sqlite_fail(connection, status, err);
}

int wb_sqlite_prepare_buffer(wb_sqlite_connection *connection, wb_buffer *sql, sqlite3_stmt **out,
                             wb_err *err)
{
    char *text = wb_buffer_take(sql, NULL);
    if (text == NULL)
        return wb_sqlite_no_memory(connection, err);
    int code = wb_sqlite_prepare(connection, text, out, err);
    wb_free(text);
    return code;
}

int wb_sqlite_run(wb_sqlite_connection *connection, sqlite3_stmt *statement, bool *found,
                  wb_err *err)
{
    int status = sqlite3_step(statement);
    bool answered = status == SQLITE_ROW || status == SQLITE_DONE;
    int code = answered ? WB_OK : wb_sqlite_fail(connection, status, err);
    sqlite3_reset(statement);
    if (found != NULL)
        *found = status == SQLITE_ROW;
    return code;
}

/* ---- transactions ---- */

int wb_sqlite_begin(wb_sqlite_connection *connection, wb_err *err)
{
    return wb_sqlite_exec(connection, "BEGIN IMMEDIATE", err);
}

static int commit(wb_sqlite_connection *connection, wb_err *err)
{
    int status = sqlite3_exec(connection->db, "COMMIT", NULL, NULL, NULL);
    if (status == SQLITE_OK)
        return WB_OK;
    int code = wb_sqlite_fail(connection, status, err);
    if (err != NULL)
        err->in_doubt = (status & 0xff) == SQLITE_IOERR;
    return code;
}

int wb_sqlite_end(wb_sqlite_connection *connection, int code, wb_err *err)
{
    connection->ending = true;
    if (code == WB_OK)
        code = commit(connection, err);
    if (code != WB_OK && !sqlite3_get_autocommit(connection->db) &&
        sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        connection->broken = true;
    connection->ending = false;
    return code;
}
