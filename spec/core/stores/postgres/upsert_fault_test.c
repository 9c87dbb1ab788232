/* SPDX-License-Identifier: MIT
 * Upserts to PostgreSQL where something is in the way: a table that changed, a right that is missing, a lock, a connection
 * that breaks at the worst moment. */
#include "upsert_support.h"

#include "support/relay.h"

static const int32_t set_note[] = {WB_MERGE_KEEP, WB_MERGE_SET};
static const wb_upsert by_n = {first_column, 1, -1, set_note, NULL, false};
static const wb_value one[] = {{.kind = WB_INT, .i = 1},
                               {.kind = WB_TEXT, .bytes = 3, .text = "one"}};

/* A write to a table that changes between two writes. */
static void a_table_that_changes(void **state)
{
    static const struct {
        const char *change;
        int class; /* enum wb_class; -1: it is written */
        const char *words;
    } cases[] = {
        {"ALTER TABLE t ALTER note TYPE varchar(2)", WB_REJECT, "value too long"},
        {"ALTER TABLE t ALTER note TYPE bytea USING note::bytea", WB_HOLD,
         "column \"note\" is bytea in the database, text in the schema"},
        {"ALTER TABLE t ALTER note TYPE int8 USING 1", WB_HOLD,
         "column \"note\" is int8 in the database, text in the schema"},
        {"ALTER TABLE t ALTER n TYPE float8", -1, ""},
        {"ALTER TABLE t ALTER n TYPE text", -1, ""},
        {"ALTER TABLE t RENAME note TO comment", WB_HOLD, "column \"note\" is not in the table"},
        {"ALTER TABLE t ADD b int8 NOT NULL", WB_REJECT, "null value in column \"b\""},
        {"DROP TABLE t", WB_HOLD, "there is no such table"},
        {"DROP TABLE t; CREATE TABLE t (note text, x int8, n int8 PRIMARY KEY)", -1, ""},
        {"DROP TABLE t; CREATE TABLE t (note text, n int8)", WB_HOLD,
         "an upsert needs a unique index"},
    };
    fixture *f = *state;
    wb_schema *schema = small_schema();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sql(f, "DROP TABLE IF EXISTS t; CREATE TABLE t (n int8 PRIMARY KEY, note text)");
        wb_session *session = upserter(f, "t", schema, &by_n);
        upserted(session, schema, one, 1);
        sql(f, "DELETE FROM t; %s", cases[i].change);
        if (cases[i].class < 0) {
            upserted(session, schema, one, 1);
            assert_string_equal(sql(f, "SELECT n || ':' || note FROM t"), "1:one");
        } else {
            not_upserted(session, schema, one, 1, cases[i].class, cases[i].words);
        }
        session->class->end(session);
    }
    wb_schema_unref(schema);
}

/* Between two writes over one connection no setting stays. */
static void no_setting_is_left(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    wb_session *session = upserter(f, "t", schema, &by_n);
    wb_pg_session *own = (wb_pg_session *)session;
    upserted(session, schema, one, 1);
    PGresult *result = PQexec(own->conn, "SELECT current_setting('lock_timeout') || "
                                         "current_setting('statement_timeout')");
    assert_string_equal(PQgetvalue(result, 0, 0), "00");
    PQclear(result);
    assert_int_equal(PQtransactionStatus(own->conn), PQTRANS_IDLE);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- rows ---- */

static void a_bad_row(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    const wb_value two[] = {one[0], one[1], integer(2), NIL};
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY CHECK (n < 2), note text)");
    wb_session *session = upserter(f, "t", schema, &by_n);
    not_upserted(session, schema, two, 2, WB_REJECT, "violates check constraint");
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "0");
    assert_non_null(((wb_pg_session *)session)->conn);
    upserted(session, schema, two, 1);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* It is the commit that fails. */
static void a_deferred_constraint(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    sql(f, "CREATE TABLE p (note text PRIMARY KEY); CREATE TABLE t (n int8 PRIMARY KEY, "
           "note text REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
    wb_session *session = upserter(f, "t", schema, &by_n);
    not_upserted(session, schema, one, 1, WB_REJECT, "violates foreign key constraint");
    assert_non_null(((wb_pg_session *)session)->conn);
    sql(f, "INSERT INTO p VALUES ('one')");
    upserted(session, schema, one, 1);
    assert_string_equal(sql(f, "SELECT note FROM t"), "one");
    session->class->end(session);
    wb_schema_unref(schema);
}

static void a_trigger_that_raises(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text); CREATE FUNCTION look() RETURNS trigger "
           "LANGUAGE plpgsql AS 'BEGIN PERFORM * FROM no_such_table; RETURN NEW; END'; "
           "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION look()");
    wb_session *session = upserter(f, "t", schema, &by_n);
    wb_err err;
    wb_batch *batch = batch_of(schema, one, 1);
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, WB_HOLD, "no_such_table");
    assert_true(err.some_rows);
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- rights ---- */

