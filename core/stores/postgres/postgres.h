/* SPDX-License-Identifier: MIT
 * The inside of the PostgreSQL store; only postgres_*.c and store_postgres.c include it, and they alone
 * include libpq.
 *
 * Every function here that does I/O ends soon after its deadline. One that fails on the connection drops
 * it (wb_pg_drop), and the next call connects again. PQcancel is never used: libpq's is blocking, without
 * a deadline. A connection that is dropped makes the server give up by itself: at once where it reads
 * from or writes to us, else by client_connection_check_interval, lock_timeout or statement_timeout, which
 * wb_pg_connect sets. */
#ifndef WB_POSTGRES_H
#define WB_POSTGRES_H

#include <libpq-fe.h>

#include "base/buffer.h"
#include "rows/quote.h"
#include "stores/store.h"
#include "stores/recent.h"

/* The oldest server that has all that the catalogue's queries read. */
enum { WB_PG_OLDEST = 120000 };

/* One server of a conninfo, NULL where it does not say. */
typedef struct wb_pg_host {
    char *host, *hostaddr, *port;
} wb_pg_host;

/* Immutable after wb_store_postgres, so not locked. */
typedef struct wb_pg_store {
    wb_store base;
    PQconninfoOption *options; /* what the conninfo says; ends with a NULL keyword */
    wb_pg_host *hosts;         /* NULL: libpq walks the servers itself */
    size_t count;              /* of hosts; 1 where hosts is NULL */
} wb_pg_store;

/* A table that a session writes to. */
typedef struct wb_pg_aim {
    wb_recent base;
    char *table;     /* quoted */
    char *statement; /* COPY or UPDATE */
    bool checked;    /* found to fit since the connection or the last failure to write to it */
    bool unique;     /* then: a unique index holds the target's dedupe column */
} wb_pg_aim;

typedef struct wb_pg_session {
    wb_session base;
    wb_pg_store *store; /* a reference */
    wb_target target;   /* of a describe: table only */
    wb_recent *aims;    /* wb_pg_aim; never empty. The first is that of the call under way */
    PGconn *conn;       /* NULL: none */
    size_t host;        /* the one to try first: it worked last */
} wb_pg_session;

/* ---- postgres_hosts.c: what a conninfo says ---- */

/* Fills options, hosts and count of a store that is all zero; what it has filled stays for
 * wb_pg_hosts_free. WB_INVALID with libpq's words, without what may be a password. */
int wb_pg_hosts_parse(wb_pg_store *store, const char *conninfo, wb_err *err);
void wb_pg_hosts_free(wb_pg_store *store);
/* What the conninfo says of a keyword; NULL: nothing. */
const char *wb_pg_option(const wb_pg_store *store, const char *keyword);

/* ---- postgres_session.c: a session and its tables ---- */

/* Its aim is the target's table. NULL: no memory. */
wb_pg_session *wb_pg_session_new(wb_pg_store *store, const wb_target *target);
void wb_pg_session_free(wb_pg_session *session);
/* Makes a table the one of the call under way. WB_RETRY: no memory. */
int wb_pg_aim_at(wb_pg_session *session, const char *table, wb_err *err);
static inline wb_pg_aim *wb_pg_aim_now(const wb_pg_session *session)
{
    return (wb_pg_aim *)session->aims;
}
void wb_pg_aims_doubt(wb_pg_session *session);            /* all are to be checked again */
bool wb_pg_aims_others_fit(const wb_pg_session *session); /* another than the first is checked */

/* ---- postgres_connect.c: one connection ---- */

/* A connection that looks alive: the one there is, or a new one. *fresh says which. */
int wb_pg_connect(wb_pg_session *session, const wb_deadline *deadline, bool *fresh, wb_err *err);
void wb_pg_drop(wb_pg_session *session);
/* Takes in what the server has sent so far, without waiting; false where it has closed the connection. */
bool wb_pg_peek(PGconn *conn);

/* ---- postgres_query.c: statements on it ---- */

