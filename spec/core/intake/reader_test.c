/* SPDX-License-Identifier: MIT
 * Rows that a batcher reads: the same however the text is cut, headers, names, full and closed batchers, memory that
 * fails. */
#include "support/reading.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "intake/reader.h"

typedef struct read_case {
    wb_reader_options options;
    const char *text, *result;
} read_case;

static void check_cases(const read_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_reads(cases[i].options, cases[i].text, cases[i].result);
}

#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof *(cases))
#define NAMES(...)   ((const char *const[]){__VA_ARGS__, NULL})

/* A row as wb_batch_ndjson writes it. */
#define ROW(n, note, tags) "{\"n\":" n ",\"note\":" note ",\"tags\":" tags "}\n"
#define SHORT(n)           ROW(n, "null", "null")

/* ---- formats and cuts ---- */

static void test_cuts_change_nothing(void **state)
{
    (void)state;
    const read_case cases[] = {
        {{.format = WB_NDJSON},
         "{\"n\":1,\"note\":\"\\u0061\\n\",\"tags\":[\"x\",null]}\n{\"n\":\"2\"}\r\n{\"n\":x}\n{"
         "\"note\":\"b\"}",
         ROW("1", "\"a\\n\"", "[\"x\",null]") SHORT(
             "2") "3 55 {\"n\":x}!expected a value at byte 6;4 63 {\"note\":\"b\"}!column \"n\" "
                  "(int8) is required;"},
        {{.format = WB_CSV},
         "n,note,tags\r\n1,\"a\r\nb\",\"{x,NULL,\"\"null\"\"}\"\r2,,\n3,\"\",{}\n4\nx,y,\n",
         ROW("1", "\"a\\r\\nb\"", "[\"x\",null,\"null\"]") SHORT("2")
             ROW("3", "\"\"", "[]") "6 54 4!1 field, the header has 3;7 56 x,y,!column \"n\" "
                                    "(int8) can't hold \"x\": no "
                                    "whole number of 64 bits;"},
        {{.format = WB_TSV},
         "n\tnote\n1\t\"a\\t\"\n\\N\t\n",
         ROW("1", "\"\\\"a\\\\t\\\"\"", "null") "3 15 \\N\t!column \"n\" (int8) can't be NULL;"},
        {{.format = WB_COPY, .header = NAMES("n", "note")},
         "1\ta\\tb\\\nc\n2\t\\N\n\n\\.\n\n",
         ROW("1", "\"a\\tb\\nc\"", "null") SHORT("2") "4 15 !1 field, the header has 2;"},
        {{.format = WB_COPY, .header = NAMES("n")},
         "1\n\\.\n2\n",
         SHORT("1") "3 5 2!text after \\., the end of "
                    "COPY's data at byte 1;"},
        {{.format = WB_CSV, .max_record_bytes = 16},
         "n,note\n1,0123456789abcdefghijklmnopqrstuvwxyz\n2,\n",
         SHORT("2") "2 7 1,0123456789abcd!a record is longer than is allowed at byte 1;2 23 "
                    "efghijklmnopqrst!a record is longer than is allowed at byte 1;2 39 "
                    "uvwxyz!a record is longer than is allowed at byte 1;"},
    };
    CHECK(cases);
}

/* ---- names ---- */

