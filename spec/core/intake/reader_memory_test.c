/* SPDX-License-Identifier: MIT
 * A reader without memory, at each allocation there is: nothing is lost, nothing comes twice. */
#include "support/reading.h"

#include <stdlib.h>

#include "base/env.h"
#include "intake/reader.h"

typedef struct trial {
    wb_reader_options options;
    const char *const *pieces; /* of text, up to a NULL */
} trial;

/* Is that a lack of memory? It ends, and what lacked it is tried again. */
static bool lacked(int code)
{
    if (code == WB_MEMORY)
        wb_alloc_fail_after(0);
    return code == WB_MEMORY;
}

static wb_reader *make_reader(const reading *r, wb_reader_options options)
{
    wb_reader *reader = NULL;
    wb_err err = {0};
    int code;
    options.schema = r->schema;
    while (lacked(code = wb_reader_new(&options, &reader, &err)))
        assert_non_null(strstr(err.text, "out of memory"));
    assert_ok(code);
    return reader;
}

static void put_piece(wb_reader *reader, const char *text)
{
    int code;
    while (lacked(code = wb_reader_put(reader, text, strlen(text), NULL)))
        continue;
    assert_ok(code);
}

/* What is read when the n-th allocation from the reader's on fails, once; 0: none. */
static char *read_without(const trial *t, size_t n, bool *reached)
{
    reading r = begin_reading(100000, 100000);
    assert_true(wb_buffer_reserve(&r.refused, 100000));
    wb_alloc_fail_after(n);
    wb_reader *reader = make_reader(&r, t->options);
    for (const char *const *piece = t->pieces; *piece != NULL; piece++) {
        put_piece(reader, *piece);
        while (lacked(read_some(&r, reader)))
            continue;
    }
    wb_reader_finish(reader);
    while (lacked(read_some(&r, reader)))
        continue;
    *reached = n > 0 && wb_alloc_fails();
    wb_alloc_fail_after(0);
    return end_reading(&r, reader);
}

static void check_each_allocation(const trial *t)
{
    bool reached;
    char *expected = read_without(t, 0, &reached);
    size_t quiet = 0;
    for (size_t n = 1; quiet < 50; n++) { /* after a failure that was told there is no more */
        char *read = read_without(t, n, &reached);
        if (strcmp(read, expected) != 0) {
            size_t at = 0;
            while (read[at] == expected[at])
                at++;
            fail_msg("without allocation %d: at byte %d: %.60s, not %.60s", (int)n, (int)at,
                     read + at, expected + at);
        }
        quiet = reached ? 0 : quiet + 1;
        wb_free(read);
    }
    assert_true(strlen(expected) > 20);
    wb_free(expected);
}

#define PIECES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_memory_of_each_format(void **state)
{
    (void)state;
    char *long_text = malloc(9001);
    memset(long_text, 'y', 9000);
    long_text[9000] = '\0';
    const trial trials[] = {
        {{.format = WB_NDJSON, .map = PIECES("n", "m"), .ignore_unknown = true},
         PIECES("{\"m\":1,\"note\":\"\\u0061", long_text,
                "\"}\n{\"m\":}\n{\"x\":1,\"m\":2,\"tags\":[\"a\",\"", long_text,
                "\",\"b\"]}\n{\"tags\":\"{", long_text, "}\",\"m\":3}")},
        {{.format = WB_CSV, .null = "-"}, PIECES("\"note\"\r\n,n,tags\n", long_text, ",1,-\n")},
        {{.format = WB_CSV, .null = "-", .max_record_bytes = 9100},
         PIECES("tags,note,n\n-,\"", long_text, "\"\"\",1\n\"{a,", long_text, "}\",-,2\n,,\n3,4\n",
                long_text, long_text, "\n-,", long_text, ",5")},
        {{.format = WB_COPY, .header = PIECES("n", "note"), .comment = '#'},
         PIECES("1\t\\t", long_text, "\n#", long_text, "\n\n2\t\\N\n\\.\n")},
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        check_each_allocation(&trials[i]);
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_of_each_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
