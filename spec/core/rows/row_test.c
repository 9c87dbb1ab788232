/* SPDX-License-Identifier: MIT
 * Rows: bytes against the format, what stands for missing values, generated ids, rows too large. */
#include "support/values.h"

static const wb_column of_all_types[] = {
    {.name = "b", .type = WB_TYPE_BOOL, .null = true},
    {.name = "i2", .type = WB_TYPE_INT2, .null = true},
    {.name = "i4", .type = WB_TYPE_INT4, .null = true},
    {.name = "i8", .type = WB_TYPE_INT8, .null = true},
    {.name = "f4", .type = WB_TYPE_FLOAT4, .null = true},
    {.name = "f8", .type = WB_TYPE_FLOAT8, .null = true},
    {.name = "t", .type = WB_TYPE_TEXT, .null = true},
    {.name = "x", .type = WB_TYPE_BYTEA, .null = true},
    {.name = "u", .type = WB_TYPE_UUID, .null = true},
    {.name = "at", .type = WB_TYPE_TIMESTAMPTZ, .null = true},
    {.name = "d", .type = WB_TYPE_DATE, .null = true},
    {.name = "j", .type = WB_TYPE_JSON, .null = true},
    {.name = "jb", .type = WB_TYPE_JSONB, .null = true},
};
enum { ALL = sizeof of_all_types / sizeof of_all_types[0] };

static void test_bytes(void **state)
{
    (void)state;
    static const char expected[] =
        "\0\x0d"
        "\0\0\0\1\1"
        "\0\0\0\2\xff\xfe"
        "\0\0\0\4\x01\x02\x03\x04"
        "\0\0\0\x8\x80\0\0\0\0\0\0\1"
        "\0\0\0\4\x3f\x80\0\0"
        "\0\0\0\x8\xc0\x04\0\0\0\0\0\0"
        "\0\0\0\2\xc3\xa9"
        "\0\0\0\3\0\xff'"
        "\0\0\0\x10\x01\x90\xa1\xb2\xc3\xd4\x7e\x5f\x8a\x9b\x0c\x1d\x2e\x3f\x4a\x5b"
        "\0\0\0\x8\0\0\0\0\0\x0f\x42\x41"
        "\0\0\0\4\xff\xff\xff\xff"
        "\0\0\0\2{}"
        "\0\0\0\3\1[]";
    const wb_value values[] = {
        boolean(true),
        integer(-2),
        integer(0x01020304),
        integer(INT64_MIN + 1),
        number(1.0),
        number(-2.5),
        text_of("é"),
        bytes_of("\0\xff'", 3),
        text_of("0190A1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"),
        text_of("2000-01-01T00:00:01.000001Z"),
        text_of("1999-12-31"),
        text_of("{}"),
        text_of("[]"),
    };
    wb_schema *schema = schema_of(of_all_types, ALL);
    size_t bytes;
    uint8_t *tuple = encoded(schema, NULL, values, ALL, &bytes);
    assert_int_equal(bytes, sizeof expected - 1);
    assert_memory_equal(tuple, expected, bytes);
    free(tuple);
    tuple = encoded(schema, NULL, NULL, 0, &bytes);
    assert_int_equal(bytes, 2 + 4 * ALL);
    for (size_t i = 2; i < bytes; i++)
        assert_int_equal(tuple[i], 0xff);
    free(tuple);
    wb_schema_unref(schema);
}

