/* SPDX-License-Identifier: MIT
 * Lines of NDJSON that are right, as members; lines that are wrong, with the byte that is; line ends, cuts, memory. */
#include "support/support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/json_scan.h"
#include "intake/ndjson.h"

enum { SHOWN_MAX = 4096 };

static wb_record record;
static char
    *input; /* of the last split, in memory of exactly its size, for checkers of memory to watch */
static size_t input_bytes;

static int split(const char *text, size_t bytes, bool final)
{
    free(input);
    input = malloc(bytes);
    input_bytes = bytes;
    assert_non_null(input);
    memcpy(input, text, bytes);
    return wb_ndjson_split(input, bytes, final, &record);
}

static bool lies_in(const char *begin, size_t bytes, const char *text, size_t length)
{
    return text >= begin && text + length <= begin + bytes;
}

static void check_place(const char *text, size_t length)
{
    assert_true(lies_in(input, input_bytes, text, length) ||
                lies_in(record.scratch, record.scratch_used, text, length));
}

/* The members as text: name, kind, value; a bar after each. */
static const char *shown(void)
{
    static const char letters[] = {
        [WB_PIECE_NULL] = '0',   [WB_PIECE_FIELD] = '?', [WB_PIECE_STRING] = 's',
        [WB_PIECE_NUMBER] = 'n', [WB_PIECE_BOOL] = 'b',  [WB_PIECE_JSON] = 'j'};
    static char text[SHOWN_MAX];
    char *to = text;
    *to = '\0';
    for (size_t i = 0; i < record.count; i++) {
        const wb_piece *p = &record.pieces[i];
        check_place(p->name, p->name_bytes);
        check_place(p->text, p->bytes);
        assert_true((size_t)(text + sizeof text - to) > p->name_bytes + p->bytes + 8);
        to += sprintf(to, "%.*s=%c:%.*s|", (int)p->name_bytes, p->name, letters[p->kind],
                      (int)p->bytes, p->text);
    }
    return text;
}

static void check_right(const char *line, size_t bytes, const char *members)
{
    assert_int_equal(split(line, bytes, true), WB_SPLIT_RECORD);
    if (record.wrong)
        fail_msg("%s: %s at %zu", line, record.wrong, record.wrong_at);
    assert_string_equal(shown(), members);
    assert_int_equal(record.bytes, bytes);
}

/* ---- lines that are right ---- */

static const struct {
    const char *line, *members;
} rights[] = {
    {"{}", ""},
    {" { } ", ""},
    {"{\"a\":1}", "a=n:1|"},
    {"{\"a\":\"x\"}", "a=s:x|"},
    {"{\"a\":\"\"}", "a=s:|"},
    {"{\"\":1}", "=n:1|"},
    {"{\"\":\"\"}", "=s:|"},
    {"{\"a\":true,\"b\":false,\"c\":null}", "a=b:true|b=b:false|c=0:null|"},
    {"{\"a\":{},\"b\":[]}", "a=j:{}|b=j:[]|"},
    {"{\"a\":{\"ssh\":1},\"b\":[1, \"]\",{}]}", "a=j:{\"ssh\":1}|b=j:[1, \"]\",{}]|"},
    {"{\"a\":[\"\\u00e9\\n\"],\"b\":\"c\"}", "a=j:[\"\\u00e9\\n\"]|b=s:c|"},
    {"{\"a\":1,\"a\":2,\"a\":\"3\"}", "a=n:1|a=n:2|a=s:3|"},
    {"{\"b\":1,\"a\":2}", "b=n:1|a=n:2|"},
    {" \t\r{ \t\"a\" \r: \t1 \r, \t\"b\"\r:\t[ 1 ] \t} \t\r ", "a=n:1|b=j:[ 1 ]|"},
    {"{\"a\":0,\"b\":-0,\"c\":-1,\"d\":10}", "a=n:0|b=n:-0|c=n:-1|d=n:10|"},
    {"{\"a\":1.5,\"b\":-0.25,\"c\":1e5,\"d\":1E+5,\"e\":1.5e-5}",
     "a=n:1.5|b=n:-0.25|c=n:1e5|d=n:1E+5|e=n:1.5e-5|"},
    {"{\"a\":1234567,\"b\":12345678,\"c\":123456789,\"d\":9223372036854775808}",
     "a=n:1234567|b=n:12345678|c=n:123456789|d=n:9223372036854775808|"},
    {"{\"a\":12345678.12345678,\"b\":1.123456789012345678e12}",
     "a=n:12345678.12345678|b=n:1.123456789012345678e12|"},
    {"{\"a\":0e131072,\"b\":1e131071}", "a=n:0e131072|b=n:1e131071|"},
    {"{\"sixteen bytes ok\":\"sixteen bytes ok\"}", "sixteen bytes ok=s:sixteen bytes ok|"},
    {"{\"a name of some length\":\"and a text that takes three of sixteen\"}",
     "a name of some length=s:and a text that takes three of sixteen|"},
    {"{\"a\":\"\x7F\"}", "a=s:\x7F|"},
    {"{\"\xC3\xA9\":\"\xE2\x82\xAC \xF0\x9F\x98\x80\"}",
     "\xC3\xA9=s:\xE2\x82\xAC \xF0\x9F\x98\x80|"},
    {"{\"a\":\"{\",\"b\":\"[,:\",\"c\":\"}\"}", "a=s:{|b=s:[,:|c=s:}|"},
    {"{\"a\\tb\":\"c\\nd\",\"e\":\"f\",\"\\\"\":\"\\\\\"}", "a\tb=s:c\nd|e=s:f|\"=s:\\|"},
};

