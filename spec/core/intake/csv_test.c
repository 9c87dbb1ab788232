/* SPDX-License-Identifier: MIT
 * Splitting CSV, TSV and COPY's text: what stands in records, where they end, and that neither depends on where the text
 * was cut. Texts are split in memory of exactly their size, so that the sanitizers see what is read beyond. */
#include "support/rounds.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "intake/csv.h"

static const wb_csv commas = {.delimiter = ',', .quote = '"', .null = "", .null_bytes = 0};
static const wb_csv not_null = {.delimiter = ',', .quote = '"'};
static const wb_csv semicolons = {.delimiter = ';', .quote = '\'', .null = "NULL", .null_bytes = 4};
static const wb_csv tabs = {.delimiter = '\t', .null = "-", .null_bytes = 1};
static const wb_csv high = {.delimiter = '\xA7', .quote = '\xFF', .null = "\x80", .null_bytes = 1};
static const wb_csv copy = {.delimiter = '\t', .escapes = true, .backslash_n = true};
static const wb_csv bars = {.delimiter = '|', .escapes = true, .backslash_n = true};

static const wb_csv *const dialects[] = {&commas, &not_null, &semicolons, &tabs,
                                         &high,   &copy,     &bars};
enum { DIALECTS = sizeof dialects / sizeof *dialects };

/* ---- records as one text: <field>, ~ is NULL, ! a wrong one with its offset, a slash and its lines, then a space ---- */

typedef struct shown {
    char *text;
    size_t bytes, room;
} shown;

static void show(shown *to, const void *text, size_t bytes)
{
    if (to->bytes + bytes + 1 > to->room) {
        to->room = 2 * (to->bytes + bytes + 64);
        to->text = realloc(to->text, to->room);
        assert_non_null(to->text);
    }
    if (bytes > 0)
        memcpy(to->text + to->bytes, text, bytes);
    to->bytes += bytes;
    to->text[to->bytes] = '\0';
}

static void show_field(shown *to, bool null, const char *text, size_t bytes)
{
    if (null) {
        show(to, "~", 1);
        return;
    }
    show(to, "<", 1);
    show(to, text, bytes);
    show(to, ">", 1);
}

static void show_end(shown *to, const char *wrong, size_t at, size_t lines)
{
    char end[160];
    if (wrong != NULL)
        snprintf(end, sizeof end, "!%zu %s/%zu ", at, wrong, lines);
    else
        snprintf(end, sizeof end, "/%zu ", lines);
    show(to, end, strlen(end));
}

static void show_record(shown *to, const wb_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        const wb_piece *piece = &record->pieces[i];
        assert_null(piece->name);
        assert_int_equal(piece->name_bytes, 0);
        assert_true(piece->kind == WB_PIECE_NULL || piece->kind == WB_PIECE_FIELD);
        show_field(to, piece->kind == WB_PIECE_NULL, piece->text, piece->bytes);
    }
    show_end(to, record->wrong, record->wrong_at, record->lines);
}

static void assert_shown(const wb_csv *csv, const char *text, size_t bytes, const shown *is,
                         const char *expected, size_t expected_bytes)
{
    if (is->bytes == expected_bytes && memcmp(is->text, expected, expected_bytes) == 0)
        return;
    fprintf(stderr, "delimiter '%c', text: ", csv->delimiter);
    for (size_t i = 0; i < bytes; i++)
        fprintf(stderr, text[i] >= ' ' && text[i] < 0x7f ? "%c" : "\\%03o", (uint8_t)text[i]);
    fail_msg("\n  is  %s\n  not %s", is->text, expected);
}

/* ---- splitting ---- */

static char *exactly(const char *text, size_t bytes)
{
    char *only = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(only);
    memcpy(only, text, bytes);
    return only;
}

static void check_end(const wb_record *record, const char *text, size_t bytes)
{
    assert_true(record->bytes > 0 && record->bytes <= bytes);
    size_t end = record->bytes - record->text_bytes;
    const char *at = text + record->text_bytes;
    if (end == 0)
        assert_int_equal(record->bytes, bytes);
    else if (end == 1)
        assert_true(*at == '\n' || *at == '\r');
    else
        assert_true(end == 2 && memcmp(at, "\r\n", 2) == 0);
    if (record->wrong != NULL || record->text_bytes == 0)
        assert_int_equal(record->count, 0);
}

