/* SPDX-License-Identifier: MIT
 * The inside of the PostgreSQL store. Only this folder includes it, and only this folder includes libpq.
 *
 * A function that does I/O ends soon after its deadline. One that fails on the connection drops it (wb_pg_drop),
 * and the next call connects again. PQcancel is never used: libpq's blocks without a deadline. The server itself
 * gives up on a connection that was dropped: at once where it reads from or writes to us, else by
 * client_connection_check_interval, lock_timeout or statement_timeout.
 *
 * A write is one simple query of several statements, which is one transaction without a BEGIN: the settings (SET
 * LOCAL, so a pooler may give the next transaction to another connection), the table's lock, the question whether it
 * still is the one that was checked, and the write. So no setting outlives a write, and no table is written to that
 * changed under an open connection. An upsert is a pipeline instead (pipeline.c), one transaction too; it writes its
 * types out, so that a changed table is no danger to it.
 * A session is used by one thread, and a store never changes, so nothing is locked.
 *
 * The files below stand on those above them. */
#ifndef WB_POSTGRES_H
#define WB_POSTGRES_H

#include <libpq-fe.h>

#include "base/buffer.h"
#include "rows/keyed.h"
#include "rows/quote.h"
#include "stores/recent.h"
#include "stores/store.h"

/* The oldest server that has all that the catalogue's queries read. */
enum { WB_PG_OLDEST = 120000 };

/* The most that a server may answer to one query. */
enum { WB_PG_MOST_BYTES = 64 * 1024 * 1024 };

/* One server of a conninfo, NULL where it does not say. */
typedef struct wb_pg_host {
    char *host, *hostaddr, *port;
} wb_pg_host;

/* Never changes after wb_store_postgres made it, but for `warned`. */
typedef struct wb_pg_store {
    wb_store base;
    PQconninfoOption *options; /* what the conninfo says; ends with a NULL keyword */
    wb_pg_host *hosts;         /* NULL: libpq walks the servers itself */
    size_t count;              /* of hosts; 1 where hosts is NULL */
    atomic_bool warned;        /* that a password went to nobody knows whom */
} wb_pg_store;

/* A table that a session writes to. */
typedef struct wb_pg_table {
    wb_recent base;
    char *quoted;      /* its name as the user has it, for SQL */
    PGresult *columns; /* as they were when it was found to fit; NULL: it is to be checked */
    /* Then, for each column of the schema: the OID of its elements, where it is not our type's, or 0. NULL: all 0. */
    uint32_t *elements;
    bool as_text; /* then: there is a cast, so rows go out as text */
    bool folds;   /* then: keys of other bytes may be one key there (citext) */
} wb_pg_table;

typedef struct wb_pg_session {
    wb_session base;
    wb_pg_store *store; /* a reference */
    wb_target target;   /* of a describe: table only */
    wb_recent *tables;  /* wb_pg_table; never empty. The first is that of the call under way */
    PGconn *conn;       /* NULL: none */
    bool watched;       /* then: the server can look whether we are still there */
    uint64_t come, come_before; /* bytes from the server; when the last statement was sent */
    size_t host;                /* the one to try first: it worked last */
    bool has_ledger;            /* there was one */
    bool key_is_there;          /* the last write failed because its key is in the ledger */
    uint64_t writes;            /* with a ledger */
} wb_pg_session;

/* Rows of a batch. */
typedef struct wb_pg_rows {
    const wb_batch *batch;
    const bool *there; /* a flag for each row, true: leave it out; NULL: none */
} wb_pg_rows;

/* ---- literal.c: values as SQL's text. Only the buffer fails ---- */

/* A text, which reads the same whatever standard_conforming_strings says. */
void wb_pg_put_literal(wb_buffer *sql, const char *text);
/* A row's value for a column, NULL and DEFAULT too. */
void wb_pg_put_value(wb_buffer *sql, const wb_column *column, const wb_value *value);
/* An array of one type (enum wb_type), element by element. */
void wb_pg_begin_array(wb_buffer *sql);
void wb_pg_put_element(wb_buffer *sql, int type, const wb_value *value);
void wb_pg_end_array(wb_buffer *sql, int type);
void wb_pg_end_array_of(wb_buffer *sql, const char *type); /* a type as SQL writes it */

