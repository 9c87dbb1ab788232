/* SPDX-License-Identifier: MIT
 * Batches: growth and its limits, what is read of them, skipping, merging, the table of states. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rows/batch.h"

static wb_schema *schema;

static int schema_setup(void **state)
{
    (void)state;
    const wb_column columns[] = {{.name = "n", .type = WB_TYPE_INT8},
                                 {.name = "t", .type = WB_TYPE_TEXT, .null = true}};
    return wb_schema_new(columns, 2, &schema, NULL);
}

static int schema_teardown(void **state)
{
    (void)state;
    wb_schema_unref(schema);
    return 0;
}

/* Adds the row (n, a text of `text_bytes` or NULL). */
static bool row_add(wb_batch *batch, int64_t n, size_t text_bytes, int64_t now_us)
{
    static char text[4 << 20];
    memset(text, 'x', text_bytes);
    const wb_value values[] = {
        {.kind = WB_INT, .i = n},
        {.kind = text_bytes ? WB_TEXT : WB_NULL, .bytes = (uint32_t)text_bytes, .text = text}};
    size_t bytes;
    if (!wb_batch_reserve(batch, wb_row_bound(schema, values, 2)))
        return false;
    assert_int_equal(wb_row_encode(schema, values, 2, wb_batch_end(batch), &bytes, NULL), 0);
    wb_batch_push(batch, bytes, now_us);
    return true;
}

static wb_batch *batch_of(int64_t from, int64_t to, int64_t now_us)
{
    wb_batch *batch = wb_batch_new(schema);
    for (int64_t n = from; n < to; n++)
        assert_true(row_add(batch, n, (size_t)n % 7, now_us + n));
    return batch;
}

/* The batch's rows are `from` to `to`, by values and as one run of bytes. */
static void batch_holds(const wb_batch *batch, int64_t from, int64_t to)
{
    size_t run_bytes, sum = 0;
    const uint8_t *run = wb_batch_tuples(batch, &run_bytes);
    assert_int_equal(wb_batch_rows(batch), to - from);
    for (int64_t n = from; n < to; n++) {
        wb_value values[2];
        size_t bytes;
        wb_batch_values(batch, (size_t)(n - from), values);
        assert_int_equal(values[0].i, n);
        assert_int_equal(values[1].kind == WB_NULL ? 0 : values[1].bytes, n % 7);
        assert_ptr_equal(wb_batch_row(batch, (size_t)(n - from), &bytes), run + sum);
        sum += bytes;
    }
    assert_int_equal(sum, run_bytes);
    assert_int_equal(wb_batch_weight(batch), sum + (size_t)(to - from) * wb_row_overhead(false));
}

static void test_rows(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema);
    assert_int_equal(batch->state, WB_BATCH_OPEN);
    assert_ptr_equal(wb_batch_schema(batch), schema);
    batch_holds(batch, 0, 0);
    wb_batch_free(batch);
    wb_batch_free(NULL);
    batch = batch_of(0, 5000, 1000);
    batch_holds(batch, 0, 5000);
    assert_true(batch->opened_us == 1000);
    assert_int_equal(batch->rows[0].age_us, 0);
    assert_int_equal(batch->rows[4999].age_us, 4999);
    wb_batch_clear(batch);
    batch_holds(batch, 0, 0);
    assert_true(batch->capacity > 0);
    assert_true(row_add(batch, 0, 0, 77));
    assert_true(batch->opened_us == 77);
    wb_batch_free(batch);
}

static void test_ages(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema);
    row_add(batch, 0, 0, 100);
    row_add(batch, 1, 0, 50); /* a clock may stand or be shared; an age is never negative */
    row_add(batch, 2, 0, 100 + INT64_C(5000000000));
    assert_int_equal(batch->rows[1].age_us, 0);
    assert_int_equal(batch->rows[2].age_us, UINT32_MAX);
    wb_batch_free(batch);
}

static void test_skip(void **state)
{
    (void)state;
    wb_batch *batch = batch_of(0, 100, 0);
    size_t whole = wb_batch_weight(batch);
    size_t gone = wb_batch_skip(batch, 30);
    assert_int_equal(wb_batch_weight(batch), whole - gone);
    batch_holds(batch, 30, 100);
    gone += wb_batch_skip(batch, 0);
    gone += wb_batch_skip(batch, 70);
    assert_int_equal(gone, whole);
    batch_holds(batch, 0, 0);
    wb_batch_free(batch);
}