/* Splits what is there of a text, from *at on. */
static void split_some(const wb_csv *csv, const char *text, size_t bytes, bool final, size_t *at,
                       wb_record *record, shown *to)
{
    char *only = exactly(text + *at, bytes - *at);
    size_t used = 0, all = bytes - *at;
    while (used < all) {
        int answer = wb_csv_split(csv, only + used, all - used, final, record);
        if (answer == WB_SPLIT_MORE) {
            assert_false(final);
            break;
        }
        assert_int_equal(answer, WB_SPLIT_RECORD);
        check_end(record, only + used, all - used);
        show_record(to, record);
        used += record->bytes;
    }
    *at += used;
    free(only);
}

/* A text in two: first what precedes the cut, then the rest. */
static shown split_cut(const wb_csv *csv, const char *text, size_t bytes, size_t cut)
{
    wb_record record = {0};
    shown all = {0};
    show(&all, "", 0);
    size_t at = 0;
    split_some(csv, text, cut, false, &at, &record, &all);
    split_some(csv, text, bytes, true, &at, &record, &all);
    assert_int_equal(at, bytes);
    wb_record_fini(&record);
    return all;
}

static size_t skip_cut(const wb_csv *csv, const char *text, size_t bytes, size_t cut)
{
    wb_csv_state state = 0;
    bool ended = false;
    char *only = exactly(text, cut);
    size_t used = wb_csv_skip(csv, &state, only, cut, false, &ended);
    free(only);
    assert_true(used <= cut);
    if (ended)
        return used;
    only = exactly(text + used, bytes - used);
    used += wb_csv_skip(csv, &state, only, bytes - used, true, &ended);
    free(only);
    assert_true(ended);
    return used;
}

/* As a reader that gets one byte after another, and keeps the one that was not skipped. */
static size_t skip_bytes(const wb_csv *csv, const char *text, size_t bytes)
{
    wb_csv_state state = 0;
    bool ended = false;
    size_t used = 0;
    for (size_t there = 1; !ended; there++) {
        assert_true(there <= bytes + 1);
        bool final = there > bytes;
        size_t end = final ? bytes : there;
        used += wb_csv_skip(csv, &state, text + used, end - used, final, &ended);
        assert_true(used <= end && used + 1 >= end);
    }
    return used;
}

/* Skipping ends where splitting does, from the beginning of each record, wherever the text is cut. */
static void check_skips(const wb_csv *csv, const char *text, size_t bytes)
{
    wb_record record = {0};
    for (size_t at = 0; at < bytes; at += record.bytes) {
        assert_int_equal(wb_csv_split(csv, text + at, bytes - at, true, &record), WB_SPLIT_RECORD);
        for (size_t cut = 0; cut <= bytes - at; cut++)
            assert_int_equal(skip_cut(csv, text + at, bytes - at, cut), record.bytes);
        assert_int_equal(skip_bytes(csv, text + at, bytes - at), record.bytes);
    }
    wb_record_fini(&record);
}

static void check(const wb_csv *csv, const char *text, size_t bytes, const char *expected)
{
    for (size_t cut = 0; cut <= bytes; cut++) {
        shown all = split_cut(csv, text, bytes, cut);
        assert_shown(csv, text, bytes, &all, expected, strlen(expected));
        free(all.text);
    }
    check_skips(csv, text, bytes);
}

/* ---- examples ---- */

#define NO_END      "a quoted field has no end"
#define AFTER_QUOTE "text after a field's closing quote"

typedef struct example {
    const wb_csv *csv;
    const char *text, *expected;
} example;

