/* SPDX-License-Identifier: MIT
 * Records of a text in pieces: what they are does not depend on where it is cut, lines and offsets are right, what is too
 * long comes in pieces that make up the text. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/env.h"
#include "intake/records.h"

/* ---- a text's records as one text: `line offset text|pieces;` or `line offset text!why;` ---- */

static void note_piece(wb_buffer *notes, const wb_piece *piece)
{
    if (piece->name != NULL)
        wb_buffer_put(notes, piece->name, piece->name_bytes);
    wb_buffer_put_text(notes, piece->kind == WB_PIECE_NULL ? "NULL" : "=");
    if (piece->kind != WB_PIECE_NULL)
        wb_buffer_put(notes, piece->text, piece->bytes);
    wb_buffer_put_char(notes, '|');
}

static void note(wb_buffer *notes, const wb_records *records)
{
    const wb_record *record = &records->record;
    wb_buffer_printf(notes, "%d %d ", (int)records->at.line, (int)records->at.offset);
    wb_buffer_put(notes, records->at.text, records->at.bytes);
    wb_buffer_put_char(notes, record->wrong != NULL ? '!' : '|');
    if (record->wrong != NULL)
        wb_buffer_put_text(notes, record->wrong);
    for (size_t i = 0; i < record->count; i++)
        note_piece(notes, &record->pieces[i]);
    wb_buffer_put_char(notes, ';');
}

/* False: the text is of another kind. */
static bool note_all(wb_buffer *notes, wb_records *records)
{
    int answer;
    while ((answer = wb_records_next(records)) == WB_NEXT_RECORD)
        note(notes, records);
    if (answer == WB_NEXT_FAILED)
        wb_buffer_printf(notes, "FAILED %s", records->record.wrong);
    assert_int_not_equal(answer, WB_NEXT_MEMORY);
    return answer != WB_NEXT_FAILED;
}

static wb_records begun(const wb_reader_options *options)
{
    wb_records records;
    wb_err err;
    if (wb_records_init(&records, options, &err) != WB_OK)
        fail_msg("%s", err.text);
    return records;
}

/* Gives the text in two pieces, or in pieces of `step`. Memory of exactly that size, so that a byte too far is seen. */
static char *notes_of(const wb_reader_options *options, const char *text, size_t first, size_t step)
{
    wb_buffer notes = WB_BUFFER_EMPTY;
    wb_records records = begun(options);
    size_t bytes = strlen(text);
    bool reads = true;
    for (size_t at = 0, next; at < bytes && reads; at = next) {
        next = at + (at == 0 && first > 0 ? first : step);
        next = next < bytes ? next : bytes;
        assert_true(wb_records_put(&records, text + at, next - at));
        reads = note_all(&notes, &records);
    }
    records.final = true;
    if (reads)
        note_all(&notes, &records);
    wb_buffer_put_text(&notes, "");
    wb_records_fini(&records);
    return wb_buffer_take(&notes, NULL);
}

static void assert_notes(const wb_reader_options *options, const char *text, size_t first,
                         size_t step, const char *expected)
{
    char *notes = notes_of(options, text, first, step);
    if (strcmp(notes, expected) != 0)
        fail_msg("%s, cut at %d, then by %d: %s, not %s", text, (int)first, (int)step, notes,
                 expected);
    wb_free(notes);
}

static void assert_any_cut(const wb_reader_options *options, const char *text, const char *expected)
{
    size_t bytes = strlen(text);
    assert_notes(options, text, 0, bytes + 1, expected);
    for (size_t cut = 1; cut < bytes; cut++)
        assert_notes(options, text, cut, bytes, expected);
    for (size_t step = 1; step < 4; step++)
        assert_notes(options, text, 0, step, expected);
}

/* ---- cuts, lines, offsets ---- */

typedef struct text_case {
    wb_reader_options options;
    const char *text, *notes;
} text_case;

static void check_cases(const text_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_any_cut(&cases[i].options, cases[i].text, cases[i].notes);
}

#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof *(cases))

