/* SPDX-License-Identifier: MIT
 * What the statements look like. No server. */
#include "support/support.h"

#include "stores/postgres/postgres.h"

static void copy_statement(void **state)
{
    (void)state;
    wb_column columns[] = {{.name = "a\"b", .type = WB_TYPE_INT8},
                           {.name = "C", .type = WB_TYPE_TEXT}};
    wb_schema *schema = NULL;
    wb_err err;
    assert_ok(wb_schema_new(columns, 2, &schema, &err));
    char *statement = wb_pg_copy_statement("\"s\".\"t\"", schema);
    assert_string_equal(statement,
                        "COPY \"s\".\"t\" (\"a\"\"b\", \"C\") FROM STDIN (FORMAT binary)");
    wb_free(statement);
    wb_schema_unref(schema);
}

static void touch_statement(void **state)
{
    (void)state;
    wb_target target = {.key = "a\"b", .column = "$K"};
    char *statement = wb_pg_touch_statement("\"t\"", &target);
    assert_non_null(strstr(statement, "UPDATE \"t\" AS t SET \"$K\" = l.at"));
    assert_non_null(strstr(statement, "WHERE t.\"a\"\"b\" = l.id"));
    wb_free(statement);
}

static void which_statement(void **state)
{
    (void)state;
    wb_column column = {.name = "a\"b", .type = WB_TYPE_UUID};
    wb_schema *schema = NULL;
    wb_err err;
    assert_ok(wb_schema_new(&column, 1, &schema, &err));
    wb_target target = {.schema = schema, .dedupe_column = 0};
    char *statement = wb_pg_which_statement("\"s\".\"t\"", &target);
    assert_string_equal(statement, "SELECT \"a\"\"b\" FROM \"s\".\"t\" WHERE \"a\"\"b\" = ANY ($1) "
                                   "ORDER BY 1");
    wb_free(statement);
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_statement),
        cmocka_unit_test(touch_statement),
        cmocka_unit_test(which_statement),
    };
    return cmocka_run_group_tests_name("postgres_sql", tests, NULL, NULL);
}
