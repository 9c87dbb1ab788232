/* SPDX-License-Identifier: MIT
 * Every type's values: its edges there and back, what is converted, every refusal and its words. */
#include <math.h>
#include <stdio.h>

#include "base/timestamp.h"
#include "support/values.h"

/* One value of a column named "c" that may not be NULL, there and back. */
static wb_value round_trip(int type, wb_value value)
{
    static uint8_t kept[256];
    const wb_column column = {.name = "c", .type = type};
    wb_schema *schema = schema_of(&column, 1);
    size_t bytes;
    uint8_t *tuple = encoded(schema, NULL, &value, 1, &bytes);
    assert_true(bytes <= sizeof kept);
    memcpy(kept, tuple, bytes);
    free(tuple);
    wb_value out;
    wb_row_values(schema, kept, &out);
    wb_schema_unref(schema);
    return out;
}

static void holds_int(int type, wb_value value, int64_t expected)
{
    wb_value out = round_trip(type, value);
    assert_int_equal(out.kind, WB_INT);
    assert_true(out.i == expected);
}

static void holds_float(int type, wb_value value, double expected)
{
    wb_value out = round_trip(type, value);
    assert_int_equal(out.kind, WB_FLOAT);
    assert_memory_equal(&out.f, &expected, sizeof expected);
}

static void holds_text(int type, wb_value value, const char *expected, size_t bytes)
{
    wb_value out = round_trip(type, value);
    assert_int_equal(out.kind, WB_TEXT);
    assert_int_equal(out.bytes, bytes);
    assert_memory_equal(out.text, expected, bytes);
}

static void refuses(int type, wb_value value, const char *expected)
{
    const wb_column column = {.name = "c", .type = type};
    wb_schema *schema = schema_of(&column, 1);
    size_t bytes = 4711, bound = wb_row_bound(schema, &value, 1);
    uint8_t *tuple = malloc(bound);
    wb_err err;
    assert_int_equal(wb_row_encode(schema, &value, 1, tuple, &bytes, &err), WB_INVALID);
    assert_int_equal(err.code, WB_INVALID);
    assert_string_equal(err.text, expected);
    assert_int_equal(bytes, 4711);
    assert_int_equal(wb_row_encode(schema, &value, 1, tuple, &bytes, NULL), WB_INVALID);
    free(tuple);
    wb_schema_unref(schema);
}

static void test_integers(void **state)
{
    (void)state;
    holds_int(WB_TYPE_INT2, integer(INT16_MIN), INT16_MIN);
    holds_int(WB_TYPE_INT2, integer(INT16_MAX), INT16_MAX);
    holds_int(WB_TYPE_INT4, integer(INT32_MIN), INT32_MIN);
    holds_int(WB_TYPE_INT4, number(2147483647.0), INT32_MAX);
    holds_int(WB_TYPE_INT8, integer(INT64_MIN), INT64_MIN);
    holds_int(WB_TYPE_INT8, integer(INT64_MAX), INT64_MAX);
    holds_int(WB_TYPE_INT8, number(2.0), 2);
    holds_int(WB_TYPE_INT8, number(-0.0), 0);
    holds_int(WB_TYPE_INT8, number(-0x1p63), INT64_MIN);
    refuses(WB_TYPE_INT2, integer(32768),
            "column \"c\" (int2) can't hold 32768: not within -32768 to 32767");
    refuses(WB_TYPE_INT2, number(-32769.0),
            "column \"c\" (int2) can't hold -32769: not within -32768 to 32767");
    refuses(WB_TYPE_INT4, integer(INT64_C(2147483648)),
            "column \"c\" (int4) can't hold 2147483648: not within -2147483648 to 2147483647");
    refuses(WB_TYPE_INT8, number(2.5), "column \"c\" (int8) can't hold 2.5: not a whole number");
    refuses(WB_TYPE_INT8, number(NAN), "column \"c\" (int8) can't hold nan: not a whole number");
    refuses(WB_TYPE_INT8, number(0x1p63),
            "column \"c\" (int8) can't hold 9.223372036854776e+18: outside the 64-bit integers");
    refuses(WB_TYPE_INT8, number(INFINITY),
            "column \"c\" (int8) can't hold inf: outside the 64-bit integers");
    refuses(WB_TYPE_INT8, text_of("1"), "column \"c\" (int8) can't hold \"1\": not a number");
    refuses(WB_TYPE_INT8, boolean(true), "column \"c\" (int8) can't hold true: not a number");
}

