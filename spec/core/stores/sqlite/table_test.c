/* SPDX-License-Identifier: MIT
 * Tables of the SQLite store: comparing their columns with a schema's, a tracker's tables, and reading a
 * schema from one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/sqlite_fixture.h"

/* ---- comparing ---- */

static void check_columns(struct fixture *fixture, const char *columns, const char *text)
{
    char sql[256];
    struct writer writer;
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS notes; CREATE TABLE notes (%s)", columns);
    fixture_run(fixture, sql);
    writer_init(&writer, fixture, true, 0, 1);
    if (text != NULL) {
        contract_refused(writer.session, writer.batch, WB_HOLD, text);
        check_query(fixture, "SELECT count(*) FROM notes", "0");
    } else {
        contract_write(writer.session, writer.batch);
        check_query(fixture, "SELECT id || note || hits FROM notes",
                    "00000000-abab-abab-abab-ababababababnote 00");
    }
    writer_fini(&writer);
}

static void test_columns_that_fit(void **state)
{
    check_columns(*state, "id, note, hits", NULL);
    check_columns(*state, "id TEXT, note TEXT, hits INTEGER", NULL);
    check_columns(*state, "hits BIGINT, note VARCHAR(30), id CHAR(36)", NULL);
    check_columns(*state, "id UUID, note text, hits NUMERIC", NULL);
    check_columns(*state,
                  "n INTEGER PRIMARY KEY NOT NULL, id, note, hits, x TEXT NOT NULL DEFAULT 'y', z",
                  NULL);
}

static void test_columns_that_do_not_fit(void **state)
{
    check_columns(*state, "id, note",
                  "table \"notes\": it has no column \"hits\" (int8 in the schema)");
    check_columns(*state, "id, note, hits TEXT",
                  "table \"notes\": column \"hits\" is TEXT in the database, int8 in the schema");
    check_columns(*state, "id, note, hits int4",
                  "table \"notes\": column \"hits\" is int4 in the database, int8 in the schema");
    check_columns(*state, "id INTEGER, note, hits",
                  "table \"notes\": column \"id\" is INTEGER in the database, uuid in the schema");
    check_columns(*state, "id, note DECIMAL(10, 2), hits",
                  "column \"note\" is DECIMAL(10, 2) in the database, text in the schema");
    check_columns(*state, "id, note uuid TEXT, hits",
                  "column \"note\" is uuid TEXT in the database, text in the schema");
    check_columns(*state, "id, note, hits REAL",
                  "column \"hits\" is REAL in the database, int8 in the schema");
    check_columns(
        *state, "id, note, hits, owner TEXT NOT NULL",
        "table \"notes\": column \"owner\" (TEXT) is NOT NULL without a default, and the schema "
        "lacks it");
    check_columns(*state,
                  "id, note, hits, n INTEGER PRIMARY KEY NOT NULL) WITHOUT ROWID; SELECT (1",
                  "column \"n\" (INTEGER) is NOT NULL without a default");
}

static void test_qualified_names(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 1);
    writer.target.table = "main.notes";
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "1");
    writer.session->class->end(writer.session);

    writer.target.table = "\"a.b \"\"c\"";
    writer.session = contract_session(writer.store, &writer.target);
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM \"a.b \"\"c\"", "1");
    writer_fini(&writer);
}

/* ---- scripts ---- */

