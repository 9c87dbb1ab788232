/* SPDX-License-Identifier: MIT
 * Quoted names, and CREATE TABLE in both dialects: its text, and that SQLite takes it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/env.h"
#include "rows/quote.h"
#include "rows/schema.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .kind = WB_TEXT, .bytes = sizeof(literal) - 1, .text = literal                             \
    }
#define INT(number)                                                                                \
    {                                                                                              \
        .kind = WB_INT, .i = number                                                                \
    }
#define FLOAT(number)                                                                              \
    {                                                                                              \
        .kind = WB_FLOAT, .f = number                                                              \
    }

static wb_schema *schema_of(const wb_column *columns, size_t count)
{
    wb_schema *schema = NULL;
    wb_err err;
    if (wb_schema_new(columns, count, &schema, &err) != WB_OK)
        fail_msg("%s", err.text);
    return schema;
}

static void test_quoting(void **state)
{
    (void)state;
    static const struct {
        const char *given, *quoted;
    } tables[] = {
        {"t", "\"t\""},
        {"public.t", "\"public\".\"t\""},
        {"a\"b", "\"a\"\"b\""},
        {"\"a.b\"", "\"a.b\""},
        {"public.\"a.b\"", "\"public\".\"a.b\""},
        {"\"s\"\".\".t", "\"s\"\".\".\"t\""},
        {"\"open", "\"\"\"open\""},
        {"\"a\"b", "\"\"\"a\"\"b\""},
        {"\"\"", "\"\"\"\"\"\""},
        {"t.", "\"t\".\"\""},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        wb_buffer sql = WB_BUFFER_EMPTY;
        wb_put_table(&sql, tables[i].given);
        char *text = wb_buffer_take(&sql, NULL);
        assert_string_equal(text, tables[i].quoted);
        wb_free(text);
    }
    wb_buffer name = WB_BUFFER_EMPTY;
    wb_put_name(&name, "a.\"b");
    char *text = wb_buffer_take(&name, NULL);
    assert_string_equal(text, "\"a.\"\"b\"");
    wb_free(text);
}

static const wb_column of_all_types[] = {
    {.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV7},
    {.name = "other", .type = WB_TYPE_UUID, .generate = WB_UUIDV4},
    {.name = "b\"b", .type = WB_TYPE_BOOL, .default_value = {.kind = WB_BOOL, .i = 1}},
    {.name = "i2", .type = WB_TYPE_INT2, .default_value = INT(-1)},
    {.name = "i4", .type = WB_TYPE_INT4, .null = true},
    {.name = "i8", .type = WB_TYPE_INT8, .default_value = INT(INT64_MIN)},
    {.name = "f4", .type = WB_TYPE_FLOAT4, .default_value = FLOAT(0.1)},
    {.name = "f8", .type = WB_TYPE_FLOAT8, .default_value = FLOAT(-INFINITY)},
    {.name = "t", .type = WB_TYPE_TEXT, .default_value = TEXT("it's \\ all")},
    {.name = "x", .type = WB_TYPE_BYTEA, .default_value = TEXT("\x00\xfe'")},
    {.name = "u",
     .type = WB_TYPE_UUID,
     .default_value = TEXT("0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B")},
    {.name = "at", .type = WB_TYPE_TIMESTAMPTZ, .default_value = FLOAT(1715673600.115245)},
    {.name = "d", .type = WB_TYPE_DATE, .default_value = TEXT("2024-02-29")},
    {.name = "j", .type = WB_TYPE_JSON, .null = true, .default_value = TEXT("[\"it's\"]")},
    {.name = "jb", .type = WB_TYPE_JSONB, .default_value = TEXT("{}")},
};

enum { ALL = sizeof of_all_types / sizeof of_all_types[0] };

static void ddl_is(const char *dialect, const char *expected)
{
    wb_schema *schema = schema_of(of_all_types, ALL);
    char *sql = NULL;
    wb_err err;
    assert_int_equal(wb_schema_ddl(schema, dialect, "s.t", &sql, &err), WB_OK);
    assert_string_equal(sql, expected);
    wb_free(sql);
    wb_schema_unref(schema);
}

static void test_ddl_postgresql(void **state)
{
    (void)state;
    ddl_is("postgresql", "CREATE TABLE IF NOT EXISTS \"s\".\"t\" (\n"
                         "    \"id\" uuid NOT NULL PRIMARY KEY,\n"
                         "    \"other\" uuid NOT NULL,\n"
                         "    \"b\"\"b\" bool NOT NULL DEFAULT true,\n"
                         "    \"i2\" int2 NOT NULL DEFAULT -1,\n"
                         "    \"i4\" int4,\n"
                         "    \"i8\" int8 NOT NULL DEFAULT -9223372036854775808,\n"
                         "    \"f4\" float4 NOT NULL DEFAULT 0.1,\n"
                         "    \"f8\" float8 NOT NULL DEFAULT '-Infinity',\n"
                         "    \"t\" text NOT NULL DEFAULT 'it''s \\ all',\n"
                         "    \"x\" bytea NOT NULL DEFAULT '\\x00fe27',\n"
                         "    \"u\" uuid NOT NULL DEFAULT '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',\n"
                         "    \"at\" timestamptz NOT NULL DEFAULT '2024-05-14T08:00:00.115245Z',\n"
                         "    \"d\" date NOT NULL DEFAULT '2024-02-29',\n"
                         "    \"j\" json DEFAULT '[\"it''s\"]',\n"
                         "    \"jb\" jsonb NOT NULL DEFAULT '{}'\n"
                         ");");
}

static void test_ddl_sqlite(void **state)
{
    (void)state;
    ddl_is("sqlite",
           "CREATE TABLE IF NOT EXISTS \"s\".\"t\" (\n"
           "    \"id\" uuid TEXT NOT NULL PRIMARY KEY,\n"
           "    \"other\" uuid TEXT NOT NULL,\n"
           "    \"b\"\"b\" bool NOT NULL DEFAULT 1,\n"
           "    \"i2\" int2 NOT NULL DEFAULT -1,\n"
           "    \"i4\" int4,\n"
           "    \"i8\" int8 NOT NULL DEFAULT -9223372036854775808,\n"
           "    \"f4\" float4 NOT NULL DEFAULT 0.1,\n"
           "    \"f8\" float8 NOT NULL DEFAULT -9e999,\n"
           "    \"t\" text NOT NULL DEFAULT 'it''s \\ all',\n"
           "    \"x\" bytea BLOB NOT NULL DEFAULT x'00fe27',\n"
           "    \"u\" uuid TEXT NOT NULL DEFAULT '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',\n"
           "    \"at\" timestamptz TEXT NOT NULL DEFAULT '2024-05-14T08:00:00.115245Z',\n"
           "    \"d\" date TEXT NOT NULL DEFAULT '2024-02-29',\n"
           "    \"j\" json TEXT DEFAULT '[\"it''s\"]',\n"
           "    \"jb\" jsonb TEXT NOT NULL DEFAULT '{}'\n"
           ");");
}

/* SQLite takes the statement, and its defaults are the values that were meant. */
static void test_ddl_runs_in_sqlite(void **state)
{
    (void)state;
    wb_schema *schema = schema_of(of_all_types, ALL);
    char *sql = NULL;
    sqlite3 *db;
    sqlite3_stmt *row;
    assert_int_equal(wb_schema_ddl(schema, "sqlite", "t", &sql, NULL), WB_OK);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "INSERT INTO t (id, other) VALUES ('a', 'b')", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM t", -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_int_equal(sqlite3_column_type(row, 4), SQLITE_NULL);
    assert_int_equal(sqlite3_column_type(row, 5), SQLITE_INTEGER);
    assert_true(sqlite3_column_int64(row, 5) == INT64_MIN);
    assert_true(sqlite3_column_double(row, 6) == 0.1);
    assert_true(sqlite3_column_double(row, 7) == -INFINITY);
    assert_string_equal((const char *)sqlite3_column_text(row, 8), "it's \\ all");
    assert_int_equal(sqlite3_column_bytes(row, 9), 3);
    assert_memory_equal(sqlite3_column_blob(row, 9), "\x00\xfe'", 3);
    sqlite3_finalize(row);
    sqlite3_close(db);
    wb_free(sql);
    wb_schema_unref(schema);
}

static void test_ddl_misuse(void **state)
{
    (void)state;
    wb_schema *schema = schema_of(of_all_types, ALL);
    char *sql = NULL;
    wb_err err;
    assert_int_equal(wb_schema_ddl(schema, "mysql", "t", &sql, &err), WB_MISUSE);
    assert_string_equal(err.text, "no dialect \"mysql\": \"postgresql\" or \"sqlite\"");
    assert_int_equal(wb_schema_ddl(schema, "sqlite", "", &sql, &err), WB_MISUSE);
    assert_string_equal(err.text, "the table's name is empty");
    assert_null(sql);
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quoting),    cmocka_unit_test(test_ddl_postgresql),
        cmocka_unit_test(test_ddl_sqlite), cmocka_unit_test(test_ddl_runs_in_sqlite),
        cmocka_unit_test(test_ddl_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