static void test_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        check_right(rights[i].line, strlen(rights[i].line), rights[i].members);
}

static const struct {
    const char *written, *text;
} strings[] = {
    {"\\\"", "\""},
    {"\\\\", "\\"},
    {"\\/", "/"},
    {"\\b", "\b"},
    {"\\f", "\f"},
    {"\\n", "\n"},
    {"\\r", "\r"},
    {"\\t", "\t"},
    {"\\\\n", "\\n"},
    {"\\\\\\\\", "\\\\"},
    {"\\u0001", "\x01"},
    {"\\u0041", "A"},
    {"\\u004a\\u004A", "JJ"},
    {"\\u007f", "\x7F"},
    {"\\u0080", "\xC2\x80"},
    {"\\u00e9\\u00E9", "\xC3\xA9\xC3\xA9"},
    {"\\u07ff", "\xDF\xBF"},
    {"\\u0800", "\xE0\xA0\x80"},
    {"\\u20AC", "\xE2\x82\xAC"},
    {"\\ud7ff", "\xED\x9F\xBF"},
    {"\\ue000", "\xEE\x80\x80"},
    {"\\ufeff", "\xEF\xBB\xBF"},
    {"\\uffff", "\xEF\xBF\xBF"},
    {"\\ud800\\udc00", "\xF0\x90\x80\x80"},
    {"\\uD83D\\uDE00", "\xF0\x9F\x98\x80"},
    {"\\udbff\\udfff", "\xF4\x8F\xBF\xBF"},
    {"\\ud83d\\ude00\\ud83d\\ude00", "\xF0\x9F\x98\x80\xF0\x9F\x98\x80"},
    {"\\uabcd\\uefAB", "\xEA\xAF\x8D\xEE\xBE\xAB"},
    {"\\u005c", "\\"},
    {"\\u0022", "\""},
    {"\\u00411", "A1"},
    {"x\\ny", "x\ny"},
    {"\\nxyz", "\nxyz"},
    {"C:\\\\dir\\\\file", "C:\\dir\\file"},
    {"sixteen bytes ok\\tsixteen bytes ok", "sixteen bytes ok\tsixteen bytes ok"},
    {"\xC3\xA9\\n\xC3\xA9", "\xC3\xA9\n\xC3\xA9"},
};

/* As a name and as a value, and twice of each. */
static void test_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        char line[256], members[256];
        const char *w = strings[i].written, *t = strings[i].text;
        int bytes = sprintf(line, "{\"%s\":\"%s\",\"%s\":[\"%s\"],\"x\":\"%s\"}", w, w, w, w, w);
        sprintf(members, "%s=s:%s|%s=j:[\"%s\"]|x=s:%s|", t, t, t, w, t);
        check_right(line, (size_t)bytes, members);
    }
}

