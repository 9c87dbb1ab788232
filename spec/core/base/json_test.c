/* SPDX-License-Identifier: MIT
 * The JSON scanner: texts with PostgreSQL's verdicts (jsonb of version 15), and the limits of depth and of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_scan.h"

static bool is_good(const char *text, size_t bytes)
{
    size_t at = SIZE_MAX;
    const char *wrong = wb_json_check(text, bytes, &at);
    if (!wrong)
        assert_int_equal(at, SIZE_MAX);
    else
        assert_true(at <= bytes && *wrong != '\0');
    return !wrong;
}

static void test_accepts(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "1",
        "-1",
        "\"\"",
        "\"a\"",
        "{\"ssh\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"\":[]}",
        "[[],{},[{}]]",
        "[1,2,3]",
        " \t\r\n[ 1 , \"a\" , { \"b\" : null } ] \n",
        "1e5",
        "1E5",
        "1e+5",
        "1e-5",
        "1.5e10",
        "1e05",
        "1e-00000000000005",
        "1e00000000000000000005",
        "0.1",
        "10.01",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0041\"",
        "\"\\u0001\"",
        "\"\\u00e9\\u20AC\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD83D\\uDE00x\"",
        "\"\\udbff\\udfff\"",
        "\"\\uffff\\ue000\"",
        "\"\x7F\"",
        "\"Zo\xC3\xAB \xE2\x82\xAC \xF0\x9F\x98\x80\"",
        "{\"\xC3\xA9\":\"a longer text, that is scanned a word at a time: 0123456789\"}",
        /* what numeric just holds */
        "1e131071",
        "9.9e131071",
        "0.1e131072",
        "0.00001e131076",
        "0e131072",
        "0e1073741822",
        "0.0e1000000",
        "1e-16383",
        "1.5e-16382",
        "0e-16383",
        "[-1e131071]",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!is_good(cases[i], strlen(cases[i])))
            fail_msg("refused: %s", cases[i]);
}

typedef struct refusal {
    const char *text;
    size_t at;
    const char *wrong;
} refusal;

static const refusal refusals[] = {
    {"", 0, "the text ends too early"},
    {"  ", 2, "the text ends too early"},
    {"[", 1, "the text ends too early"},
    {"{", 1, "the text ends too early"},
    {"{\"a\"", 4, "the text ends too early"},
    {"{\"a\":", 5, "the text ends too early"},
    {"{\"a\":1", 6, "the text ends too early"},
    {"{\"a\":1,", 7, "the text ends too early"},
    {"[1", 2, "the text ends too early"},
    {"[1,", 3, "the text ends too early"},
    {"\"a", 2, "the text ends too early"},
    {"\"a\\", 3, "the text ends too early"},
    {"\"\\u12", 5, "the text ends too early"},
    {"-", 1, "the text ends too early"},
    {"1.", 2, "the text ends too early"},
    {"1e", 2, "the text ends too early"},
    {"1e+", 3, "the text ends too early"},
    {"{1:2}", 1, "expected a key"},
    {"{a:1}", 1, "expected a key"},
    {"{,}", 1, "expected a key"},
    {"{\"a\":1,}", 7, "expected a key"},
    {"{\"a\"}", 4, "expected :"},
    {"{\"a\" 1}", 5, "expected :"},
    {"{\"a\":}", 5, "expected a value"},
    {"[1,]", 3, "expected a value"},
    {"[,1]", 1, "expected a value"},
    {"{\"a\":1]", 6, "expected , or }"},
    {"{\"a\":1 2}", 7, "expected , or }"},
    {"[1}", 2, "expected , or ]"},
    {"[1 2]", 3, "expected , or ]"},
    {"1 2", 2, "text after the value"},
    {"{}}", 2, "text after the value"},
    {"[]]", 2, "text after the value"},
    {"null,", 4, "text after the value"},
    {"truex", 4, "text after the value"},
    {"1x", 1, "text after the value"},
    {"1-", 1, "text after the value"},
    {"1e5.5", 3, "text after the value"},
    {"0x10", 1, "text after the value"},
    {"\"a\"b", 3, "text after the value"},
    {"1\xC2\xA0", 1, "text after the value"},
    {"nul", 0, "expected a value"},
    {"True", 0, "expected a value"},
    {"NaN", 0, "expected a value"},
    {"Infinity", 0, "expected a value"},
    {"'a'", 0, "expected a value"},
    {"/**/1", 0, "expected a value"},
    {"\xEF\xBB\xBF"
     "1",
     0, "expected a value"},
    {"\v1", 0, "expected a value"},
    {"\f1", 0, "expected a value"},
    {".5", 0, "expected a value"},
    {"+1", 0, "expected a value"},
    {"]", 0, "expected a value"},
    {"-x", 1, "expected a digit"},
    {"1.e5", 2, "expected a digit"},
    {"1e+x", 3, "expected a digit"},
    {"01", 0, "a number starts with 0"},
    {"-01", 1, "a number starts with 0"},
    {"00", 0, "a number starts with 0"},
    {"\"\t\"", 1, "control character in a string"},
    {"\"abcdefgh\nijklmnop\"", 9, "control character in a string"},
    {"\"\x1F\"", 1, "control character in a string"},
    {"\"\x80\"", 1, "not UTF-8"},
    {"\"ab\xC3\"", 3, "not UTF-8"},
    {"\"\xED\xA0\x80\"", 1, "not UTF-8"},
    {"\"\xC0\x80\"", 1, "not UTF-8"},
    {"\"\\x\"", 2, "unknown escape"},
    {"\"\\U0041\"", 2, "unknown escape"},
    {"\"\\\xC3\xA9\"", 2, "unknown escape"},
    {"\"\\u12g4\"", 5, "\\u needs four hex digits"},
    {"\"\\u12\"", 5, "\\u needs four hex digits"},
    {"\"\\u0000\"", 3, "\\u0000 is not text"},
    {"{\"\\u0000\":1}", 4, "\\u0000 is not text"},
    {"\"\\ud800\"", 3, "half a surrogate pair"},
    {"\"\\ud83dx     \"", 3, "half a surrogate pair"},
    {"\"\\ud83d\\n    \"", 3, "half a surrogate pair"},
    {"\"\\ud83d\\u0041\"", 3, "half a surrogate pair"},
    {"\"\\ud83d\\ud83d\"", 3, "half a surrogate pair"},
    {"\"\\udc00\\ud800\"", 3, "half a surrogate pair"},
    {"1e131072", 0, "a number beyond what numeric holds"},
    {"10e131071", 0, "a number beyond what numeric holds"},
    {"[0.00001e131077]", 1, "a number beyond what numeric holds"},
    {"0e1073741823", 0, "a number beyond what numeric holds"},
    {"0e99999999999999999999999", 0, "a number beyond what numeric holds"},
    {"1e-16384", 0, "a number beyond what numeric holds"},
    {"0e-16384", 0, "a number beyond what numeric holds"},
    {"1.5e-16383", 0, "a number beyond what numeric holds"},
    {"1e-99999999999999999999999", 0, "a number beyond what numeric holds"},
};

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        size_t at = SIZE_MAX;
        const char *wrong = wb_json_check(r->text, strlen(r->text), &at);
        if (!wrong || strcmp(wrong, r->wrong) != 0 || at != r->at)
            fail_msg("%s: %s at %zu", r->text, wrong ? wrong : "accepted", at);
    }
}

