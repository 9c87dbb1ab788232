/* SPDX-License-Identifier: MIT
 * A value of each type from each kind of piece: what the column keeps, as text, or why it refuses. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "intake/value.h"
#include "rows/row.h"

/* ---- one value, through the encoder, as text; a refusal is what follows `!` ---- */

static wb_schema *schema_of(int type, bool array)
{
    const wb_column column = {.name = "c", .type = type, .array = array, .null = true};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(&column, 1, &schema, NULL));
    return schema;
}

static void show(const wb_schema *schema, const uint8_t *tuple, char *out, size_t size)
{
    wb_value value;
    wb_row_values(schema, tuple, &value);
    size_t bytes = 4;
    if (value.kind == WB_NULL)
        strcpy(out, "NULL");
    else
        bytes = wb_value_text(wb_schema_column(schema, 0), &value, out, size);
    assert_true(bytes < size);
    out[bytes] = '\0';
}

static int encode(const wb_schema *schema, const wb_value *value, char *out, size_t size,
                  wb_err *err)
{
    size_t bytes;
    uint8_t *tuple = malloc(wb_row_bound(schema, value, 1));
    assert_non_null(tuple);
    int code = wb_row_encode(schema, value, 1, tuple, &bytes, err);
    if (code == WB_OK)
        show(schema, tuple, out, size);
    free(tuple);
    return code;
}

/* The piece's text lies in memory of its own size. */
static void read_piece(int type, bool array, int kind, const char *text, bool exact, char *out,
                       size_t size)
{
    size_t bytes = strlen(text);
    char *own = memcpy(malloc(bytes + 1), text, bytes);
    const wb_piece piece = {.kind = kind, .text = own, .bytes = (uint32_t)bytes};
    wb_schema *schema = schema_of(type, array);
    wb_value_room room = {.exact = exact};
    wb_value value;
    wb_err err = {.text = ""};
    int code = wb_piece_value(wb_schema_column(schema, 0), &piece, &room, &value, &err);
    if (code == WB_OK)
        code = encode(schema, &value, out, size, &err);
    if (code != WB_OK) {
        assert_int_equal(code, WB_INVALID);
        assert_non_null(strstr(err.text, "column \"c"));
        snprintf(out, size, "!%s", err.text);
    }
    wb_value_room_fini(&room);
    wb_schema_unref(schema);
    free(own);
}

typedef struct value_case {
    int type, kind;
    const char *text;
    const char *result; /* NULL: it is refused */
} value_case;

static void check_all(const value_case *cases, size_t count, bool array, bool exact)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const value_case *c = &cases[i];
        char out[512];
        read_piece(c->type, array, c->kind, c->text, exact, out, sizeof out);
        if (c->result == NULL ? out[0] == '!' : strcmp(out, c->result) == 0)
            continue;
        wrong++;
        print_error("%s from a piece of kind %d, %s: %s, not %s\n", wb_type_name(c->type), c->kind,
                    c->text, out, c->result != NULL ? c->result : "refused");
    }
    assert_int_equal(wrong, 0);
}

#define COUNT(cases) (sizeof(cases) / sizeof *(cases))

enum {
    N = WB_PIECE_NULL,
    F = WB_PIECE_FIELD,
    S = WB_PIECE_STRING,
    D = WB_PIECE_NUMBER,
    B = WB_PIECE_BOOL,
    J = WB_PIECE_JSON,
};

#define UUID "00010203-0405-0607-0809-0a0b0c0d0e0f"