static void test_cuts_change_nothing(void **state)
{
    (void)state;
    const text_case cases[] = {
        {{.format = WB_NDJSON},
         "{\"a\":1}\r\n\n  \n{\"b\":\"\\u00e9\"}\n{]\n{\"c\":null}",
         "1 0 {\"a\":1}|a=1|;4 13 {\"b\":\"\\u00e9\"}|b=\xc3\xa9|;"
         "5 28 {]!expected a key;6 31 {\"c\":null}|cNULL|;"},
        {{.format = WB_CSV},
         "a,b\r\n1,\"x\r\ny\"\r\r\n\n\"\"\"\",\n3,4",
         "1 0 a,b|=a|=b|;2 5 1,\"x\r\ny\"|=1|=x\r\ny|;6 17 \"\"\"\",|=\"|NULL|;7 23 3,4|=3|=4|;"},
        {{.format = WB_CSV},
         "a\r\"b\"c,\"\rd\n\"e",
         "1 0 a|=a|;2 2 \"b\"c,\"!text after a field's closing quote;3 9 d|=d|;"
         "4 11 \"e!a quoted field has no end;"},
        {{.format = WB_TSV}, "a\t\"b\n\\N\t\r\n", "1 0 a\t\"b|=a|=\"b|;2 5 \\N\t|NULL|NULL|;"},
        {{.format = WB_COPY},
         "a\\tb\\\nc\t\\N\n\nx\n\\.\n\n",
         "1 0 a\\tb\\\nc\t\\N|=a\tb\nc|NULL|;3 11 |=|;4 12 x|=x|;"},
        {{.format = WB_COPY},
         "x\n\\.\n\ny\n\\.",
         "1 0 x|=x|;4 6 y!text after \\., the end of COPY's data;"},
        {{.format = WB_CSV},
         "\xef\xbb\xbf"
         "a,b\n1,2\n",
         "1 3 a,b|=a|=b|;2 7 1,2|=1|=2|;"},
        {{.format = WB_CSV, .null = "-", .delimiter = ';'},
         "-;\n\"-\";,",
         "1 0 -;|NULL|=|;2 3 \"-\";,|=-|=,|;"},
        {{.format = WB_NDJSON}, "", ""},
        {{.format = WB_CSV}, "\n\r\n\r", ""},
    };
    CHECK(cases);
}

static void test_lines_that_are_left_out(void **state)
{
    (void)state;
    const text_case cases[] = {
        {{.format = WB_CSV, .skip = 2, .comment = '#'},
         "\"not\r\na record\r#c\r\na,b\n#\n1,2\r\n# no end",
         "4 19 a,b|=a|=b|;6 25 1,2|=1|=2|;"},
        {{.format = WB_CSV, .comment = '#'}, "#\r\n#\r#\na\n", "4 7 a|=a|;"},
        {{.format = WB_CSV, .comment = '#'},
         "\"\n#\n\"\n #\n",
         "1 0 \"\n#\n\"|=\n#\n|;4 6  #|= #|;"},
        {{.format = WB_NDJSON, .skip = 1, .comment = '/'},
         "a\rb\r\n// c\n{}\n{\"a\":1}\n",
         "3 10 {}|;4 13 {\"a\":1}|a=1|;"},
        {{.format = WB_TSV, .skip = 9}, "a\nb\n", ""},
        {{.format = WB_CSV, .skip = 1},
         "\xef\xbb\xbf"
         "x\ny\n",
         "2 5 y|=y|;"},
    };
    CHECK(cases);
}

static void test_foreign_texts(void **state)
{
    (void)state;
    const text_case cases[] = {
        {{.format = WB_CSV},
         "\xff\xfe"
         "a,b",
         "FAILED the text is UTF-16, not UTF-8"},
        {{.format = WB_CSV},
         "\xfe\xff"
         "ab",
         "FAILED the text is UTF-16, not UTF-8"},
        {{.format = WB_NDJSON}, "\x1f\x8b\x08\x08", "FAILED the text is compressed by gzip"},
        {{.format = WB_CSV}, "PK\3\4...", "FAILED the text is a ZIP archive, as spreadsheets are"},
        {{.format = WB_NDJSON},
         " \n[{}]\n",
         "FAILED the text is a JSON list, not a JSON object a line"},
        {{.format = WB_NDJSON},
         "\xef\xbb\xbf[{}]",
         "FAILED the text is a JSON list, not a JSON object a line"},
        {{.format = WB_NDJSON}, "\n\n\n\n[]\n", "5 4 []!a JSON array, not an object;"},
        {{.format = WB_CSV}, "[1]\n", "1 0 [1]|=[1]|;"},
        {{.format = WB_CSV}, "\xff\n", "1 0 \xff|=\xff|;"},
    };
    CHECK(cases);
}