static void script_refused(wb_store *store, const char *sql, const char *text)
{
    wb_err err = {0};
    int64_t deadline_us = contract_until(60 * 1000).at_us;
    assert_int_equal(wb_store_execute(store, sql, deadline_us, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
}

/* All of a script is done, or nothing. */
static void test_scripts(void **state)
{
    struct fixture *fixture = *state;
    int64_t deadline_us = contract_until(60 * 1000).at_us;
    wb_store *store = NULL, *memory = NULL;
    wb_err err = {0};
    assert_int_equal(wb_store_sqlite(fixture->path, false, &store, NULL), WB_OK);
    script_refused(store, "CREATE TABLE t (a)", "there is no such file");
    wb_store_unref(store);

    script_refused(fixture->store, "CREATE TABLE t (a); CREATE TABLE t (b);",
                   "it.db\": table t already exists");
    check_query(fixture, "SELECT count(*) FROM sqlite_master", "0");
    assert_int_equal(wb_store_execute(fixture->store,
                                      "CREATE TABLE t (a); CREATE INDEX i ON t (a);", deadline_us,
                                      &err),
                     WB_OK);
    check_query(fixture, "SELECT count(*) FROM sqlite_master", "2");

    assert_int_equal(wb_store_memory(0, &memory, NULL), WB_OK);
    assert_int_equal(wb_store_execute(memory, "SELECT 1", deadline_us, &err), WB_MISUSE);
    assert_string_equal(err.text, "store: a memory store has no SQL to run");
    wb_store_unref(memory);
}

/* ---- touching ---- */

static int touch_one(wb_store *store, const wb_target *target, unsigned number, wb_touched *out,
                     wb_err *err)
{
    wb_mark mark = {.count = 1};
    contract_id(number, mark.id);
    wb_marks marks = {.marks = &mark, .count = 1, .at_us = SOME_TIME_US, .attempt = 1};
    wb_deadline deadline = contract_until(60 * 1000);
    wb_session *session = contract_session(store, target);
    int code = session->class->touch(session, &marks, &deadline, out, err);
    session->class->end(session);
    return code;
}

static void test_touch_makes_its_table(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces", .key = "the id", .column = "used \"at\""};
    wb_touched touched = {9, 9};
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 0);
    assert_int_equal(touched.unmatched, 1);
    fixture_run(fixture,
                "INSERT INTO spaces VALUES ('00000001-abab-abab-abab-abababababab', NULL)");
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 1);
    assert_int_equal(touched.unmatched, 0);
    check_query(fixture, "SELECT \"used \"\"at\"\"\" FROM spaces", "2024-05-14T08:00:00.000000Z");
}

static void test_touch_by_bytes(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces", .key = "id", .column = "used_at"};
    wb_touched touched;
    fixture_run(fixture, "CREATE TABLE spaces (id BLOB PRIMARY KEY, used_at DATETIME)");
    fixture_run(
        fixture,
        "INSERT INTO spaces VALUES (x'00000001abababababababababababab', '2024-05-14 07:59:59')");
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 1);
    check_query(fixture, "SELECT used_at FROM spaces", "2024-05-14T08:00:00.000000Z");
}