static const value_case scalars[] = {
    {WB_TYPE_INT8, N, "", "NULL"},
    {WB_TYPE_BOOL, F, "yes", "true"},
    {WB_TYPE_BOOL, S, " OFF ", "false"},
    {WB_TYPE_BOOL, B, "true", "true"},
    {WB_TYPE_BOOL, F, "2", NULL},
    {WB_TYPE_BOOL, F, "", NULL},
    {WB_TYPE_INT2, F, "-32768", "-32768"},
    {WB_TYPE_INT2, F, "32768", NULL},
    {WB_TYPE_INT4, S, " +7 ", "7"},
    {WB_TYPE_INT4, D, "1e3", "1000"},
    {WB_TYPE_INT4, D, "1.5", NULL},
    {WB_TYPE_INT4, B, "true", NULL},
    {WB_TYPE_INT4, J, "[1]", NULL},
    {WB_TYPE_INT8, D, "9223372036854775807", "9223372036854775807"},
    {WB_TYPE_INT8, F, "-9223372036854775808", "-9223372036854775808"},
    {WB_TYPE_INT8, D, "9223372036854775808", NULL},
    {WB_TYPE_INT8, F, "-", NULL},
    {WB_TYPE_INT8, F, "", NULL},
    {WB_TYPE_FLOAT4, F, "0.1", "0.1"},
    {WB_TYPE_FLOAT4, D, "16777217", NULL},
    {WB_TYPE_FLOAT8, D, "0.1", "0.1"},
    {WB_TYPE_FLOAT8, D, "1e400", NULL},
    {WB_TYPE_FLOAT8, S, "NaN", "NaN"},
    {WB_TYPE_FLOAT8, F, "-0", "-0"},
    {WB_TYPE_FLOAT8, F, ".", NULL},
    {WB_TYPE_TEXT, F, "", ""},
    {WB_TYPE_TEXT, S, "a", "a"},
    {WB_TYPE_TEXT, D, "1.50", "1.50"},
    {WB_TYPE_TEXT, B, "false", "false"},
    {WB_TYPE_TEXT, J, "{\"a\": 1}", "{\"a\": 1}"},
    {WB_TYPE_TEXT, F, "\xff", NULL},
    {WB_TYPE_BYTEA, F, "\\x00Ff", "\\x00ff"},
    {WB_TYPE_BYTEA, S, "\\x", "\\x"},
    {WB_TYPE_BYTEA, F, "\\x0", NULL},
    {WB_TYPE_BYTEA, F, "\\x0g", NULL},
    {WB_TYPE_BYTEA, F, "\xff", "\\xff"},
    {WB_TYPE_BYTEA, B, "true", NULL},
    {WB_TYPE_BYTEA, J, "[]", NULL},
    {WB_TYPE_UUID, F, UUID, UUID},
    {WB_TYPE_UUID, S, "0123456789abcdef", NULL},
    {WB_TYPE_UUID, D, "1234567890123456", NULL},
    {WB_TYPE_UUID, J, "{\"a\":\"12345678\"}", NULL},
    {WB_TYPE_TIMESTAMPTZ, S, "2024-05-14T08:00:00Z", "2024-05-14T08:00:00.000000Z"},
    {WB_TYPE_TIMESTAMPTZ, D, "1715673600", "2024-05-14T08:00:00.000000Z"},
    {WB_TYPE_TIMESTAMPTZ, D, "1715673600.123456789", "2024-05-14T08:00:00.123457Z"},
    {WB_TYPE_TIMESTAMPTZ, D, "1e400", NULL},
    {WB_TYPE_TIMESTAMPTZ, F, "1715673600.25", "2024-05-14T08:00:00.250000Z"},
    {WB_TYPE_TIMESTAMPTZ, F, "1715673600", NULL},
    {WB_TYPE_DATE, F, "2024-05-14", "2024-05-14"},
    {WB_TYPE_DATE, D, "19857", NULL},
    {WB_TYPE_DATE, D, "20240514", NULL},
    {WB_TYPE_TIME, D, "60.5", "00:01:00.5"},
    {WB_TYPE_TIME, F, "12:00", "12:00:00"},
    {WB_TYPE_INTERVAL, D, "60", "PT1M"},
    {WB_TYPE_INTERVAL, F, "1 day", "P1D"},
    {WB_TYPE_JSON, F, "[1, 2]", "[1, 2]"},
    {WB_TYPE_JSON, F, "x", NULL},
    {WB_TYPE_JSONB, S, "x\"", "\"x\\\"\""},
    {WB_TYPE_JSONB, D, "1.0", "1.0"},
    {WB_TYPE_JSON, B, "true", "true"},
    {WB_TYPE_JSON, J, "{ }", "{ }"},
    {WB_TYPE_NUMERIC, F, "12345678901234567890.10", "12345678901234567890.10"},
    {WB_TYPE_NUMERIC, D, "1e2", "100"},
    {WB_TYPE_NUMERIC, B, "true", NULL},
    {WB_TYPE_INET, S, "10.0.0.1", "10.0.0.1"},
    {WB_TYPE_INET, D, "10.5", NULL},
};