static void test_refuses_nul(void **state)
{
    (void)state;
    assert_false(is_good("\"a\0b\"", 5));
    assert_false(is_good("1\0", 2));
    assert_false(is_good("\"\\\0\"", 4));
}

/* `count` times the opening, the middle, `count` times the closing. */
static bool nested_is_good(size_t count, const char *open, const char *middle, char closing)
{
    size_t length = strlen(open), bytes = count * (length + 1) + strlen(middle);
    char *text = malloc(bytes + 1), *to = text;
    assert_non_null(text);
    for (size_t i = 0; i < count; i++, to += length)
        memcpy(to, open, length);
    memcpy(to, middle, strlen(middle));
    memset(to + strlen(middle), closing, count);
    bool good = is_good(text, bytes);
    free(text);
    return good;
}

static void test_depth(void **state)
{
    (void)state;
    assert_true(nested_is_good(WB_JSON_DEPTH, "[", "", ']'));
    assert_true(nested_is_good(WB_JSON_DEPTH, "{\"k\":", "1", '}'));
    assert_false(nested_is_good(WB_JSON_DEPTH, "[[],", "1", ']'));
    assert_true(nested_is_good(WB_JSON_DEPTH - 1, "[[],{},", "1", ']'));
    assert_false(nested_is_good(WB_JSON_DEPTH + 1, "[", "", ']'));
    assert_false(nested_is_good(WB_JSON_DEPTH + 1, "{\"k\":", "1", '}'));
    assert_false(nested_is_good(100000, "[", "", ']'));
}

/* A number of that many digits before and after the point (after: 0 for no point), and an end. */
static bool digits_are_good(size_t whole, size_t after, const char *end)
{
    size_t bytes = whole + (after ? after + 1 : 0) + strlen(end);
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    memset(text, '9', bytes);
    if (after)
        text[whole] = '.';
    memcpy(text + bytes - strlen(end), end, strlen(end));
    bool good = is_good(text, bytes);
    free(text);
    return good;
}

static void test_long_numbers(void **state)
{
    (void)state;
    assert_true(digits_are_good(131072, 0, ""));
    assert_false(digits_are_good(131073, 0, ""));
    assert_true(digits_are_good(131072, 16383, ""));
    assert_false(digits_are_good(131072, 16384, ""));
    assert_true(digits_are_good(1, 16388, "e5"));
    assert_false(digits_are_good(1, 16389, "e5"));
    assert_true(digits_are_good(131000, 10, "e72"));
    assert_false(digits_are_good(131000, 10, "e73"));
    assert_true(digits_are_good(147445, 10, "e-16373"));
    assert_false(digits_are_good(147446, 10, "e-16373"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),      cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_refuses_nul),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_long_numbers),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
