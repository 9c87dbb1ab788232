/* SPDX-License-Identifier: MIT
 * The inside of the SQLite store, for its own files. All that is here belongs to one thread, so nothing is locked;
 * the list of open files alone is shared. Functions return WB_OK or fill *err: WB_STORE with a class. */
#ifndef WB_SQLITE_H
#define WB_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/err.h"
#include "rows/quote.h"
#include "rows/shape.h"
#include "rows/types.h"
#include "stores/recent.h"
#include "stores/store.h"

/* ---- open files and fork (fork.c) ---- */

typedef struct wb_sqlite_file wb_sqlite_file;

/* The file was open in a process when it forked this one, so it can't be opened here. */
bool wb_sqlite_inherited(const char *path);
wb_sqlite_file *wb_sqlite_file_opened(const char *path); /* NULL: no memory */
void wb_sqlite_file_closed(wb_sqlite_file *file);        /* NULL is fine */

/* ---- a connection (connection.c) ---- */

typedef struct wb_sqlite_connection {
    sqlite3 *db;      /* NULL: closed */
    dev_t log_device; /* of the write-ahead log's file, which has no name once it was moved from */
    ino_t log_inode;  /* 0: not known */
    wb_sqlite_file *file; /* while it is open */
    const char *path;     /* the store's */
    const char *table;    /* of the call under way; errors name it. NULL: they name the path */
    const wb_deadline *deadline; /* of the call under way; NULL: none is */
    bool ending;                 /* a COMMIT or ROLLBACK runs: not to be interrupted */
    bool broken;                 /* has to be closed and opened again */
} wb_sqlite_connection;

/* `flags` are sqlite3_open_v2's; SQLITE_OPEN_NOMUTEX is added. */
int wb_sqlite_open(wb_sqlite_connection *connection, int flags, wb_err *err);
/* Write-ahead log and durable commits. */
int wb_sqlite_tune(wb_sqlite_connection *connection, wb_err *err);
/* Its statements are finalized before. A closed one is fine. */
void wb_sqlite_close(wb_sqlite_connection *connection);
/* moved.c. The log is there: remembers which file it is. */
void wb_sqlite_log_opened(wb_sqlite_connection *connection);
/* The path names another file by now, or none. */
bool wb_sqlite_moved(wb_sqlite_connection *connection);
/* Where it does: brings what is in the log into the file, and leaves no log behind for another file to find. Answers
 * SQLite's status; SQLITE_OK too where it does not. */
int wb_sqlite_leave_moved(wb_sqlite_connection *connection);
/* Turns a failed call's status into an error that names the table, or the database. */
int wb_sqlite_fail(wb_sqlite_connection *connection, int status, wb_err *err);
int wb_sqlite_no_memory(const wb_sqlite_connection *connection, wb_err *err); /* WB_RETRY */
int wb_sqlite_exec(wb_sqlite_connection *connection, const char *sql, wb_err *err);
int wb_sqlite_prepare(wb_sqlite_connection *connection, const char *sql, sqlite3_stmt **out,
                      wb_err *err);
/* Empties the buffer. */
int wb_sqlite_prepare_buffer(wb_sqlite_connection *connection, wb_buffer *sql, sqlite3_stmt **out,
                             wb_err *err);
/* Steps a statement once and resets it. *found: it answered a row; `found` may be NULL. */
int wb_sqlite_run(wb_sqlite_connection *connection, sqlite3_stmt *statement, bool *found,
                  wb_err *err);
/* Begins a transaction, for which it waits for the write lock. */
int wb_sqlite_begin(wb_sqlite_connection *connection, wb_err *err);
/* Ends it: commits where code is WB_OK, else rolls back. Returns code, or why the commit failed. */
int wb_sqlite_end(wb_sqlite_connection *connection, int code, wb_err *err);

/* ---- what a table is like (table.c) ---- */

enum wb_affinity { WB_AFF_BLOB, WB_AFF_TEXT, WB_AFF_NUMERIC, WB_AFF_INTEGER, WB_AFF_REAL };