static const example examples[] = {
    /* fields and line ends */
    {&commas, "", ""},
    {&commas, "a", "<a>/0 "},
    {&commas, "a\n", "<a>/1 "},
    {&commas, "a,b,c\n1,2,3\n", "<a><b><c>/1 <1><2><3>/1 "},
    {&commas, "a,b\r\n1,2", "<a><b>/1 <1><2>/0 "},
    {&commas, "a\rb\nc\r\nd\r", "<a>/1 <b>/1 <c>/1 <d>/1 "},
    {&commas, "\n", "/1 "},
    {&commas, "\r", "/1 "},
    {&commas, "\r\n", "/1 "},
    {&commas, "\n\r", "/1 /1 "},
    {&commas, "\r\r\n\n", "/1 /1 /1 "},
    {&commas, "a\n\nb\n", "<a>/1 /1 <b>/1 "},
    {&commas, ",", "~~/0 "},
    {&commas, "a,", "<a>~/0 "},
    {&commas, "a,\nb,\r\n", "<a>~/1 <b>~/1 "},
    {&commas, ",,\n", "~~~/1 "},
    {&commas, " a , b \n", "< a >< b >/1 "},
    {&commas, " \n", "< >/1 "},
    {&commas, "a;b\tc|d\n", "<a;b\tc|d>/1 "},
    {&commas,
     "\xEF\xBB\xBF"
     "a,\xC3\xA9\xE2\x82\xAC\n",
     "<\xEF\xBB\xBF"
     "a><\xC3\xA9\xE2\x82\xAC>/1 "},
    /* quotes */
    {&commas, "\"\"", "<>/0 "},
    {&commas, "\"\"\n", "<>/1 "},
    {&commas, "\"\",\"\"\n,\n", "<><>/1 ~~/1 "},
    {&commas, "\"a\",\"b\"\r\n", "<a><b>/1 "},
    {&commas, "a,\"b,c\",d\n", "<a><b,c><d>/1 "},
    {&commas, "\"a\"\"b\"\n", "<a\"b>/1 "},
    {&commas, "\"\"\"\"", "<\">/0 "},
    {&commas, "\"\"\"a\"\"\",\"\"\"\"\"\"\n", "<\"a\"><\"\">/1 "},
    {&commas, "\"a\"\"b\",\"c\"\"\"\"d\",e\n", "<a\"b><c\"\"d><e>/1 "},
    {&commas, "\"a\nb\",c\n", "<a\nb><c>/2 "},
    {&commas, "\"a\rb\",c\r", "<a\rb><c>/2 "},
    {&commas, "\"a\r\nb\r\n\",c\r\n", "<a\r\nb\r\n><c>/3 "},
    {&commas, "\"\r\r\n\n\r\"\n", "<\r\r\n\n\r>/5 "},
    {&commas, "\"a\"\"\n\"\"b\"\n", "<a\"\n\"b>/2 "},
    {&commas, "\"{\"\"type\"\": \"\"Point\"\", \"\"xy\"\": [1,2]}\",x\n",
     "<{\"type\": \"Point\", \"xy\": [1,2]}><x>/1 "},
    {&commas, "a\"b\"c,d\"\n", "<a\"b\"c><d\">/1 "},
    {&commas, " \"a\"\n", "< \"a\">/1 "},
    {&commas, "a\"\nb\n", "<a\">/1 <b>/1 "},
    {&commas, "'a','b'\n", "<'a'><'b'>/1 "},
    {&commas, "\\,\\\"\n", "<\\><\\\">/1 "},
    {&commas, "\\.\n\\N\n", "<\\.>/1 <\\N>/1 "},
    /* quotes that are wrong */
    {&commas, "\"", "!0 " NO_END "/0 "},
    {&commas, "a,\"b\nc,d\r\n", "!2 " NO_END "/2 "},
    {&commas, "\"\"\"", "!0 " NO_END "/0 "},
    {&commas, "x\n\"a\r\n\r\"\"", "<x>/1 !0 " NO_END "/2 "},
    {&commas, "\"a\"b\nc\n", "!3 " AFTER_QUOTE "/1 <c>/1 "},
    {&commas, "x,\"a\" ,y\nc\n", "!5 " AFTER_QUOTE "/1 <c>/1 "},
    {&commas, "\"a\"b,\"c\nd\"\r\ne", "!3 " AFTER_QUOTE "/1 <d\">/1 <e>/0 "},
    {&commas, "\"a\nb\"\"c\"d\"\"\re", "!8 " AFTER_QUOTE "/2 <e>/0 "},
    {&commas, "\"a\"b", "!3 " AFTER_QUOTE "/0 "},
    {&commas, "\"a\"b\"", "!3 " AFTER_QUOTE "/0 "},
    {&commas, "\"a\"b\"c\"d\n,\n", "!3 " AFTER_QUOTE "/1 ~~/1 "},
    /* NULL */
    {&not_null, ",\"\",a,\n", "<><><a><>/1 "},
    {&not_null, "NULL\n\n", "<NULL>/1 /1 "},
    {&semicolons, "NULL;'NULL';NUL;NULLS;;null\n", "~<NULL><NUL><NULLS><><null>/1 "},
    {&semicolons, "'it''s';\"x\";a,b\n", "<it's><\"x\"><a,b>/1 "},
    {&semicolons, "'NULL'x\nNULL", "!6 " AFTER_QUOTE "/1 ~/0 "},
    /* without quotes */
    {&tabs, "a\t-\t\t--\n", "<a>~<><-->/1 "},
    {&tabs, "\"a\tb\"\n\"\n", "<\"a><b\">/1 <\">/1 "},
    {&tabs, "\\t\t\\\n\\", "<\\t><\\>/1 <\\>/0 "},
    {&tabs, "a,b\t \t\r\n", "<a,b>< ><>/1 "},
    /* bytes above ASCII */
    {&high, "a\xA7\xFFx\xFF\xFF\xA7\n\xFF\xA7\x80\xA7\xC3\n", "<a><x\xFF\xA7\n>~<\xC3>/2 "},
    {&high, "\"a\"\xA7'\n", "<\"a\"><'>/1 "},
    /* COPY's text */
    {&copy, "a\tb\n\\N\t\n", "<a><b>/1 ~<>/1 "},
    {&copy, "\\b\\f\\n\\r\\t\\v\n", "<\b\f\n\r\t\v>/1 "},
    {&copy, "\\\\N\t\\NN\ta\\N\t\\n\n", "<\\N><NN><aN><\n>/1 "},
    {&copy, "\\101\\60\\7\t\\1011\\18\\8\\9\n", "<A0\a><A1\001889>/1 "},
    {&copy, "\\377\\777\t\\101\\\n", "<\377\377><A\n>/1 "},
    {&copy, "\\x41\\x4a\\x4A\\x9\t\\x411\\xg\\x\t\\X41\n", "<AJJ\t><A1xgx><X41>/1 "},
    {&copy, "\\a\\\"\\'\\/\\-\\N\n", "<a\"'/-N>/1 "},
    {&copy, "a\\\tb\tc\n", "<a\tb><c>/1 "},
    {&copy, "a\\\nb\tc\n", "<a\nb><c>/2 "},
    {&copy, "a\\\rb\tc\r", "<a\rb><c>/2 "},
    {&copy, "a\\\r\nb\r\n", "<a\r>/1 <b>/1 "},
    {&copy, "a\\\\\nb\n", "<a\\>/1 <b>/1 "},
    {&copy, "a\\", "<a>/0 "},
    {&copy, "\\", "<>/0 "},
    {&copy, "\\\n", "<\n>/1 "},
    {&copy, "\"a\tb\"\n", "<\"a><b\">/1 "},
    {&copy, "a\n\\.\n\n\n", "<a>/1 /1 /1 /1 "},
    {&copy, "\\.", "/0 "},
    {&copy, "\\.\ta\n\\..\n.\n", "<.><a>/1 <..>/1 <.>/1 "},
    {&bars, "a\\|b|\\N|\\174\\x7c||\n", "<a|b>~<||><><>/1 "},
    {&bars, "\t|\\t\\\t\n", "<\t><\t\t>/1 "},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(examples[i].csv, examples[i].text, strlen(examples[i].text), examples[i].expected);
}

