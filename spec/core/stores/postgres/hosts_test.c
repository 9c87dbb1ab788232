/* SPDX-License-Identifier: MIT
 * What a conninfo says: bad ones, of which no password is shown, and lists of hosts. No server. */
#include "support/support.h"

#include <stdio.h>

#include "stores/postgres/postgres.h"

static void bad_conninfo(void **state)
{
    static const struct {
        const char *conninfo, *words;
    } cases[] = {
        {"hots=x", "invalid connection option \"hots\""},
        {"host=x port", "missing "},
        {"postgresql://h/d?sslmod=x", "invalid URI query parameter: \"sslmod\""},
        {"postgresql://u:pa55@h/d?sslmod=x", "invalid URI query parameter: "},
        {"postgresql://user:pa55/x@host", "conninfo: "},
        {"postgresql://user:pa55?x@host", "conninfo: "},
        {"postgresql://user:a b%pa55@host", "conninfo: "},
        {"pa55", "missing "},
        {"host=x sslpassword='pa55", "conninfo: "},
        {"host=x passfile = pa55 pa55", "missing "},
        {"user:pa55@host/d", "missing "},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_conninfo),
        cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests_name("postgres_hosts", tests, NULL, NULL);
}