static void test_floats(void **state)
{
    (void)state;
    holds_float(WB_TYPE_FLOAT8, number(0.1), 0.1);
    holds_float(WB_TYPE_FLOAT8, number(-0.0), -0.0);
    holds_float(WB_TYPE_FLOAT8, number(-INFINITY), -INFINITY);
    holds_float(WB_TYPE_FLOAT8, integer(-3), -3.0);
    holds_float(WB_TYPE_FLOAT4, number(0.1), (double)0.1F);
    holds_float(WB_TYPE_FLOAT4, number(INFINITY), INFINITY);
    holds_float(WB_TYPE_FLOAT4, number(0x1.fffffep127), 0x1.fffffep127);
    assert_true(isnan(round_trip(WB_TYPE_FLOAT4, number(NAN)).f));
    assert_true(isnan(round_trip(WB_TYPE_FLOAT8, number(NAN)).f));
    refuses(WB_TYPE_FLOAT4, number(-1e39),
            "column \"c\" (float4) can't hold -1e+39: too large for a float4");
    holds_float(WB_TYPE_FLOAT4, number(0x1p-149), 0x1p-149);
    refuses(WB_TYPE_FLOAT4, number(0x1p-151),
            "column \"c\" (float4) can't hold 3.503246160812043e-46: too small for a float4");
    refuses(WB_TYPE_FLOAT8, text_of("1.5"),
            "column \"c\" (float8) can't hold \"1.5\": not a number");
    refuses(WB_TYPE_FLOAT8, boolean(false), "column \"c\" (float8) can't hold false: not a number");
}

static void test_bools(void **state)
{
    (void)state;
    assert_int_equal(round_trip(WB_TYPE_BOOL, boolean(false)).i, 0);
    wb_value yes = round_trip(WB_TYPE_BOOL, boolean(true));
    assert_int_equal(yes.kind, WB_BOOL);
    assert_int_equal(yes.i, 1);
    refuses(WB_TYPE_BOOL, integer(1), "column \"c\" (bool) can't hold 1: not a bool");
    refuses(WB_TYPE_BOOL, text_of("t"), "column \"c\" (bool) can't hold \"t\": not a bool");
}

static void test_texts(void **state)
{
    (void)state;
    holds_text(WB_TYPE_TEXT, text_of("a\n€"), "a\n€", 5);
    holds_text(WB_TYPE_TEXT, bytes_of(NULL, 0), "", 0);
    holds_text(WB_TYPE_BYTEA, bytes_of("\0\1\xff", 3), "\0\1\xff", 3);
    holds_text(WB_TYPE_BYTEA, bytes_of(NULL, 0), "", 0);
    refuses(WB_TYPE_TEXT, bytes_of("a\0b", 3),
            "column \"c\" (text) can't hold \"a\\x00b\": a NUL at byte 2");
    refuses(WB_TYPE_TEXT, text_of("ab\xc3("),
            "column \"c\" (text) can't hold \"ab\\xc3(\": not UTF-8 at byte 3");
    refuses(WB_TYPE_TEXT, integer(1), "column \"c\" (text) can't hold 1: not text");
    refuses(WB_TYPE_BYTEA, number(1.5), "column \"c\" (bytea) can't hold 1.5: not text");
    refuses(WB_TYPE_TEXT, (wb_value){.kind = 9},
            "column \"c\" (text) can't hold a value of kind 9: not text");
    refuses(WB_TYPE_INT8, text_of("0123456789012345678901234567890123456789x"),
            "column \"c\" (int8) can't hold \"0123456789012345678901234567890123456789…\": not a "
            "number");
    refuses(WB_TYPE_INT8, text_of("012345678901234567890123456789012345678é1"),
            "column \"c\" (int8) can't hold \"012345678901234567890123456789012345678é…\": not a "
            "number");
    refuses(WB_TYPE_INT8, text_of("say \"hi\"\\\t\n"),
            "column \"c\" (int8) can't hold \"say \\\"hi\\\"\\\\\\x09\\n\": not a number");
}

static void test_uuids(void **state)
{
    (void)state;
    static const char raw[] = "\x01\x90\xa1\xb2\xc3\xd4\x7e\x5f\x8a\x9b\x0c\x1d\x2e\x3f\x4a\x5b";
    holds_text(WB_TYPE_UUID, text_of("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"), raw, 16);
    holds_text(WB_TYPE_UUID, text_of("0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B"), raw, 16);
    holds_text(WB_TYPE_UUID, bytes_of(raw, 16), raw, 16);
    refuses(WB_TYPE_UUID, text_of("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5g"),
            "column \"c\" (uuid) can't hold \"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5g\": "
            "not a uuid of 36 characters or 16 raw bytes");
    holds_text(WB_TYPE_UUID, text_of("{0190a1b2c3d47e5f8a9b0c1d2e3f4a5b}"), raw, 16);
    refuses(WB_TYPE_UUID, text_of("0190a1b2c3d47e5f8a9b0c1d2e3f4a5"),
            "column \"c\" (uuid) can't hold \"0190a1b2c3d47e5f8a9b0c1d2e3f4a5\": "
            "not a uuid of 36 characters or 16 raw bytes");
    refuses(WB_TYPE_UUID, text_of(""),
            "column \"c\" (uuid) can't hold \"\": not a uuid of 36 characters or 16 raw bytes");
    refuses(WB_TYPE_UUID, integer(7),
            "column \"c\" (uuid) can't hold 7: not a uuid of 36 characters or 16 raw bytes");
}