/* ---- settings.c: what bounds a write on the server. Only the buffer fails ---- */

/* A share of the session's timeout in milliseconds, as the server takes it; never 0, which would mean none. */
int wb_pg_share_ms(const wb_pg_session *session, int percent);
/* What bounds a statement, and the wait for a lock. */
void wb_pg_put_limits(wb_buffer *sql, const wb_pg_session *session, int lock_ms);
/* The same for any statement that may have to wait: the server looks meanwhile whether we are still there. */
void wb_pg_put_settings(wb_buffer *sql, const wb_pg_session *session);
/* The same as one statement, without SET LOCAL, which warns in a pipeline; lock_ms also bounds the wait for a row. */
void wb_pg_put_config(wb_buffer *sql, const wb_pg_session *session, int lock_ms);
/* For any statement that may take so long, and no longer. */
void wb_pg_put_end(wb_buffer *sql, const wb_pg_session *session, int64_t left_us);
/* Tries the setting that not every server's system allows. */
void wb_pg_put_watch(wb_buffer *sql);

/* ---- errors.c: what a failure means ---- */

int wb_pg_class(const char *sqlstate); /* enum wb_class; pure */
/* May a statement that was answered with this error have been carried out all the same? */
bool wb_pg_doubtful(const char *sqlstate);
/* Fills *err from an error's result: class, SQLSTATE, message and detail. */
int wb_pg_fail(wb_err *err, const PGresult *result);
/* The same of an error that a row met with, in a COPY to that table: it may be the fault of some rows alone. *line is
 * the row's number in the stream, from 1; 0: the server does not say. */
int wb_pg_fail_row(wb_err *err, const PGresult *result, const char *table, size_t *line);
/* The same from the text of a failed connection, whose verbosity is PQERRORS_VERBOSE. */
int wb_pg_fail_connect(wb_err *err, const char *text, bool needs_password);
/* Copies the five characters of the last SQLSTATE in such a text; empty where there is none. */
void wb_pg_sqlstate_in(const char *text, char sqlstate[6]);

/* ---- hosts.c: what a conninfo says ---- */

/* Fills options, hosts and count of a store that is all zero; what it has filled stays for
 * wb_pg_hosts_free. WB_INVALID with libpq's words, without what may be a password. */
int wb_pg_hosts_parse(wb_pg_store *store, const char *conninfo, wb_err *err);
void wb_pg_hosts_free(wb_pg_store *store);
/* What the conninfo says of a keyword; NULL: nothing. */
const char *wb_pg_option(const wb_pg_store *store, const char *keyword);

/* ---- default.c: a column's default, as its SQL says it. Pure ---- */

/* Is the expression a constant of a column of that type (enum wb_type)? Then evaluating it has no effect, and
 * gives the same value in every session. */
bool wb_pg_default_constant(const char *sql, int type);
/* enum wb_generate of the expression of a uuid's default; -1: the server's business. */
int wb_pg_default_generate(const char *sql);

/* ---- session.c: a session and its tables ---- */

/* It uses the target's table. NULL: no memory. */
wb_pg_session *wb_pg_session_new(wb_pg_store *store, const wb_target *target);
void wb_pg_session_free(wb_pg_session *session);
/* Makes a table that of the call under way. WB_RETRY: no memory. */
int wb_pg_table_use(wb_pg_session *session, const char *name, wb_err *err);
static inline wb_pg_table *wb_pg_table_now(const wb_pg_session *session)
{
    return (wb_pg_table *)session->tables;
}
/* The table in use is to be checked again. */
void wb_pg_table_forget(wb_pg_table *table);
/* Ends the connection, if there is one. */
void wb_pg_drop(wb_pg_session *session);
/* At the end of a call: where it failed, a connection that the error puts in question is dropped. Returns code. */
int wb_pg_distrust(wb_pg_session *session, int code, const wb_err *err);

/* ---- wire.c: bytes to and from the server ---- */

/* A failure on the wire: RETRY, with libpq's words. Drops the connection. */
int wb_pg_lost(wb_pg_session *session, wb_err *err);
/* Reads what the server has sent so far, without waiting; false where it has closed the connection. */
bool wb_pg_peek(PGconn *conn);
/* Sends what libpq holds back. */
int wb_pg_flush(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);
/* The next result; NULL where the statement is done. WB_OK also for a result that is an error. A COPY ends the
 * connection. */
