/* SPDX-License-Identifier: MIT
 * Schemas and types: what is refused and how it is said, lookups, no memory, SQLite's affinities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/env.h"
#include "rows/schema.h"
#include "rows/types.h"

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

static void refused(const wb_column *columns, size_t count, const char *text)
{
    wb_schema *schema = (wb_schema *)&schema;
    wb_err err;
    assert_int_equal(wb_schema_new(columns, count, &schema, &err), WB_INVALID);
    assert_ptr_equal(schema, &schema);
    assert_string_equal(err.text, text);
    assert_int_equal(wb_schema_new(columns, count, &schema, NULL), WB_INVALID);
}

static void test_lookups(void **state)
{
    (void)state;
    const wb_column columns[] = {
        {.name = "at", .type = WB_TYPE_TIMESTAMPTZ},
        {.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV7},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true, .default_value = {.kind = WB_NULL}},
        {.name = "hits", .type = WB_TYPE_INT8, .default_value = INT(7)},
        {.name = "kind", .type = WB_TYPE_TEXT, .default_value = TEXT("new")},
    };
    wb_schema *schema = schema_of(columns, 5);
    assert_int_equal(wb_schema_count(schema), 5);
    assert_int_equal(wb_schema_given(schema), 4);
    assert_int_equal(wb_schema_find(schema, "hits", 4), 3);
    assert_int_equal(wb_schema_find(schema, "hit", 3), -1);
    assert_int_equal(wb_schema_find(schema, "hits\0", 5), -1);
    assert_int_equal(wb_schema_find(schema, "", 0), -1);
    const size_t places[] = {0, 4, 1, 2, 3}; /* the generated column after all others */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(wb_schema_place(schema, i), places[i]);
        assert_string_equal(wb_schema_column(schema, i)->name, columns[i].name);
        assert_ptr_not_equal(wb_schema_column(schema, i)->name, columns[i].name);
    }
    assert_int_equal(wb_schema_column(schema, 2)->default_value.kind, WB_ABSENT);
    const wb_value *kind = &wb_schema_column(schema, 4)->default_value;
    assert_int_equal(kind->bytes, 3);
    assert_string_equal(kind->text, "new");
    assert_ptr_not_equal(kind->text, columns[4].default_value.text);
    assert_ptr_equal(wb_schema_ref(schema), schema);
    wb_schema_unref(schema);
    wb_schema_unref(schema);
    wb_schema_unref(NULL);
}

static void test_refused_columns(void **state)
{
    (void)state;
    char long_name[65];
    memset(long_name, 'n', 64);
    long_name[64] = '\0';
    wb_column column = {.name = "a", .type = WB_TYPE_INT4};
    refused(&column, 0, "a schema has 1 to 1600 columns, not 0");
    refused(&column, 1601, "a schema has 1 to 1600 columns, not 1601");
    column.name = "";
    refused(&column, 1, "column 1 has no name");
    column.name = NULL;
    refused(&column, 1, "column 1 has no name");
    column.name = long_name;
    refused(&column, 1,
            "column 1: the name \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…\" has 64 bytes, more "
            "than 63");
    column.name = "a\xff\n";
    refused(&column, 1, "column 1: the name \"a\\xff\\n\" is not UTF-8");
    column = (wb_column){.name = "a", .type = 99};
    refused(&column, 1, "column \"a\": there is no type 99");
    column.type = -1;
    refused(&column, 1, "column \"a\": there is no type -1");
    const wb_column twice[] = {{.name = "a"}, {.name = "b"}, {.name = "a"}};
    refused(twice, 3, "column 3: the name \"a\" is taken by column 1");
}

static void test_refused_generators(void **state)
{
    (void)state;
    wb_column column = {.name = "id", .type = WB_TYPE_UUID, .generate = 3};
    refused(&column, 1, "column \"id\" (uuid): there is no generator 3");
    column = (wb_column){.name = "id", .type = WB_TYPE_TEXT, .generate = WB_UUIDV4};
    refused(&column, 1, "column \"id\" (text): only a uuid can be generated");
    column = (wb_column){.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV4, .null = true};
    refused(&column, 1, "column \"id\" (uuid): it is generated and may be NULL");
    column = (wb_column){.name = "id",
                         .type = WB_TYPE_UUID,
                         .generate = WB_UUIDV7,
                         .default_value = TEXT("0123456789abcdef")};
    refused(&column, 1, "column \"id\" (uuid): it is generated and has a default");
}

static void test_refused_defaults(void **state)
{
    (void)state;
    wb_column column = {.name = "n", .type = WB_TYPE_INT2, .default_value = INT(40000)};
    refused(&column, 1,
            "default: column \"n\" (int2) can't hold 40000: not within -32768 to 32767");
    column.default_value = (wb_value){.kind = WB_NULL};
    refused(&column, 1, "default: column \"n\" (int2) can't be NULL");
    column = (wb_column){.name = "j", .type = WB_TYPE_JSONB, .default_value = TEXT("{")};
    wb_schema *schema;
    wb_err err;
    assert_int_equal(wb_schema_new(&column, 1, &schema, &err), WB_INVALID);
    assert_memory_equal(err.text, "default: column \"j\" (jsonb) can't hold \"{\": ", 44);
}

