/* SPDX-License-Identifier: MIT
 * A table that changes under an open connection, and what a role may do: the check of the table and the write are one,
 * so what is in the table afterwards is what was given, or nothing. */
#include "support/postgres_support.h"

#include <pthread.h>
#include <stdatomic.h>

static wb_schema *schema_of(int type)
{
    wb_column columns[] = {{.name = "n", .type = WB_TYPE_INT8}, {.name = "v", .type = type}};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 2, &schema, NULL));
    return schema;
}

static wb_value value_of(int type)
{
    static const uint8_t id[16] = {1, 2, 3};
    switch (type) {
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        return (wb_value){.kind = WB_FLOAT, .f = 1234.5};
    case WB_TYPE_TEXT:
    case WB_TYPE_BYTEA:
        return (wb_value){.kind = WB_TEXT, .text = "12345678", .bytes = 8};
    case WB_TYPE_UUID:
        return (wb_value){.kind = WB_TEXT, .text = (const char *)id, .bytes = 16};
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        return (wb_value){.kind = WB_TEXT, .text = "[1]", .bytes = 3};
    case WB_TYPE_BOOL:
        return (wb_value){.kind = WB_BOOL, .i = 1};
    default:
        return (wb_value){.kind = WB_INT, .i = 1234};
    }
}

static int write_one(wb_session *session, wb_schema *schema, int type, wb_err *err)
{
    wb_value values[] = {{.kind = WB_INT, .i = 1}, value_of(type)};
    wb_batch *batch = batch_of(schema, values, 1);
    int code = write_until(session, batch, 10 * SECOND_US, err);
    wb_batch_free(batch);
    return code;
}

/* Each type is turned into each other one between two writes: the second is held by name, or, where both read the same
 * bytes alike (text, varchar), stored. */
static void every_type_into_every_other(void **state)
{
    enum { TYPES = WB_TYPE_JSONB + 1 };
    static const char *const others[] = {"numeric", "timestamp", "varchar(20)",
                                         "text[]",  "int8range", "interval",
                                         "time",    "oid",       "money"};
    enum { OTHERS = sizeof others / sizeof *others };
    fixture *f = *state;
    for (int from = 0; from < TYPES; from++) {
        wb_schema *schema = schema_of(from);
        sql(f, "CREATE TABLE t (n int8, v %s)", wb_type_name(from));
        wb_session *session = writer(f, "t", schema);
        for (int to = 0; to < TYPES + OTHERS; to++) {
            const char *type = to < TYPES ? wb_type_name(to) : others[to - TYPES];
            wb_err err;
            bool fits = to == from || (from == WB_TYPE_TEXT && strcmp(type, "varchar(20)") == 0);
            sql(f, "TRUNCATE t");
            assert_ok(write_one(session, schema, from, &err));
            sql(f, "TRUNCATE t; ALTER TABLE t ALTER v TYPE %s USING NULL::%s", type, type);
            int code = write_one(session, schema, from, &err);
            if (fits)
                assert_ok(code);
            else
                assert_failed(code, &err, WB_HOLD, "column \"v\" is ");
            assert_string_equal(sql(f, "SELECT count(*) FROM t"), fits ? "1" : "0");
            sql(f, "TRUNCATE t; ALTER TABLE t ALTER v TYPE %s USING NULL::%s", wb_type_name(from),
                wb_type_name(from));
        }
        session->class->end(session);
        wb_schema_unref(schema);
        sql(f, "DROP TABLE t");
    }
}

/* What else may happen to it, each in the middle of writes of one session; what is written fits or is held. */
static void other_changes(void **state)
{
    static const struct {
        const char *change, *words; /* NULL: the rows are stored */
    } cases[] = {
        {"ALTER TABLE t RENAME v TO w; ALTER TABLE t RENAME n TO v; ALTER TABLE t RENAME w TO n",
         NULL},
        {"ALTER TABLE t RENAME v TO w", "column \"v\" is not in the table"},
        {"ALTER TABLE t DROP v", "column \"v\" is not in the table"},
        {"ALTER TABLE t ADD w int8 NOT NULL", "column \"w\" is NOT NULL without a default"},
        {"ALTER TABLE t ADD w int8", NULL},
        {"ALTER TABLE t RENAME TO old; CREATE TABLE t (v int8, n int8)", NULL},
        {"ALTER TABLE t RENAME TO old; CREATE TABLE t (n int8, v float8)",
         "column \"v\" is float8 in the database, int8"},
        {"DROP TABLE t", "there is no such table"},
        {"DROP TABLE t; CREATE VIEW t AS SELECT 1::int8 AS n, 2::int8 AS v", "it is a view"},
        {"CREATE DOMAIN d AS int8; ALTER TABLE t ALTER v TYPE d", NULL},
        {"CREATE DOMAIN d AS float8; ALTER TABLE t ALTER v TYPE d",
         "column \"v\" is float8 in the database"},
        {"ALTER TABLE t DROP v; ALTER TABLE t ADD v int8 GENERATED ALWAYS AS (n) STORED",
         "column \"v\" is always generated"},
    };
    fixture *f = *state;
    wb_schema *schema = schema_of(WB_TYPE_INT8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_err err;
        sql(f, "DROP TABLE IF EXISTS old; CREATE TABLE t (n int8, v int8)");
        wb_session *session = writer(f, "t", schema);
        assert_ok(write_one(session, schema, WB_TYPE_INT8, &err));
        sql(f, "TRUNCATE t; %s", cases[i].change);
        for (int again = 0; again < 2; again++) {
            int code = write_one(session, schema, WB_TYPE_INT8, &err);
            if (cases[i].words != NULL)
                assert_failed(code, &err, WB_HOLD, cases[i].words);
            else
                assert_ok(code);
        }
        if (cases[i].words == NULL)
            assert_string_equal(sql(f, "SELECT count(*) FROM t WHERE n = 1 AND v = 1234"), "2");
        session->class->end(session);
        sql(f, "DROP VIEW IF EXISTS v");
        if (strstr(cases[i].change, "VIEW") != NULL)
            sql(f, "DROP VIEW t");
        sql(f, "DROP TABLE IF EXISTS t; DROP DOMAIN IF EXISTS d");
    }
    wb_schema_unref(schema);
}