/* ---- records that are too long ---- */

#define LONG "!a record is longer than is allowed;"

static void test_long_records_come_in_pieces(void **state)
{
    (void)state;
    const text_case cases[] = {
        {{.format = WB_CSV, .max_record_bytes = 16},
         "0123456789abcdef\n0123456789abcdef\r\n0123456789abcdef\rx\n",
         "1 0 0123456789abcdef|=0123456789abcdef|;2 17 0123456789abcdef|=0123456789abcdef|;"
         "3 35 0123456789abcdef|=0123456789abcdef|;4 52 x|=x|;"},
        {{.format = WB_CSV, .max_record_bytes = 16},
         "0123456789abcdefg\r\nx\n",
         "1 0 0123456789abcdef" LONG "1 16 g" LONG "2 19 x|=x|;"},
        {{.format = WB_CSV, .max_record_bytes = 16},
         "0123456789abcdef0123456789abcdef\nx\n0123456789abcdef0123456789abcde\r\ny",
         "1 0 0123456789abcdef" LONG "1 16 0123456789abcdef" LONG "2 33 x|=x|;3 35 "
         "0123456789abcdef" LONG "3 51 0123456789abcde" LONG "4 68 y|=y|;"},
        {{.format = WB_CSV, .max_record_bytes = 16},
         "\"123456789abcde\r\n123\n#\n\"\n#\nx",
         "1 0 \"123456789abcde\r" LONG "1 16 \n123\n#\n\"" LONG "5 25 #|=#|;6 27 x|=x|;"},
        {{.format = WB_CSV, .max_record_bytes = 16},
         "\"123456789abcdef\n\n",
         "1 0 \"123456789abcdef" LONG "1 16 \n\n" LONG},
        {{.format = WB_CSV, .max_record_bytes = 16, .comment = '#'},
         "0123456789abcdef0123456789abcdef\n#y\nx\n",
         "1 0 0123456789abcdef" LONG "1 16 0123456789abcdef" LONG "3 36 x|=x|;"},
        {{.format = WB_COPY, .max_record_bytes = 16},
         "0123456789abcdef0123456789abcdef\n\nx\n\\.\n",
         "1 0 0123456789abcdef" LONG "1 16 0123456789abcdef" LONG "2 33 |=|;3 34 x|=x|;"},
        {{.format = WB_NDJSON, .max_record_bytes = 16},
         "{\"a\":1234567890}\r\n{\"a\":12345678901}\n{\"b\":1}\n",
         "1 0 {\"a\":1234567890}|a=1234567890|;2 18 {\"a\":12345678901" LONG "2 34 }" LONG
         "3 36 {\"b\":1}|b=1|;"},
        {{.format = WB_NDJSON, .max_record_bytes = 16},
         "{\"a\":123456789012345678901234567}\n                 \n                  \n{\"b\":1}",
         "1 0 {\"a\":12345678901" LONG "1 16 2345678901234567" LONG "1 32 }" LONG
         "3 52                 " LONG "3 68   " LONG "4 71 {\"b\":1}|b=1|;"},
        {{.format = WB_NDJSON,
          .max_record_bytes = 16,
          .comment = '0'}, /* all that is left out may be longer */
         "0123456789abcdef0123456789abcdef\n{}\n",
         "2 33 {}|;"},
    };
    CHECK(cases);
}