static void test_headers(void **state)
{
    (void)state;
    const read_case cases[] = {
        {{.format = WB_CSV}, "", "UNREADABLE there is no header"},
        {{.format = WB_CSV},
         "\n#\n",
         "UNREADABLE no column takes \"#\"; required, and not in the header: \"n\""},
        {{.format = WB_CSV}, "n,other,\n", "UNREADABLE no column takes \"other\", \"column_3\""},
        {{.format = WB_CSV}, "n,n,n\n", "UNREADABLE no column takes \"n_2\", \"n_3\""},
        {{.format = WB_CSV}, "note\n", "UNREADABLE required, and not in the header: \"n\""},
        {{.format = WB_CSV},
         "n;note\n",
         "UNREADABLE the header is one field, \"n;note\": is the delimiter \";\"?"},
        {{.format = WB_CSV},
         "n\tnote\n",
         "UNREADABLE the header is one field, \"n\\x09note\": is the delimiter a tab?"},
        {{.format = WB_CSV},
         "\"n\"x\n",
         "UNREADABLE the header: text after a field's closing quote at byte 4"},
        {{.format = WB_CSV, .ignore_unknown = true}, "x,n,\n7,1,8\n", SHORT("1")},
        {{.format = WB_CSV, .map = NAMES("n", "column_1", "note", "a_2")},
         ",a_2\n1,b\n",
         ROW("1", "\"b\"", "null")},
        {{.format = WB_CSV, .map = NAMES("n", "a_2", "note", "a"), .ignore_unknown = true},
         "a,a\nb,1\n",
         ROW("1", "\"b\"", "null")},
        {{.format = WB_CSV, .map = NAMES("n", "a_2"), .ignore_unknown = true},
         "a_2,a,a\n1,2,3\n",
         "UNREADABLE the header names \"a_2\" twice"},
        {{.format = WB_CSV, .map = NAMES("n", "column_2"), .ignore_unknown = true},
         "column_2,\n1,2\n",
         "UNREADABLE the header names \"column_2\" twice"},
        {{.format = WB_CSV, .map = NAMES("n", "note", "note", "n")},
         "note,n\n1,b\n",
         ROW("1", "\"b\"", "null")},
        {{.format = WB_TSV, .header = NAMES("note", "n")}, "b\t1\n", ROW("1", "\"b\"", "null")},
        {{.format = WB_CSV},
         "\xff\xfe"
         "n\n",
         "UNREADABLE the text is UTF-16, not UTF-8"},
    };
    CHECK(cases);
}

static void test_members(void **state)
{
    (void)state;
    const read_case cases[] = {
        {{.format = WB_NDJSON},
         "{\"n\":1,\"note\":\"a\"}\n{\"note\":\"b\",\"n\":2}\n{\"note\":\"c\",\"n\":3}\n{\"tags\":"
         "null,\"n\":4}\n",
         ROW("1", "\"a\"", "null") ROW("2", "\"b\"", "null") ROW("3", "\"c\"", "null") SHORT("4")},
        {{.format = WB_NDJSON},
         "{\"n\":1,\"n\":2}\n{\"n\":3}\n{\"n\":4,\"x\":5}",
         SHORT("3") "1 0 {\"n\":1,\"n\":2}!\"n\" comes twice;3 22 {\"n\":4,\"x\":5}!no column "
                    "takes \"x\";"},
        {{.format = WB_NDJSON, .ignore_unknown = true, .map = NAMES("n", "")},
         "{\"x\":[{}],\"\":1,\"n\":{}}\n{\"\":2,\"x\":3,\"x\":4}\n{\"n\":5}\n",
         SHORT("1") SHORT("2") "3 42 {\"n\":5}!column \"n\" (int8) is required;"},
    };
    CHECK(cases);
}

/* A header, or an object, of so many fields called `name`. */
static char *many(const char *begin, const char *name, size_t count, const char *end)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&text, begin);
    for (size_t i = 0; i < count; i++)
        wb_buffer_put_text(&text, name);
    wb_buffer_put_text(&text, end);
    return wb_buffer_take(&text, NULL);
}

static void test_many_pieces(void **state)
{
    (void)state;
    const wb_reader_options csv = {.format = WB_CSV, .ignore_unknown = true},
                            json = {.format = WB_NDJSON, .ignore_unknown = true};
    char *texts[] = {many("n", ",x", 9999, "\n"), many("n", ",x", 10000, "\n"),
                     many("n\n1", ",", 65536, "\n2\n"), many("{\"n\":1", ",\"x\":1", 65535, "}\n"),
                     many("{\"n\":1", ",\"x\":1", 65536, "}\n")};
    static const char *const ends[] = {
        "", "UNREADABLE the header has 10001 fields, more than 10000",
        "!too many fields at byte 65537;", SHORT("1"), "!too many members at byte"};
    for (size_t i = 0; i < 5; i++) {
        char *read = read_cut(i < 3 ? csv : json, texts[i], 0, 1000000);
        assert_true(*ends[i] == '\0' ? *read == '\0' : strstr(read, ends[i]) != NULL);
        wb_free(read);
        wb_free(texts[i]);
    }
}

