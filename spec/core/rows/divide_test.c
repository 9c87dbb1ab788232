/* SPDX-License-Identifier: MIT
 * Dividing a batch against a look at each row: any classes, any rows gone at the front; and sorting it. */
#include "support/support.h"

#include "base/env.h"
#include "rows/divide.h"
#include "rows/row.h"

enum { ROUNDS = 3000, MOST = 60 };

static wb_schema *schema;

static wb_batch *batch_of(size_t rows)
{
    wb_batch *batch = wb_batch_new(schema);
    for (size_t n = 0; n < rows; n++) {
        const wb_value values[] = {int_value((int64_t)n), text_value(n % 3 > 0 ? "some text" : "")};
        size_t bytes;
        assert_true(wb_batch_reserve(batch, wb_row_bound(schema, values, 2)));
        assert_ok(wb_row_encode(schema, values, 2, wb_batch_end(batch), &bytes, NULL));
        wb_batch_push(batch, bytes, 1000 + (int64_t)n);
        batch->rows[batch->count - 1].route = (uint32_t)n;
    }
    batch->rank = 7;
    batch->serial = 3;
    return batch;
}

static int64_t n_at(const wb_batch *batch, size_t row)
{
    wb_value values[2];
    wb_batch_values(batch, row, values);
    assert_int_equal(values[1].bytes, values[0].i % 3 > 0 ? strlen("some text") : 0);
    return values[0].i;
}

/* The class of each row by its number, which its route says as well. */
static size_t class_of(const wb_batch *batch, size_t index, const void *context)
{
    return ((const uint8_t *)context)[batch->rows[batch->first + index].route];
}

/* All its rows are of one class, in order, with their ages. Marks them as seen. */
static size_t look_at(const wb_batch *batch, const uint8_t *classes, bool *seen)
{
    size_t class = class_of(batch, 0, classes);
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        int64_t n = n_at(batch, row);
        assert_true(row == 0 || n > n_at(batch, row - 1));
        assert_int_equal(classes[n], class);
        assert_int_equal(batch->opened_us + batch->rows[batch->first + row].age_us, 1000 + n);
        assert_false(seen[n]);
        seen[n] = true;
    }
    assert_int_equal(batch->serial, 3);
    return class;
}

static void divide_one(uint64_t *random)
{
    uint8_t classes[MOST];
    bool seen[MOST] = {false}, met[4] = {false};
    size_t rows = random_below(random, MOST) + 1, gone = random_below(random, rows);
    size_t kinds = random_below(random, 4) + 1, run = random_below(random, 9) + 1;
    for (size_t n = 0; n < rows; n++)
        classes[n] = (uint8_t)(n % run > 0 ? classes[n - 1] : random_below(random, kinds));
    wb_batch *batch = batch_of(rows), *pieces;
    wb_batch_skip(batch, gone);
    size_t weight = wb_batch_weight(batch), parts = 0;
    assert_true(wb_batch_copy_pieces(batch, class_of, classes, &pieces));
    if (pieces != NULL)
        wb_batch_keep_rest(batch, class_of, classes);
    assert_int_equal(classes[rows - 1], look_at(batch, classes, seen));
    met[classes[rows - 1]] = true;
    assert_int_equal(batch->rank, 7 + (size_t)n_at(batch, 0) - gone);
    parts = wb_batch_weight(batch);
    for (wb_batch *piece = pieces; piece != NULL; piece = piece->next) {
        size_t class = look_at(piece, classes, seen);
        assert_false(met[class]);
        met[class] = true;
        assert_int_equal(piece->rank, 7 + (size_t)n_at(piece, 0) - gone);
        assert_true(piece->next == NULL || piece->rank < piece->next->rank);
        parts += wb_batch_weight(piece);
    }
    for (size_t n = 0; n < rows; n++)
        assert_int_equal(seen[n], n >= gone);
    assert_int_equal(parts, weight);
    wb_batch_free_list(pieces);
    wb_batch_free(batch);
}

static void test_any_classes(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (int round = 0; round < ROUNDS; round++)
        divide_one(&random);
}

static void test_no_memory_changes_nothing(void **state)
{
    (void)state;
    uint8_t classes[MOST];
    bool seen[MOST] = {false};
    for (size_t n = 0; n < MOST; n++)
        classes[n] = n % 4;
    wb_batch *batch = batch_of(MOST), *pieces = NULL;
    size_t tries = 0;
    bool done = false;
    for (; !done; tries++) {
        wb_alloc_fail_after(tries + 1);
        done = wb_batch_copy_pieces(batch, class_of, classes, &pieces);
        wb_alloc_fail_after(0);
        assert_int_equal(wb_batch_left(batch), MOST);
        assert_true(done || pieces == NULL);
    }
    assert_true(tries > 3);
    wb_batch_keep_rest(batch, class_of, classes);
    look_at(batch, classes, seen);
    wb_batch_free_list(pieces);
    wb_batch_free(batch);
}

static wb_batch *batch_of_values(int type, const wb_value *values, size_t count)
{
    const wb_column columns[] = {{.name = "n", .type = WB_TYPE_INT8},
                                 {.name = "key", .type = type, .null = true}};
    wb_schema *two;
    assert_ok(wb_schema_new(columns, 2, &two, NULL));
    wb_batch *batch = wb_batch_new(two);
    for (size_t n = 0; n < count; n++) {
        const wb_value row[] = {int_value((int64_t)n), values[n]};
        size_t bytes;
        assert_true(wb_batch_reserve(batch, wb_row_bound(two, row, 2)));
        assert_ok(wb_row_encode(two, row, 2, wb_batch_end(batch), &bytes, NULL));
        wb_batch_push(batch, bytes, 1000 - (int64_t)n);
    }
    wb_schema_unref(two);
    return batch;
}

static void check_order(int type, const wb_value *values, size_t count, const int64_t *order)
{
    wb_batch *batch = batch_of_values(type, values, count);
    assert_true(wb_batch_sort(batch, 1));
    assert_int_equal(wb_batch_left(batch), count);
    for (size_t row = 0; row < count; row++) {
        wb_value got[2];
        wb_batch_values(batch, row, got);
        assert_int_equal(got[0].i, order[row]);
    }
    wb_batch_free(batch);
}

static void test_sorting(void **state)
{
    (void)state;
    const wb_value null = {.kind = WB_NULL};
    const wb_value ints[] = {int_value(5), int_value(-7), null, int_value(5), int_value(0)};
    check_order(WB_TYPE_INT8, ints, 5, (const int64_t[]){2, 1, 4, 0, 3});
    check_order(WB_TYPE_TIMESTAMPTZ, ints, 5, (const int64_t[]){2, 1, 4, 0, 3});
    const wb_value texts[] = {text_value("b"), text_value("ab"), text_value(""), text_value("a")};
    check_order(WB_TYPE_TEXT, texts, 4, (const int64_t[]){2, 3, 1, 0});
    const wb_value floats[] = {{.kind = WB_FLOAT, .f = 1.5},
                               {.kind = WB_FLOAT, .f = 0.0 / 0.0},
                               {.kind = WB_FLOAT, .f = -2},
                               null};
    check_order(WB_TYPE_FLOAT8, floats, 4, (const int64_t[]){3, 2, 0, 1});
}

int main(void)
{
    schema = small_schema();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_classes),
        cmocka_unit_test(test_no_memory_changes_nothing),
        cmocka_unit_test(test_sorting),
    };
    int failed = cmocka_run_group_tests_name("divide", tests, NULL, NULL);
    wb_schema_unref(schema);
    return failed;
}
