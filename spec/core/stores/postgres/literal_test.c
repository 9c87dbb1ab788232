/* SPDX-License-Identifier: MIT
 * Values as literals: the server reads what was given, whatever its setting for backslashes is. */
#include "support/postgres_support.h"

#include <math.h>

static wb_value text_of(const char *text)
{
    return (wb_value){.kind = WB_TEXT, .text = text, .bytes = (uint32_t)strlen(text)};
}

static char *taken(wb_buffer *sql)
{
    char *text = wb_buffer_take(sql, NULL);
    assert_non_null(text);
    return text;
}

static char *array_of(int type, const wb_value *values, size_t count)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_begin_array(&sql);
    for (size_t i = 0; i < count; i++)
        wb_pg_put_element(&sql, type, &values[i]);
    wb_pg_end_array(&sql, type);
    return taken(&sql);
}

static const char *const texts[] = {
    "",     "plain", "it's", "a\\b",   "\\",     "'",          "\"",  "{a,b}",
    "NULL", "\\'",   "'\\",  "\"\\\"", "a\nb\t", "%s $1 ; --", "é€😀",
};
enum { TEXTS = sizeof texts / sizeof *texts };

/* What the server makes of them, side by side with the parameter of a statement, which needs no quoting. */
static void texts_arrive(void **state)
{
    (void)state;
    wb_value values[TEXTS];
    for (int on = 0; on < 2; on++) {
        PGconn *conn = PQconnectdb(test_conninfo());
        PQclear(PQexec(conn, on ? "SET standard_conforming_strings = on"
                                : "SET standard_conforming_strings = off"));
        for (int i = 0; i < TEXTS; i++) {
            wb_buffer sql = WB_BUFFER_EMPTY;
            wb_buffer_put_text(&sql, "SELECT ");
            wb_pg_put_literal(&sql, texts[i]);
            char *statement = taken(&sql);
            PGresult *result = PQexec(conn, statement);
            assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
            assert_string_equal(PQgetvalue(result, 0, 0), texts[i]);
            PQclear(result);
            wb_free(statement);
            values[i] = text_of(texts[i]);
        }
        char *array = array_of(WB_TYPE_TEXT, values, TEXTS), statement[4096];
        snprintf(statement, sizeof statement, "SELECT unnest(%s)", array);
        PGresult *result = PQexec(conn, statement);
        assert_int_equal(PQntuples(result), TEXTS);
        for (int i = 0; i < TEXTS; i++)
            assert_string_equal(PQgetvalue(result, i, 0), texts[i]);
        PQclear(result);
        wb_free(array);
        PQfinish(conn);
    }
}

static void assert_array(fixture *f, int type, const wb_value *values, size_t count,
                         const char *expected)
{
    char *array = array_of(type, values, count);
    assert_string_equal(sql(f, "SELECT array_to_string(%s, ' | ', '-')", array), expected);
    wb_free(array);
}

#define INT(n)                                                                                     \
    {                                                                                              \
        .kind = WB_INT, .i = (n)                                                                   \
    }
#define FLOAT(x)                                                                                   \
    {                                                                                              \
        .kind = WB_FLOAT, .f = (x)                                                                 \
    }
#define TEXT(s)                                                                                    \
    {                                                                                              \
        .kind = WB_TEXT, .text = (s), .bytes = sizeof(s) - 1                                       \
    }
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void other_types_arrive(void **state)
{
    fixture *f = *state;
    const wb_value bools[] = {{.kind = WB_BOOL, .i = 1}, {.kind = WB_BOOL}, {.kind = WB_NULL}};
    assert_array(f, WB_TYPE_BOOL, bools, COUNT(bools), "t | f | -");
    const wb_value ints[] = {INT(INT64_MIN), INT(INT64_MAX), INT(0)};
    assert_array(f, WB_TYPE_INT8, ints, COUNT(ints),
                 "-9223372036854775808 | 9223372036854775807 | 0");
    const wb_value floats[] = {FLOAT(0.1), FLOAT(NAN), FLOAT(INFINITY), FLOAT(-INFINITY),
                               FLOAT(1e300)};
    assert_array(f, WB_TYPE_FLOAT8, floats, COUNT(floats),
                 "0.1 | NaN | Infinity | -Infinity | 1e+300");
    const wb_value bytes[] = {TEXT("a\0\xff"), TEXT("")};
    assert_array(f, WB_TYPE_BYTEA, bytes, COUNT(bytes), "\\x6100ff | \\x");
    const wb_value ids[] = {
        TEXT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10")};
    assert_array(f, WB_TYPE_UUID, ids, COUNT(ids), "01020304-0506-0708-090a-0b0c0d0e0f10");
    const wb_value json[] = {TEXT("{\"a\": \"it's \\\\ \\\"\"}")};
    assert_array(f, WB_TYPE_JSONB, json, COUNT(json), "{\"a\": \"it's \\\\ \\\"\"}");
    const wb_value times[] = {INT(1), INT(INT64_C(-62135596800000000)),
                              INT(INT64_C(253402300799999999))};
    assert_array(f, WB_TYPE_TIMESTAMPTZ, times, COUNT(times),
                 sql(f, "SELECT array_to_string('{1970-01-01T00:00:00.000001Z,"
                        "0001-01-01T00:00:00Z,9999-12-31T23:59:59.999999Z}'::timestamptz[], "
                        "' | ')"));
    const wb_value dates[] = {INT(0), INT(-719162)};
    assert_array(f, WB_TYPE_DATE, dates, COUNT(dates), "1970-01-01 | 0001-01-01");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(texts_arrive), T(other_types_arrive)};
    return cmocka_run_group_tests_name("postgres_literal", tests, NULL, NULL);
}
