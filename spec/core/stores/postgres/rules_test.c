/* SPDX-License-Identifier: MIT
 * The PostgreSQL store's pure parts: what SQLSTATEs mean, what a conninfo says, which defaults are
 * constants, what statements look like. No server. */
#include "support/support.h"

#include <stdio.h>

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
        {"53100", WB_RETRY},  {"53300", WB_RETRY},  {"54000", WB_REJECT}, {"54011", WB_HOLD},
        {"55P03", WB_RETRY},  {"57014", WB_RETRY},  {"57P01", WB_RETRY},  {"57P03", WB_RETRY},
        {"57P04", WB_HOLD},   {"58030", WB_RETRY},  {"P0001", WB_REJECT}, {"XX000", WB_RETRY},
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

static void bad_conninfo(void **state)
{
    static const struct {
        const char *conninfo, *words;
    } cases[] = {
        {"hots=x", "invalid connection option \"hots\""},
        {"host=x port", "missing \"=\" after \"port\""},
        {"postgresql://h/d?sslmod=x", "invalid URI query parameter: \"sslmod\""},
        {"postgresql://u:pa55@h/d?sslmod=x", "invalid URI query parameter: \"sslmod\""},
        {"host=x password=top pa55", "missing "},
        {"host=x password=top pa55=1", "invalid connection option "},
        {"postgresql://u:pa55@[::1/d", "conninfo: "},
        {"postgresql://u:pa55@h]x:y", "conninfo: "},
        {"postgresql://h/d?password=%zzpa55", "conninfo: "},
        {"postgresql://u:pa55%00@h/", "conninfo: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_store *store = NULL;
        wb_err err = {.code = WB_OK};
        int code = wb_store_postgres(cases[i].conninfo, &store, &err);
        if (code == WB_OK) { /* this libpq can read it after all */
            wb_store_unref(store);
            continue;
        }
        assert_int_equal(code, WB_INVALID);
        assert_null(store);
        if (strstr(err.text, cases[i].words) == NULL || strstr(err.text, "pa55") != NULL)
            fail_msg("%s: %s", cases[i].conninfo, err.text);
    }
}

static size_t hosts_of(const char *conninfo, wb_pg_host *third)
{
    wb_store *store = NULL;
    wb_err err;
    assert_ok(wb_store_postgres(conninfo, &store, &err));
    wb_pg_store *own = (wb_pg_store *)store;
    size_t count = own->hosts == NULL ? 0 : own->count;
    if (count >= 3) {
        static char host[32], port[32];
        *third = (wb_pg_host){NULL, NULL, NULL};
        snprintf(host, sizeof host, "%s", own->hosts[2].host);
        snprintf(port, sizeof port, "%s", own->hosts[2].port);
        third->host = host;
        third->port = port;
    }
    wb_store_unref(store);
    return count;
}

/* A list is split where that keeps its meaning, else left to libpq (0 here). */
static void hosts(void **state)
{
    wb_pg_host third;
    (void)state;
    assert_int_equal(hosts_of("host=a,b,c port=1,2,3", &third), 3);
    assert_string_equal(third.host, "c");
    assert_string_equal(third.port, "3");
    assert_int_equal(hosts_of("postgresql://a:1,b:1,c:9/d", &third), 3);
    assert_string_equal(third.port, "9");
    assert_int_equal(hosts_of("host=a,b,c port=7", &third), 3);
    assert_string_equal(third.port, "7");
    assert_int_equal(hosts_of("host=a port=7", &third), 0);
    assert_int_equal(hosts_of("host=a,b port=1,2,3", &third), 0);
    assert_int_equal(hosts_of("host=a,b target_session_attrs=prefer-standby", &third), 0);
    assert_int_equal(hosts_of("host=a,b service=s", &third), 0);
    assert_int_equal(hosts_of("host=a,b target_session_attrs=read-write", &third), 2);
    assert_int_equal(hosts_of("hostaddr=127.0.0.1,::1", &third), 2);
}

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
    assert_int_equal(wb_pg_default_generate("gen_random_uuid()"), WB_UUIDV4);
    assert_int_equal(wb_pg_default_generate("extensions.uuid_generate_v4()"), WB_UUIDV4);
    assert_int_equal(wb_pg_default_generate("uuidv7()"), WB_UUIDV7);
    assert_int_equal(wb_pg_default_generate("uuidv7(interval)"), -1);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),        cmocka_unit_test(doubtful),
        cmocka_unit_test(connect_errors), cmocka_unit_test(bad_conninfo),
        cmocka_unit_test(hosts),          cmocka_unit_test(constants),
        cmocka_unit_test(copy_statement),
    };
    return cmocka_run_group_tests_name("postgres_rules", tests, NULL, NULL);
}