static void test_most_columns(void **state)
{
    (void)state;
    static wb_column columns[1600];
    static char names[1600][16];
    for (int i = 0; i < 1600; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        columns[i] = (wb_column){.name = names[i], .type = WB_TYPE_INT8};
    }
    wb_schema *schema = schema_of(columns, 1600);
    assert_int_equal(wb_schema_find(schema, "c1599", 5), 1599);
    wb_schema_unref(schema);
}

static void test_no_memory(void **state)
{
    (void)state;
    const wb_column columns[] = {
        {.name = "a", .type = WB_TYPE_TEXT, .default_value = TEXT("x")},
        {.name = "b", .type = WB_TYPE_INT4, .default_value = INT(1)},
    };
    wb_schema *schema = NULL;
    wb_err err;
    int code = WB_MEMORY;
    size_t n = 0;
    while (code == WB_MEMORY) {
        assert_null(schema);
        wb_alloc_fail_after(++n);
        code = wb_schema_new(columns, 2, &schema, &err);
        wb_alloc_fail_after(0);
    }
    assert_int_equal(code, WB_OK);
    assert_int_equal(n, 7); /* the schema, two names, two defaults and a text */
    char *sql = NULL;
    n = 0;
    do {
        assert_null(sql);
        wb_alloc_fail_after(++n);
        code = wb_schema_ddl(schema, "sqlite", "t", &sql, &err);
        wb_alloc_fail_after(0);
    } while (code == WB_MEMORY);
    assert_int_equal(code, WB_OK);
    assert_int_equal(n, 3); /* the text, in one piece, and a literal on its way into it */
    wb_free(sql);
    wb_schema_unref(schema);
}

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(wb_type_name(WB_TYPE_JSONB), "jsonb");
    assert_null(wb_type_name(99));
    assert_null(wb_type_name(-1));
    assert_int_equal(wb_type_find("int8", 4), WB_TYPE_INT8);
    assert_int_equal(wb_type_find("int", 3), -1);
    assert_int_equal(wb_type_find("json", 4), WB_TYPE_JSON);
    assert_int_equal(wb_type_of_oid(2950), WB_TYPE_UUID);
    assert_int_equal(wb_type_of_oid(3802), WB_TYPE_JSONB);
    assert_int_equal(wb_type_of_oid(0), -1);
    assert_int_equal(wb_type_bytes(WB_TYPE_UUID), 16);
    assert_int_equal(wb_type_bytes(WB_TYPE_TEXT), 0);
}

/* By SQLite's rules of affinity, asked of SQLite itself: what a text "12" becomes when it is stored. */
static void test_sqlite_affinity(void **state)
{
    (void)state;
    static const char *const stored[] =
        {
            [WB_TYPE_BOOL] = "integer",     [WB_TYPE_INT2] = "integer",
            [WB_TYPE_INT4] = "integer",     [WB_TYPE_INT8] = "integer",
            [WB_TYPE_FLOAT4] = "real",      [WB_TYPE_FLOAT8] = "real",
            [WB_TYPE_TEXT] = "text",        [WB_TYPE_BYTEA] = "text",
            [WB_TYPE_UUID] = "text",        [WB_TYPE_TIMESTAMPTZ] = "text",
            [WB_TYPE_DATE] = "text",        [WB_TYPE_JSON] = "text",
            [WB_TYPE_JSONB] = "text",       [WB_TYPE_TIMESTAMP] = "text",
            [WB_TYPE_TIME] = "text",        [WB_TYPE_NUMERIC] = "text",
            [WB_TYPE_INTERVAL] = "integer", /* the word has INT in it; no interval's text is a number */
            [WB_TYPE_INET] = "text",        [WB_TYPE_CIDR] = "text",
            [WB_TYPE_MACADDR] = "text",
        };
    for (int type = 0; wb_type_name(type); type++) {
        sqlite3 *db;
        sqlite3_stmt *row;
        char sql[200];
        const char *declared = wb_type_sqlite(type), *name = wb_type_name(type);
        assert_memory_equal(declared, name, strlen(name));
        assert_true(declared[strlen(name)] == '\0' || declared[strlen(name)] == ' ');
        snprintf(sql, sizeof sql, "CREATE TABLE t (c %s); INSERT INTO t VALUES ('12')", declared);
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT typeof(c) FROM t", -1, &row, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(row), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(row, 0), stored[type]);
        sqlite3_finalize(row);
        sqlite3_close(db);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_refused_columns),
        cmocka_unit_test(test_refused_generators),
        cmocka_unit_test(test_refused_defaults),
        cmocka_unit_test(test_most_columns),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_sqlite_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