static void test_options_that_are_wrong(void **state)
{
    (void)state;
    wb_schema *schema = reading_schema();
    const struct {
        wb_reader_options options;
        const char *text;
    } cases[] = {
        {{.format = WB_NDJSON, .map = NAMES("m", "x")}, "map: there is no column \"m\""},
        {{.format = WB_NDJSON, .map = NAMES("n", "x", "note", "x")}, "map: two columns take \"x\""},
        {{.format = WB_NDJSON, .map = NAMES("n", "note")}, "map: two columns take \"note\""},
        {{.format = WB_CSV, .header = NAMES("note")},
         "header: required, and not in the header: \"n\""},
        {{.format = WB_CSV, .header = NAMES("n", "x")}, "header: no column takes \"x\""},
        {{.format = 9}, "format: there is no number 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_reader_options options = cases[i].options;
        wb_reader *reader = NULL;
        wb_err err;
        options.schema = schema;
        assert_int_equal(wb_reader_new(&options, &reader, &err), WB_MISUSE);
        assert_string_equal(err.text, cases[i].text);
    }
    assert_int_equal(wb_reader_new(&(wb_reader_options){0}, &(wb_reader *){NULL}, NULL), WB_MISUSE);
    wb_schema_unref(schema);
}

/* ---- batchers that take no row ---- */

#define TWO_IN_QUOTES "{\"n\":1,\"note\":\"one\"}\n{\"n\":2,\"note\":\"two\"}\n"

static int read_most(reading *r, wb_reader *reader, uint64_t most, wb_reading *out)
{
    int code = wb_batcher_read(r->batcher, reader, NULL, most, out, NULL);
    r->accepted += out->accepted;
    return code;
}

static void test_most(void **state)
{
    (void)state;
    reading r = begin_reading(100, 100);
    wb_reader *reader = new_reader(&r, (wb_reader_options){.format = WB_NDJSON});
    wb_reading out;
    put_text(reader, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":");
    assert_ok(read_most(&r, reader, 0, &out));
    assert_int_equal(out.accepted, 0);
    assert_ok(read_most(&r, reader, 2, &out));
    assert_int_equal(out.accepted, 2);
    assert_ok(read_most(&r, reader, 2, &out));
    assert_int_equal(out.accepted, 1);
    assert_false(out.due);
    wb_reader_finish(reader);
    assert_int_equal(wb_reader_put(reader, "4}", 2, NULL), WB_MISUSE);
    assert_int_equal(read_most(&r, reader, 2, &out), WB_INVALID);
    assert_false(out.unreadable);
    wb_free(end_reading(&r, reader));
}

static void test_due_stops(void **state)
{
    (void)state;
    reading r = begin_reading(2, 100);
    wb_reader *reader = new_reader(&r, (wb_reader_options){.format = WB_CSV});
    wb_reading out;
    put_text(reader, "n\n1\n2\n3\n");
    assert_ok(read_most(&r, reader, 100, &out));
    assert_true(out.due);
    assert_int_equal(out.accepted, 2);
    assert_ok(read_most(&r, reader, 100, &out));
    assert_int_equal(out.accepted, 1);
    wb_free(end_reading(&r, reader));
}

/* The row that found no room comes first, though its text has moved meanwhile. */
static void test_full_keeps_the_row(void **state)
{
    (void)state;
    reading r = begin_reading(1, 1);
    wb_reader *reader = new_reader(&r, (wb_reader_options){.format = WB_NDJSON});
    wb_buffer rows = WB_BUFFER_EMPTY;
    char *spaces = many("", " ", 70000, "\n");
    wb_reading out;
    put_text(reader, TWO_IN_QUOTES);
    assert_ok(read_most(&r, reader, 1, &out));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_most(&r, reader, 9, &out), WB_FULL);
        assert_int_equal(out.accepted, 0);
        put_text(reader, spaces);
        assert_int_equal(wb_reader_look(reader), WB_READ_ROW);
        assert_memory_equal(reader->values[1].text, "two", 3);
        assert_int_equal(reader->records.at.line, 2);
    }
    take_rows(&r, &rows);
    assert_ok(read_most(&r, reader, 9, &out));
    assert_int_equal(out.accepted, 1);
    char *left = end_reading(&r, reader);
    assert_string_equal(left, ROW("2", "\"two\"", "null"));
    wb_free(left);
    wb_free(spaces);
    wb_buffer_fini(&rows);
}