static void test_times(void **state)
{
    (void)state;
    holds_int(WB_TYPE_TIMESTAMPTZ, integer(-1), -1000000);
    holds_int(WB_TYPE_TIMESTAMPTZ, number(1715673600.115245), INT64_C(1715673600115245));
    holds_int(WB_TYPE_TIMESTAMPTZ, number(-0.0000004), 0);
    holds_int(WB_TYPE_TIMESTAMPTZ, text_of("2024-05-14T10:00:00.115245+02:00"),
              INT64_C(1715673600115245));
    holds_int(WB_TYPE_TIMESTAMPTZ, integer(WB_TIME_MIN_US / 1000000), WB_TIME_MIN_US);
    holds_int(WB_TYPE_TIMESTAMPTZ, text_of("9999-12-31T23:59:59.999999Z"), WB_TIME_MAX_US);
    refuses(WB_TYPE_TIMESTAMPTZ, integer(WB_TIME_MAX_US / 1000000 + 1),
            "column \"c\" (timestamptz) can't hold 253402300800: "
            "seconds since 1970 outside the years 0001 to 9999");
    refuses(WB_TYPE_TIMESTAMPTZ, integer(INT64_MIN),
            "column \"c\" (timestamptz) can't hold -9223372036854775808: "
            "seconds since 1970 outside the years 0001 to 9999");
    refuses(WB_TYPE_TIMESTAMPTZ, number(NAN),
            "column \"c\" (timestamptz) can't hold nan: "
            "not seconds since 1970 within the years 0001 to 9999");
    refuses(WB_TYPE_TIMESTAMPTZ, text_of("yesterday"),
            "column \"c\" (timestamptz) can't hold \"yesterday\": "
            "not an RFC 3339 time within the years 0001 to 9999");
    refuses(WB_TYPE_TIMESTAMPTZ, boolean(true),
            "column \"c\" (timestamptz) can't hold true: "
            "neither seconds since 1970 nor RFC 3339 text");
}

static void test_dates(void **state)
{
    (void)state;
    holds_int(WB_TYPE_DATE, text_of("1970-01-02"), 1);
    holds_int(WB_TYPE_DATE, integer(-719162), -719162);
    holds_int(WB_TYPE_DATE, text_of("0001-01-01"), -719162);
    holds_int(WB_TYPE_DATE, number(2932896.0), 2932896);
    holds_int(WB_TYPE_DATE, text_of("9999-12-31"), 2932896);
    refuses(WB_TYPE_DATE, integer(2932897),
            "column \"c\" (date) can't hold 2932897: "
            "days since 1970 outside the years 0001 to 9999");
    refuses(WB_TYPE_DATE, integer(-719163),
            "column \"c\" (date) can't hold -719163: "
            "days since 1970 outside the years 0001 to 9999");
    refuses(WB_TYPE_DATE, number(0.5),
            "column \"c\" (date) can't hold 0.5: "
            "neither whole days since 1970 nor text as YYYY-MM-DD");
    refuses(WB_TYPE_DATE, text_of("2023-02-29"),
            "column \"c\" (date) can't hold \"2023-02-29\": "
            "not a date as YYYY-MM-DD within the years 0001 to 9999");
}

/* A column of the type holds of a number what it holds of that text. */
static void same_as_text(int type, double f, const char *text)
{
    const wb_column column = {.name = "c", .type = type};
    const wb_value values[] = {number(f), text_of(text)};
    uint8_t field[2][128];
    size_t bytes[2];
    wb_err err;
    for (int i = 0; i < 2; i++)
        if (wb_field_encode(&column, &values[i], field[i], &bytes[i], &err) != WB_OK)
            fail_msg("%s", err.text);
    if (bytes[0] != bytes[1] || memcmp(field[0], field[1], bytes[0]) != 0)
        fail_msg("%s: %.17g is not %s", wb_type_name(type), f, text);
}