static void test_scalars(void **state)
{
    (void)state;
    check_all(scalars, COUNT(scalars), false, false);
}

static void test_exact(void **state)
{
    (void)state;
    static const value_case cases[] = {
        {WB_TYPE_INT4, F, "0", "0"},          {WB_TYPE_INT4, F, "00501", NULL},
        {WB_TYPE_INT4, S, "+1", NULL},        {WB_TYPE_INT4, F, "1e5", NULL},
        {WB_TYPE_INT4, F, " 1", NULL},        {WB_TYPE_INT4, F, "-0", NULL},
        {WB_TYPE_INT4, D, "1e5", "100000"},   {WB_TYPE_BOOL, F, "true", "true"},
        {WB_TYPE_BOOL, F, "yes", NULL},       {WB_TYPE_BOOL, S, "True", NULL},
        {WB_TYPE_BOOL, F, "1", NULL},         {WB_TYPE_FLOAT8, F, "0.5", "0.5"},
        {WB_TYPE_FLOAT8, F, ".5", NULL},      {WB_TYPE_FLOAT8, F, "0.50", NULL},
        {WB_TYPE_NUMERIC, F, "1.50", "1.50"}, {WB_TYPE_NUMERIC, F, "-0.00", NULL},
        {WB_TYPE_NUMERIC, F, "01", NULL},     {WB_TYPE_NUMERIC, F, "1.", NULL},
        {WB_TYPE_NUMERIC, F, "1e5", NULL},    {WB_TYPE_NUMERIC, F, "-", NULL},
        {WB_TYPE_TEXT, F, "00501", "00501"},  {WB_TYPE_TEXT, F, "yes", "yes"},
        {WB_TYPE_INT4, N, "", "NULL"},
    };
    check_all(cases, COUNT(cases), false, true);
}

static void test_arrays(void **state)
{
    (void)state;
    static const value_case cases[] = {
        {WB_TYPE_INT4, F, "{1,NULL,3}", "{\"1\",NULL,\"3\"}"},
        {WB_TYPE_INT4, J, "[1, null, 3]", "{\"1\",NULL,\"3\"}"},
        {WB_TYPE_INT4, S, " [1]", "{\"1\"}"},
        {WB_TYPE_INT4, F, "{}", "{}"},
        {WB_TYPE_INT4, J, "[]", "{}"},
        {WB_TYPE_INT4, N, "", "NULL"},
        {WB_TYPE_INT4, F, "", NULL},
        {WB_TYPE_INT4, F, "{x}", NULL},
        {WB_TYPE_INT4, F, "{{1}}", NULL},
        {WB_TYPE_INT4, J, "[[1]]", NULL},
        {WB_TYPE_INT4, J, "{\"a\":1}", NULL},
        {WB_TYPE_INT4, D, "1", NULL},
        {WB_TYPE_INT4, B, "true", NULL},
        {WB_TYPE_TEXT, J, "[\"a\\n\",\"\",\"null\"]", "{\"a\n\",\"\",\"null\"}"},
        {WB_TYPE_TEXT, F, "{a b,\"c,d\"}", "{\"a b\",\"c,d\"}"},
        {WB_TYPE_UUID, F, "{" UUID "}", "{\"" UUID "\"}"},
        {WB_TYPE_UUID, F, "{0123456789abcdef}", NULL},
        {WB_TYPE_UUID, J, "[1234567890123456]", NULL},
        {WB_TYPE_BYTEA, J, "[\"\\\\x0f\"]", "{\"\\\\x0f\"}"},
    };
    check_all(cases, COUNT(cases), true, false);
}

