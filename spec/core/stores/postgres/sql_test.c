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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_statement),
        cmocka_unit_test(touch_statement),
    };
    return cmocka_run_group_tests_name("postgres_sql", tests, NULL, NULL);
}