static void test_plain_texts_are_the_inputs(void **state)
{
    (void)state;
    const char line[] =
        "{\"a\":\"text\",\"\\n\":\"\xC3\xA9\",\"b\":\"\\t\",\"c\":[\"\\t\"],\"d\":\"e\"}";
    assert_int_equal(split(line, strlen(line), true), WB_SPLIT_RECORD);
    assert_int_equal(record.count, 5);
    for (size_t i = 0; i < record.count; i++) {
        const wb_piece *p = &record.pieces[i];
        assert_int_equal(lies_in(input, input_bytes, p->name, p->name_bytes), i != 1);
        assert_int_equal(lies_in(input, input_bytes, p->text, p->bytes), i != 2);
    }
    assert_int_equal(record.scratch_used, 2);
}

/* ---- lines that are wrong ---- */

#define EARLY "the text ends too early"

static const struct {
    const char *line;
    size_t at;
    const char *wrong;
} wrongs[] = {
    {"[]", 0, "a JSON array, not an object"},
    {" [{\"a\":1}]", 1, "a JSON array, not an object"},
    {"\xEF\xBB\xBF{}", 0, "not a JSON object"},
    {"1", 0, "not a JSON object"},
    {"  \"a\"", 2, "not a JSON object"},
    {"true", 0, "not a JSON object"},
    {"null", 0, "not a JSON object"},
    {"a,b,c", 0, "not a JSON object"},
    {"}", 0, "not a JSON object"},
    {"\v{}", 0, "not a JSON object"},
    {"\xC2\xA0{}", 0, "not a JSON object"},
    {"{} {}", 3, "text after the object"},
    {"{}{}", 2, "text after the object"},
    {"{\"a\":1},", 7, "text after the object"},
    {"{\"a\":1}}", 7, "text after the object"},
    {"{} \f", 3, "text after the object"},
    {"{", 1, EARLY},
    {"{ ", 2, EARLY},
    {"{\"a", 3, EARLY},
    {"{\"a\"", 4, EARLY},
    {"{\"a\":", 5, EARLY},
    {"{\"a\":1", 6, EARLY},
    {"{\"a\":1,", 7, EARLY},
    {"{\"a\":\"", 6, EARLY},
    {"{\"a\":\"\\", 7, EARLY},
    {"{\"a\":\"\\u00", 10, EARLY},
    {"{\"a\":[1", 7, EARLY},
    {"{\"a\":-", 6, EARLY},
    {"{\"a\":1.", 7, EARLY},
    {"{\"a\":1e+", 8, EARLY},
    {"{a:1}", 1, "expected a key"},
    {"{'a':1}", 1, "expected a key"},
    {"{1:1}", 1, "expected a key"},
    {"{,}", 1, "expected a key"},
    {"{\"a\":1,}", 7, "expected a key"},
    {"{\"a\":1,,\"b\":2}", 7, "expected a key"},
    {"{\"a\"}", 4, "expected :"},
    {"{\"a\" 1}", 5, "expected :"},
    {"{\"a\"=1}", 4, "expected :"},
    {"{\"a\",1}", 4, "expected :"},
    {"{\"a\":}", 5, "expected a value"},
    {"{\"a\":,\"b\":1}", 5, "expected a value"},
    {"{\"a\":tru}", 5, "expected a value"},
    {"{\"a\":True}", 5, "expected a value"},
    {"{\"a\":fals", 5, "expected a value"},
    {"{\"a\":nul}", 5, "expected a value"},
    {"{\"a\":NaN}", 5, "expected a value"},
    {"{\"a\":Infinity}", 5, "expected a value"},
    {"{\"a\":undefined}", 5, "expected a value"},
    {"{\"a\":'x'}", 5, "expected a value"},
    {"{\"a\":+1}", 5, "expected a value"},
    {"{\"a\":.5}", 5, "expected a value"},
    {"{\"a\":-x}", 6, "expected a digit"},
    {"{\"a\":-Infinity}", 6, "expected a digit"},
    {"{\"a\":1.}", 7, "expected a digit"},
    {"{\"a\":1.e5}", 7, "expected a digit"},
    {"{\"a\":1e}", 7, "expected a digit"},
    {"{\"a\":01}", 5, "a number starts with 0"},
    {"{\"a\":-012345678}", 6, "a number starts with 0"},
    {"{\"a\":1e131072}", 5, "a number beyond what numeric holds"},
    {"{\"a\":1e-16384}", 5, "a number beyond what numeric holds"},
    {"{\"a\":truex}", 9, "expected , or }"},
    {"{\"a\":0x10}", 6, "expected , or }"},
    {"{\"a\":1 2}", 7, "expected , or }"},
    {"{\"a\":1 \"b\":2}", 7, "expected , or }"},
    {"{\"a\":1;\"b\":2}", 6, "expected , or }"},
    {"{\"a\":1]", 6, "expected , or }"},
    {"{\"a\":\"x\"y\"}", 8, "expected , or }"},
    {"{\"a\":1_000}", 6, "expected , or }"},
    {"{\"a\":1 /* one */}", 7, "expected , or }"},
    {"{\"x\":[1,}", 8, "expected a value"},
    {"{\"x\":[1,]}", 8, "expected a value"},
    {"{\"x\":[1}", 7, "expected , or ]"},
    {"{\"x\":{\"y\":1,}}", 12, "expected a key"},
    {"{\"x\":{\"y\"}}", 9, "expected :"},
    {"{\"x\":{y:1}}", 6, "expected a key"},
    {"{\"x\":{\"y\":1]}", 11, "expected , or }"},
    {"{\"x\":[\"\t\"]}", 7, "control character in a string"},
    {"{\"x\":[\"\\u0000\"]}", 9, "\\u0000 is not text"},
    {"{\"a\":\"\t\"}", 6, "control character in a string"},
    {"{\"a\":\"some text that is a bit longer\x1F\"}", 36, "control character in a string"},
    {"{\"\x01\":1}", 2, "control character in a string"},
    {"{\"a\":\"\r\"}", 6, "control character in a string"},
    {"{\"a\":\"\x80\"}", 6, "not UTF-8"},
    {"{\"a\":\"Zo\xEB\"}", 8, "not UTF-8"},
    {"{\"\xFF\":1}", 2, "not UTF-8"},
    {"{\"a\":\"\xC3\xA9\xC0\x80\"}", 8, "not UTF-8"},
    {"{\"a\":\"\xED\xA0\x80\"}", 6, "not UTF-8"},
    {"{\"a\":\"\xF4\x90\x80\x80\"}", 6, "not UTF-8"},
    {"{\"a\":\"\\x41\"}", 7, "unknown escape"},
    {"{\"a\":\"\\'\"}", 7, "unknown escape"},
    {"{\"a\":\"\\U0041\"}", 7, "unknown escape"},
    {"{\"\\a\":1}", 3, "unknown escape"},
    {"{\"a\":\"\\u12g4\"}", 10, "\\u needs four hex digits"},
    {"{\"a\":\"\\u 041\"}", 8, "\\u needs four hex digits"},
    {"{\"a\":\"\\u00@1\"}", 10, "\\u needs four hex digits"},
    {"{\"a\":\"\\u0000\"}", 8, "\\u0000 is not text"},
    {"{\"\\u0000\":1}", 4, "\\u0000 is not text"},
    {"{\"a\":\"\\ud800\"}", 8, "half a surrogate pair"},
    {"{\"a\":\"\\udc00\"}", 8, "half a surrogate pair"},
    {"{\"a\":\"\\ud83d\\u0041\"}", 8, "half a surrogate pair"},
    {"{\"a\":\"\\ud83d\\ud83d\"}", 8, "half a surrogate pair"},
    {"{\"a\":\"\\ud83dx\"}", 8, "half a surrogate pair"},
};