/* Two arrays of one row, the second longer: the first one's texts stay. */
static void test_texts_of_a_row_stay(void **state)
{
    (void)state;
    wb_schema *schema = schema_of(WB_TYPE_TEXT, true);
    char much[9000], out[64];
    wb_value first, second;
    wb_value_room room = {0};
    wb_piece piece = {.kind = F, .text = "{ab,cd}", .bytes = 7};
    assert_ok(wb_piece_value(wb_schema_column(schema, 0), &piece, &room, &first, NULL));
    memset(much, 'y', sizeof much);
    much[0] = '{';
    much[sizeof much - 1] = '}';
    piece = (wb_piece){.kind = F, .text = much, .bytes = sizeof much};
    assert_ok(wb_piece_value(wb_schema_column(schema, 0), &piece, &room, &second, NULL));
    assert_ok(encode(schema, &first, out, sizeof out, NULL));
    assert_string_equal(out, "{\"ab\",\"cd\"}");
    assert_int_equal(second.list[0].bytes, sizeof much - 2);
    wb_value_room_clear(&room);
    assert_null(room.lists);
    wb_value_room_fini(&room);
    wb_schema_unref(schema);
}

static void test_a_refused_value_leaves_nothing_behind(void **state)
{
    (void)state;
    static const char *const refused[] = {"\\x0102zz", "\\x01020", "{\\\\x0102,\\\\x0g}"};
    wb_value_room room = {0};
    for (size_t i = 0; i < COUNT(refused); i++) {
        wb_schema *schema = schema_of(WB_TYPE_BYTEA, i >= 2),
                  *plain = schema_of(WB_TYPE_BYTEA, false);
        wb_value value;
        wb_piece piece = {.kind = F, .text = refused[i], .bytes = (uint32_t)strlen(refused[i])};
        assert_int_equal(wb_piece_value(wb_schema_column(schema, 0), &piece, &room, &value, NULL),
                         WB_INVALID);
        piece = (wb_piece){.kind = F, .text = "\\x0f", .bytes = 4};
        assert_ok(wb_piece_value(wb_schema_column(plain, 0), &piece, &room, &value, NULL));
        assert_int_equal(value.bytes, 1);
        assert_int_equal(*value.text, 0x0f);
        wb_value_room_clear(&room);
        wb_schema_unref(schema);
        wb_schema_unref(plain);
    }
    wb_value_room_fini(&room);
}

/* ... and the same works when there is memory again. */
static void test_memory(void **state)
{
    (void)state;
    static const value_case cases[] = {{WB_TYPE_BYTEA, F, "\\x0f", ""},
                                       {WB_TYPE_JSON, S, "a\nb", ""},
                                       {WB_TYPE_TEXT, F, "{a,b}", ""},
                                       {WB_TYPE_BYTEA, J, "[\"\\\\x0f\"]", ""}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        wb_schema *schema = schema_of(cases[i].type, i >= 2);
        const wb_piece piece = {
            .kind = cases[i].kind, .text = cases[i].text, .bytes = (uint32_t)strlen(cases[i].text)};
        int code = WB_MEMORY;
        for (size_t n = 1; code != WB_OK; n++) {
            wb_value_room room = {0};
            wb_value value;
            wb_alloc_fail_after(n);
            code = wb_piece_value(wb_schema_column(schema, 0), &piece, &room, &value, NULL);
            wb_alloc_fail_after(0);
            assert_true(code == WB_OK || code == WB_MEMORY);
            assert_ok(wb_piece_value(wb_schema_column(schema, 0), &piece, &room, &value, NULL));
            wb_value_room_fini(&room);
        }
        wb_schema_unref(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_texts_of_a_row_stay),
        cmocka_unit_test(test_a_refused_value_leaves_nothing_behind),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