/* What has its end is answered at once, whatever there was of it before. */
static void test_whole_records_do_not_wait(void **state)
{
    (void)state;
    static const char *const halves[][3] = {
        {"{\"a\":1,\"b\"", ":2}\n", "ndjson"},
        {"1,\"2345\n678", "\"\n", "csv"},
        {"1\\\n2345678", "\n", "copy"},
        {"0123456789abcdef0123456789abcdef...", "\n", "csv"},
        {"0123456789abcdef...", "\n", "ndjson"},
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        const char *format = halves[i][2];
        wb_records records = begun(&(wb_reader_options){
            .format = wb_format_find(format, strlen(format)), .max_record_bytes = 16});
        assert_true(wb_records_put(&records, halves[i][0], strlen(halves[i][0])));
        while (wb_records_next(&records) == WB_NEXT_RECORD)
            continue;
        assert_true(wb_records_put(&records, halves[i][1], strlen(halves[i][1])));
        assert_int_equal(wb_records_next(&records), WB_NEXT_RECORD);
        assert_int_equal(wb_records_next(&records), WB_NEXT_NONE);
        assert_int_equal(records.from, records.to);
        wb_records_fini(&records);
    }
}

/* The newest record's text outlives what is given next, however often the buffer moves. */
static void test_the_newest_text_stays(void **state)
{
    (void)state;
    char *much = calloc(1, 100000);
    memset(much, 'y', 100000);
    wb_records records = begun(&(wb_reader_options){.format = WB_CSV});
    assert_true(wb_records_put(&records, much, 60000));
    assert_true(wb_records_put(&records, "\n\"x\"z\n", 6));
    assert_int_equal(wb_records_next(&records), WB_NEXT_RECORD);
    assert_int_equal(wb_records_next(&records), WB_NEXT_RECORD);
    for (int i = 0; i < 3; i++) {
        assert_true(wb_records_put(&records, much, 100000));
        assert_int_equal(records.at.bytes, 4);
        assert_memory_equal(records.at.text, "\"x\"z", 4);
    }
    wb_records_again(&records);
    assert_int_equal(wb_records_next(&records), WB_NEXT_RECORD);
    assert_int_equal(records.at.line, 2);
    assert_memory_equal(records.at.text, "\"x\"z", 4);
    wb_records_fini(&records);
    free(much);
}

static void test_options_that_are_wrong(void **state)
{
    (void)state;
    const struct {
        wb_reader_options options;
        const char *names;
    } cases[] = {
        {{.format = -1}, "format"},
        {{.format = WB_COPY + 1}, "format"},
        {{.format = WB_NDJSON, .delimiter = ','}, "delimiter"},
        {{.format = WB_NDJSON, .null = ""}, "null"},
        {{.format = WB_NDJSON, .header = (const char *const[]){NULL}}, "header"},
        {{.format = WB_CSV, .delimiter = '\n'}, "delimiter"},
        {{.format = WB_CSV, .delimiter = '"'}, "delimiter"},
        {{.format = WB_COPY, .delimiter = '\\'}, "delimiter"},
        {{.format = WB_COPY, .delimiter = 'N'}, "delimiter"},
        {{.format = WB_COPY, .delimiter = '.'}, "delimiter"},
        {{.format = WB_COPY, .delimiter = '7'}, "delimiter"},
        {{.format = WB_TSV, .comment = '\r'}, "comment"},
        {{.format = WB_CSV, .max_record_bytes = 15}, "max_record_bytes"},
        {{.format = WB_CSV, .max_record_bytes = ((size_t)1 << 30) + 1}, "max_record_bytes"},
        {{.format = WB_CSV, .max_record_bytes = SIZE_MAX}, "max_record_bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_records records;
        wb_err err;
        assert_int_equal(wb_records_init(&records, &cases[i].options, &err), WB_MISUSE);
        assert_memory_equal(err.text, cases[i].names, strlen(cases[i].names));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_change_nothing),
        cmocka_unit_test(test_lines_that_are_left_out),
        cmocka_unit_test(test_foreign_texts),
        cmocka_unit_test(test_long_records_come_in_pieces),
        cmocka_unit_test(test_whole_records_do_not_wait),
        cmocka_unit_test(test_the_newest_text_stays),
        cmocka_unit_test(test_options_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