typedef struct wb_sqlite_column {
    char *name;
    char *declared;    /* its type as declared; empty: none */
    char *default_sql; /* NULL: none */
    int affinity;      /* enum wb_affinity */
    int key;           /* its place in the primary key, from 1; 0: it isn't there */
    bool not_null;
    bool rowid;     /* a name of the rowid: the database numbers it */
    bool refers;    /* to another table */
    bool generated; /* always, by the database */
} wb_sqlite_column;

typedef struct wb_sqlite_table {
    const char *name; /* the connection's */
    wb_sqlite_column *columns;
    size_t count; /* 0: there is no such table */
    size_t keys;  /* columns in the primary key */
} wb_sqlite_table;

/* Reads connection->table. *out needs wb_sqlite_table_fini, also after a failure. */
int wb_sqlite_table_read(wb_sqlite_connection *connection, wb_sqlite_table *out, wb_err *err);
void wb_sqlite_table_fini(wb_sqlite_table *table);
/* Binds ?1 to a table's name, and ?2 to its database's; without one it stays NULL. Answers SQLite's status. */
int wb_sqlite_bind_names(sqlite3_stmt *statement, const char *table);
/* WB_HOLD: the database has no such table. */
int wb_sqlite_no_table(const wb_sqlite_connection *connection, wb_err *err);
/* NULL: it has no such column. */
const wb_sqlite_column *wb_sqlite_column_find(const wb_sqlite_table *table, const char *name);
/* WB_HOLD: the table lacks the column, or declares it so that `type` does not fit. */
int wb_sqlite_column_check(const wb_sqlite_table *table, const char *name, int type, wb_err *err);
/* Checks all columns of a schema. WB_HOLD too where the schema lacks a column that needs a value. */
int wb_sqlite_table_check(const wb_sqlite_table *table, const wb_schema *schema, wb_err *err);
/* WB_HOLD: a column other than these two needs a value, so no row can be made of them. */
int wb_sqlite_pair_check(const wb_sqlite_table *table, const char *key, const char *column,
                         wb_err *err);
/* The column stores a uuid as 16 bytes, not as text. */
bool wb_sqlite_takes_bytes(const wb_sqlite_column *column);
/* How a column keeps the values of a type, where there is a choice. */
enum wb_sqlite_form {
    WB_SQLITE_OWN,   /* as the type's text, or SQLite's own class for it */
    WB_SQLITE_BYTES, /* a uuid as 16 bytes */
    WB_SQLITE_WALL, /* a time as "2024-05-14 09:00:00": so CURRENT_TIMESTAMP and most programs write it */
    WB_SQLITE_NUMBER, /* a numeric as SQLite's numbers */
};
int wb_sqlite_form(const wb_sqlite_column *column, int type);
/* The type that best describes a column. */
int wb_sqlite_type(const wb_sqlite_column *column);

/* ---- reading a schema (describe.c) ---- */

int wb_sqlite_describe(wb_sqlite_connection *connection, wb_describing *describing, wb_schema **out,
                       wb_err *err);

/* ---- writing rows (insert.c) ---- */

enum { WB_SQLITE_SHORT_TEXT = WB_TYPE_TEXT_BYTES }; /* a uuid or a time */

/* An INSERT for each shape that rows had lately. All zero: none yet. */
typedef struct wb_sqlite_shaped {
    bool unless_there; /* for a batch in doubt */
    size_t count, next;
    uint64_t *shapes;
    sqlite3_stmt *statements[WB_SHAPES];
} wb_sqlite_shaped;

/* Digits of a number that SQLite makes of a text and that come back the same. */
enum { WB_SQLITE_KEPT_DIGITS = 15 };

/* All zero: not prepared. */
typedef struct wb_sqlite_insert {
    wb_sqlite_connection *connection;
    const wb_target *target;
    wb_sqlite_shaped shaped;
    int *forms;                          /* of each column: enum wb_sqlite_form */
    wb_value *values;                    /* of the row under way */
    char (*texts)[WB_SQLITE_SHORT_TEXT]; /* of the row under way, where SQLite reads them */
    uint64_t superseded;                 /* of the last write: wb_session */
    bool folds;                          /* of an upsert: keys of other bytes may be one */
} wb_sqlite_insert;