static void touch_refused(wb_store *store, const wb_target *target, const char *text)
{
    wb_err err = {0};
    wb_touched touched = {9, 9};
    assert_int_equal(touch_one(store, target, 1, &touched, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(touched.updated, 9);
}

static void test_touch_refused_columns(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces", .key = "id", .column = "used_at"};
    fixture_run(fixture, "CREATE TABLE spaces (id TEXT, used_at INTEGER)");
    touch_refused(fixture->store, &target,
                  "table \"spaces\": column \"used_at\" is INTEGER in the database, timestamptz");
    target.key = "key";
    touch_refused(fixture->store, &target, "table \"spaces\": it has no column \"key\" (uuid");
    target.table = "absent";
    wb_store *store = NULL;
    assert_int_equal(wb_store_sqlite(fixture->path, false, &store, NULL), WB_OK);
    touch_refused(store, &target, "table \"absent\": there is none in database");
    wb_store_unref(store);
}

/* ---- describing ---- */

static wb_schema *described(struct fixture *fixture, const char *sql)
{
    wb_schema *schema = NULL;
    wb_err err;
    fixture_run(fixture, sql);
    if (wb_store_schema(fixture->store, "t", contract_until(60 * 1000).at_us, &schema, &err) !=
        WB_OK)
        fail_msg("%s", err.text);
    return schema;
}

static void check_types(struct fixture *fixture, const char *const *declared, const int *types,
                        size_t count)
{
    char sql[1024] = "CREATE TABLE t (";
    for (size_t i = 0; i < count; i++)
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "%sc%zu %s", i == 0 ? "" : ", ", i,
                 declared[i]);
    strcat(sql, ")");
    wb_schema *schema = described(fixture, sql);
    assert_int_equal(wb_schema_count(schema), count);
    for (size_t i = 0; i < count; i++) {
        if (wb_schema_column(schema, i)->type != types[i])
            fail_msg("%s is %s", declared[i], wb_type_name(wb_schema_column(schema, i)->type));
        assert_true(wb_schema_column(schema, i)->null);
    }
    wb_schema_unref(schema);
}

static void test_describe_types(void **state)
{
    static const char *const declared[] = {
        "int2",     "INT4",      "bool", "BOOLEAN", "float4",      "uuid TEXT",        "UUID",
        "DATETIME", "TIMESTAMP", "date", "JSON",    "VARCHAR(40)", "DOUBLE PRECISION", "INTEGER",
        "BIGINT",   "CLOB",      "BLOB", "",        "bytea BLOB",  "DECIMAL(10, 2)",   "REAL",
        "TEXT",     "jsonb TEXT"};
    static const int types[] = {
        WB_TYPE_INT2,   WB_TYPE_INT4,  WB_TYPE_BOOL,        WB_TYPE_BOOL,        WB_TYPE_FLOAT4,
        WB_TYPE_UUID,   WB_TYPE_UUID,  WB_TYPE_TIMESTAMPTZ, WB_TYPE_TIMESTAMPTZ, WB_TYPE_DATE,
        WB_TYPE_JSON,   WB_TYPE_TEXT,  WB_TYPE_FLOAT8,      WB_TYPE_INT8,        WB_TYPE_INT8,
        WB_TYPE_TEXT,   WB_TYPE_BYTEA, WB_TYPE_BYTEA,       WB_TYPE_BYTEA,       WB_TYPE_FLOAT8,
        WB_TYPE_FLOAT8, WB_TYPE_TEXT,  WB_TYPE_JSONB};
    check_types(*state, declared, types, COLUMNS(declared));
}

static const wb_column *column_named(const wb_schema *schema, const char *name)
{
    int index = wb_schema_find(schema, name, strlen(name));
    if (index < 0)
        fail_msg("there is no column %s", name);
    return wb_schema_column(schema, (size_t)index);
}

static void check_default_text(const wb_schema *schema, const char *name, const char *text)
{
    const wb_value *value = &column_named(schema, name)->default_value;
    assert_int_equal(value->kind, WB_TEXT);
    assert_int_equal(value->bytes, strlen(text));
    assert_memory_equal(value->text, text, value->bytes);
}

static void test_describe_defaults(void **state)
{
    wb_schema *schema = described(
        *state, "CREATE TABLE t (a int8 NOT NULL DEFAULT -5, b text NOT NULL DEFAULT 'it''s', "
                "c bool NOT NULL DEFAULT true, d float8 DEFAULT 2.5, e bytea BLOB DEFAULT x'00ff', "
                "f INTEGER DEFAULT '7', g text DEFAULT NULL, h text NOT NULL, "
                "i TEXT NOT NULL DEFAULT '')");
    assert_int_equal(wb_schema_count(schema), 9);
    assert_int_equal(column_named(schema, "a")->default_value.kind, WB_INT);
    assert_int_equal(column_named(schema, "a")->default_value.i, -5);
    assert_false(column_named(schema, "a")->null);
    check_default_text(schema, "b", "it's");
    assert_int_equal(column_named(schema, "c")->default_value.i, 1);
    assert_true(column_named(schema, "d")->default_value.f == 2.5);
    assert_true(column_named(schema, "d")->null);
    assert_int_equal(column_named(schema, "e")->default_value.bytes, 2);
    assert_memory_equal(column_named(schema, "e")->default_value.text, "\0\xff", 2);
    assert_int_equal(column_named(schema, "f")->default_value.i, 7);
    assert_int_equal(column_named(schema, "g")->default_value.kind, WB_ABSENT);
    assert_int_equal(column_named(schema, "h")->default_value.kind, WB_ABSENT);
    assert_false(column_named(schema, "h")->null);
    check_default_text(schema, "i", "");
    wb_schema_unref(schema);
}

/* What the database fills by itself is not asked for, and a row without it is taken. */
static void test_describe_leaves_to_the_database(void **state)
{
    struct fixture *fixture = *state;
    wb_schema *schema = described(
        fixture,
        "CREATE TABLE t (n INTEGER PRIMARY KEY, a text, at DATETIME NOT NULL DEFAULT "
        "CURRENT_TIMESTAMP, r int8 NOT NULL DEFAULT (abs(-3)), w int8 NOT NULL DEFAULT 'x', "
        "g int8 GENERATED ALWAYS AS (r + 1))");
    assert_int_equal(wb_schema_count(schema), 1);
    assert_string_equal(wb_schema_column(schema, 0)->name, "a");

    wb_target target = {.table = "t", .schema = schema};
    wb_session *session = contract_session(fixture->store, &target);
    wb_batch *batch = wb_batch_new(schema);
    contract_add(batch, (wb_value[]){VALUE_TEXT("b")}, 1);
    contract_write(session, batch);
    check_query(fixture, "SELECT n || a || r || w || g || (at > '2024') FROM t", "1b3x41");
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

static void test_describe_keys(void **state)
{
    wb_schema *schema = described(*state, "CREATE TABLE t (id uuid TEXT PRIMARY KEY, n int8)");
    assert_int_equal(column_named(schema, "id")->generate, WB_UUIDV7);
    assert_false(column_named(schema, "id")->null);
    assert_int_equal(wb_schema_given(schema), 1);
    wb_schema_unref(schema);

    schema =
        described(*state, "DROP TABLE t; CREATE TABLE t (id uuid, b uuid, PRIMARY KEY (id, b))");
    assert_int_equal(column_named(schema, "id")->generate, WB_GIVEN);
    assert_false(column_named(schema, "b")->null);
    wb_schema_unref(schema);

    schema =
        described(*state, "DROP TABLE t; CREATE TABLE t (n INTEGER PRIMARY KEY) WITHOUT ROWID");
    assert_int_equal(column_named(schema, "n")->type, WB_TYPE_INT8);
    wb_schema_unref(schema);
}

static void test_describe_fails(void **state)
{
    struct fixture *fixture = *state;
    wb_schema *schema = NULL;
    wb_err err = {0};
    int64_t deadline_us = contract_until(60 * 1000).at_us;
    assert_int_equal(wb_store_schema(fixture->store, "t", deadline_us, &schema, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_non_null(strstr(err.text, "there is no such file"));
    assert_int_not_equal(access(fixture->path, F_OK), 0);

    fixture_run(fixture, "CREATE TABLE t (n INTEGER PRIMARY KEY)");
    assert_int_equal(wb_store_schema(fixture->store, "t", deadline_us, &schema, &err), WB_STORE);
    assert_string_equal(err.text, "table \"t\": the database fills every column by itself");

    sqlite3 *db = fixture_database(fixture);
    database_run(db, "BEGIN EXCLUSIVE");
    deadline_us = contract_until(30).at_us;
    assert_int_equal(wb_store_schema(fixture->store, "t", deadline_us, &schema, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_RETRY);
    database_run(db, "ROLLBACK");
    sqlite3_close(db);
    assert_null(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_columns_that_fit),
        WITH_DATABASE(test_columns_that_do_not_fit),
        WITH_DATABASE(test_qualified_names),
        WITH_DATABASE(test_scripts),
        WITH_DATABASE(test_touch_makes_its_table),
        WITH_DATABASE(test_touch_by_bytes),
        WITH_DATABASE(test_touch_refused_columns),
        WITH_DATABASE(test_describe_types),
        WITH_DATABASE(test_describe_defaults),
        WITH_DATABASE(test_describe_leaves_to_the_database),
        WITH_DATABASE(test_describe_keys),
        WITH_DATABASE(test_describe_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
