/* SPDX-License-Identifier: MIT
 * The inside of the PostgreSQL store. Only this folder includes it, and only this folder includes libpq.
 *
 * A function that does I/O ends soon after its deadline. One that fails on the connection drops it (wb_pg_drop),
 * and the next call connects again. PQcancel is never used: libpq's blocks without a deadline. The server itself
 * gives up on a connection that was dropped: at once where it reads from or writes to us, else by
 * client_connection_check_interval, lock_timeout or statement_timeout, which wb_pg_connect sets.
 * A session is used by one thread, and a store never changes, so nothing is locked.
 *
 * The files below stand on those above them. */
#ifndef WB_POSTGRES_H
#define WB_POSTGRES_H

#include <libpq-fe.h>

#include "base/buffer.h"
#include "rows/quote.h"
#include "stores/recent.h"
#include "stores/store.h"

/* The oldest server that has all that the catalogue's queries read. */
enum { WB_PG_OLDEST = 120000 };

/* One server of a conninfo, NULL where it does not say. */
typedef struct wb_pg_host {
    char *host, *hostaddr, *port;
} wb_pg_host;

/* Never changes after wb_store_postgres made it. */
typedef struct wb_pg_store {
    wb_store base;
    PQconninfoOption *options; /* what the conninfo says; ends with a NULL keyword */
    wb_pg_host *hosts;         /* NULL: libpq walks the servers itself */
    size_t count;              /* of hosts; 1 where hosts is NULL */
} wb_pg_store;

/* A table that a session writes to. */
typedef struct wb_pg_table {
    wb_recent base;
    char *quoted;    /* its name, for SQL */
    char *statement; /* COPY or UPDATE */
    bool checked;    /* found to fit since the connection or the last failure to write to it */
    bool unique;     /* then: a unique index holds the target's dedupe column */
    uint32_t
        group_column; /* then: the column of the schema that partitions go by, from 1; 0: none */
} wb_pg_table;

typedef struct wb_pg_session {
    wb_session base;
    wb_pg_store *store; /* a reference */
    wb_target target;   /* of a describe: table only */
    wb_recent *tables;  /* wb_pg_table; never empty. The first is that of the call under way */
    PGconn *conn;       /* NULL: none */
    size_t host;        /* the one to try first: it worked last */
} wb_pg_session;

/* ---- sql.c: the texts of statements. Each is the caller's to free; NULL: no memory ---- */

char *wb_pg_quote_table(const char *name);
/* table: quoted already. */
char *wb_pg_copy_statement(const char *table, const wb_schema *schema);
char *wb_pg_touch_statement(const char *table, const wb_target *target);
/* Which of the uuids in $1 are in the dedupe column? They come sorted, as memcmp sorts them. */
char *wb_pg_which_statement(const char *table, const wb_target *target);

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
/* Ends the connection, if there is one. All tables are to be checked again. */
void wb_pg_drop(wb_pg_session *session);
/* At the end of a call: where it failed, its table is to be checked again, and a connection that the error puts in
 * question is dropped. Returns code. */
int wb_pg_distrust(wb_pg_session *session, int code, const wb_err *err);

/* ---- wire.c: bytes to and from the server ---- */

/* A failure on the wire: RETRY, with libpq's words. Drops the connection. */
int wb_pg_lost(wb_pg_session *session, wb_err *err);
/* Reads what the server has sent so far, without waiting; false where it has closed the connection. */
bool wb_pg_peek(PGconn *conn);
/* Sends what libpq holds back. */
int wb_pg_flush(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);
/* The next result; NULL where the statement is done. WB_OK also for a result that is an error. */
int wb_pg_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err);
/* Reads results up to the statement's end and throws them away. */
int wb_pg_drain(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);

/* A statement's parameters, in binary; begins as all zero. The data is the caller's. */
enum { WB_PG_PARAMS = 3 };
typedef struct wb_pg_params {
    int count;
    Oid types[WB_PG_PARAMS];
    const char *values[WB_PG_PARAMS];
    int bytes[WB_PG_PARAMS];
} wb_pg_params;
/* Adds one, of no more than WB_PG_PARAMS. */
void wb_pg_bind(wb_pg_params *params, Oid type, const char *data, size_t bytes);
/* Runs one statement. The result is in text or in binary. params may be NULL; with a result of NULL in text there
 * may then be several statements. */
int wb_pg_run(wb_pg_session *session, const char *sql, const wb_pg_params *params, bool binary,
              const wb_deadline *deadline, PGresult **out, wb_err *err);

/* Types of parameters. */
enum {
    WB_PG_TEXT = 25,
    WB_PG_UUID = 2950,
    WB_PG_UUIDS = 2951,
    WB_PG_TIMESTAMPTZ = 1184,
    WB_PG_TIMESTAMPTZS = 1185,
};
void wb_pg_put_int32(wb_buffer *buffer, uint32_t value);
void wb_pg_put_int64(wb_buffer *buffer, int64_t value);
/* The beginning of an array of one dimension, with room for all of it. The elements follow, each with its length
 * before it as an int32. */
void wb_pg_put_array(wb_buffer *buffer, Oid type, size_t count, size_t element_bytes);

/* ---- connect.c: one connection ---- */

/* A connection that looks alive: the one there is, or a new one. *fresh says which. */
int wb_pg_connect(wb_pg_session *session, const wb_deadline *deadline, bool *fresh, wb_err *err);

/* ---- catalogue.c: does the table fit? ---- */

enum wb_pg_table_field {
    WB_PG_FOUND,     /* t: the table is there */
    WB_PG_NAME,      /* NULL: a table without columns */
    WB_PG_BASE,      /* OID of the type below all domains */
    WB_PG_TYPE,      /* its name, as SQL writes it */
    WB_PG_NOT_NULL,  /* t: by the column or by its domain */
    WB_PG_DEFAULT,   /* t: it has one, or its domain has */
    WB_PG_IDENTITY,  /* a, d or empty */
    WB_PG_GENERATED, /* s, v or empty */
    WB_PG_DEFAULT_SQL,
    WB_PG_KEY,       /* t: it alone is the primary key */
    WB_PG_UNIQUE,    /* t: it is in the key of a unique index over all rows */
    WB_PG_PARTITION, /* t: partitions go by it first */
};
/* The columns of the table in use, in their order, a row each, with the fields above as text. */
int wb_pg_columns(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err);
bool wb_pg_true(const PGresult *columns, int row, int field);
/* The enum wb_type that a column can be written as; -1: none. */
int wb_pg_type(const PGresult *columns, int row);
/* HOLD, naming the column, where the session's target does not fit the table in use. */
int wb_pg_check(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);

/* ---- describe.c ---- */

/* The schema of the table in use. */
int wb_pg_describe(wb_pg_session *session, const wb_deadline *deadline, wb_schema **out,
                   wb_err *err);

/* ---- touch.c, copy.c, doubt.c: writes to the table in use, which is checked, on the connection there is ---- */

/* marks: one at least. */
int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err);
/* there: a flag for each row of the batch, true: leave it out; NULL: none. *begun becomes true once the server has
 * answered: the connection was no dead one. */
int wb_pg_copy(wb_pg_session *session, const wb_batch *batch, const bool *there,
               const wb_deadline *deadline, bool *begun, wb_err *err);
/* Of a batch in doubt: writes what is not there yet. */
int wb_pg_copy_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *begun, wb_err *err);

#endif