static void as_role(wb_session *session, const char *sql_text)
{
    wb_pg_session *own = (wb_pg_session *)session;
    PGresult *result = PQexec(own->conn, sql_text);
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
}

static void rights_and_policies(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    const wb_value two[] = {integer(2), text_of("two")};
    char role[160];
    sql(f,
        "DROP ROLE IF EXISTS wb_upserts; CREATE ROLE wb_upserts; "
        "CREATE TABLE t (n int8 PRIMARY KEY, note text); ALTER TABLE t ENABLE ROW LEVEL SECURITY; "
        "CREATE POLICY p ON t USING (true) WITH CHECK (n < 2); "
        "GRANT USAGE ON SCHEMA %s TO wb_upserts; GRANT INSERT (n, note), SELECT (n), "
        "UPDATE (note) ON t TO wb_upserts",
        f->space);
    wb_session *session = upserter(f, "t", schema, &by_n);
    upserted(session, schema, one, 1);
    snprintf(role, sizeof role, "SET ROLE wb_upserts");
    as_role(session, role);
    wb_err err;
    wb_batch *batch = batch_of(schema, one, 1);
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, WB_HOLD, "permission denied for table t"); /* of excluded.note */
    assert_string_equal(err.sqlstate, "42501");
    assert_false(err.some_rows);
    wb_batch_free(batch);
    sql(f, "GRANT SELECT (note) ON t TO wb_upserts");
    upserted(session, schema, one, 1);
    as_role(session, role);
    upserted(session, schema, one, 1);
    not_upserted(session, schema, two, 1, WB_REJECT, "violates row-level security policy");
    session->class->end(session);
    sql(f, "DROP OWNED BY wb_upserts; DROP ROLE wb_upserts");
    wb_schema_unref(schema);
}

/* ---- locks and time ---- */

static void a_row_that_is_locked(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = batch_of(schema, one, 1);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    wb_session *session = upserter(f, "t", schema, &by_n);
    wb_pg_session *own = (wb_pg_session *)session;
    assert_ok(write_until(session, batch, 30 * SECOND_US, &err));
    own->target.write_timeout_us = SECOND_US / 5;
    sql(f, "BEGIN; UPDATE t SET note = 'locked'");
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, WB_RETRY, "timeout");
    assert_false(err.in_doubt);
    assert_non_null(own->conn);
    own->target.write_timeout_us = 60 * SECOND_US;
    code = write_until(session, batch, SECOND_US, &err); /* we are the first to give up */
    assert_failed(code, &err, WB_RETRY, "no answer from the server in time");
    assert_true(err.timed_out);
    assert_false(err.in_doubt);
    sql(f, "ROLLBACK; BEGIN; LOCK TABLE t");
    own->target.write_timeout_us = SECOND_US / 5;
    code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, WB_RETRY, "timeout");
    assert_false(err.in_doubt);
    sql(f, "ROLLBACK");
    own->target.write_timeout_us = 10 * SECOND_US;
    assert_ok(write_until(session, batch, 30 * SECOND_US, &err));
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void a_statement_that_takes_long(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = batch_of(schema, one, 1);
    wb_err err;
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY CHECK (pg_sleep(30) IS NOT NULL), note text)");
    wb_session *session = upserter(f, "t", schema, &by_n);
    ((wb_pg_session *)session)->target.write_timeout_us = SECOND_US / 5;
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, WB_RETRY, "statement timeout");
    assert_true(err.timed_out);
    assert_false(err.in_doubt);
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* ---- connections ---- */

