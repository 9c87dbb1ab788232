/* SPDX-License-Identifier: MIT
 * Keys: what can be one, in which words another value is refused, and that the way back is the same. */
#include "support/support.h"

#include <math.h>
#include <stdlib.h>

#include "rows/key.h"

static wb_value float_value(double f)
{
    return (wb_value){.kind = WB_FLOAT, .f = f};
}

static int take(int type, wb_value value, wb_key *key, wb_err *err)
{
    return wb_key_of(&(wb_column){.name = "id", .type = type}, &value, key, err);
}

static void assert_refused(int type, wb_value value, const char *why)
{
    wb_key key = {.id = {1, 2, 3}}, before = key;
    wb_err err;
    assert_int_equal(take(type, value, &key, &err), WB_INVALID);
    if (strstr(err.text, why) == NULL || strstr(err.text, "column \"id\" (") == NULL)
        fail_msg("\"%s\", expected to find \"%s\"", err.text, why);
    assert_memory_equal(&key, &before, sizeof key);
}

static void test_types(void **state)
{
    (void)state;
    for (int type = 0; wb_type_name(type) != NULL; type++) {
        const char *name = wb_type_name(type);
        bool may = strcmp(name, "uuid") == 0 || strcmp(name, "int4") == 0 ||
                   strcmp(name, "int8") == 0 || strcmp(name, "text") == 0;
        assert_int_equal(wb_key_may_be(type), may);
    }
    assert_false(wb_key_may_be(-1));
}

static void test_integers_come_back_and_ascend(void **state)
{
    (void)state;
    static const int64_t numbers[] = {INT64_MIN, INT64_MIN + 1,    INT32_MIN, -256, -1, 0, 1, 255,
                                      INT32_MAX, INT64_C(1) << 53, INT64_MAX};
    wb_key before = {{0}}, key;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        wb_value out;
        assert_ok(take(WB_TYPE_INT8, int_value(numbers[i]), &key, NULL));
        wb_key_value(WB_TYPE_INT8, &key, &out);
        assert_int_equal(out.kind, WB_INT);
        assert_int_equal(out.i, numbers[i]);
        if (i > 0)
            assert_true(memcmp(before.id, key.id, 16) < 0);
        before = key;
    }
    assert_ok(take(WB_TYPE_INT4, float_value(-2), &key, NULL));
    assert_ok(take(WB_TYPE_INT4, int_value(-2), &before, NULL));
    assert_memory_equal(&key, &before, sizeof key);
}

static void test_refused_integers(void **state)
{
    (void)state;
    assert_refused(WB_TYPE_INT4, int_value(INT64_C(1) << 31),
                   "not within -2147483648 to 2147483647");
    assert_refused(WB_TYPE_INT4, int_value(INT64_C(-1) - (INT64_C(1) << 31)), "not within");
    assert_refused(WB_TYPE_INT8, float_value(2.5), "can't hold 2.5: not a whole number");
    assert_refused(WB_TYPE_INT8, float_value(9223372036854775808.0), "outside the 64-bit integers");
    assert_refused(WB_TYPE_INT8, float_value(18014398509481984.0), "which integer is meant");
    assert_refused(WB_TYPE_INT8, float_value(-18014398509481984.0), "which integer is meant");
    assert_refused(WB_TYPE_INT8, float_value(NAN), "not a whole number");
    assert_refused(WB_TYPE_INT8, text_value("12"), "can't hold \"12\": not a number");
    assert_refused(WB_TYPE_INT4, (wb_value){.kind = WB_BOOL, .i = 1}, "not a number");
    assert_refused(WB_TYPE_INT4, (wb_value){.kind = WB_NULL}, "can't be NULL");
    assert_refused(WB_TYPE_INT4, (wb_value){.kind = WB_ABSENT}, "is required");
}

static void test_texts(void **state)
{
    (void)state;
    static char longest[WB_KEY_TEXT_BYTES + 1];
    wb_key key;
    wb_value out, value = {.kind = WB_TEXT, .text = longest, .bytes = WB_KEY_TEXT_BYTES};
    memset(longest, 'x', sizeof longest);
    assert_ok(take(WB_TYPE_TEXT, value, &key, NULL));
    wb_key_value(WB_TYPE_TEXT, &key, &out);
    assert_int_equal(out.bytes, WB_KEY_TEXT_BYTES);
    assert_ptr_equal(out.text, longest);
    value.bytes++;
    assert_refused(WB_TYPE_TEXT, value, "more than 1024 bytes");
    assert_ok(take(WB_TYPE_TEXT, text_value(""), &key, NULL));
    assert_refused(WB_TYPE_TEXT, int_value(12), "can't hold 12: not text");
    assert_refused(WB_TYPE_TEXT, text_value("\xff"), "not UTF-8");
    value = (wb_value){.kind = WB_TEXT, .text = "a\0b", .bytes = 3};
    assert_refused(WB_TYPE_TEXT, value, "it holds a NUL");
}

static void test_uuids(void **state)
{
    (void)state;
    static const char id[] = "018bcfe5-6be8-7000-BA42-55942e14460b";
    wb_key key, raw;
    wb_value out;
    assert_ok(take(WB_TYPE_UUID, text_value(id), &key, NULL));
    wb_key_value(WB_TYPE_UUID, &key, &out);
    assert_int_equal(out.bytes, 16);
    assert_ok(take(WB_TYPE_UUID, out, &raw, NULL));
    assert_memory_equal(&raw, &key, 16);
    assert_refused(WB_TYPE_UUID, text_value("018bcfe5"), "not a uuid of 36 characters or 16 raw");
    assert_refused(WB_TYPE_UUID, int_value(5), "not a uuid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_integers_come_back_and_ascend),
        cmocka_unit_test(test_refused_integers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_uuids),
    };
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
