/* SPDX-License-Identifier: MIT
 * What errors of PostgreSQL mean: the classes of SQLSTATEs, and errors at connecting. No server. */
#include "support/support.h"

#include "stores/postgres/postgres.h"

static void classes(void **state)
{
    static const struct {
        const char *sqlstate;
        int class;
    } cases[] = {
        {"08006", WB_RETRY},  {"08P01", WB_RETRY},  {"0A000", WB_HOLD},   {"21000", WB_REJECT},
        {"22003", WB_REJECT}, {"22021", WB_REJECT}, {"22P03", WB_HOLD},   {"22P04", WB_HOLD},
        {"23502", WB_REJECT}, {"23505", WB_REJECT}, {"23514", WB_REJECT}, {"25006", WB_RETRY},
        {"28P01", WB_HOLD},   {"3D000", WB_HOLD},   {"3F000", WB_HOLD},   {"40001", WB_RETRY},
        {"40P01", WB_RETRY},  {"42501", WB_HOLD},   {"42P01", WB_HOLD},   {"42703", WB_HOLD},
        {"53100", WB_HOLD},   {"53300", WB_RETRY},  {"54000", WB_REJECT}, {"54011", WB_HOLD},
        {"55P03", WB_RETRY},  {"57014", WB_RETRY},  {"57P01", WB_RETRY},  {"57P03", WB_RETRY},
        {"57P04", WB_HOLD},   {"58030", WB_RETRY},  {"P0001", WB_REJECT}, {"XX000", WB_HOLD},
        {"XX001", WB_HOLD},   {"ZZ999", WB_HOLD},   {"", WB_HOLD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (wb_pg_class(cases[i].sqlstate) != cases[i].class)
            fail_msg("%s: %d", cases[i].sqlstate, wb_pg_class(cases[i].sqlstate));
}

static void doubtful(void **state)
{
    (void)state;
    assert_true(wb_pg_doubtful("08P01"));
    assert_true(wb_pg_doubtful("40003"));
    assert_true(wb_pg_doubtful("58000"));
    assert_false(wb_pg_doubtful("57P01"));
    assert_false(wb_pg_doubtful("23505"));
}

static void connect_errors(void **state)
{
    static const struct {
        const char *text, *sqlstate, *shown;
        bool needs_password;
        int class;
    } cases[] = {
        {"connection to server at \"h\" (::1), port 5432 failed: Connection refused\n\tIs the "
         "server "
         "running?\n",
         "", "connection to server at \"h\" (::1), port 5432 failed: Connection refused", false,
         WB_RETRY},
        {"connection to server at \"h\" (::1), port 1 failed: timeout\n"
         "connection to server at \"h\" (127.0.0.1), port 1 failed: FATAL:  28P01: "
         "wrong\nLOCATION:  a\n",
         "28P01", "connection to server at \"h\" (127.0.0.1), port 1 failed: FATAL:  28P01: wrong",
         false, WB_HOLD},
        {"x failed: FATAL :  57P03: le syst\xc3\xa8me d\xc3\xa9marre\n", "57P03",
         "x failed: FATAL :  57P03: le syst\xc3\xa8me d\xc3\xa9marre", false, WB_RETRY},
        {"fe_sendauth: no password supplied\n", "", "fe_sendauth: no password supplied", true,
         WB_HOLD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_err err;
        wb_pg_fail_connect(&err, cases[i].text, cases[i].needs_password);
        assert_string_equal(err.text, cases[i].shown);
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
        assert_int_equal(err.error_class, cases[i].class);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(doubtful),
        cmocka_unit_test(connect_errors),
    };
    return cmocka_run_group_tests_name("postgres_errors", tests, NULL, NULL);
}
