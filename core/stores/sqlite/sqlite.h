/* SPDX-License-Identifier: MIT
 * The SQLite store's inside, shared by its files and by no others. A connection is one connection and belongs to
 * one thread; nothing here is locked. Functions answer WB_OK or fill *err: WB_STORE with a class. */
#ifndef WB_SQLITE_H
#define WB_SQLITE_H

#include <sqlite3.h>

#include "base/buffer.h"
#include "base/err.h"
#include "rows/quote.h"
#include "stores/store.h"
#include "stores/recent.h"

/* ---- a connection (connection.c) ---- */

typedef struct wb_sqlite_file wb_sqlite_file;

typedef struct wb_sqlite_connection {
    sqlite3 *db;          /* NULL: closed */
    wb_sqlite_file *file; /* while it is open */
    const char *path;     /* the store's */
    const char *table;    /* of the call under way; errors name it. NULL: they name the path */
    const wb_deadline *deadline; /* of the call under way; NULL: none is */
    bool ending;                 /* a COMMIT or ROLLBACK runs: not to be interrupted */
    bool broken;                 /* after what happened, to be opened afresh */
} wb_sqlite_connection;

/* `flags` are sqlite3_open_v2's, besides SQLITE_OPEN_NOMUTEX. */
int wb_sqlite_open(wb_sqlite_connection *connection, int flags, wb_err *err);
/* Write-ahead log and durable commits. */
int wb_sqlite_tune(wb_sqlite_connection *connection, wb_err *err);
void wb_sqlite_close(
    wb_sqlite_connection *connection); /* its statements are finalized already; closed is fine */
bool wb_sqlite_moved(
    wb_sqlite_connection *connection); /* the path names another file by now, or none */
/* A failed call's status to an error that names the table, or the database. */
int wb_sqlite_fail(wb_sqlite_connection *connection, int status, wb_err *err);
int wb_sqlite_exec(wb_sqlite_connection *connection, const char *sql, wb_err *err);
int wb_sqlite_prepare(wb_sqlite_connection *connection, const char *sql, sqlite3_stmt **out,
                      wb_err *err);
/* Takes the SQL out of the buffer. */
int wb_sqlite_prepare_buffer(wb_sqlite_connection *connection, wb_buffer *sql, sqlite3_stmt **out,
                             wb_err *err);
/* Steps a statement that answers no rows, and resets it. */
int wb_sqlite_run(wb_sqlite_connection *connection, sqlite3_stmt *statement, wb_err *err);
int wb_sqlite_begin(wb_sqlite_connection *connection, wb_err *err); /* waits for the write lock */
/* Ends a transaction: commits where code is WB_OK, else rolls back. The transaction is over afterwards;
 * answers code, or why the commit failed. */
int wb_sqlite_end(wb_sqlite_connection *connection, int code, wb_err *err);

/* ---- open files and fork (fork.c) ---- */

/* Was it open in the process that this one was forked from, when it was? Then it can't be opened here. */
bool wb_sqlite_inherited(const char *path);
wb_sqlite_file *wb_sqlite_file_opened(const char *path); /* NULL: no memory */
void wb_sqlite_file_closed(wb_sqlite_file *file);        /* NULL is fine */

/* ---- what a table is like (table.c) ---- */

enum wb_affinity { WB_AFF_BLOB, WB_AFF_TEXT, WB_AFF_NUMERIC, WB_AFF_INTEGER, WB_AFF_REAL };

typedef struct wb_sqlite_column {
    char *name;
    char *declared;    /* the type as declared; empty: none */
    char *default_sql; /* NULL: none */
    int affinity;      /* enum wb_affinity */
    int key;           /* its place in the primary key, from 1; 0: it isn't there */
    bool not_null;
    bool rowid; /* a name of the rowid: the database numbers it */
} wb_sqlite_column;

typedef struct wb_sqlite_table {
    wb_sqlite_column *columns; /* without generated ones */
    size_t count;              /* 0: there is no such table */
    size_t keys;               /* columns in the primary key */
} wb_sqlite_table;

/* Reads connection->table. *out is to be ended by wb_sqlite_table_fini, also after a failure. */
int wb_sqlite_table_read(wb_sqlite_connection *connection, wb_sqlite_table *out, wb_err *err);
void wb_sqlite_table_fini(wb_sqlite_table *table);
/* NULL: it has no such column. */
const wb_sqlite_column *wb_sqlite_column_find(const wb_sqlite_table *table, const char *name);
/* WB_HOLD where the table lacks the column, or declares it so that `type` does not fit. */
int wb_sqlite_column_check(const wb_sqlite_connection *connection, const wb_sqlite_table *table,
                           const char *name, int type, wb_err *err);
/* The same for all columns of a schema; and for columns that the schema lacks and that need a value. */
int wb_sqlite_table_check(const wb_sqlite_connection *connection, const wb_sqlite_table *table,
                          const wb_schema *schema, wb_err *err);
/* A uuid goes there as 16 bytes, not as text. */
bool wb_sqlite_takes_bytes(const wb_sqlite_column *column);
/* The type that best describes a column. */
int wb_sqlite_type(const wb_sqlite_column *column);

/* ---- reading a schema (describe.c) ---- */

int wb_sqlite_describe(wb_sqlite_connection *connection, wb_schema **out, wb_err *err);

/* ---- writing rows (insert.c) ---- */

enum { WB_SQLITE_SHORT_TEXT = 40 }; /* a uuid, a time or a date */

/* All zero: not prepared. */
typedef struct wb_sqlite_insert {
    sqlite3_stmt *insert;
    bool *as_bytes;                      /* a column: wb_sqlite_takes_bytes */
    wb_value *values;                    /* of the row under way */
    char (*texts)[WB_SQLITE_SHORT_TEXT]; /* of the row under way, where SQLite reads them */
} wb_sqlite_insert;

int wb_sqlite_insert_prepare(wb_sqlite_insert *insert, wb_sqlite_connection *connection,
                             const wb_target *target, const wb_sqlite_table *table, wb_err *err);
int wb_sqlite_insert_rows(wb_sqlite_insert *insert, wb_sqlite_connection *connection,
                          const wb_target *target, const wb_batch *batch, wb_err *err);
void wb_sqlite_insert_fini(wb_sqlite_insert *insert);

/* ---- moving times forward (touch.c) ---- */

/* All zero: not prepared. */
typedef struct wb_sqlite_touch {
    sqlite3_stmt *update;
    sqlite3_stmt *find;
    bool as_bytes; /* the key: wb_sqlite_takes_bytes */
} wb_sqlite_touch;

int wb_sqlite_touch_prepare(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                            const wb_target *target, const wb_sqlite_table *table, wb_err *err);
int wb_sqlite_touch_marks(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                          const wb_target *target, const wb_marks *marks, wb_touched *out,
                          wb_err *err);
void wb_sqlite_touch_fini(wb_sqlite_touch *touch);

/* ---- a table that a session uses (table_plan.c) ---- */

/* Prepared on a connection, and freed before that is closed. */
typedef struct wb_sqlite_plan {
    wb_recent base;
    wb_sqlite_insert insert; /* of a batcher's target */
    wb_sqlite_touch touch;   /* of a tracker's */
} wb_sqlite_plan;

/* For connection->table, which is made where it is missing and may be made. */
int wb_sqlite_plan_new(wb_sqlite_connection *connection, const wb_target *target, bool may_create,
                       wb_sqlite_plan **out, wb_err *err);
void wb_sqlite_plan_free(wb_sqlite_plan *plan); /* NULL is fine */

#endif