/* Who only looks takes nothing away. */
static void test_a_look_changes_nothing(void **state)
{
    (void)state;
    reading r = begin_reading(100, 100);
    wb_reader *reader = new_reader(&r, (wb_reader_options){.max_record_bytes = 16});
    put_text(reader, "{\"n\":x}\n{\"n\":1}\n{\"n\":\"0123456789012345\"}\n");
    static const int looks[] = {WB_READ_REFUSED, WB_READ_ROW, WB_READ_REFUSED, WB_READ_REFUSED,
                                WB_READ_NONE};
    for (size_t i = 0; i < 5; i++) {
        wb_reading out;
        wb_err err;
        assert_int_equal(wb_reader_look(reader), looks[i]);
        put_text(reader, "");
        assert_int_equal(wb_reader_look(reader), looks[i]);
        if (wb_batcher_read(r.batcher, reader, NULL, 1, &out, &err) == WB_INVALID)
            note_refusal(&r, &out, &err);
        r.accepted += out.accepted;
    }
    char *read = end_reading(&r, reader);
    assert_string_equal(
        read, SHORT("1") "1 0 {\"n\":x}!expected a value at byte 6;"
                         "3 16 {\"n\":\"0123456789!a record is longer than is allowed at byte 1;"
                         "3 32 012345\"}!a record is longer than is allowed at byte 1;");
    wb_free(read);
}

static void test_closed_and_foreign_batchers(void **state)
{
    (void)state;
    reading r = begin_reading(100, 100), other = begin_reading(100, 100);
    wb_reader *reader = new_reader(&r, (wb_reader_options){.format = WB_NDJSON});
    wb_reading out;
    put_text(reader, TWO_IN_QUOTES);
    assert_int_equal(read_most(&other, reader, 9, &out), WB_MISUSE);
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(r.batcher), 0, NULL));
    assert_int_equal(read_most(&r, reader, 9, &out), WB_CLOSED);
    assert_int_equal(read_most(&r, reader, 9, &out), WB_CLOSED);
    assert_int_equal(wb_reader_look(reader), WB_READ_ROW);
    assert_int_equal(reader->records.at.line, 1);
    wb_reader *second = new_reader(&r, (wb_reader_options){.format = WB_NDJSON});
    put_text(second, "{}\n" TWO_IN_QUOTES);
    assert_int_equal(read_most(&r, second, 9, &out), WB_CLOSED);
    assert_null(out.refusal.text);
    assert_int_equal(wb_reader_look(second), WB_READ_REFUSED);
    assert_int_equal(second->records.at.line, 1);
    wb_reader_free(second);
    wb_free(end_reading(&r, reader));
    wb_free(end_reading(&other, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_change_nothing),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_options_that_are_wrong),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_due_stops),
        cmocka_unit_test(test_full_keeps_the_row),
        cmocka_unit_test(test_a_look_changes_nothing),
        cmocka_unit_test(test_closed_and_foreign_batchers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
