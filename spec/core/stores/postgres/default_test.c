/* SPDX-License-Identifier: MIT
 * Defaults as their SQL says them: which are constants, which make a uuid. No server. */
#include "support/support.h"

#include "stores/postgres/postgres.h"

static void constants(void **state)
{
    static const struct {
        const char *sql;
        int type;
        bool constant;
    } cases[] = {
        {"0", WB_TYPE_INT8, true},
        {"(-1)", WB_TYPE_INT8, true},
        {"(- 1)", WB_TYPE_INT8, true},
        {"'-1'::integer", WB_TYPE_FLOAT8, true},
        {"('-1'::integer)::double precision", WB_TYPE_FLOAT8, true},
        {"'a'::character varying(10)", WB_TYPE_TEXT, true},
        {"'it''s'::text", WB_TYPE_TEXT, true},
        {"E'a\\'b\\\\'::text", WB_TYPE_TEXT, true},
        {"NULL::text", WB_TYPE_TEXT, true},
        {"'x'::\"My\".\"Type\"[]", WB_TYPE_TEXT, true},
        {"'2024-01-01 00:00:00+00'::timestamp with time zone", WB_TYPE_TIMESTAMPTZ, true},
        {"'2024-01-01'::date", WB_TYPE_DATE, true},
        {"'2024-01-01'::date", WB_TYPE_TIMESTAMPTZ, false},
        {"('now'::text)::timestamp with time zone", WB_TYPE_TIMESTAMPTZ, false},
        {"now()", WB_TYPE_TIMESTAMPTZ, false},
        {"CURRENT_USER", WB_TYPE_TEXT, false},
        {"true_enough", WB_TYPE_BOOL, false},
        {"nextval('s'::regclass)", WB_TYPE_INT8, false},
        {"('a'::text || 'b'::text)", WB_TYPE_TEXT, false},
        {"'a'::text || f()", WB_TYPE_TEXT, false},
        {"'a'::f()", WB_TYPE_TEXT, false},
        {"'a", WB_TYPE_TEXT, false},
        {"(0", WB_TYPE_INT8, false},
        {"", WB_TYPE_INT8, false},
        {"0; DROP TABLE t", WB_TYPE_INT8, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (wb_pg_default_constant(cases[i].sql, cases[i].type) != cases[i].constant)
            fail_msg("%s", cases[i].sql);
}

static void makers_of_uuids(void **state)
{
    (void)state;
    assert_int_equal(wb_pg_default_generate("gen_random_uuid()"), WB_UUIDV4);
    assert_int_equal(wb_pg_default_generate("extensions.uuid_generate_v4()"), WB_UUIDV4);
    assert_int_equal(wb_pg_default_generate("uuidv7()"), WB_UUIDV7);
    assert_int_equal(wb_pg_default_generate("uuidv7(interval)"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants),
        cmocka_unit_test(makers_of_uuids),
    };
    return cmocka_run_group_tests_name("postgres_default", tests, NULL, NULL);
}