/* Rows that go at the front make room for those that come at the end. */
static void test_skip_and_add_for_ever(void **state)
{
    (void)state;
    wb_batch *batch = batch_of(0, 100, 0);
    size_t most = 0;
    for (int64_t n = 100; n < 100000; n++) {
        wb_batch_skip(batch, 1);
        assert_true(row_add(batch, n, (size_t)n % 7, n));
        most = batch->capacity > most ? batch->capacity : most;
    }
    batch_holds(batch, 99900, 100000);
    assert_true(most < 16 * wb_batch_weight(batch));
    wb_batch_skip(batch, 100);
    row_add(batch, 1, 1, 123456);
    assert_true(batch->opened_us == 123456);
    batch_holds(batch, 1, 2);
    wb_batch_free(batch);
}

static void test_merge(void **state)
{
    (void)state;
    wb_batch *batch = batch_of(0, 70, 1000), *more = batch_of(60, 200, 500);
    wb_batch_skip(batch, 20);
    wb_batch_skip(more, 10);
    assert_true(wb_batch_merge(batch, more));
    batch_holds(batch, 20, 200);
    batch_holds(more, 70, 200);
    /* the second's first row came at 560: all ages count from there, and a row's time stays */
    assert_true(batch->opened_us == 560);
    for (int64_t n = 20; n < 200; n++) {
        int64_t came_us = n < 70 ? 1000 + n : 500 + n;
        assert_true(batch->opened_us + batch->rows[batch->first + (size_t)n - 20].age_us ==
                    came_us);
    }
    wb_batch_skip(more, 130);
    assert_true(wb_batch_merge(batch, more));
    batch_holds(batch, 20, 200);
    wb_batch_free(more);
    wb_batch_free(batch);
}

static void test_merge_keeps_the_first_opening(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema), *first = batch_of(0, 3, 100),
             *second = batch_of(3, 6, 900);
    assert_true(wb_batch_merge(batch, first));
    assert_true(batch->opened_us == 100);
    assert_true(wb_batch_merge(batch, second));
    assert_true(batch->opened_us == 100);
    assert_int_equal(batch->rows[3].age_us, 803);
    batch_holds(batch, 0, 6);
    wb_batch_free(batch);
    wb_batch_free(first);
    wb_batch_free(second);
}

static void test_merge_run(void **state)
{
    (void)state;
    wb_batch *batch = batch_of(0, 2, 100), *more = batch_of(0, 9, 50);
    wb_batch_skip(more, 1);
    assert_true(wb_batch_merge_run(batch, more, 1, 3));
    batch_holds(batch, 0, 5);
    batch_holds(more, 1, 9);
    assert_true(batch->opened_us + batch->rows[4].age_us == 50 + 4);
    assert_true(wb_batch_merge_run(batch, more, 8, 0));
    assert_true(wb_batch_merge_run(batch, more, 4, 4));
    batch_holds(batch, 0, 9);
    wb_batch_free(batch);
    wb_batch_free(more);
}

static void test_growth(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema);
    assert_true(wb_batch_reserve(batch, 100));
    assert_true(batch->capacity >= 6400 && batch->capacity <= 16384);
    size_t grown = 0, last = batch->capacity;
    for (int64_t n = 0; n < 300000; n++) {
        assert_true(row_add(batch, n, 20, n));
        assert_true(batch->capacity <= 2 * last);
        grown += batch->capacity != last;
        last = batch->capacity;
    }
    assert_true(grown < 40);
    wb_batch_shrink(batch);
    size_t memory = batch->capacity + batch->room * sizeof *batch->rows;
    assert_true(memory <= wb_batch_weight(batch) + wb_batch_weight(batch) / 32);
    assert_true(wb_batch_reserve(batch, 5 << 20)); /* one row larger than any step */
    assert_true(batch->capacity - batch->bytes >= 5 << 20);
    wb_batch_free(batch);
}

static void test_shrink(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema);
    wb_batch_shrink(batch);
    for (int64_t n = 0; n < 5; n++)
        row_add(batch, n, (size_t)n % 7, 0);
    wb_batch_shrink(batch);
    assert_int_equal(batch->capacity, batch->bytes);
    assert_int_equal(batch->room, 5);
    batch_holds(batch, 0, 5);
    wb_alloc_fail_after(1);
    assert_false(row_add(batch, 5, 5, 0));
    wb_alloc_fail_after(0);
    batch_holds(batch, 0, 5);
    assert_true(row_add(batch, 5, 5, 0));
    batch_holds(batch, 0, 6);
    wb_alloc_fail_after(1);
    wb_batch_shrink(batch);
    wb_alloc_fail_after(0);
    batch_holds(batch, 0, 6);
    wb_batch_free(batch);
}

