/* SPDX-License-Identifier: MIT
 * The PostgreSQL store's writes to several tables by one session: over one connection, each table looked at
 * once, what is wrong with one of no consequence for the others. */
#include "support/postgres_support.h"
#include "support/store_contract.h"

enum { TABLES = 100 };

/* ---- the contract ---- */

typedef struct probe_context {
    fixture *f;
    wb_store *store; /* whose tables are in the test's schema */
} probe_context;

static void probe_make(void *context, const char *table, wb_schema *schema)
{
    char *ddl = NULL;
    const probe_context *own = context;
    assert_ok(wb_schema_ddl(schema, "postgresql", table, &ddl, NULL));
    sql(own->f, "%s", ddl);
    wb_free(ddl);
}

/* A COPY in binary format: what was written, as it was written. */
static wb_batch *probe_rows(void *context, const char *table, wb_schema *schema)
{
    enum { HEADER_BYTES = 19, TRAILER_BYTES = 2 };
    const probe_context *own = context;
    char text[256], *data;
    int bytes, rows = 0;
    wb_batch *batch = wb_batch_new(schema);
    snprintf(text, sizeof text,
             "COPY (SELECT * FROM \"%s\" ORDER BY hits) TO STDOUT (FORMAT binary)", table);
    PQclear(PQexec(own->f->admin, text));
    while ((bytes = PQgetCopyData(own->f->admin, &data, 0)) > 0) {
        int skipped = rows++ == 0 ? HEADER_BYTES : 0; /* it comes with the first row */
        if (bytes > skipped + TRAILER_BYTES) {
            assert_true(wb_batch_reserve(batch, (size_t)bytes));
            memcpy(wb_batch_end(batch), data + skipped, (size_t)(bytes - skipped));
            wb_batch_push(batch, (size_t)(bytes - skipped), 0);
        }
        PQfreemem(data);
    }
    PQclear(PQgetResult(own->f->admin));
    return batch;
}

static void keeps_the_contract(void **state)
{
    probe_context context = {.f = *state};
    char conninfo[512];
    snprintf(conninfo, sizeof conninfo,
             "host=%s port=%s user=%s dbname=%s options='-csearch_path=%s'",
             PQhost(context.f->admin), PQport(context.f->admin), PQuser(context.f->admin),
             PQdb(context.f->admin), context.f->space);
    assert_ok(wb_store_postgres(conninfo, &context.store, NULL));
    store_probe probe = {
        .store = context.store,
        .context = &context,
        .make = probe_make,
        .rows = probe_rows,
    };
    contract_write_tables(&probe);
    wb_store_unref(context.store);
}

/* ---- one connection ---- */

static wb_batch *row_of(wb_schema *schema, int64_t n, const char *table)
{
    wb_value values[] = {int_value(n), text_value("")};
    wb_batch *batch = batch_of(schema, values, 1);
    contract_goes_to(batch, table);
    return batch;
}

static int try_write(wb_session *session, int64_t n, const char *table, wb_err *err)
{
    wb_batch *batch = row_of(((wb_pg_session *)session)->target.schema, n, table);
    int code = write_until(session, batch, 10 * SECOND_US, err);
    wb_batch_free(batch);
    return code;
}