/* What stands for a value that is absent or NULL: enum wb_kind. */
static void test_missing(void **state)
{
    (void)state;
    const wb_column columns[] = {
        {.name = "plain", .type = WB_TYPE_INT4},
        {.name = "nullable", .type = WB_TYPE_INT4, .null = true},
        {.name = "default", .type = WB_TYPE_INT4, .default_value = {.kind = WB_INT, .i = 5}},
        {.name = "both",
         .type = WB_TYPE_INT4,
         .null = true,
         .default_value = {.kind = WB_INT, .i = 6}},
        {.name = "last", .type = WB_TYPE_INT4, .null = true},
    };
    wb_schema *schema = schema_of(columns, 5);
    const wb_value absent[] = {integer(1), ABSENT, ABSENT, ABSENT}; /* and one left out */
    const wb_value null[] = {integer(1), NIL, NIL, NIL, NIL};
    wb_value out[5];
    size_t bytes;
    uint8_t *tuple = encoded(schema, NULL, absent, 4, &bytes);
    wb_row_values(schema, tuple, out);
    assert_int_equal(out[1].kind, WB_NULL);
    assert_int_equal(out[2].i, 5);
    assert_int_equal(out[3].i, 6);
    assert_int_equal(out[4].kind, WB_NULL);
    free(tuple);
    tuple = encoded(schema, NULL, null, 5, &bytes);
    wb_row_values(schema, tuple, out);
    assert_int_equal(out[1].kind, WB_NULL);
    assert_int_equal(out[2].i, 5);
    assert_int_equal(out[3].kind, WB_NULL);
    free(tuple);

    uint8_t room[256];
    wb_err err;
    assert_int_equal(wb_row_encode(schema, NULL, 0, room, &bytes, &err), WB_INVALID);
    assert_string_equal(err.text, "column \"plain\" (int4) is required");
    assert_int_equal(wb_row_encode(schema, &NIL, 1, room, &bytes, &err), WB_INVALID);
    assert_string_equal(err.text, "column \"plain\" (int4) can't be NULL");
    const wb_value many[6] = {integer(1)};
    assert_int_equal(wb_row_encode(schema, many, 6, room, &bytes, &err), WB_INVALID);
    assert_string_equal(err.text, "6 values for 5 columns");
    wb_schema_unref(schema);
}

static void test_generated(void **state)
{
    (void)state;
    const wb_column columns[] = {
        {.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV7},
        {.name = "n", .type = WB_TYPE_INT4},
        {.name = "token", .type = WB_TYPE_UUID, .generate = WB_UUIDV4},
        {.name = "m", .type = WB_TYPE_INT4},
    };
    wb_schema *schema = schema_of(columns, 4);
    wb_uuid_source source;
    wb_uuid_source_init(&source, &wb_env_system);
    const wb_value values[] = {integer(1), integer(2)};
    size_t bytes;
    wb_value first[4], second[4];
    uint8_t *one = encoded(schema, &source, values, 2, &bytes);
    uint8_t *two = encoded(schema, &source, values, 2, &bytes);
    wb_row_values(schema, one, first);
    wb_row_values(schema, two, second);
    /* 1715673600115 ms since 1970 */
    assert_memory_equal(first[0].text, "\x01\x8f\x76\x1d\x90\x73", 6);
    assert_int_equal((uint8_t)first[0].text[6] >> 4, 7);
    assert_int_equal((uint8_t)first[2].text[6] >> 4, 4);
    assert_true(memcmp(first[0].text, second[0].text, 16) < 0);
    assert_memory_not_equal(first[2].text, second[2].text, 16);
    assert_int_equal(first[1].i, 1);
    assert_int_equal(first[3].i, 2);
    const wb_value many[5] = {integer(1)};
    wb_err err;
    assert_int_equal(wb_row_encode(schema, many, 5, one, &bytes, &err), WB_INVALID);
    assert_string_equal(err.text, "5 values for 4 columns");
    free(one);
    free(two);
    wb_schema_unref(schema);
}

/* Only the start of a text that is too large is looked at. */
static void test_too_large(void **state)
{
    (void)state;
    static const char start[64] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    wb_value large = {.kind = WB_TEXT, .bytes = UINT32_C(1) << 30, .text = start};
    const wb_column columns[] = {{.name = "c", .type = WB_TYPE_BYTEA, .null = true},
                                 {.name = "d", .type = WB_TYPE_BYTEA, .null = true}};
    wb_schema *schema = schema_of(columns, 2);
    uint8_t room[64];
    size_t bytes;
    wb_err err;
    assert_int_equal(wb_row_encode(schema, &large, 1, room, &bytes, &err), WB_INVALID);
    assert_string_equal(err.text, "column \"c\" (bytea) can't hold "
                                  "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\": 1 GiB or more");
    const wb_value both[] = {{.kind = WB_TEXT, .bytes = 3u << 28, .text = "x"},
                             {.kind = WB_TEXT, .bytes = (3u << 28) + 1, .text = "x"}};
    assert_true(wb_row_bound(schema, both, 2) > WB_TUPLE_MAX_BYTES);
    assert_int_equal(wb_row_refuse(schema, both, 2, &err), WB_INVALID);
    assert_string_equal(
        err.text,
        "a row of 1 GiB or more; column \"d\" (bytea) has the most of it, 805306369 bytes");
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_generated),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