static void test_numerics(void **state)
{
    (void)state;
    same_as_text(WB_TYPE_NUMERIC, 0.1, "0.1");
    same_as_text(WB_TYPE_NUMERIC, -1e22, "-1e22");
    same_as_text(WB_TYPE_NUMERIC, 5e-324, "4.94065645841247e-324");
    same_as_text(WB_TYPE_NUMERIC, NAN, "NaN");
    same_as_text(WB_TYPE_NUMERIC, -NAN, "NaN"); /* what 0/0 is on x86 */
    same_as_text(WB_TYPE_NUMERIC, -INFINITY, "-Infinity");
    refuses(WB_TYPE_NUMERIC, boolean(true),
            "column \"c\" (numeric) can't hold true: neither a number nor decimal text");
    refuses(WB_TYPE_INT8, number(-NAN), "column \"c\" (int8) can't hold nan: not a whole number");
}

static void test_durations(void **state)
{
    (void)state;
    same_as_text(WB_TYPE_INTERVAL, 1.5, "PT1.5S");
    same_as_text(WB_TYPE_INTERVAL, -0.25, "PT-0.25S");
    same_as_text(WB_TYPE_INTERVAL, -0.0000004, "PT0S");
    same_as_text(WB_TYPE_INTERVAL, 0.0000006, "PT0.000001S");
    same_as_text(WB_TYPE_INTERVAL, 1000000000000.125, "1000000000000.125");
    same_as_text(WB_TYPE_INTERVAL, -1000000000000.125, "-1000000000000.125");
    same_as_text(WB_TYPE_INTERVAL, -9223372036854.775390625, "-9223372036854775391 us");
    const double beyond[] = {9223372036855, -9223372036855, 1e300, INFINITY};
    const char *const shown[] = {"9223372036855", "-9223372036855", "1e+300", "inf"};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        char message[128];
        snprintf(message, sizeof message,
                 "column \"c\" (interval) can't hold %s: "
                 "seconds beyond what 64 bits of microseconds hold",
                 shown[i]);
        refuses(WB_TYPE_INTERVAL, number(beyond[i]), message);
    }
    refuses(WB_TYPE_INTERVAL, number(-NAN),
            "column \"c\" (interval) can't hold nan: "
            "neither seconds nor text, as '1 day 02:00:00' or P1DT2H");
}

static void test_times_of_day(void **state)
{
    (void)state;
    same_as_text(WB_TYPE_TIME, 0, "00:00");
    same_as_text(WB_TYPE_TIME, 28800.5, "08:00:00.5");
    same_as_text(WB_TYPE_TIME, 86399.999999, "23:59:59.999999");
    same_as_text(WB_TYPE_TIME, 86399.9999999, "24:00");
    same_as_text(WB_TYPE_TIME, 86400, "24:00");
    refuses(WB_TYPE_TIME, number(86400.000001),
            "column \"c\" (time) can't hold 86400.000001: "
            "neither seconds since midnight, 0 to 86400, nor text as HH:MM:SS");
    refuses(WB_TYPE_TIME, integer(-1),
            "column \"c\" (time) can't hold -1: "
            "neither seconds since midnight, 0 to 86400, nor text as HH:MM:SS");
}

static void test_json(void **state)
{
    (void)state;
    for (int type = WB_TYPE_JSON; type <= WB_TYPE_JSONB; type++) {
        holds_text(type, text_of(" {\"a\": [1]}"), " {\"a\": [1]}", 11);
        holds_text(type, integer(INT64_MIN), "-9223372036854775808", 20);
        holds_text(type, number(0.1), "0.1", 3);
        holds_text(type, number(1e300), "1e+300", 6);
        holds_text(type, number(-1.7976931348623157e308), "-1.7976931348623157e+308", 24);
        holds_text(type, boolean(true), "true", 4);
        holds_text(type, boolean(false), "false", 5);
    }
    refuses(WB_TYPE_JSONB, number(NAN), "column \"c\" (jsonb) can't hold nan: not a JSON number");
    refuses(WB_TYPE_JSON, (wb_value){.kind = 9},
            "column \"c\" (json) can't hold a value of kind 9: not JSON text");
    const wb_column column = {.name = "c", .type = WB_TYPE_JSON};
    wb_schema *schema = schema_of(&column, 1);
    wb_value value = text_of("[1, x]");
    uint8_t tuple[128];
    size_t bytes;
    wb_err err;
    assert_int_equal(wb_row_encode(schema, &value, 1, tuple, &bytes, &err), WB_INVALID);
    static const char start[] = "column \"c\" (json) can't hold \"[1, x]\": ";
    assert_memory_equal(err.text, start, sizeof start - 1);
    assert_non_null(strstr(err.text, " at byte 5"));
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_floats),
        cmocka_unit_test(test_bools),        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_uuids),        cmocka_unit_test(test_times),
        cmocka_unit_test(test_dates),        cmocka_unit_test(test_json),
        cmocka_unit_test(test_numerics),     cmocka_unit_test(test_durations),
        cmocka_unit_test(test_times_of_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
