/* SPDX-License-Identifier: MIT
 * What the tests of the PostgreSQL store share: a connection of their own, which makes tables and looks
 * into them, and sessions. The server is named by WRITEBEHIND_TEST_POSTGRES; without it the tests fail.
 * Each test has a schema of its own in the database, dropped at its end. */
#ifndef WB_SPEC_POSTGRES_SUPPORT_H
#define WB_SPEC_POSTGRES_SUPPORT_H

#include "support/support.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rows/row.h"
#include "stores/postgres/postgres.h"

enum { WIDEST = 32 };
#define SECOND_US INT64_C(1000000)

typedef struct fixture {
    PGconn *admin;
    char space[64]; /* the schema in the database */
    wb_store *store;
} fixture;

static inline const char *test_conninfo(void)
{
    const char *conninfo = getenv("WRITEBEHIND_TEST_POSTGRES");
    if (conninfo == NULL)
        fail_msg("%s", "WRITEBEHIND_TEST_POSTGRES is not set: it names the server to test with");
    return conninfo;
}

/* Runs SQL; the first value of its last result, or "" (valid until the next call). */
static inline const char *sql(fixture *f, const char *format, ...)
{
    static char value[1024];
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    PGresult *result = PQexec(f->admin, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(f->admin));
    bool any = PQntuples(result) > 0 && PQnfields(result) > 0;
    snprintf(value, sizeof value, "%s", any ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

static inline int set_up(void **state)
{
    static int serial;
    fixture *f = calloc(1, sizeof *f);
    wb_err err;
    f->admin = PQconnectdb(test_conninfo());
    if (PQstatus(f->admin) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(f->admin));
    snprintf(f->space, sizeof f->space, "test_%d_%d", (int)getpid(), ++serial);
    sql(f, "SET client_min_messages = warning; CREATE SCHEMA %s; SET search_path = %s, public",
        f->space, f->space);
    assert_ok(wb_store_postgres(test_conninfo(), &f->store, &err));
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    fixture *f = *state;
    if (PQtransactionStatus(f->admin) != PQTRANS_IDLE)
        sql(f, "ROLLBACK"); /* the test failed half-way */
    sql(f, "DROP SCHEMA %s CASCADE", f->space);
    wb_store_unref(f->store);
    PQfinish(f->admin);
    free(f);
    return 0;
}

/* "space.table" */
static inline const char *in_space(const fixture *f, const char *table)
{
    static char name[8][160];
    static int next;
    char *out = name[next++ % 8];
    snprintf(out, sizeof name[0], "%s.%s", f->space, table);
    return out;
}

static inline wb_deadline in_us(int64_t us)
{
    return (wb_deadline){.at_us = wb_now_us() + us};
}

static inline wb_session *writer(fixture *f, const char *table, wb_schema *schema)
{
    static wb_target targets[16];
    static int next;
    wb_target *target = &targets[next++ % 16];
    *target = (wb_target){.table = in_space(f, table),
                          .schema = schema,
                          .dedupe = WB_DEDUPE_NONE,
                          .dedupe_column = -1,
                          .write_timeout_us = 10 * SECOND_US};
    wb_session *session = f->store->class->session(f->store, target);
    assert_non_null(session);
    return session;
}

/* A batch of rows, row-major. */
static inline wb_batch *batch_of(wb_schema *schema, const wb_value *values, size_t rows)
{
    wb_batch *batch = wb_batch_new(schema);
    size_t given = wb_schema_given(schema);
    wb_uuid_source source;
    wb_err err;
    wb_uuid_source_init(&source, &wb_env_system);
    for (size_t i = 0; i < rows; i++) {
        size_t bytes;
        assert_true(wb_batch_reserve(batch, wb_row_bound(schema, values + i * given, given)));
        if (wb_row_encode(schema, values + i * given, given, wb_batch_end(batch), &bytes, &err) !=
            WB_OK)
            fail_msg("%s", err.text);
        wb_row_generate(schema, &source, wb_unix_us(), wb_batch_end(batch));
        wb_batch_push(batch, bytes, wb_now_us());
    }
    return batch;
}

static inline int write_until(wb_session *session, const wb_batch *batch, int64_t us, wb_err *err)
{
    wb_deadline deadline = in_us(us);
    memset(err, 0, sizeof *err);
    return session->class->write(session, batch, &deadline, err);
}

static inline void assert_failed(int code, const wb_err *err, int class, const char *words)
{
    assert_int_equal(code, WB_STORE);
    assert_int_equal(err->code, WB_STORE);
    if (err->error_class != class || strstr(err->text, words) == NULL)
        fail_msg("class %d, expected %d; \"%s\", expected to find \"%s\"", err->error_class, class,
                 err->text, words);
}

static inline void assert_text_has(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", text, words);
}

#endif