static void a_connection_that_was_ended(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    wb_session *session = upserter(f, "t", schema, &by_n);
    upserted(session, schema, one, 1);
    sql(f, "SELECT pg_terminate_backend(%d)", PQbackendPID(((wb_pg_session *)session)->conn));
    upserted(session, schema, one, 1);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* Where the relay cuts the connection: at the request for answers, at the commit, and after it. */
enum cut { NOWHERE, AT_FLUSH, BEFORE_SYNC, AFTER_SYNC };

typedef struct cutter {
    relay relay; /* first */
    atomic_int cut;
} cutter;

/* Both messages are sent by themselves, at the end of what there is. */
static bool ends_in(const char *data, ssize_t bytes, char type)
{
    const char message[] = {type, 0, 0, 0, 4};
    return bytes >= 5 && memcmp(data + bytes - 5, message, 5) == 0;
}

static void wait_for_answer(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    poll(&polled, 1, 30000);
}

static bool from_client(relay *r)
{
    char data[65536];
    ssize_t bytes = read(r->client, data, sizeof data);
    int cut = atomic_load(&((cutter *)r)->cut);
    bool is_sync = ends_in(data, bytes, 'S');
    if (bytes <= 0 || (cut == AT_FLUSH && ends_in(data, bytes, 'H')) ||
        (cut == BEFORE_SYNC && is_sync))
        return false;
    bool passed = relay_pass(r->upstream, data, (size_t)bytes);
    if (cut != AFTER_SYNC || !is_sync)
        return passed;
    wait_for_answer(r->upstream);
    return false;
}

static bool from_server(relay *r)
{
    char data[65536];
    ssize_t bytes = read(r->upstream, data, sizeof data);
    return bytes > 0 && relay_pass(r->client, data, (size_t)bytes);
}

static void hung_up(relay *r)
{
    (void)r;
}

/* The commit alone is in doubt. */
static void a_connection_that_is_cut(void **state)
{
    static const struct {
        enum cut cut;
        bool in_doubt;
        const char *rows;
    } cases[] = {{AT_FLUSH, false, "0"}, {BEFORE_SYNC, true, "0"}, {AFTER_SYNC, true, "1"}};
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = batch_of(schema, one, 1);
    cutter c = {
        .relay = {.from_client = from_client, .from_server = from_server, .hung_up = hung_up}};
    char conninfo[256];
    wb_store *store = NULL, *own = f->store;
    wb_err err;
    relay_start(&c.relay, f);
    snprintf(conninfo, sizeof conninfo, "host=%s port=1 user=%s dbname=%s", c.relay.directory,
             PQuser(f->admin), PQdb(f->admin));
    assert_ok(wb_store_postgres(conninfo, &store, &err));
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    f->store = store;
    wb_session *session = upserter(f, "t", schema, &by_n);
    f->store = own;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        atomic_store(&c.cut, cases[i].cut);
        int code = write_until(session, batch, 30 * SECOND_US, &err);
        assert_failed(code, &err, WB_RETRY, "");
        assert_int_equal(err.in_doubt, cases[i].in_doubt);
        assert_string_equal(sql(f, "SELECT count(*) FROM t"), cases[i].rows);
    }
    atomic_store(&c.cut, NOWHERE);
    assert_ok(write_until(session, batch, 30 * SECOND_US, &err));
    session->class->end(session);
    wb_store_unref(store);
    relay_end(&c.relay);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* ---- memory ---- */

/* Rows that were sent before the memory ended are not committed. */
static void without_memory(void **state)
{
    fixture *f = *state;
    const wb_column columns[] = {
        {.name = "k", .type = WB_TYPE_INT4},
        {.name = "a", .type = WB_TYPE_INT8, .array = true, .server_default = true, .null = true}};
    wb_schema *schema = schema_of(columns, 2);
    wb_value number = integer(7);
    const wb_value list = {.kind = WB_LIST, .bytes = 1, .list = &number};
    const wb_value values[] = {integer(1), ABSENT, integer(2), list, integer(3), ABSENT};
    wb_batch *batch = batch_of(schema, values, 3);
    wb_err err = {.code = WB_STORE};
    int failures = 0;
    sql(f, "CREATE TABLE t (k int PRIMARY KEY, a int8[])");
    wb_session *session = upserter(f, "t", schema, &by_n);
    for (size_t n = 1; err.code != WB_OK; n++) {
        wb_alloc_fail_after(n);
        int code = write_until(session, batch, 30 * SECOND_US, &err);
        wb_alloc_fail_after(0);
        if (code != WB_OK) {
            assert_failed(code, &err, WB_RETRY, "out of memory");
            assert_false(err.in_doubt);
            assert_string_equal(sql(f, "SELECT count(*) FROM t"), "0");
            failures++;
        }
    }
    assert_in_range(failures, 20, 200);
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "3");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_table_that_changes),
        TEST(no_setting_is_left),
        TEST(a_bad_row),
        TEST(a_deferred_constraint),
        TEST(a_trigger_that_raises),
        TEST(rights_and_policies),
        TEST(a_row_that_is_locked),
        TEST(a_statement_that_takes_long),
        TEST(a_connection_that_was_ended),
        TEST(a_connection_that_is_cut),
        TEST(without_memory),
    };
    return cmocka_run_group_tests_name("postgres_upsert_fault", tests, NULL, NULL);
}