/* Sends what libpq holds back. */
int wb_pg_flush(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);
/* The next result; NULL where the statement is done. WB_OK also for a result that is an error. */
int wb_pg_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err);
/* Reads results up to the statement's end and throws them away. */
int wb_pg_drain(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);
typedef struct wb_pg_params {
    int count;
    const Oid *types;
    const char *const *values;
    const int *bytes;
    const int *binary; /* a format for each */
} wb_pg_params;
/* Runs one statement (several, in a text without parameters and with result NULL). The result is in text
 * or in binary. */
int wb_pg_run(wb_pg_session *session, const char *sql, const wb_pg_params *params, bool binary,
              const wb_deadline *deadline, PGresult **out, wb_err *err);
/* Binary parameters: types, numbers, and the beginning of an array of one dimension, after which come its
 * elements, each with its length as an int32 before it. */
enum {
    WB_PG_UUID = 2950,
    WB_PG_UUIDS = 2951,
    WB_PG_TIMESTAMPTZ = 1184,
    WB_PG_TIMESTAMPTZS = 1185,
    WB_PG_ARRAY_BYTES = 20,
};
void wb_pg_put_int32(wb_buffer *buffer, uint32_t value);
void wb_pg_put_int64(wb_buffer *buffer, int64_t value);
void wb_pg_put_array(wb_buffer *buffer, uint32_t type, size_t count);
/* A failure on the wire: RETRY, with libpq's words. Drops the connection. */
int wb_pg_lost(wb_pg_session *session, wb_err *err);
/* After a failed call: what of the session can't be trusted any more. Returns code. */
int wb_pg_settle(wb_pg_session *session, int code, const wb_err *err);

/* ---- postgres_errors.c: what a failure means ---- */

int wb_pg_class(const char *sqlstate); /* enum wb_class; pure */
/* May a statement have been carried out all the same whose end was answered with this error? */
bool wb_pg_doubtful(const char *sqlstate);
/* Fills *err from an error's result: class, SQLSTATE, message and detail. */
int wb_pg_fail(wb_err *err, const PGresult *result);
/* The same from the text of a failed connection, whose verbosity is PQERRORS_VERBOSE. */
int wb_pg_fail_connect(wb_err *err, const char *text, bool needs_password);
/* Copies the five characters of the last SQLSTATE in such a text; empty where there is none. */
void wb_pg_sqlstate_in(const char *text, char sqlstate[6]);

/* ---- postgres_catalogue.c: does the table fit? ---- */

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
    WB_PG_KEY,    /* t: it alone is the primary key */
    WB_PG_UNIQUE, /* t: it is in the key of a unique index over all rows */
};
/* The columns of the table aimed at in their order, a row each, with the fields above as text. */
int wb_pg_columns(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err);
bool wb_pg_true(const PGresult *columns, int row, int field);
/* The enum wb_type that a column can be written as; -1: none. */
int wb_pg_type(const PGresult *columns, int row);
/* HOLD, naming the column, where the session's target does not fit the table aimed at. */
int wb_pg_check(wb_pg_session *session, const wb_deadline *deadline, wb_err *err);

/* ---- postgres_default.c: a column's default, as its SQL says it ---- */

/* Is the expression a constant of a column of that type (enum wb_type), so that evaluating it has no
 * effect and gives the same value in every session? Pure. */
bool wb_pg_default_constant(const char *sql, int type);
/* enum wb_generate of the expression of a uuid's default, or -1: the server's business. Pure. */
int wb_pg_default_generate(const char *sql);

/* ---- the calls of the class ---- */

int wb_pg_write(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                wb_err *err);
/* Of wb_pg_write, on a session that is connected, its aim the batch's table and checked. *begun: the server has answered, so that the
 * connection was no dead one. */
int wb_pg_copy(wb_pg_session *session, const wb_batch *batch, const bool *there,
               const wb_deadline *deadline, bool *begun,
               wb_err *err); /* there: rows left out; NULL: none */
int wb_pg_copy_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *begun, wb_err *err); /* postgres_doubt.c */
int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err);
int wb_pg_describe(wb_pg_session *session, const wb_deadline *deadline, wb_schema **out,
                   wb_err *err);
/* The statements; NULL: no memory. */
char *wb_pg_copy_statement(const char *table, const wb_schema *schema);
char *wb_pg_touch_statement(const char *table, const wb_target *target);

#endif