static void check_wrong(const char *line, size_t bytes, size_t at, const char *wrong)
{
    assert_int_equal(split(line, bytes, true), WB_SPLIT_RECORD);
    assert_int_equal(record.bytes, bytes);
    assert_int_equal(record.count, 0);
    if (!record.wrong || strcmp(record.wrong, wrong) != 0 || record.wrong_at != at)
        fail_msg("%s: %s at %zu", line, record.wrong ? record.wrong : "right", record.wrong_at);
}

/* Alone, and with a line end, which changes nothing. */
static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        char line[256];
        int bytes = sprintf(line, "%s\r\n", wrongs[i].line);
        check_wrong(line, (size_t)bytes - 2, wrongs[i].at, wrongs[i].wrong);
        check_wrong(line, (size_t)bytes, wrongs[i].at, wrongs[i].wrong);
        assert_int_equal(record.text_bytes, bytes - 2);
    }
}

static void test_nul(void **state)
{
    (void)state;
    check_wrong("{\"a\":\"\0\"}", 9, 6, "control character in a string");
    check_wrong("{\"a\":\0}", 7, 5, "expected a value");
    check_wrong("{}\0", 3, 2, "text after the object");
    check_wrong("\0{}", 3, 0, "not a JSON object");
    check_wrong("{\"a\":\"\\\0\"}", 10, 7, "unknown escape");
}