int wb_pg_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err);
/* The same where the server may be ready for a stream. */
int wb_pg_copy_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out,
                      wb_err *err);
/* Reads results up to the statement's end and throws them away. */
int wb_pg_drain(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);
/* Before a statement is sent. */
void wb_pg_listen(wb_pg_session *session);
/* Sends statements, and empties the buffer. */
int wb_pg_send(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline, wb_err *err);
/* Runs them, as one transaction unless they say otherwise, and throws away what they answer. */
int wb_pg_run(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline, wb_err *err);

/* Parameters of a statement, in binary. */
typedef struct wb_pg_parameters {
    int count;
    const char **values;
    int *lengths, *formats;
} wb_pg_parameters;

/* What a server answers is not believed: these three, and the reader of numbers, let nothing else through than what was
 * asked for. So whoever reads a result reads no field that is not there. */
typedef struct wb_pg_shape {
    int columns;
    int rows; /* 0: any number */
    bool binary;
} wb_pg_shape;
/* Runs statements whose last answers rows of that shape. */
int wb_pg_ask(wb_pg_session *session, wb_buffer *sql, wb_pg_shape shape,
              const wb_deadline *deadline, PGresult **out, wb_err *err);
/* Runs statements whose last tells how many rows it changed. */
int wb_pg_change(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline,
                 uint64_t *rows, wb_err *err);
/* Ends the connection with a server that answered something else: RETRY. */
int wb_pg_deviates(wb_pg_session *session, const char *what, wb_err *err);
/* Reads digits alone, 18 at most; false: that is no such number. */
bool wb_pg_number(const char *text, uint64_t *number);

/* ---- pipeline.c: several statements, which may have parameters, as one transaction. The server answers a statement at
 * wb_pg_pipe_ask, and commits none before wb_pg_pipe_commit. Whoever opened a pipeline ends it by commit or by close; what
 * fails on the wire drops the connection, and the pipeline with it ---- */

/* HOLD: libpq is too old. */
int wb_pg_pipe_open(wb_pg_session *session, wb_err *err);
/* A statement without parameters. Empties the buffer. */
int wb_pg_pipe_put(wb_pg_session *session, wb_buffer *sql, wb_err *err);
/* The statement that the next runs are of. It is answered on its own. */
int wb_pg_pipe_prepare(wb_pg_session *session, wb_buffer *sql, wb_err *err);
int wb_pg_pipe_run(wb_pg_session *session, const wb_pg_parameters *parameters,
                   const wb_deadline *deadline, wb_err *err);
/* Asks for the answers to all so far, and sends what is held back. */
int wb_pg_pipe_ask(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);
/* The answer to the next statement, which may be an error; never NULL. */
int wb_pg_pipe_answer(wb_pg_session *session, const wb_deadline *deadline, PGresult **out,
                      wb_err *err);
/* The transaction's end, once all was answered well. *in_doubt: whether it was committed is not known. *refusal becomes
 * the error that the server gave, which then is what counts; else *err is filled. */
int wb_pg_pipe_commit(wb_pg_session *session, const wb_deadline *deadline, PGresult **refusal,
                      bool *in_doubt, wb_err *err);
/* Rolls back. refused: the server answered an error. Else it does so only without a connection, as all that was sent is
 * good: a Sync would commit it. */
void wb_pg_pipe_close(wb_pg_session *session, bool refused, const wb_deadline *deadline);

/* ---- connect.c: one connection ---- */

/* A connection that looks alive: the one there is, or a new one. *fresh says which. */
int wb_pg_connect(wb_pg_session *session, const wb_deadline *deadline, bool *fresh, wb_err *err);

/* ---- catalogue.c: what a table looks like ---- */

