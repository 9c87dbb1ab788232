/* SPDX-License-Identifier: MIT
 * Lines of NDJSON that are made with what they say beside them; mutated ones, judged by wb_json_check; long ones, which a
 * splitter that is not linear would not end with. */
#include "support/rounds.h"
#include "support/support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "intake/ndjson.h"

enum { LINES = 20000, MUTATIONS = 100000, LONG_BYTES = 4 << 20, TEXT_MAX = 8192 };

static wb_record record;
static uint64_t seed;

static size_t below(size_t n)
{
    return random_below(&seed, n);
}

/* Text that is written: a line, or what its members are. */
typedef struct written {
    char text[TEXT_MAX];
    size_t bytes;
} written;

static void put(written *w, const char *text, size_t bytes)
{
    assert_true(w->bytes + bytes <= sizeof w->text);
    memcpy(w->text + w->bytes, text, bytes);
    w->bytes += bytes;
}

static void put_text(written *w, const char *text)
{
    put(w, text, strlen(text));
}

/* ---- lines that are made ---- */

static void put_space(written *line)
{
    static const char *const spaces[] = {"", "", "", "", " ", "\t", "\r", "  ", " \t \r "};
    put_text(line, spaces[below(sizeof spaces / sizeof *spaces)]);
}

/* UTF-8 by its definition (RFC 3629, section 3). */
static size_t encode(char to[4], uint32_t point)
{
    size_t bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = bytes; i-- > 1; point >>= 6)
        to[i] = (char)(0x80 | (point & 0x3F));
    to[0] = (char)(leads[bytes] | point);
    return bytes;
}

static uint32_t any_point(void)
{
    static const uint32_t limits[] = {0x80, 0x80, 0x80, 0x800, 0x10000, 0x110000};
    for (;;) {
        uint32_t point = (uint32_t)below(limits[below(sizeof limits / sizeof *limits)]);
        if (point != 0 && (point < 0xD800 || point > 0xDFFF))
            return point;
    }
}

static void put_escaped(written *line, uint32_t point)
{
    char text[16];
    const char *form = below(2) ? "\\u%04x" : "\\u%04X";
    if (point >= 0x10000) {
        put(line, text, (size_t)sprintf(text, form, 0xD800 + ((point - 0x10000) >> 10)));
        point = 0xDC00 + (point & 0x3FF);
    }
    put(line, text, (size_t)sprintf(text, form, point));
}