static void test_text_bytes(void **state)
{
    (void)state;
    wb_record record = {0};
    static const struct {
        const char *text;
        size_t bytes, text_bytes;
    } cases[] = {{"a,b\r\nc", 5, 3}, {"a,b\rc", 4, 3}, {"\"a\"x\r\n", 6, 4},
                 {"\"a\r\n", 4, 4},  {"\r\n", 2, 0},   {"\n\r", 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text;
        assert_int_equal(wb_csv_split(&commas, text, strlen(text), true, &record), WB_SPLIT_RECORD);
        assert_int_equal(record.bytes, cases[i].bytes);
        assert_int_equal(record.text_bytes, cases[i].text_bytes);
    }
    assert_int_equal(wb_csv_split(&copy, "\\.\n\n", 4, true, &record), WB_SPLIT_RECORD);
    assert_int_equal(record.text_bytes, 2);
    assert_int_equal(record.count, 0);
    assert_null(record.wrong);
    wb_record_fini(&record);
}

static void test_waits_for_an_end(void **state)
{
    (void)state;
    wb_record record = {0};
    static const char *const texts[] = {"a",      "a,",     "\"a\"",      "\"a",   "\"a\n",
                                        "\"a\"x", "a\r",    "\"a\"\"",    "\"a\r", "\r",
                                        "a\"",    "\"a\",", "\"a\"x,\"\r"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(wb_csv_split(&commas, texts[i], strlen(texts[i]), false, &record),
                         WB_SPLIT_MORE);
    assert_int_equal(wb_csv_split(&copy, "a\\\n", 3, false, &record), WB_SPLIT_MORE);
    assert_int_equal(wb_csv_split(&copy, "\\.", 2, false, &record), WB_SPLIT_MORE);
    wb_record_fini(&record);
}

/* NULs are bytes like others. */
static void test_nul(void **state)
{
    (void)state;
    wb_record record = {0};
    static const char text[] = "a\0b\t\\0\\400\t\\\0\n";
    for (int final = 0; final < 2; final++) {
        assert_int_equal(wb_csv_split(&copy, text, sizeof text - 1, final, &record),
                         WB_SPLIT_RECORD);
        assert_int_equal(record.count, 3);
        assert_int_equal(record.pieces[0].bytes, 3);
        assert_memory_equal(record.pieces[0].text, "a\0b", 3);
        assert_int_equal(record.pieces[1].bytes, 2);
        assert_memory_equal(record.pieces[1].text, "\0\0", 2);
        assert_int_equal(record.pieces[2].bytes, 1);
        assert_memory_equal(record.pieces[2].text, "\0", 1);
    }
    assert_int_equal(wb_csv_split(&tabs, "\0\"\t\0", 4, true, &record), WB_SPLIT_RECORD);
    assert_int_equal(record.count, 2);
    wb_record_fini(&record);
}

/* What needs no change is not copied. */
static void test_points_into_the_input(void **state)
{
    (void)state;
    wb_record record = {0};
    const char *text = "ab,\"c\",\"d\"\"e\",\n";
    assert_int_equal(wb_csv_split(&commas, text, strlen(text), true, &record), WB_SPLIT_RECORD);
    assert_int_equal(record.count, 4);
    assert_ptr_equal(record.pieces[0].text, text);
    assert_ptr_equal(record.pieces[1].text, text + 4);
    assert_ptr_equal(record.pieces[2].text, record.scratch);
    assert_int_equal(record.scratch_used, 3);
    wb_record_fini(&record);
}

/* ---- against a splitter that goes from byte to byte ---- */

typedef struct plain {
    const wb_csv *csv;
    const char *text;
    size_t bytes, at;
    shown field, record;
    bool null;
    const char *wrong;
    size_t wrong_at;
} plain;

static bool plain_is(const plain *p, size_t at, char c)
{
    return at < p->bytes && p->text[at] == c;
}

static bool plain_ends(const plain *p)
{
    return p->at == p->bytes || plain_is(p, p->at, '\n') || plain_is(p, p->at, '\r');
}

static void plain_quoted(plain *p)
{
    char quote = p->csv->quote;
    size_t open = p->at++;
    while (p->at < p->bytes && (p->text[p->at] != quote || plain_is(p, p->at + 1, quote))) {
        show(&p->field, p->text + p->at, 1);
        p->at += p->text[p->at] == quote ? 2 : 1;
    }
    if (p->at == p->bytes) {
        p->wrong = NO_END;
        p->wrong_at = open;
        return;
    }
    p->at++;
    if (plain_ends(p) || plain_is(p, p->at, p->csv->delimiter))
        return;
    p->wrong = AFTER_QUOTE;
    p->wrong_at = p->at;
    while (!plain_ends(p))
        p->at++;
}

static bool plain_digit(const plain *p, const char *digits)
{
    return p->at < p->bytes && p->text[p->at] != '\0' && strchr(digits, p->text[p->at]) != NULL;
}

static void plain_number(plain *p, const char *digits, int base, size_t most)
{
    char number[4] = "";
    for (size_t i = 0; i < most && plain_digit(p, digits); i++)
        number[i] = p->text[p->at++];
    char c = (char)strtol(number, NULL, base);
    show(&p->field, &c, 1);
}

static void plain_escape(plain *p)
{
    if (plain_digit(p, "01234567")) {
        plain_number(p, "01234567", 8, 3);
        return;
    }
    char c = p->text[p->at++];
    if (c == 'x' && plain_digit(p, "0123456789abcdefABCDEF")) {
        plain_number(p, "0123456789abcdefABCDEF", 16, 2);
        return;
    }
    c = c == 'b'   ? '\b'
        : c == 'f' ? '\f'
        : c == 'n' ? '\n'
        : c == 'r' ? '\r'
        : c == 't' ? '\t'
        : c == 'v' ? '\v'
                   : c;
    show(&p->field, &c, 1);
}

static void plain_field(plain *p)
{
    size_t begin = p->at;
    p->field.bytes = 0;
    p->null = false;
    if (p->csv->quote != '\0' && plain_is(p, begin, p->csv->quote)) {
        plain_quoted(p);
        return;
    }
    while (!plain_ends(p) && p->text[p->at] != p->csv->delimiter) {
        if (p->csv->escapes && p->text[p->at] == '\\') {
            p->at++;
            if (p->at < p->bytes)
                plain_escape(p);
        } else {
            show(&p->field, p->text + p->at++, 1);
        }
    }
    const char *null = p->csv->escapes ? "\\N" : p->csv->null;
    p->null = null != NULL && strlen(null) == p->at - begin &&
              memcmp(null, p->text + begin, strlen(null)) == 0;
}

static void plain_fields(plain *p)
{
    size_t begin = p->at;
    if (plain_ends(p))
        return;
    plain_field(p);
    show_field(&p->record, p->null, p->field.text, p->field.bytes);
    while (p->wrong == NULL && plain_is(p, p->at, p->csv->delimiter)) {
        p->at++;
        plain_field(p);
        show_field(&p->record, p->null, p->field.text, p->field.bytes);
    }
    bool marker = p->csv->escapes && p->at - begin == 2 && !memcmp(p->text + begin, "\\.", 2);
    if (p->wrong != NULL || marker)
        p->record.bytes = 0;
}

static shown split_plainly(const wb_csv *csv, const char *text, size_t bytes)
{
    plain p = {.csv = csv, .text = text, .bytes = bytes};
    shown all = {0};
    show(&all, "", 0);
    while (p.at < bytes) {
        size_t begin = p.at, lines = 0;
        p.wrong = NULL;
        p.record.bytes = 0;
        plain_fields(&p);
        if (plain_is(&p, p.at, '\r') && plain_is(&p, p.at + 1, '\n'))
            p.at += 2;
        else if (p.at < bytes)
            p.at++;
        for (size_t i = begin; i < p.at; i++)
            lines += text[i] == '\n' || (text[i] == '\r' && !plain_is(&p, i + 1, '\n'));
        show(&all, p.record.text, p.record.bytes);
        show_end(&all, p.wrong, p.wrong_at - begin, lines);
    }
    free(p.field.text);
    free(p.record.text);
    return all;
}

static void check_plainly(const wb_csv *csv, const char *text, size_t bytes, size_t cut)
{
    shown expected = split_plainly(csv, text, bytes), all = split_cut(csv, text, bytes, cut);
    assert_shown(csv, text, bytes, &all, expected.text, expected.bytes);
    free(expected.text);
    free(all.text);
}

static void test_random(void **state)
{
    (void)state;
    uint64_t random = 20240607;
    for (int round = 0; round < rounds(20000); round++) {
        const wb_csv *csv = dialects[random_below(&random, DIALECTS)];
        char alphabet[] = {csv->delimiter,
                           csv->escapes ? '\\' : csv->quote,
                           '\n',
                           '\r',
                           'a',
                           '-',
                           '1',
                           'x',
                           'N',
                           '.',
                           '\0',
                           '\xC3'};
        size_t kinds = 4 + random_below(&random, sizeof alphabet - 3),
               bytes = random_below(&random, 200);
        /* one round in two has long runs of what means nothing */
        size_t spread = random_below(&random, 2) ? kinds : 10 * kinds;
        char text[200];
        for (size_t i = 0; i < bytes; i++) {
            size_t kind = random_below(&random, spread);
            text[i] = kind < kinds ? alphabet[kind] : 'a';
        }
        size_t cut = random_below(&random, bytes + 1);
        check_plainly(csv, text, bytes, cut);
        if (round % 50 == 0)
            check_skips(csv, text, bytes);
    }
}

/* What means something, at every place of a block, and over the edges between them. */
static void test_blocks(void **state)
{
    (void)state;
    static const char *const tails[] = {",b\r\nc,d\n",  "\r\n\r\n", "\"\"\",b\n",
                                        "\"\r\n\"\"\n", "\"b\nc",   "\"\r"};
    char text[200];
    for (size_t before = 0; before < 140; before++)
        for (size_t tail = 0; tail < sizeof tails / sizeof *tails; tail++)
            for (int quoted = 0; quoted < 2; quoted++) {
                memset(text, 'x', before + 1);
                if (quoted)
                    text[0] = '"';
                strcpy(text + before + 1, tails[tail]);
                size_t bytes = strlen(text);
                for (size_t cut = before; cut <= bytes; cut++)
                    check_plainly(&commas, text, bytes, cut);
            }
}

/* ---- the work ---- */

/* Splits a text of which a reader has at first `have` bytes, and twice as many where no record ends in them. Answers how
 * many bytes were looked at. */
static size_t count_work(const char *text, size_t bytes, size_t *records, size_t *wrong)
{
    wb_record record = {0};
    size_t at = 0, work = 0, have = 4096;
    *records = *wrong = 0;
    while (at < bytes) {
        bool final = have >= bytes - at;
        size_t there = final ? bytes - at : have;
        int answer = wb_csv_split(&commas, text + at, there, final, &record);
        if (answer == WB_SPLIT_MORE) {
            assert_false(final);
            work += there;
            have *= 2;
            continue;
        }
        assert_int_equal(answer, WB_SPLIT_RECORD);
        *records += 1;
        *wrong += record.wrong != NULL;
        work += record.bytes;
        at += record.bytes;
        have = 4096;
    }
    assert_int_equal(at, bytes);
    wb_record_fini(&record);
    return work;
}

static void test_linear(void **state)
{
    (void)state;
    enum { BYTES = 4 << 20, LINES = 40000 };
    char *text = malloc(BYTES);
    assert_non_null(text);
    size_t records, wrong;
    memset(text, '"', BYTES);
    assert_true(count_work(text, BYTES, &records, &wrong) <= (size_t)2 * BYTES);
    assert_int_equal(records, 1);
    assert_int_equal(wrong, 0);
    assert_true(count_work(text, BYTES - 1, &records, &wrong) <= (size_t)2 * BYTES);
    assert_int_equal(records, 1);
    assert_int_equal(wrong, 1);
    memset(text, ',', BYTES);
    assert_true(count_work(text, BYTES, &records, &wrong) <= (size_t)2 * BYTES);
    assert_int_equal(records, 1);
    memset(text, '\n', BYTES);
    assert_int_equal(count_work(text, BYTES, &records, &wrong), BYTES);
    assert_int_equal(records, BYTES);
    /* each stray quote opens a field that the next one closes, with text after it */
    size_t bytes = 0;
    for (int i = 0; i < LINES; i++)
        bytes += (size_t)sprintf(text + bytes, "%d,\"stray,%d\n", i, i);
    assert_int_equal(count_work(text, bytes, &records, &wrong), bytes);
    assert_int_equal(records, LINES / 2);
    assert_int_equal(wrong, LINES / 2);
    free(text);
}

/* ---- memory ---- */

static void test_memory(void **state)
{
    (void)state;
    const char *text = "\"a\"\"\",2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18\nb\n";
    size_t bytes = strlen(text);
    for (size_t n = 1; n <= 3; n++) {
        wb_record record = {0};
        wb_alloc_fail_after(n);
        assert_int_equal(wb_csv_split(&commas, text, bytes, true, &record), WB_SPLIT_MEMORY);
        assert_int_equal(wb_csv_split(&commas, text, bytes, true, &record), WB_SPLIT_MEMORY);
        wb_alloc_fail_after(0);
        assert_int_equal(wb_csv_split(&commas, text, bytes, true, &record), WB_SPLIT_RECORD);
        assert_int_equal(record.count, 18);
        assert_memory_equal(record.pieces[0].text, "a\"", 2);
        assert_memory_equal(record.pieces[17].text, "18", 2);
        assert_int_equal(record.bytes, bytes - 2);
        wb_record_fini(&record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_text_bytes),
        cmocka_unit_test(test_waits_for_an_end),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_points_into_the_input),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