/* `count` containers within an object. */
static bool nested_is_right(size_t count, const char *open, char closing)
{
    size_t length = strlen(open), bytes = 5 + count * (length + 1) + 2;
    char *line = malloc(bytes), *to = line + 5;
    assert_non_null(line);
    memcpy(line, "{\"a\":", 5);
    for (size_t i = 0; i < count; i++, to += length)
        memcpy(to, open, length);
    *to++ = '1';
    memset(to, closing, count);
    to[count] = '}';
    assert_int_equal(split(line, bytes, true), WB_SPLIT_RECORD);
    free(line);
    if (record.wrong) {
        assert_string_equal(record.wrong, "nested too deep");
        return false;
    }
    assert_int_equal(record.count, 1);
    assert_int_equal(record.pieces[0].bytes, bytes - 6);
    return true;
}

static void test_depth(void **state)
{
    (void)state;
    assert_true(nested_is_right(WB_JSON_DEPTH - 1, "[", ']'));
    assert_true(nested_is_right(WB_JSON_DEPTH - 1, "{\"k\":", '}'));
    assert_false(nested_is_right(WB_JSON_DEPTH, "[", ']'));
    assert_false(nested_is_right(WB_JSON_DEPTH, "{\"k\":", '}'));
    assert_false(nested_is_right(100000, "[", ']'));
    assert_true(nested_is_right(1, "[", ']'));
}

/* ---- lines ---- */

static void check_line(const char *text, size_t bytes, size_t text_bytes, size_t lines)
{
    assert_int_equal(split(text, strlen(text), true), WB_SPLIT_RECORD);
    assert_null(record.wrong);
    assert_int_equal(record.bytes, bytes);
    assert_int_equal(record.text_bytes, text_bytes);
    assert_int_equal(record.lines, lines);
}

static void test_line_ends(void **state)
{
    (void)state;
    check_line("{\"a\":1}\n{}\n", 8, 7, 1);
    check_line("{\"a\":1}\r\n{}\r\n", 9, 7, 1);
    check_line("{\"a\":1}\r\r\n", 10, 8, 1);
    check_line("{\"a\":1} \n", 9, 8, 1);
    check_line("{\"a\":1}", 7, 7, 0);
    check_line("{\"a\":1}\r", 8, 8, 0);
    check_line("{}\n{broken", 3, 2, 1);
    check_line("{\"a\":\"\\n\"}\n\"}", 11, 10, 1);
}

static void test_white_space_alone(void **state)
{
    (void)state;
    static const char *const lines[] = {"\n", "\r\n", " \n", "\t \r \r\n", " ", "\r", "  \t"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        check_line(lines[i], strlen(lines[i]), 0, strchr(lines[i], '\n') != NULL);
        assert_int_equal(record.count, 0);
    }
    check_line("\n{\"a\":1}\n", 1, 0, 1);
}

/* A raw line end within a string ends the record as anywhere else. */
static void test_line_end_in_a_string(void **state)
{
    (void)state;
    const char text[] = "{\"a\":\"x\r\ny\"}\n";
    assert_int_equal(split(text, strlen(text), false), WB_SPLIT_RECORD);
    assert_string_equal(record.wrong, EARLY);
    assert_int_equal(record.wrong_at, 7);
    assert_int_equal(record.bytes, 9);
    assert_int_equal(record.text_bytes, 7);
}