int wb_sqlite_insert_prepare(wb_sqlite_insert *insert, wb_sqlite_connection *connection,
                             const wb_target *target, const wb_sqlite_table *table, wb_err *err);
int wb_sqlite_insert_rows(wb_sqlite_insert *insert, const wb_batch *batch, wb_err *err);
void wb_sqlite_insert_fini(wb_sqlite_insert *insert);
/* insert_sql.c: the statement that inserts a row. Its parameters are numbered as the schema's columns. */
int wb_sqlite_shaped_find(wb_sqlite_shaped *shaped, const wb_sqlite_insert *insert,
                          const uint8_t *tuple, sqlite3_stmt **out, wb_err *err);
/* Prepares the statement of a row that gives all columns, and forgets it: does the target fit the table? */
int wb_sqlite_shaped_check(const wb_sqlite_insert *insert, wb_err *err);
void wb_sqlite_shaped_clear(wb_sqlite_shaped *shaped); /* of bindings */
void wb_sqlite_shaped_fini(wb_sqlite_shaped *shaped);
/* How the store writes a uuid. Returns SQLite's status; `id` and `text` outlive the binding. */
int wb_sqlite_bind_uuid(sqlite3_stmt *statement, int at, const uint8_t id[16], bool as_bytes,
                        char text[WB_SQLITE_SHORT_TEXT]);

/* ---- rows that update those of their key ---- */

/* upsert_index.c. WB_HOLD: the table has no unique index of exactly the key. */
int wb_sqlite_upsert_check(wb_sqlite_connection *connection, const wb_target *target,
                           const wb_sqlite_table *table, bool *folds, wb_err *err);
/* upsert_sql.c. Puts what follows an INSERT of rows of that shape. The table is called t. */
void wb_sqlite_put_conflict(wb_buffer *sql, const wb_sqlite_insert *insert, const uint64_t *shape);
/* functions.c. The functions that it calls. Answers SQLite's status. */
int wb_sqlite_functions_add(sqlite3 *db);

/* ---- moving times forward (touch.c) ---- */

/* All zero: not prepared. */
typedef struct wb_sqlite_touch {
    wb_sqlite_connection *connection;
    const wb_target *target;
    sqlite3_stmt *update;
    sqlite3_stmt *find;
    sqlite3_stmt *insert; /* NULL: no row is made */
    bool as_bytes;        /* the key: wb_sqlite_takes_bytes */
    int text_type;        /* the type whose text a time is stored as */
} wb_sqlite_touch;

char *wb_sqlite_touch_ddl(const wb_target *target); /* CREATE TABLE; NULL: no memory */
int wb_sqlite_touch_prepare(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                            const wb_target *target, const wb_sqlite_table *table, wb_err *err);
int wb_sqlite_touch_marks(wb_sqlite_touch *touch, const wb_marks *marks, wb_touched *out,
                          wb_err *err);
void wb_sqlite_touch_fini(wb_sqlite_touch *touch);

/* ---- which writes are in (ledger.c) ---- */

/* A session's. All zero: not prepared. */
typedef struct wb_sqlite_ledger {
    sqlite3_stmt *enter, *prune;
    uint64_t stored; /* writes */
    bool absent;     /* the write under way is of a batch in doubt that is not in */
} wb_sqlite_ledger;

/* Enters a batch's id, in the transaction of its rows; makes the ledger where it is missing. *there: they are in
 * already. WB_HOLD too where a doubt is older than the ledger. */
int wb_sqlite_ledger_enter(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection,
                           const wb_batch *batch, bool *there, wb_err *err);
/* After a write that failed and is rolled back: where its batch was in doubt, sees to it that no earlier write comes, and
 * says so (err->ruled_out). While that fails no row is refused: WB_RETRY. */
void wb_sqlite_ledger_rule_out(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection,
                               wb_err *err);
void wb_sqlite_ledger_forget(wb_sqlite_ledger *ledger); /* its statements */

/* ---- what a session keeps of a table (table_plan.c) ---- */

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
