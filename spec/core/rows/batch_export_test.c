/* SPDX-License-Identifier: MIT
 * Batches as NDJSON: the form of every type, escapes, one line a row; and numbers as text. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rounds.h"

#include "base/json.h"
#include "base/show.h"
#include "rows/batch.h"

#define TEXT(literal) ((wb_value){.kind = WB_TEXT, .bytes = sizeof(literal) - 1, .text = literal})
#define INT(number)   ((wb_value){.kind = WB_INT, .i = number})
#define FLOAT(number) ((wb_value){.kind = WB_FLOAT, .f = number})
#define BOOL(yes)     ((wb_value){.kind = WB_BOOL, .i = yes})

static wb_batch *batch_new(const wb_column *columns, size_t count)
{
    wb_schema *schema;
    assert_int_equal(wb_schema_new(columns, count, &schema, NULL), WB_OK);
    wb_batch *batch = wb_batch_new(schema);
    wb_schema_unref(schema);
    return batch;
}

static void row_add(wb_batch *batch, const wb_value *values, size_t count)
{
    size_t bytes;
    wb_err err;
    assert_true(wb_batch_reserve(batch, wb_row_bound(batch->schema, values, count)));
    if (wb_row_encode(batch->schema, values, count, wb_batch_end(batch), &bytes, &err))
        fail_msg("%s", err.text);
    wb_batch_push(batch, bytes, 0);
}

static void batch_is(wb_batch *batch, const char *expected)
{
    char *text;
    size_t bytes;
    assert_int_equal(wb_batch_ndjson(batch, &text, &bytes, NULL), WB_OK);
    assert_string_equal(text, expected);
    assert_int_equal(bytes, strlen(expected));
    wb_free(text);
}

/* One value of a column "c" as it stands in its line. */
static void shows(int type, wb_value value, const char *expected)
{
    const wb_column column = {.name = "c", .type = type, .null = true};
    wb_batch *batch = batch_new(&column, 1);
    char *text, line[256] = "{\"c\":";
    size_t bytes, at;
    row_add(batch, &value, 1);
    assert_int_equal(wb_batch_ndjson(batch, &text, &bytes, NULL), WB_OK);
    strcat(line, expected);
    strcat(line, "}\n");
    assert_string_equal(text, line);
    assert_null(wb_json_check(text, bytes, &at));
    wb_free(text);
    wb_batch_free(batch);
}

static void test_types(void **state)
{
    (void)state;
    shows(WB_TYPE_BOOL, BOOL(1), "true");
    shows(WB_TYPE_BOOL, BOOL(0), "false");
    shows(WB_TYPE_INT2, INT(-7), "-7");
    shows(WB_TYPE_INT8, INT(INT64_MIN), "-9223372036854775808");
    shows(WB_TYPE_INT8, INT(9007199254740993), "9007199254740993");
    shows(WB_TYPE_TEXT, TEXT(""), "\"\"");
    shows(WB_TYPE_BYTEA, TEXT("\0\xab\xff"), "\"\\\\x00abff\"");
    shows(WB_TYPE_BYTEA, TEXT(""), "\"\\\\x\"");
    shows(WB_TYPE_UUID, TEXT("0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B"),
          "\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\"");
    shows(WB_TYPE_TIMESTAMPTZ, FLOAT(1715673600.5), "\"2024-05-14T08:00:00.500000Z\"");
    shows(WB_TYPE_DATE, TEXT("0001-01-01"), "\"0001-01-01\"");
    shows(WB_TYPE_JSON, TEXT("[1, 2]"), "[1, 2]");
    shows(WB_TYPE_JSONB, TEXT("{\n\t\"a\\n\": 1\r\n}"), "{ \t\"a\\n\": 1  }");
    shows(WB_TYPE_JSONB, BOOL(1), "true");
    for (int type = 0; wb_type_name(type); type++)
        shows(type, (wb_value){.kind = WB_NULL}, "null");
}

static void test_floats(void **state)
{
    (void)state;
    shows(WB_TYPE_FLOAT8, FLOAT(0.1), "0.1");
    shows(WB_TYPE_FLOAT8, FLOAT(1.0 / 3), "0.3333333333333333");
    shows(WB_TYPE_FLOAT8, FLOAT(0.1 + 0.2), "0.30000000000000004");
    shows(WB_TYPE_FLOAT8, FLOAT(-0.0), "-0");
    shows(WB_TYPE_FLOAT8, FLOAT(1e300), "1e+300");
    shows(WB_TYPE_FLOAT8, FLOAT(NAN), "\"NaN\"");
    shows(WB_TYPE_FLOAT8, FLOAT(INFINITY), "\"Infinity\"");
    shows(WB_TYPE_FLOAT8, FLOAT(-INFINITY), "\"-Infinity\"");
    shows(WB_TYPE_FLOAT4, FLOAT(0.1), "0.1");
    shows(WB_TYPE_FLOAT4, FLOAT(16777217.0), "16777216");
    shows(WB_TYPE_FLOAT4, FLOAT(NAN), "\"NaN\"");
}

