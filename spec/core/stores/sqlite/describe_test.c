/* SPDX-License-Identifier: MIT
 * Reading a schema from an SQLite table: types, defaults, keys, and what is left to the database. */
#include <stdio.h>
#include <unistd.h>

#include "support/sqlite_fixture.h"
#include "support/support.h"

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
    static const int types[] = {WB_TYPE_INT2,      WB_TYPE_INT4, WB_TYPE_BOOL,  WB_TYPE_BOOL,
                                WB_TYPE_FLOAT4,    WB_TYPE_UUID, WB_TYPE_UUID,  WB_TYPE_TIMESTAMP,
                                WB_TYPE_TIMESTAMP, WB_TYPE_DATE, WB_TYPE_JSON,  WB_TYPE_TEXT,
                                WB_TYPE_FLOAT8,    WB_TYPE_INT8, WB_TYPE_INT8,  WB_TYPE_TEXT,
                                WB_TYPE_BYTEA,     WB_TYPE_TEXT, WB_TYPE_BYTEA, WB_TYPE_NUMERIC,
                                WB_TYPE_FLOAT8,    WB_TYPE_TEXT, WB_TYPE_JSONB};
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

static void check_left(const wb_schema *schema, const char *name, int type)
{
    assert_true(column_named(schema, name)->server_default);
    assert_int_equal(column_named(schema, name)->type, type);
}

/* What the database fills by itself may be given, and a row without it is taken. */
static void test_describe_leaves_to_the_database(void **state)
{
    struct fixture *fixture = *state;
    wb_schema *schema = described(
        fixture,
        "CREATE TABLE t (n INTEGER PRIMARY KEY, a text, at DATETIME NOT NULL DEFAULT "
        "CURRENT_TIMESTAMP, r int8 NOT NULL DEFAULT (abs(-3)), w int8 NOT NULL DEFAULT 'x', "
        "g int8 GENERATED ALWAYS AS (r + 1))");
    assert_int_equal(wb_schema_count(schema), 5);
    check_left(schema, "n", WB_TYPE_INT8);
    check_left(schema, "at", WB_TYPE_TIMESTAMP);
    check_left(schema, "r", WB_TYPE_INT8);
    check_left(schema, "w", WB_TYPE_INT8);
    assert_false(column_named(schema, "a")->server_default);

    wb_target target = {.table = "t", .schema = schema};
    wb_session *session = contract_session(fixture->store, &target);
    wb_batch *batch = wb_batch_new(schema);
    contract_add(batch, (wb_value[]){{.kind = WB_ABSENT}, VALUE_TEXT("b")}, 2);
    contract_write(session, batch);
    check_query(fixture, "SELECT n || a || r || w || g || (at > '2024') FROM t", "1b3x41");
    wb_batch_clear(batch);
    contract_add(
        batch,
        (wb_value[]){{.kind = WB_INT, .i = 70}, VALUE_TEXT("b"), VALUE_TEXT("2024-05-14 08:00")},
        3);
    contract_write(session, batch);
    check_query(fixture, "SELECT n || at FROM t WHERE n > 1", "702024-05-14 08:00:00");
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
        WITH_DATABASE(test_describe_types),
        WITH_DATABASE(test_describe_defaults),
        WITH_DATABASE(test_describe_leaves_to_the_database),
        WITH_DATABASE(test_describe_keys),
        WITH_DATABASE(test_describe_fails),
    };
    return cmocka_run_group_tests_name("sqlite_describe", tests, NULL, NULL);
}
