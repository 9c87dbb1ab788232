/* SPDX-License-Identifier: MIT
 * Errors: what fills one, what wraps it, where its text is cut. */
#include "support/support.h"

#include "base/err.h"

static void test_errors_name_and_wrap(void **state)
{
    (void)state;
    wb_err err;
    assert_int_equal(wb_fail(&err, WB_INVALID, "column \"%s\": bad", "a"), WB_INVALID);
    assert_string_equal(err.text, "column \"a\": bad");
    assert_int_equal(wb_wrap(&err, WB_INVALID, "row %d", 3), WB_INVALID);
    assert_string_equal(err.text, "row 3: column \"a\": bad");
    assert_int_equal(wb_fail(NULL, WB_FULL, "x"), WB_FULL);
    assert_string_equal(wb_code_name(WB_FORK), "fork");
    assert_string_equal(wb_code_name(-1), "unknown");
    assert_string_equal(wb_code_name(1000), "unknown");
}

static void test_long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    wb_err err;
    char text[400];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[398] = '\0';
    wb_fail(&err, WB_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), 254);
    assert_int_equal((unsigned char)err.text[253], 0xA9);
    wb_fail(&err, WB_INVALID, "two\nlines");
    assert_string_equal(err.text, "two lines");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_name_and_wrap),
        cmocka_unit_test(test_long_text_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