enum wb_pg_table_field {
    WB_PG_TABLE,     /* its OID; NULL: there is no such table */
    WB_PG_FULL,      /* its name with its schema, quoted */
    WB_PG_LOCKABLE,  /* t: LOCK TABLE works on it, with the rights of this role */
    WB_PG_VIEW,      /* t: a view that takes no rows by COPY */
    WB_PG_SECURED,   /* t: row-level security applies to this role */
    WB_PG_NAME,      /* NULL: a table without columns */
    WB_PG_OWN_TYPE,  /* OID of the column's type */
    WB_PG_BASE,      /* of the type below all domains */
    WB_PG_TYPE,      /* the column's type, as SQL writes it */
    WB_PG_NOT_NULL,  /* t: by the column or by its domain */
    WB_PG_DEFAULT,   /* t: it has one, or its domain has */
    WB_PG_IDENTITY,  /* a, d or empty */
    WB_PG_GENERATED, /* s, v or empty */
    WB_PG_DEFAULT_SQL,
    WB_PG_KEY,       /* t: it alone is the primary key */
    WB_PG_UNIQUE,    /* t: it alone is the key of a unique index over all rows */
    WB_PG_PARTITION, /* t: partitions go by it first */
    WB_PG_AS,        /* OID of the type that a value is written as; of an array, an element */
    WB_PG_ELEMENT,   /* of an array, OID of its elements' type; NULL: it is none */
    WB_PG_TEXTUAL,   /* t: text is what a value is written as */
    WB_PG_MAX,       /* characters, at the most; NULL: any number */
    WB_PG_REFERS,    /* t: to another table's key */
    WB_PG_MAY,       /* t: this role may insert into it, or into no column at all */
    WB_PG_BASE_NAME, /* the name of WB_PG_BASE with its schema, quoted */
    WB_PG_TABLE_FIELDS
};
/* The columns of the table in use, in their order, a row each, with the fields above as text. */
int wb_pg_columns(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err);
bool wb_pg_true(const PGresult *columns, int row, int field);
/* The row of a column; -1: there is none. */
int wb_pg_find(const PGresult *columns, const char *name);
/* The enum wb_type that a column, or an array's element, can be written as; -1: none. */
int wb_pg_type(const PGresult *columns, int row);
bool wb_pg_is_array(const PGresult *columns, int row);
uint32_t wb_pg_element(const PGresult *columns, int row); /* OID */
/* The column of the schema that the table's partitions go by, from 1; 0: none, or it is not in the schema. */
uint32_t wb_pg_group_column(const PGresult *columns, const wb_schema *schema);
/* Is that what the table's columns are now? `now` is what wb_pg_put_copy asks. */
bool wb_pg_is_as_checked(const PGresult *columns, const PGresult *now);

/* ---- copy_sql.c, touch_sql.c: the texts of statements. Only the buffer fails ---- */

/* The statements that write rows, which are of a shape, to the table in use: one asks what the table looks like now
 * (wb_pg_is_as_checked), the last is the COPY. */
void wb_pg_put_copy(wb_buffer *sql, const wb_pg_session *session, const wb_pg_rows *rows,
                    const uint64_t *shape);
/* The statements that write rows of all shapes. */
void wb_pg_put_insert(wb_buffer *sql, const wb_pg_session *session, const wb_pg_rows *rows);
/* The statement that moves times where the key is unique, the column's type no domain, and nobody else at work on a row:
 * it waits for a lock only for a moment. Its command tag says how many it moved. */
void wb_pg_put_touch_all(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks);
/* The same for all cases, which waits for no row. It answers rows of two numbers: once 0, and how many ids it moved;
 * of each mark that has no row, or a late one that it did not move, the mark's number, from 1, and why. */
void wb_pg_put_touch_free(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks);
enum wb_pg_left { WB_PG_NO_ROW, WB_PG_IN_USE, WB_PG_OTHER_TYPE };
/* Which of the marks that did not move are kept from it by a policy: it answers such rows, with the number of each mark that
 * has no row to be moved. It waits only for a moment for a row that is locked. */
void wb_pg_put_touch_kept(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks);
/* The statement that makes the rows of ids that had none, unless the columns' types have changed. It waits only for a
 * moment for somebody who makes one of them. It answers such rows: once 0, and 0 or WB_PG_OTHER_TYPE; of each mark whose
 * row it did not make, the mark's number and WB_PG_NO_ROW. */
void wb_pg_put_touch_insert(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks);

