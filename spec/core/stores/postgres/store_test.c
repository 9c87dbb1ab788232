/* SPDX-License-Identifier: MIT
 * The PostgreSQL store's writes: what arrives, what is refused, and what becomes of a write whose server,
 * table or time goes away. */
#include "support/postgres_support.h"

static wb_value rows_of_two[] = {
    {.kind = WB_INT, .i = 1}, {.kind = WB_NULL}, {.kind = WB_INT, .i = 2}, {.kind = WB_NULL}};

static wb_batch *two_rows(wb_schema *schema)
{
    return batch_of(schema, rows_of_two, 2);
}

static void writes_and_reads_back(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_value values[] = {int_value(1), text_value("one"), int_value(-9223372036854775807 - 1),
                         text_value("")};
    wb_batch *batch = batch_of(schema, values, 2);
    wb_err err;
    sql(f, "CREATE TABLE \"odd \"\"name\" (note text, n int8)");
    wb_session *session = writer(f, "\"odd \"\"name\"", schema);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT string_agg(n || ':' || note, ',' ORDER BY n, note) "
                               "FROM \"odd \"\"name\""),
                        "-9223372036854775808:,-9223372036854775808:,1:one,1:one");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void writes_every_type(void **state)
{
    fixture *f = *state;
    wb_column columns[] = {
#define X(constant, word, oid, bytes, sqlite) {.name = "c_" word, .type = constant},
#include <writebehind/types.def>
#undef X
    };
    size_t count = sizeof columns / sizeof *columns;
    wb_schema *schema = NULL;
    wb_err err;
    char *ddl = NULL;
    assert_ok(wb_schema_new(columns, count, &schema, &err));
    assert_ok(wb_schema_ddl(schema, "postgresql", in_space(f, "everything"), &ddl, &err));
    sql(f, "%s", ddl);
    wb_value values[] = {
        {.kind = WB_BOOL, .i = 1},
        int_value(-32768),
        int_value(2147483647),
        int_value(9223372036854775807),
        {.kind = WB_FLOAT, .f = 0.5},
        {.kind = WB_FLOAT, .f = -0.1},
        text_value("z\xc3\xa4h \"'\\"),
        {.kind = WB_TEXT, .bytes = 3, .text = "\0\377\\"},
        text_value("018f7a3c-0000-7000-8000-0123456789ab"),
        text_value("2024-05-14T08:00:00.115245Z"),
        text_value("1969-12-31"),
        text_value("{\"b\": 1}"),
        text_value("{\"a\":  [1]}"),
        text_value("2024-05-14 08:00"),
        {.kind = WB_FLOAT, .f = 3600.25},
        text_value("-12345678901234567890.10"),
        text_value("1 year 2 days 03:00"),
        text_value("10.1.2.3/8"),
        text_value("10/8"),
        text_value("08002b:010203"),
    };
    assert_int_equal(sizeof values / sizeof *values, count);
    wb_batch *batch = batch_of(schema, values, 1);
    wb_session *session = writer(f, "everything", schema);
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    assert_string_equal(
        sql(f, "SET timezone = 'UTC'; SET datestyle = iso; "
               "SELECT e::text FROM everything e"),
        "(t,-32768,2147483647,9223372036854775807,0.5,-0.1,\"z\xc3\xa4h \"\"'\\\\\","
        "\"\\\\x00ff5c\",018f7a3c-0000-7000-8000-0123456789ab,"
        "\"2024-05-14 08:00:00.115245+00\",1969-12-31,\"{\"\"b\"\": 1}\","
        "\"{\"\"a\"\": [1]}\",\"2024-05-14 08:00:00\",01:00:00.25,-12345678901234567890.10,"
        "\"1 year 2 days 03:00:00\",10.1.2.3/8,10.0.0.0/8,08:00:2b:01:02:03)");
    session->class->end(session);
    wb_free(ddl);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void large_batch(void **state)
{
    enum { ROWS = 20000 };
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_value *values = calloc(ROWS * 2, sizeof *values);
    static char note[301];
    wb_err err;
    memset(note, 'x', sizeof note - 1);
    for (int i = 0; i < ROWS; i++) {
        values[2 * i] = int_value(i);
        values[2 * i + 1] = text_value(note);
    }
    wb_batch *batch = batch_of(schema, values, ROWS);
    wb_batch_skip(batch, 1);
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    assert_ok(write_until(session, batch, 60 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT concat_ws(',', count(*), sum(n), min(n), "
                               "sum(length(note))) FROM t"),
                        "19999,199990000,1,5999700");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
    free(values);
}

/* Nothing of a batch is stored whose one row is bad; the session stays good. */
static void bad_row_is_rejected(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8 CONSTRAINT below_two CHECK (n < 2), note text)");
    wb_session *session = writer(f, "t", schema);
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_failed(code, &err, WB_REJECT, "violates check constraint \"below_two\" (Failing row");
    assert_string_equal(err.sqlstate, "23514");
    assert_false(err.in_doubt);
    assert_int_equal(strncmp(err.text, "table \"", 7), 0);
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "0");
    sql(f, "ALTER TABLE t DROP CONSTRAINT below_two");
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "2");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void mismatch_is_held(void **state)
{
    static const struct {
        const char *columns, *words;
    } cases[] = {
        {"n int4, note text", "column \"n\" is int4 in the database, int8 in the schema"},
        {"n numeric(5,2), note text",
         "column \"n\" is numeric(5,2) in the database, int8 in the schema"},
        {"n int8, note char(3)[]", "column \"note\" is character(3)[] in the database, text in"},
        {"n int8, note int4", "column \"note\" is int4 in the database, text in"},
        {"n int8[], note text", "column \"n\" is int8[] in the database, int8 in"},
        {"n int8", "column \"note\" is not in the table"},
        {"n int8, note text NOT NULL",
         "column \"note\" is NOT NULL in the database, but may be NULL in the schema"},
        {"n int8, note text, \"More\" int4 NOT NULL",
         "column \"More\" is NOT NULL without a default in the database, and not in the schema"},
        {"n int8 GENERATED ALWAYS AS IDENTITY, note text", "column \"n\" is always generated"},
        {"n int8, note text GENERATED ALWAYS AS ('x') STORED",
         "column \"note\" is always generated"},
    };
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_session *session = writer(f, "t", schema);
    wb_err err;
    char words[256];
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_failed(code, &err, WB_HOLD, "there is no such table in database \"");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sql(f, "DROP TABLE IF EXISTS t; CREATE TABLE t (%s)", cases[i].columns);
        code = write_until(session, batch, 10 * SECOND_US, &err);
        snprintf(words, sizeof words, "table \"%s.t\": %s", f->space, cases[i].words);
        assert_failed(code, &err, WB_HOLD, words);
        assert_false(err.in_doubt);
        assert_string_equal(sql(f, "SELECT count(*) FROM t"), "0");
    }
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void lenient_where_it_is_safe(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_err err;
    sql(f, "CREATE DOMAIN even_longer AS int8; CREATE DOMAIN id AS even_longer CHECK (value > 0);"
           "CREATE TABLE t (more int4 NOT NULL DEFAULT 7, k int8 GENERATED BY DEFAULT AS IDENTITY, "
           "n id NOT NULL, note varchar(3))");
    wb_session *session = writer(f, "t", schema);
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    assert_string_equal(sql(f, "SELECT string_agg(more || ':' || k || ':' || n, ',') FROM t"),
                        "7:1:1,7:2:2");
    wb_value values[] = {int_value(1), text_value("long")};
    wb_batch *bad = batch_of(schema, values, 1);
    code = write_until(session, bad, 10 * SECOND_US, &err);
    assert_failed(code, &err, WB_REJECT, "too long");
    session->class->end(session);
    wb_batch_free(bad);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* A table altered under a live connection: the failure is named, and no row dies of it. */
static void altered_table_is_held(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    sql(f, "ALTER TABLE t ALTER n TYPE int4");
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_failed(code, &err, WB_HOLD, "column \"n\" is int4 in the database, int8 in the schema");
    sql(f, "ALTER TABLE t ALTER n TYPE int8");
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "4");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static int terminate(fixture *f)
{
    return atoi(sql(f,
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE "
                    "application_name = 'writebehind' AND query LIKE '%%%s%%'",
                    f->space));
}

/* An idle connection that the server has closed is no reason for a write to fail. */
static void reconnects_between_writes(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    for (int i = 0; i < 3; i++) {
        assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
        assert_int_equal(terminate(f), 1);
    }
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "6");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* The server notices that nobody waits for its answer any more, though the lock is still held. */
static void assert_backend_gone(fixture *f)
{
    int64_t deadline_us = wb_now_us() + 60 * SECOND_US;
    while (strcmp(sql(f, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                         "'t'::regclass"),
                  "0") != 0) {
        assert_true(wb_now_us() < deadline_us);
        usleep(20000);
    }
}

/* Locked out before the stream began: the deadline holds, and nothing is in doubt. */
static void locked_table_ends_in_time(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    sql(f, "BEGIN; LOCK TABLE t");
    int code = write_until(session, batch, 300000, &err);
    assert_failed(code, &err, WB_RETRY, "no answer from the server in time");
    assert_false(err.in_doubt);
    assert_backend_gone(f);
    sql(f, "COMMIT");
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "4");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* The server's own limit answers before a long deadline does. */
static void server_gives_up_by_itself(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_target target = {.table = in_space(f, "t"),
                        .schema = schema,
                        .dedupe_column = -1,
                        .write_timeout_us = 400000};
    wb_err err;
    sql(f, "CREATE TABLE t (n int8, note text)");
    sql(f, "BEGIN; LOCK TABLE t");
    wb_session *session = f->store->class->session(f->store, &target);
    int code = write_until(session, batch, 60 * SECOND_US, &err);
    assert_failed(code, &err, WB_RETRY, "lock timeout");
    assert_string_equal(err.sqlstate, "55P03");
    sql(f, "ROLLBACK");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* Waiting for another transaction's key, the stream is complete: now the commit is in doubt. */
static void in_doubt_after_the_stream(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    sql(f, "BEGIN; INSERT INTO t VALUES (1)");
    wb_session *session = writer(f, "t", schema);
    int code = write_until(session, batch, 500000, &err);
    assert_failed(code, &err, WB_RETRY, "no answer from the server in time");
    assert_true(err.in_doubt);
    sql(f, "ROLLBACK");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* What a trigger says by the way reaches the target's log, a line for each notice. */
/* A COPY that nobody asked for has no stream, in or out, and no end; nor has an answer that goes on and on. */
static void execute_ends(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"COPY (SELECT generate_series(1, 10)) TO STDOUT", "a COPY began for which nobody has"},
        {"SELECT 1; COPY t TO STDOUT; SELECT 2", "a COPY began for which nobody has"},
        {"COPY t FROM STDIN", "a COPY began for which nobody has"},
        {"SELECT 1; COPY t FROM STDIN", "a COPY began for which nobody has"},
        {"SELECT repeat('x', 100) FROM generate_series(1, 10000000)", "more than 64 MiB"},
        {"SELECT pg_sleep(600)", " time"},
    };
    fixture *f = *state;
    sql(f, "CREATE TABLE t (n int8)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_err err = {.code = WB_OK};
        char text[256];
        snprintf(text, sizeof text, "SET search_path = %s; %s", f->space, cases[i].sql);
        int64_t patience_us = strstr(text, "sleep") != NULL ? SECOND_US / 5 : 60 * SECOND_US;
        int code = wb_store_execute(f->store, text, wb_now_us() + patience_us, &err);
        if (code == WB_OK)
            fail_msg("%s", text);
        assert_text_has(err.text, cases[i].words);
    }
    char name[96];
    snprintf(name, sizeof name, "VACUUM %s", in_space(f, "t"));
    assert_ok(wb_store_execute(f->store, name, wb_now_us() + 60 * SECOND_US, NULL));
    int64_t deadline_us = wb_now_us() + 60 * SECOND_US;
    while (strcmp(sql(f, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
                  "0") != 0) /* it does not sleep on for nobody */
        assert_true(wb_now_us() < deadline_us);
}

static void notices_are_logged(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = two_rows(schema);
    wb_target target = {.table = in_space(f, "t"), .schema = schema, .dedupe_column = -1};
    wb_event event;
    wb_err err;
    target.log = wb_log_new("batcher t", true, false);
    sql(f, "CREATE TABLE t (n int8, note text);"
           "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING "
           "'row %%\nof t', NEW.n; RETURN NEW; END $$;"
           "CREATE TRIGGER say BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.n = 1) EXECUTE FUNCTION "
           "say()");
    wb_session *session = f->store->class->session(f->store, &target);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_true(wb_log_next(target.log, &event));
    assert_int_equal(event.level, WB_WARN);
    if (strstr(event.text, "the server says: row 1") == NULL || strchr(event.text, '\n') != NULL)
        fail_msg("%s", event.text);
    assert_false(wb_log_next(target.log, &event));
    session->class->end(session);
    wb_log_free(target.log);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(writes_and_reads_back),
        T(writes_every_type),
        T(large_batch),
        T(bad_row_is_rejected),
        T(mismatch_is_held),
        T(lenient_where_it_is_safe),
        T(altered_table_is_held),
        T(reconnects_between_writes),
        T(locked_table_ends_in_time),
        T(server_gives_up_by_itself),
        T(in_doubt_after_the_stream),
        T(notices_are_logged),
        T(execute_ends),
    };
    return cmocka_run_group_tests_name("postgres_store", tests, NULL, NULL);
}