static void test_no_memory(void **state)
{
    (void)state;
    wb_alloc_fail_after(1);
    assert_null(wb_batch_new(schema));
    wb_alloc_fail_after(0);
    wb_batch *batch = wb_batch_new(schema), *more = batch_of(0, 100, 0);
    for (size_t n = 1; n <= 2; n++) {
        wb_alloc_fail_after(n);
        assert_false(wb_batch_reserve(batch, 10));
        assert_false(n == 1 && wb_batch_merge(batch, more));
        wb_alloc_fail_after(0);
        batch_holds(batch, 0, 0);
        wb_batch_free(batch);
        batch = wb_batch_new(schema);
    }
    uint8_t *stream = NULL;
    size_t bytes = 0;
    wb_err err;
    wb_alloc_fail_after(1);
    assert_int_equal(wb_batch_copy_binary(more, &stream, &bytes, &err), WB_MEMORY);
    wb_alloc_fail_after(0);
    assert_string_equal(err.text, "no memory for 100 rows as a COPY stream");
    assert_null(stream);
    wb_batch_free(batch);
    wb_batch_free(more);
}

/* Offsets have 32 bits: a batch ends at 1 GiB. The memory is never touched. */
static void test_gibibyte(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema);
    assert_true(wb_batch_reserve(batch, 1 << 30));
    assert_false(wb_batch_reserve(batch, ((size_t)1 << 30) + 1));
    wb_batch_push(batch, 1 << 29, 0);
    wb_batch_push(batch, (1 << 29) - 5, 0);
    assert_true(wb_batch_reserve(batch, 5));
    assert_false(wb_batch_reserve(batch, 6));
    wb_batch *more = batch_of(0, 1, 0);
    assert_false(wb_batch_merge(batch, more));
    assert_int_equal(wb_batch_rows(batch), 2);
    wb_batch_free(more);
    wb_batch_free(batch);
}

static void test_copy_binary(void **state)
{
    (void)state;
    static const char expected[] = "PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"
                                   "\0\2\0\0\0\x8\0\0\0\0\0\0\0\1\0\0\0\1x"
                                   "\0\2\0\0\0\x8\0\0\0\0\0\0\0\2\0\0\0\2xx"
                                   "\xff\xff";
    wb_batch *batch = batch_of(0, 3, 0);
    uint8_t *stream;
    size_t bytes;
    wb_batch_skip(batch, 1);
    assert_int_equal(wb_batch_copy_binary(batch, &stream, &bytes, NULL), WB_OK);
    assert_int_equal(bytes, sizeof expected - 1);
    assert_memory_equal(stream, expected, bytes);
    wb_free(stream);
    wb_batch_skip(batch, 2);
    assert_int_equal(wb_batch_copy_binary(batch, &stream, &bytes, NULL), WB_OK);
    assert_int_equal(bytes, 21);
    wb_free(stream);
    wb_batch_free(batch);
}

static void test_accessors(void **state)
{
    (void)state;
    wb_batch *batch = wb_batch_new(schema);
    batch->attempt = 3;
    batch->reason = WB_REASON_AGE;
    memset(batch->id, 7, 16);
    assert_int_equal(wb_batch_attempt(batch), 3);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_AGE);
    assert_memory_equal(wb_batch_id(batch), batch->id, 16);
    wb_batch_clear(batch);
    assert_int_equal(wb_batch_attempt(batch), 0);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_NONE);
    wb_batch_free(batch);
}

/* Whether a batch in one state may become another: asked in a child, which an assert aborts. */
static bool may_become(int from, int to)
{
    pid_t child = fork();
    if (child == 0) {
        wb_batch batch = {.schema = schema, .state = from};
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        wb_batch_become(&batch, to);
        _exit(batch.state == to ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_states(void **state)
{
    (void)state;
    for (int from = WB_BATCH_OPEN; from <= WB_BATCH_SETTLED; from++)
        for (int to = WB_BATCH_OPEN; to <= WB_BATCH_SETTLED + 1; to++) {
            bool allowed = (from == WB_BATCH_OPEN && to == WB_BATCH_SEALED) ||
                           (from == WB_BATCH_SEALED && to == WB_BATCH_TAKEN) ||
                           (from == WB_BATCH_SEALED && to == WB_BATCH_SETTLED) ||
                           (from == WB_BATCH_TAKEN && to == WB_BATCH_SEALED) ||
                           (from == WB_BATCH_TAKEN && to == WB_BATCH_SETTLED);
            assert_int_equal(may_become(from, to), allowed);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_ages),
        cmocka_unit_test(test_skip),      cmocka_unit_test(test_skip_and_add_for_ever),
        cmocka_unit_test(test_merge),     cmocka_unit_test(test_merge_keeps_the_first_opening),
        cmocka_unit_test(test_merge_run), cmocka_unit_test(test_growth),
        cmocka_unit_test(test_shrink),    cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_gibibyte),  cmocka_unit_test(test_copy_binary),
        cmocka_unit_test(test_accessors), cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests(tests, schema_setup, schema_teardown);
}