/* ---- upsert_sql.c: the text of an upsert. Only the buffer fails ---- */

/* The statement that writes rows of a shape, with an array for each column that it gives. */
void wb_pg_put_upsert(wb_buffer *sql, const wb_pg_session *session, const uint64_t *shape);
/* OID of a column's values as they are sent. */
uint32_t wb_pg_sent_oid(const wb_pg_session *session, size_t column);

/* ---- check.c: does the table fit? ---- */

/* Reads the columns of the table in use anew. HOLD, naming the column, where the session's target does not fit. */
int wb_pg_check(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);

/* ---- upsert_index.c: the index that an upsert goes by ---- */

/* Sees to it that the table in use has one, and how it compares keys. HOLD, saying what is there instead. */
int wb_pg_check_index(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);

/* ---- describe.c ---- */

/* The schema of the table in use. */
int wb_pg_describe(wb_pg_session *session, wb_describing *describing, const wb_deadline *deadline,
                   wb_schema **out, wb_err *err);

/* ---- touch*.c, copy.c, doubt.c: writes to the table in use, which is checked, on the connection there is. HOLD where it
 * is no longer as it was then ---- */

/* ledger.c. What belongs to a write with a ledger. Before it: *in becomes true where its rows are in already. */
int wb_pg_ledger_begin(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *in, wb_err *err);
/* In it: the statement that puts in its key, and a semicolon; nothing where there is no ledger. */
void wb_pg_put_ledger(wb_buffer *sql, const wb_pg_session *session, const wb_batch *batch);
/* The server refused a statement of it: perhaps this one. */
void wb_pg_ledger_refused(wb_pg_session *session, const PGresult *result);
/* After it, as it ended: what becomes of the batch. */
int wb_pg_ledger_end(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                     int code, wb_err *err);
/* marks: one at least. An id whose row the table refuses is unmatched; one that there was no time for comes again. */
int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err);
/* A lock was in the way of a statement. */
bool wb_pg_was_in_the_way(const wb_err *err);
/* What became of the marks that did not move, by a statement that waits for no row. absent: a flag for each mark, which
 * becomes true where it has no row; NULL: nobody asks. */
int wb_pg_touch_free(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     wb_touched *touched, bool *absent, wb_err *err);
/* Makes the rows of the marks that are absent, and counts anew which are unmatched. */
int wb_pg_touch_insert(wb_pg_session *session, const wb_marks *marks, const bool *absent,
                       const wb_deadline *deadline, wb_touched *touched, wb_err *err);
/* write.c. By whichever way takes rows of their shapes. *begun becomes true once the server is ready for the rows: the
 * connection was no dead one. */
int wb_pg_write(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                bool *begun, wb_err *err);
int wb_pg_copy(wb_pg_session *session, const wb_pg_rows *rows, const uint64_t *shape,
               const wb_deadline *deadline, bool *begun, wb_err *err);
/* stream.c. Sends rows of one shape to a server that is ready for them. */
int wb_pg_put_rows(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                   wb_err *err);
/* Fills *err from the answer of a server that refused rows. Is it in doubt whether they are in? */
int wb_pg_refused(wb_pg_session *session, const wb_pg_rows *rows, const PGresult *result,
                  bool *in_doubt, wb_err *err);
/* upsert_rows.c. Rows of one shape as arrays, one for each column that the shape gives. */
typedef struct wb_pg_arrays {
    wb_pg_parameters parameters;
    uint32_t *oids;     /* of each column of the schema: that of its elements */
    wb_buffer *columns; /* the same: the array */
} wb_pg_arrays;
bool wb_pg_arrays_init(wb_pg_arrays *arrays, const wb_pg_session *session); /* false: no memory */
void wb_pg_arrays_fini(wb_pg_arrays *arrays, const wb_schema *schema);
/* Fills them anew. False: no memory. */
bool wb_pg_arrays_fill(wb_pg_arrays *arrays, const wb_schema *schema, const wb_keyed_row *rows,
                       size_t count);

/* upsert.c. Inserts rows, or updates those that are there. */
int wb_pg_upsert(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                 bool *begun, wb_err *err);
/* Of a batch in doubt: writes what is not there yet. */
int wb_pg_copy_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *begun, wb_err *err);

#endif