/* A character in one of the ways in which it may be written. */
static void put_point(written *line, uint32_t point)
{
    static const char shorts[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
    char raw[4];
    const char *letter = point < 0x80 ? strchr(shorts, (int)point) : NULL;
    if (letter && below(2)) {
        put_text(line, "\\");
        put(line, &letters[letter - shorts], 1);
    } else if (point < ' ' || point == '"' || point == '\\' || below(8) == 0) {
        put_escaped(line, point);
    } else {
        put(line, raw, encode(raw, point));
    }
}

/* A string with its quotes, and what it says. */
static void put_string(written *line, written *text)
{
    char raw[4];
    bool simple = below(2);
    put_text(line, "\"");
    for (size_t left = below(4) ? below(12) : below(80); left > 0; left--) {
        uint32_t point = simple ? 'a' + (uint32_t)below(26) : any_point();
        if (simple)
            put(line, raw, encode(raw, point));
        else
            put_point(line, point);
        put(text, raw, encode(raw, point));
    }
    put_text(line, "\"");
}

static void put_digits(written *line, size_t most)
{
    for (size_t left = 1 + below(most); left > 0; left--)
        put(line, &"0123456789"[below(10)], 1);
}

static void put_number(written *line)
{
    put_text(line, below(3) ? "" : "-");
    put(line, &"0123456789"[below(10)], 1);
    if (line->text[line->bytes - 1] != '0' && below(3))
        put_digits(line, 19);
    if (below(3) == 0) {
        put_text(line, ".");
        put_digits(line, 19);
    }
    if (below(4) == 0) {
        static const char *const exponents[] = {"e", "E", "e+", "E-"};
        put_text(line, exponents[below(4)]);
        put_digits(line, 3);
    }
}

static void put_value(written *line, written *text, size_t depth);

static void put_container(written *line, size_t depth)
{
    static written ignored;
    bool object = below(2);
    put_text(line, object ? "{" : "[");
    put_space(line);
    for (size_t i = 0, count = below(4); i < count; i++) {
        ignored.bytes = 0;
        put_text(line, i ? "," : "");
        put_space(line);
        if (object) {
            put_string(line, &ignored);
            put_space(line);
            put_text(line, ":");
            put_space(line);
        }
        put_value(line, &ignored, depth + 1);
        put_space(line);
    }
    put_text(line, object ? "}" : "]");
}

/* A value, and its kind and what it says. */
static void put_value(written *line, written *text, size_t depth)
{
    static const char *const words[] = {"true", "false", "null"};
    static const char kinds[] = {WB_PIECE_BOOL, WB_PIECE_BOOL, WB_PIECE_NULL};
    size_t kind = below(depth < 4 ? 4 : 3), begin = line->bytes, word = below(3);
    char of_piece = kind == 0   ? WB_PIECE_STRING
                    : kind == 1 ? WB_PIECE_NUMBER
                    : kind == 2 ? kinds[word]
                                : WB_PIECE_JSON;
    put(text, &of_piece, 1);
    if (kind == 0) {
        put_string(line, text);
        return;
    }
    if (kind == 1)
        put_number(line);
    else if (kind == 2)
        put_text(line, words[word]);
    else
        put_container(line, depth);
    put(text, line->text + begin, line->bytes - begin);
}

/* A line, and its members: name, kind and text of each, with a zero after it. */
static void make_line(written *line, written *members)
{
    line->bytes = members->bytes = 0;
    put_space(line);
    put_text(line, "{");
    put_space(line);
    for (size_t i = 0, count = below(8); i < count; i++) {
        put_text(line, i ? "," : "");
        put_space(line);
        put_string(line, members);
        put_space(line);
        put_text(line, ":");
        put_space(line);
        put_value(line, members, 1);
        put_space(line);
        put(members, "", 1);
    }
    put_text(line, "}");
    put_space(line);
}

static int split_exact(const char *text, size_t bytes, char **exact)
{
    *exact = malloc(bytes + !bytes);
    assert_non_null(*exact);
    memcpy(*exact, text, bytes);
    return wb_ndjson_split(*exact, bytes, true, &record);
}

static void check_members(const written *members)
{
    const char *at = members->text;
    for (size_t i = 0; i < record.count; i++) {
        const wb_piece *p = &record.pieces[i];
        assert_true(at + p->name_bytes + p->bytes + 2 <= members->text + members->bytes);
        assert_memory_equal(at, p->name, p->name_bytes);
        at += p->name_bytes;
        assert_int_equal(*at++, p->kind);
        assert_memory_equal(at, p->text, p->bytes);
        at += p->bytes;
        assert_int_equal(*at++, '\0');
    }
    assert_ptr_equal(at, members->text + members->bytes);
}

static void test_made_lines(void **state)
{
    (void)state;
    static written line, members;
    seed = 21;
    for (int i = 0; i < rounds(LINES); i++) {
        char *exact;
        make_line(&line, &members);
        assert_int_equal(split_exact(line.text, line.bytes, &exact), WB_SPLIT_RECORD);
        if (record.wrong)
            fail_msg("%s at %zu: %.*s", record.wrong, record.wrong_at, (int)line.bytes, line.text);
        check_members(&members);
        assert_int_equal(record.bytes, line.bytes);
        free(exact);
    }
}

/* ---- mutations ---- */

static void mutate(written *line)
{
    static const char bytes[] =
        "{}[]:,\"\\ \t\r\n0123456789.eE+-truefalsnudbDcC\x01\x1F\x7F\x80\xBF"
        "\xC0\xC2\xE0\xED\xF0\xF4\xFF\x0B'";
    for (size_t rounds = below(4); rounds > 0 && line->bytes > 0; rounds--) {
        size_t at = below(line->bytes), kind = below(4);
        char byte = below(4) ? bytes[below(sizeof bytes - 1)] : (char)below(256);
        if (kind == 0) {
            memmove(line->text + at, line->text + at + 1, --line->bytes - at);
        } else if (kind == 1) {
            put(line, &byte, 1);
            memmove(line->text + at + 1, line->text + at, line->bytes - 1 - at);
            line->text[at] = byte;
        } else {
            line->text[at] = byte;
        }
    }
}

/* The first line of a text, by wb_json_check: what is wrong with it. */
static const char *verdict(const char *text, size_t bytes, size_t *at)
{
    size_t space = 0;
    while (space < bytes && strchr(" \t\r", text[space]) && text[space])
        space++;
    *at = space;
    if (space == bytes)
        return NULL;
    if (text[space] != '{')
        return text[space] == '[' ? "a JSON array, not an object" : "not a JSON object";
    const char *wrong = wb_json_check(text, bytes, at);
    bool after = wrong && strcmp(wrong, "text after the value") == 0;
    return after ? "text after the object" : wrong;
}

static void check_pieces(void)
{
    for (size_t i = 0; i < record.count; i++) {
        const wb_piece *p = &record.pieces[i];
        assert_int_equal(wb_utf8_check(p->name, p->name_bytes), p->name_bytes);
        assert_int_equal(wb_utf8_check(p->text, p->bytes), p->bytes);
    }
}

static void test_mutations(void **state)
{
    (void)state;
    static written line, members;
    size_t right = 0;
    seed = 22;
    for (int i = 0; i < rounds(MUTATIONS); i++) {
        char *exact;
        do {
            make_line(&line, &members);
        } while (line.bytes > 300);
        mutate(&line);
        if (line.bytes == 0)
            continue;
        assert_int_equal(split_exact(line.text, line.bytes, &exact), WB_SPLIT_RECORD);
        const char *lf = memchr(line.text, '\n', line.bytes);
        size_t bytes = lf ? (size_t)(lf - line.text) : line.bytes, at = 0;
        assert_int_equal(record.bytes, bytes + (lf != NULL));
        bytes -= lf && bytes > 0 && lf[-1] == '\r';
        const char *wrong = verdict(line.text, bytes, &at);
        if (!wrong != !record.wrong || (wrong && strcmp(wrong, record.wrong) != 0) ||
            (wrong && at != record.wrong_at))
            fail_msg("%s at %zu, not %s at %zu: %.*s", record.wrong ? record.wrong : "right",
                     record.wrong_at, wrong ? wrong : "right", at, (int)bytes, line.text);
        check_pieces();
        right += !record.wrong;
        free(exact);
    }
    assert_in_range(right, rounds(MUTATIONS) / 5, rounds(MUTATIONS) * 4 / 5);
}

/* ---- long lines ---- */

static char *long_line; /* the last one */

/* A line of LONG_BYTES or so: the first text, the second over and over, the last. */
static const char *split_long(const char *first, const char *again, const char *last)
{
    size_t length = strlen(again), count = LONG_BYTES / length;
    size_t bytes = strlen(first) + count * length + strlen(last);
    free(long_line);
    char *line = long_line = malloc(bytes + 1), *to = line;
    assert_non_null(line);
    to = stpcpy(to, first);
    for (size_t i = 0; i < count; i++, to += length)
        memcpy(to, again, length);
    strcpy(to, last);
    assert_int_equal(wb_ndjson_split(line, bytes, true, &record), WB_SPLIT_RECORD);
    assert_int_equal(record.bytes, bytes);
    assert_true(record.scratch_used <= record.scratch_bytes);
    return record.wrong;
}

static void test_long_lines(void **state)
{
    (void)state;
    assert_null(split_long("{\"a\":\"", "\\\\", "\"}\n"));
    assert_int_equal(record.pieces[0].bytes, LONG_BYTES / 2);
    assert_null(split_long("{\"a\":\"", "\\\"", "\"}\n"));
    assert_int_equal(record.pieces[0].bytes, LONG_BYTES / 2);
    assert_null(split_long("{\"a\":\"", "\\ud83d\\ude00", "\"}\n"));
    assert_int_equal(record.pieces[0].bytes, LONG_BYTES / 12 * 4);
    assert_null(split_long("{\"a\":\"", "\xE2\x82\xAC", "\"}\n"));
    assert_int_equal(record.pieces[0].bytes, LONG_BYTES / 3 * 3);
    assert_null(split_long("{\"a\":\"", "x", "\"}\n"));
    assert_int_equal(record.scratch_used, 0);
    assert_null(split_long("{\"a\":\"\\n", "x", "\"}\n"));
    assert_int_equal(record.scratch_used, 1 + LONG_BYTES);
    assert_string_equal(split_long("{\"\":\"\\n\"", ",\"\":\"\\n\"", "}\n"), "too many members");
    assert_int_equal(record.count, 0);
    assert_int_equal(record.room, WB_RECORD_MAX_PIECES);
    assert_null(split_long("{\"a\":[[]", ",[]", "]}\n"));
    assert_null(split_long("{\"a\":[\"\"", ",\"\"", "]}\n"));
    assert_null(split_long("{\"a\":{\"\":\"\"", ",\"\":\"\"", "}}\n"));
    assert_null(split_long("{", " ", "}\n"));
    assert_null(split_long("", " ", "\n"));
    assert_null(split_long("{\"a\":1e-", "0", "1}\n"));
    assert_null(split_long("{\"a\":0.5e", "0", "1}\n"));
}

static void test_long_wrong_lines(void **state)
{
    (void)state;
    static const struct {
        const char *first, *again, *last, *wrong;
    } lines[] = {
        {"{\"a\":", "[", "\n", "nested too deep"},
        {"", "[", "\n", "a JSON array, not an object"},
        {"{\"a\":", "{\"a\":", "\n", "nested too deep"},
        {"{", "\"", "\n", "expected :"},
        {"{\"a\":\"", "\"", "\n", "expected , or }"},
        {"{\"a\":\"\\", "\\", "\"}\n", "the text ends too early"},
        {"{\"a\":\"", "\\\"", "\n", "the text ends too early"},
        {"{", "}", "\n", "text after the object"},
        {"{\"a\":1", " ", "\n", "the text ends too early"},
        {"{\"a\":", "9", "}\n", "a number beyond what numeric holds"},
        {"{\"a\":0.", "0", "}\n", "a number beyond what numeric holds"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *wrong = split_long(lines[i].first, lines[i].again, lines[i].last);
        assert_non_null(wrong);
        assert_string_equal(wrong, lines[i].wrong);
    }
}

static int clean_up(void **state)
{
    (void)state;
    free(long_line);
    wb_record_fini(&record);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_lines),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_long_wrong_lines),
    };
    return cmocka_run_group_tests_name("ndjson mutations", tests, NULL, clean_up);
}