static void write_row(wb_session *session, int64_t n, const char *table)
{
    wb_err err;
    int code = try_write(session, n, table, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
}

static int backend_of(const wb_session *session)
{
    return PQbackendPID(((const wb_pg_session *)session)->conn);
}

static void assert_connections(fixture *f, const char *count)
{
    assert_string_equal(
        sql(f, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writebehind'"),
        count);
}

static int remembered(const wb_session *session)
{
    int tables = 0;
    for (const wb_recent *at = ((const wb_pg_session *)session)->tables; at != NULL; at = at->next)
        tables++;
    return tables;
}

/* More tables than are remembered, in turn and at random; in the middle the connection goes. */
static void hundred_tables(void **state)
{
    enum { WRITES = 400 };
    fixture *f = *state;
    wb_schema *schema = small_schema();
    uint64_t seed = 4711;
    wb_session *session = writer(f, "t0", schema);
    sql(f,
        "DO $$ BEGIN FOR i IN 0..%d LOOP EXECUTE format('CREATE TABLE t%%s (n int8, note text)', "
        "i); END LOOP; END $$",
        TABLES - 1);
    int backend = 0;
    for (int i = 0; i < WRITES; i++) {
        char name[16];
        int table = i < 2 * TABLES ? i % TABLES : (int)random_below(&seed, TABLES);
        snprintf(name, sizeof name, "t%d", table);
        write_row(session, i * TABLES + table, in_space(f, name));
        if (i == WRITES / 2 + 10)
            sql(f, "SELECT pg_terminate_backend(%d, 5000)", backend);
        else if (i != 0 && i != WRITES / 2 + 11)
            assert_int_equal(backend_of(session), backend);
        backend = backend_of(session);
        assert_connections(f, i == WRITES / 2 + 10 ? "0" : "1");
    }
    assert_int_equal(remembered(session), WB_RECENT_TABLES);
    sql(f,
        "CREATE TABLE total (name text, rows int8, strays int8);"
        "DO $$ BEGIN FOR i IN 0..%d LOOP EXECUTE format('INSERT INTO total SELECT %%L, count(*), "
        "count(*) FILTER (WHERE n %%%% %d <> %%s) FROM t%%s', i, i, i); END LOOP; END $$",
        TABLES - 1, TABLES);
    assert_string_equal(sql(f, "SELECT concat_ws(' ', sum(rows), sum(strays), bool_and(rows >= 2)) "
                               "FROM total"),
                        "400 0 t");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* That a table would not pass a second look shows whether there was one: COPY itself takes the rows. A table is looked
 * at again when it has changed or is refused, not for another table, a row's fault or a new connection. */
static void one_look(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_err err;
    const char *a = in_space(f, "a"), *b = in_space(f, "b");
    sql(f, "CREATE TABLE a (n int8, note text); CREATE TABLE b (n int8 CHECK (n < 9), note text)");
    wb_session *session = writer(f, "a", schema);
    write_row(session, 1, a);
    write_row(session, 1, b);
    int backend = backend_of(session);
    sql(f, "ALTER TABLE a ALTER note SET NOT NULL; ALTER TABLE b ALTER note SET NOT NULL");
    write_row(session, 2, b);
    write_row(session, 2, a);

    assert_failed(try_write(session, 9, b, &err), &err, WB_REJECT, "violates check constraint");
    write_row(session, 3, b);
    assert_int_equal(backend_of(session), backend);
    sql(f, "SELECT pg_terminate_backend(%d, 5000)", backend);
    write_row(session, 3, a);
    sql(f, "ALTER TABLE a ADD more int8");
    assert_failed(try_write(session, 4, a, &err), &err, WB_HOLD,
                  "column \"note\" is NOT NULL in the database, but may be NULL in the schema");
    sql(f, "ALTER TABLE a ALTER note DROP NOT NULL");
    write_row(session, 4, a);
    assert_string_equal(sql(f, "SELECT string_agg(n::text, ' ' ORDER BY n) FROM a"), "1 2 3 4");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- failing ---- */

/* The others are written meanwhile, on the same connection; when the table is back, so is it. */
static void vanished_table(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_err err;
    char words[256];
    const char *a = in_space(f, "a"), *b = in_space(f, "b"), *c = in_space(f, "c");
    sql(f, "CREATE TABLE a (n int8, note text); CREATE TABLE b (LIKE a); CREATE TABLE c (LIKE a)");
    wb_session *session = writer(f, "a", schema);
    write_row(session, 1, a);
    write_row(session, 1, b);
    write_row(session, 1, c);
    int backend = backend_of(session);
    sql(f, "DROP TABLE b");
    snprintf(words, sizeof words, "table \"%s\": there is no such table in database \"", b);
    for (int i = 2; i < 6; i++) {
        write_row(session, i, a);
        assert_failed(try_write(session, i, b, &err), &err, WB_HOLD, words);
        assert_false(err.in_doubt);
        write_row(session, i, c);
        assert_int_equal(backend_of(session), backend);
    }
    sql(f, "CREATE TABLE b (LIKE a)");
    write_row(session, 6, b);
    assert_int_equal(backend_of(session), backend);
    assert_string_equal(sql(f, "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b) "
                               "|| ' ' || (SELECT count(*) FROM c)"),
                        "5 1 5");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* Where no table was served, the server itself may be the wrong one: the next try looks for another. */
static void only_table_missing(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_err err;
    wb_session *session = writer(f, "a", schema);
    for (int i = 0; i < 2; i++) {
        assert_failed(try_write(session, 1, in_space(f, "b"), &err), &err, WB_HOLD,
                      "no such table");
        assert_failed(try_write(session, 1, NULL, &err), &err, WB_HOLD, "no such table");
        assert_null(((wb_pg_session *)session)->conn);
    }
    sql(f, "CREATE TABLE b (n int8, note text)");
    write_row(session, 1, in_space(f, "b"));
    session->class->end(session);
    wb_schema_unref(schema);
}

/* What can't be remembered is tried again, and written then. */
static void without_memory(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_session *session = writer(f, "a", schema);
    sql(f, "CREATE TABLE a (n int8, note text); CREATE TABLE b (LIKE a)");
    write_row(session, 0, NULL);
    wb_batch *batch = row_of(schema, 1, in_space(f, "b"));
    int failures = 0;
    for (size_t n = 1;; n++) {
        wb_err err;
        wb_alloc_fail_after(n);
        int code = write_until(session, batch, 10 * SECOND_US, &err);
        wb_alloc_fail_after(0);
        if (code == WB_OK)
            break;
        assert_failed(code, &err, WB_RETRY, "b\": out of memory for a ");
        failures++;
    }
    assert_in_range(failures, 3, 40);
    assert_string_equal(sql(f, "SELECT count(*) FROM b"), "1");
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* The server's notices are said of the table that they came from. */
static void notices_name_the_table(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_event event;
    sql(f,
        "CREATE TABLE a (n int8, note text); CREATE TABLE b (LIKE a);"
        "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'heard'; "
        "RETURN NEW; END $$;"
        "CREATE TRIGGER say BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION say()");
    wb_session *session = writer(f, "a", schema);
    wb_log *log = wb_log_new("batcher t", true, false);
    ((wb_pg_session *)session)->target.log = log;
    write_row(session, 1, NULL);
    assert_false(wb_log_next(log, &event));
    write_row(session, 1, in_space(f, "b"));
    assert_true(wb_log_next(log, &event));
    assert_text_has(event.text, ".b\": the server says: heard");
    session->class->end(session);
    wb_log_free(log);
    wb_schema_unref(schema);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(keeps_the_contract),     T(hundred_tables),     T(one_look),
        T(vanished_table),         T(only_table_missing), T(without_memory),
        T(notices_name_the_table),
    };
    return cmocka_run_group_tests_name("postgres_tables", tests, NULL, NULL);
}