/* ---- at once ---- */

typedef struct changer {
    char space[64];
    atomic_bool stop;
} changer;

static void *change(void *context)
{
    changer *own = context;
    PGconn *conn = PQconnectdb(test_conninfo());
    char text[512];
    snprintf(text, sizeof text,
             "SET search_path = %s; ALTER TABLE t ALTER v TYPE float8; "
             "ALTER TABLE t ALTER v TYPE int8 USING v::int8",
             own->space);
    while (!atomic_load(&own->stop))
        PQclear(PQexec(conn, text));
    PQfinish(conn);
    return NULL;
}

/* Without rest between int8 and float8, as a table and with the rights of a column alone: nothing that is stored was
 * misread. */
static void while_it_changes(void **state)
{
    enum { WRITES = 150 };
    fixture *f = *state;
    wb_schema *schema = schema_of(WB_TYPE_INT8);
    changer own = {.stop = false};
    pthread_t thread;
    sql(f, "CREATE TABLE t (n int8, v int8)");
    snprintf(own.space, sizeof own.space, "%s", f->space);
    wb_session *session = writer(f, "t", schema);
    assert_int_equal(pthread_create(&thread, NULL, change, &own), 0);
    int stored = 0;
    for (int i = 0; i < WRITES; i++) {
        wb_err err;
        int code = write_one(session, schema, WB_TYPE_INT8, &err);
        if (code != WB_OK && err.error_class == WB_REJECT)
            fail_msg("%s", err.text);
        stored += code == WB_OK;
    }
    atomic_store(&own.stop, true);
    pthread_join(thread, NULL);
    char expected[32];
    snprintf(expected, sizeof expected, "%d", stored);
    assert_string_equal(sql(f, "SELECT count(*) FROM t WHERE v = 1234"), expected);
    assert_string_equal(sql(f, "SELECT count(*) FROM t WHERE v <> 1234"), "0");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- what a role may do ---- */

/* A role of its own, and a store that connects as it. */
static void become(fixture *f, const char *role, wb_store **own)
{
    char conninfo[512];
    sql(f, "CREATE ROLE %s LOGIN; GRANT USAGE ON SCHEMA %s TO %s", role, f->space, role);
    snprintf(conninfo, sizeof conninfo, "host=%s port=%s dbname=%s user=%s", PQhost(f->admin),
             PQport(f->admin), PQdb(f->admin), role);
    assert_ok(wb_store_postgres(conninfo, own, NULL));
}

static void with_rights(void **state)
{
    static const struct {
        const char *grant, *words; /* NULL: the rows are stored */
    } cases[] = {
        {"GRANT INSERT ON t TO %s", NULL},
        {"GRANT INSERT (n, v) ON t TO %s", NULL},
        {"GRANT INSERT (n) ON t TO %s", "permission denied for table t"},
        {"GRANT SELECT, UPDATE, DELETE ON t TO %s", "permission denied for table t"},
        {"GRANT INSERT ON t TO %s; ALTER TABLE t ENABLE ROW LEVEL SECURITY",
         "row-level security applies to role"},
        {"GRANT INSERT ON t TO %1$s; ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER ROLE %1$s "
         "BYPASSRLS",
         NULL},
        {"GRANT INSERT ON t TO %1$s; ALTER TABLE t ENABLE ROW LEVEL SECURITY; "
         "ALTER TABLE t OWNER TO %1$s",
         NULL},
        {"ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; "
         "ALTER TABLE t OWNER TO %s",
         "write as the table's owner (without FORCE), or as a role with BYPASSRLS"},
    };
    fixture *f = *state;
    wb_schema *schema = schema_of(WB_TYPE_INT8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char role[80], grant[512];
        wb_store *own = NULL, *admins = f->store;
        wb_err err;
        snprintf(role, sizeof role, "%s_role", f->space);
        become(f, role, &own);
        sql(f, "CREATE TABLE t (n int8, v int8)");
        snprintf(grant, sizeof grant, cases[i].grant, role);
        sql(f, "%s", grant);
        f->store = own;
        wb_session *session = writer(f, "t", schema);
        f->store = admins;
        for (int again = 0; again < 2; again++) {
            int code = write_one(session, schema, WB_TYPE_INT8, &err);
            if (cases[i].words != NULL)
                assert_failed(code, &err, WB_HOLD, cases[i].words);
            else
                assert_ok(code);
        }
        if (cases[i].words == NULL) {
            sql(f, "ALTER TABLE t ALTER v TYPE float8");
            assert_failed(write_one(session, schema, WB_TYPE_INT8, &err), &err, WB_HOLD,
                          "column \"v\" is float8");
            assert_string_equal(sql(f, "SELECT count(*) FROM t WHERE v = 1234"), "2");
        }
        session->class->end(session);
        wb_store_unref(own);
        sql(f, "DROP TABLE t; DROP OWNED BY %s; DROP ROLE %s", role, role);
    }
    wb_schema_unref(schema);
}

/* ---- what is no ordinary table ---- */

static void views(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(WB_TYPE_INT8);
    wb_err err;
    sql(f, "CREATE TABLE base (n int8, v int8); CREATE VIEW t AS TABLE base");
    wb_session *session = writer(f, "t", schema);
    assert_failed(write_one(session, schema, WB_TYPE_INT8, &err), &err, WB_HOLD,
                  "it is a view, and COPY can't write to one without an INSTEAD OF INSERT trigger");
    sql(f, "CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT "
           "AS $$ BEGIN "
           "INSERT INTO base VALUES (NEW.n, NEW.v); RETURN NEW; END $$;"
           "CREATE TRIGGER put INSTEAD OF INSERT ON t FOR EACH ROW EXECUTE FUNCTION put()");
    int code = write_one(session, schema, WB_TYPE_INT8, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    assert_ok(write_one(session, schema, WB_TYPE_INT8, &err));
    assert_string_equal(sql(f, "SELECT count(*) FROM base WHERE v = 1234"), "2");
    session->class->end(session);
    wb_schema_unref(schema);
}

static void foreign_table(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(WB_TYPE_INT8);
    wb_err err;
    sql(f,
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public;"
        "CREATE SERVER %1$s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%2$s', port '%3$s', "
        "dbname '%4$s'); CREATE USER MAPPING FOR CURRENT_USER SERVER %1$s OPTIONS (user '%5$s');"
        "CREATE TABLE base (n int8, v int8); CREATE FOREIGN TABLE t (n int8, v int8) SERVER %1$s "
        "OPTIONS (schema_name '%1$s', table_name 'base')",
        f->space, PQhost(f->admin), PQport(f->admin), PQdb(f->admin), PQuser(f->admin));
    wb_session *session = writer(f, "t", schema);
    assert_ok(write_one(session, schema, WB_TYPE_INT8, &err));
    assert_ok(write_one(session, schema, WB_TYPE_INT8, &err));
    sql(f, "ALTER FOREIGN TABLE t ALTER v TYPE float8");
    assert_failed(write_one(session, schema, WB_TYPE_INT8, &err), &err, WB_HOLD,
                  "column \"v\" is float8");
    assert_string_equal(sql(f, "SELECT count(*) FROM base WHERE v = 1234"), "2");
    session->class->end(session);
    wb_schema_unref(schema);
    sql(f, "DROP SERVER %s CASCADE", f->space);
}

/* Names that are a type's too, or hold what has to be quoted. */
static void awkward_names(void **state)
{
    static const char *const names[] = {"circle", "text",  "a\"b",   "it's",
                                        "a b",    "Upper", "select", "back\\slash"};
    fixture *f = *state;
    wb_schema *schema = schema_of(WB_TYPE_INT8);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wb_err err;
        char *quoted = PQescapeIdentifier(f->admin, names[i], strlen(names[i]));
        sql(f, "CREATE TABLE %s (n int8, v int8)", quoted);
        wb_session *session = writer(f, names[i], schema);
        assert_ok(write_one(session, schema, WB_TYPE_INT8, &err));
        sql(f, "ALTER TABLE %s ADD w int8", quoted);
        assert_ok(write_one(session, schema, WB_TYPE_INT8, &err));
        session->class->end(session);
        PQfreemem(quoted);
    }
    wb_schema_unref(schema);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(every_type_into_every_other),
        T(other_changes),
        T(while_it_changes),
        T(with_rights),
        T(views),
        T(foreign_table),
        T(awkward_names),
    };
    return cmocka_run_group_tests_name("postgres_changed", tests, NULL, NULL);
}
