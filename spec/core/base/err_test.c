/* SPDX-License-Identifier: MIT
 * Errors: what fills one, what wraps it, where its text is cut. */
#include "support/support.h"

#include "base/err.h"
#include "base/log.h"

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
}

/* Whoever wrote a part of it, a terminal shows a message as it is. */
static void test_message_is_one_harmless_line(void **state)
{
    static const struct {
        const char *from, *shown;
    } cases[] = {
        {"two\nlines", "two\\nlines"},
        {"a\rb\tc\x7f", "a\\x0db\\x09c\\x7f"},
        {"\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, /* a C1 control */
        {"\xe2\x80\xae"
         "exe.txt",
         "\\xe2\\x80\\xaeexe.txt"}, /* right-to-left override */
        {"\xe2\x81\xa7x\xe2\x81\xa9", "\\xe2\\x81\\xa7x\\xe2\\x81\\xa9"},
        {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* a line separator */
        {"\xef\xbb\xbf", "\\xef\\xbb\\xbf"},
        {"bad \xff\xc3", "bad \\xff\\xc3"},
        {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \"q\" \\",
         "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \"q\" \\"},
        {"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"}, /* Hebrew stays */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_err err;
        wb_fail_store(&err, WB_RETRY, "%s", cases[i].from);
        assert_string_equal(err.text, cases[i].shown);
        wb_wrap(&err, WB_STORE, "table \"%s\"", cases[i].from);
        assert_null(strpbrk(err.text, "\n\r\x1b"));
        wb_log *log = wb_log_new("test", true, false);
        wb_event event;
        wb_log_line(log, WB_TOPIC_NOTICE, WB_WARN, 0, 0, "%s", cases[i].from);
        assert_true(wb_log_next(log, &event));
        assert_string_equal(event.text, cases[i].shown);
        wb_log_free(log);
    }
    char full[400];
    memset(full, '\x1b', sizeof full - 1);
    full[sizeof full - 1] = '\0';
    wb_err err;
    wb_fail(&err, WB_INVALID, "%s", full);
    assert_int_equal(strlen(err.text), sizeof err.text - 4); /* 63 times \x1b, whole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_name_and_wrap),
        cmocka_unit_test(test_long_text_is_cut_at_a_character),
        cmocka_unit_test(test_message_is_one_harmless_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