static const char long_line[] =
    "{\"id\":\"0f3c\\u00e9\",\"t\":-1.5e3,\"m\":{\"ssh\":[1,\"\\\\\"]},\"n\":null,"
    "\"o\":true,\"\\ud83d\\ude00\":\"\xE2\x82\xAC\"}";

/* Every line that is cut short is wrong, but for what is cut to nothing. */
static void test_truncated(void **state)
{
    (void)state;
    char line[sizeof long_line];
    for (size_t cut = 1; cut < strlen(long_line); cut++) {
        memcpy(line, long_line, cut);
        line[cut] = '\n';
        for (size_t end = 0; end < 2; end++) {
            assert_int_equal(split(line, cut + end, true), WB_SPLIT_RECORD);
            assert_non_null(record.wrong);
            assert_true(record.wrong_at <= cut);
            assert_int_equal(record.bytes, cut + end);
        }
        assert_int_equal(split(line, cut, false), WB_SPLIT_MORE);
    }
}

/* Text that is not all there: the same record, or none yet. */
static void test_prefixes(void **state)
{
    (void)state;
    static const char *const ends[] = {"\n", "\r\n", "\n\n{}\n", "\n{\"a\":\"\\n\"}"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char text[512], members[SHOWN_MAX];
        int bytes = sprintf(text, "%s%s", long_line, ends[i]);
        assert_int_equal(split(text, (size_t)bytes, true), WB_SPLIT_RECORD);
        strcpy(members, shown());
        size_t whole = record.bytes;
        for (size_t cut = 1; cut <= (size_t)bytes; cut++) {
            int answer = split(text, cut, false);
            assert_int_equal(answer, cut < whole ? WB_SPLIT_MORE : WB_SPLIT_RECORD);
            if (answer == WB_SPLIT_RECORD) {
                assert_string_equal(shown(), members);
                assert_int_equal(record.bytes, whole);
            }
        }
    }
}

/* ---- memory ---- */

static void test_many_members(void **state)
{
    (void)state;
    char line[16384], *to = line;
    for (int i = 0; i < 1000; i++)
        to += sprintf(to, "%c\"k%d\":\"\\t%d\"", i ? ',' : '{', i, i);
    *to++ = '}';
    assert_int_equal(split(line, (size_t)(to - line), true), WB_SPLIT_RECORD);
    assert_int_equal(record.count, 1000);
    for (int i = 0; i < 1000; i++) {
        char name[16], text[16];
        const wb_piece *p = &record.pieces[i];
        assert_int_equal(p->name_bytes, sprintf(name, "k%d", i));
        assert_int_equal(p->bytes, sprintf(text, "\t%d", i));
        assert_memory_equal(p->name, name, p->name_bytes);
        assert_memory_equal(p->text, text, p->bytes);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    const char line[] =
        "{\"1\":\"\\n\",\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,"
        "\"10\":1,\"11\":1,\"12\":1,\"13\":1,\"14\":1,\"15\":1,\"16\":1,\"17\":1}\n";
    wb_record_fini(&record);
    int answer = WB_SPLIT_MEMORY;
    size_t failures = 0;
    for (size_t n = 1; answer == WB_SPLIT_MEMORY; n++) {
        wb_record_fini(&record);
        wb_alloc_fail_after(n);
        answer = split(line, strlen(line), true);
        wb_alloc_fail_after(0);
        failures += answer == WB_SPLIT_MEMORY;
        assert_int_equal(split(line, strlen(line), true), WB_SPLIT_RECORD);
        assert_null(record.wrong);
        assert_int_equal(record.count, 17);
        assert_string_equal(shown(),
                            "1=s:\n|2=n:2|3=n:3|4=n:4|5=n:5|6=n:6|7=n:7|8=n:8|9=n:9|10=n:1|"
                            "11=n:1|12=n:1|13=n:1|14=n:1|15=n:1|16=n:1|17=n:1|");
    }
    assert_int_equal(answer, WB_SPLIT_RECORD);
    assert_int_equal(failures, 3); /* scratch, pieces, more pieces */
}

static int clean_up(void **state)
{
    (void)state;
    free(input);
    wb_record_fini(&record);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_plain_texts_are_the_inputs),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_white_space_alone),
        cmocka_unit_test(test_line_end_in_a_string),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("ndjson", tests, NULL, clean_up);
}