static void test_escapes(void **state)
{
    (void)state;
    shows(WB_TYPE_TEXT, TEXT("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    shows(WB_TYPE_TEXT, TEXT("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    shows(WB_TYPE_TEXT, TEXT("é€𝄞"), "\"é€𝄞\"");
}

static void test_lines(void **state)
{
    (void)state;
    const wb_column columns[] = {{.name = "n\"", .type = WB_TYPE_INT4},
                                 {.name = "t", .type = WB_TYPE_TEXT, .null = true}};
    wb_batch *batch = batch_new(columns, 2);
    batch_is(batch, "");
    row_add(batch, (wb_value[]){INT(0), TEXT("gone")}, 2);
    row_add(batch, (wb_value[]){INT(1), TEXT("x")}, 2);
    row_add(batch, (wb_value[]){INT(2)}, 1);
    wb_batch_skip(batch, 1);
    batch_is(batch, "{\"n\\\"\":1,\"t\":\"x\"}\n{\"n\\\"\":2,\"t\":null}\n");
    wb_batch_free(batch);
}

static void test_no_memory(void **state)
{
    (void)state;
    const wb_column column = {.name = "t", .type = WB_TYPE_BYTEA};
    wb_batch *batch = batch_new(&column, 1);
    for (int i = 0; i < 100; i++)
        row_add(batch, &TEXT("some bytes, some bytes, some bytes, some bytes"), 1);
    char *text = NULL;
    size_t bytes = 0, n = 0;
    int code;
    do {
        wb_err err;
        assert_null(text);
        wb_alloc_fail_after(++n);
        code = wb_batch_ndjson(batch, &text, &bytes, &err);
        wb_alloc_fail_after(0);
        if (code != WB_OK)
            assert_string_equal(err.text, "no memory for 100 rows as NDJSON");
    } while (code == WB_MEMORY);
    assert_int_equal(code, WB_OK);
    assert_true(n > 3);
    wb_free(text);
    text = NULL;
    for (n = 1; text == NULL; n++) {
        wb_alloc_fail_after(n);
        code = wb_batch_line(batch, 99, &text, &bytes, NULL);
        wb_alloc_fail_after(0);
        assert_int_equal(code, text != NULL ? WB_OK : WB_MEMORY);
    }
    assert_true(n > 2);
    assert_int_equal(bytes, strlen(text));
    assert_int_equal(text[bytes - 1], '}');
    wb_free(text);
    wb_batch_free(batch);
}

/* Random doubles and floats read back as themselves, in any locale that is there. */
static void numbers_return(void)
{
    uint64_t seed = 42;
    char text[WB_NUMBER_BYTES];
    for (int i = 0; i < rounds(20000); i++) {
        double wide;
        float narrow;
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t word = seed ^ seed >> 29;
        memcpy(&wide, &word, sizeof wide);
        memcpy(&narrow, &word, sizeof narrow);
        if (isfinite(wide)) {
            size_t bytes = wb_number_format(wide, text);
            assert_int_equal(bytes, strlen(text));
            assert_null(strchr(text, ','));
            char *at = setlocale(LC_NUMERIC, NULL), kept[64];
            strcpy(kept, at);
            setlocale(LC_NUMERIC, "C");
            assert_true(strtod(text, NULL) == wide);
            setlocale(LC_NUMERIC, kept);
        }
        if (isfinite(narrow)) {
            size_t bytes = wb_number_format4(narrow, text);
            assert_int_equal(bytes, strlen(text));
            assert_true(strlen(text) <= 15 && strchr(text, ',') == NULL);
        }
    }
}

static void test_numbers(void **state)
{
    (void)state;
    char text[WB_NUMBER_BYTES];
    numbers_return();
    assert_int_equal(wb_number_format(-DBL_MAX, text), 24);
    assert_string_equal(text, "-1.7976931348623157e+308");
    wb_number_format4(FLT_MIN, text);
    assert_string_equal(text, "1.1754944e-38");
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        numbers_return();
        wb_number_format(0.5, text);
        assert_string_equal(text, "0.5");
    }
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),     cmocka_unit_test(test_floats),
        cmocka_unit_test(test_escapes),   cmocka_unit_test(test_lines),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
