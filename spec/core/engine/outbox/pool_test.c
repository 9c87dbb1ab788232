/* SPDX-License-Identifier: MIT
 * The pool: its bounds, what a batch opens with, that a steady state allocates nothing, and that a backlog's memory is
 * given back. */
#include "support/outbox_fixture.h"

#include <stdio.h>
#include <unistd.h>

enum { ROW_BYTES = 19, BATCH_ROWS = 10000 };

static void large_batches(wb_batcher_options *options)
{
    options->batch_size = BATCH_ROWS;
    options->flush_at = 1;
    options->max_pending_rows = options->max_pending_bytes = UINT64_MAX;
}

static void seal(struct backlog *backlog)
{
    wb_backlog_seal(&backlog->outbox.backlog, WB_REASON_FLUSH);
}

static void store_all(struct backlog *backlog)
{
    for (wb_batch *batch; (batch = wb_outbox_take(&backlog->outbox)) != NULL;)
        store_batch(backlog, batch);
}

static size_t count_of(const wb_batch *list)
{
    size_t count = 0;
    for (; list != NULL; list = list->next)
        count++;
    return count;
}

/* ---- the pool alone ---- */

static wb_batch *settled_of(wb_schema *schema, size_t bytes)
{
    wb_batch *batch = wb_batch_new(schema);
    assert_true(wb_batch_prepare(batch, 1, bytes));
    wb_batch_push(batch, bytes, 0);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_become(batch, WB_BATCH_SETTLED);
    return batch;
}

static void fill(wb_pool *pool, wb_schema *schema, size_t bytes, int count)
{
    for (int i = 0; i < count; i++)
        wb_pool_put(pool, settled_of(schema, bytes));
}

static void is_bounded(void **state)
{
    (void)state;
    wb_schema *schema = small_schema();
    wb_pool pool = {.most_bytes = 100000, .usual_bytes = 10000};
    fill(&pool, schema, 10000, 50);
    assert_int_equal(count_of(pool.spares), 12);
    assert_in_range(pool.spare_bytes, 120000, pool.most_bytes * 5 / 4);
    assert_int_equal(count_of(pool.rubbish), 38);
    wb_batch_free_list(wb_pool_rubbish(&pool));
    assert_null(pool.rubbish);
    wb_pool two = {.most_bytes = 10000, .usual_bytes = 10000};
    fill(&two, schema, 10000, 4); /* two at least, of any size that a batch has */
    assert_int_equal(count_of(two.spares), 2);
    wb_pool_fini(&two);
    fill(&pool, schema, 90000, 2); /* one is kept to merge into */
    fill(&pool, schema, 100001, 1);
    assert_int_equal(pool.large->capacity, 90000);
    assert_int_equal(count_of(pool.rubbish), 2);
    wb_batch *large = wb_pool_get_large(&pool);
    assert_int_equal(wb_batch_rows(large), 0);
    assert_int_equal(large->state, WB_BATCH_OPEN);
    assert_null(wb_pool_get_large(&pool));
    wb_batch_free(large);
    wb_pool_fini(&pool);
    wb_schema_unref(schema);
}

static void rests_with_two_spares(void **state)
{
    (void)state;
    wb_schema *schema = small_schema();
    wb_pool pool = {.most_bytes = 100000, .usual_bytes = 10000};
    fill(&pool, schema, 10000, 9);
    fill(&pool, schema, 80000, 1);
    wb_pool_rest(&pool, false); /* something went through it a moment ago */
    assert_int_equal(count_of(pool.spares), 9);
    wb_pool_rest(&pool, false);
    assert_int_equal(count_of(pool.spares), 2);
    assert_null(pool.large);
    assert_int_equal(pool.spare_bytes, 2 * (10000 + wb_row_overhead(false)));
    assert_int_equal(count_of(pool.rubbish), 8);
    fill(&pool, schema, 10000, 3);
    wb_pool_rest(&pool, true);
    assert_int_equal(count_of(pool.spares), 2);
    for (int i = 0; i < 2; i++)
        wb_batch_free(wb_pool_get(&pool, schema));
    assert_int_equal(pool.spare_bytes, 0);
    wb_pool_rest(&pool, true);
    wb_pool_fini(&pool);
    wb_schema_unref(schema);
}

static void knows_what_is_usual(void **state)
{
    (void)state;
    wb_schema *schema = small_schema();
    wb_pool pool = {.most_bytes = 1 << 20};
    wb_batch *first = wb_pool_get(&pool, schema);
    assert_int_equal(first->capacity, 0); /* who has few rows takes little */
    wb_batch *sealed = settled_of(schema, 8000);
    wb_pool_learn(&pool, sealed);
    wb_batch *second = wb_pool_get(&pool, schema);
    assert_int_equal(second->capacity, 9000);
    wb_batch *small = settled_of(schema, 8);
    wb_pool_learn(&pool, small);
    assert_int_equal(pool.usual_bytes, 7875);
    pool.most_bytes = 7800; /* no batch takes more */
    wb_pool_learn(&pool, sealed);
    assert_int_equal(pool.usual_bytes, 7800);
    for (int i = 0; i < 200; i++)
        wb_pool_learn(&pool, small);
    assert_in_range(pool.usual_bytes, 8, 16);
    wb_batch_free(first);
    wb_batch_free(second);
    wb_batch_free(sealed);
    wb_batch_free(small);
    wb_pool_fini(&pool);
    wb_schema_unref(schema);
}

static void opens_with_less_where_there_is_no_memory(void **state)
{
    (void)state;
    wb_schema *schema = small_schema();
    wb_pool pool = {.most_bytes = 1 << 20, .usual_rows = 10, .usual_bytes = 1 << 17};
    for (size_t n = 1; n <= 3; n++) {
        wb_alloc_fail_after(n);
        wb_batch *batch = wb_pool_get(&pool, schema);
        wb_alloc_fail_after(0);
        assert_true((batch != NULL) == (n > 1));
        assert_true(batch == NULL || batch->capacity == (n > 2 ? pool.usual_bytes : 0));
        wb_batch_free(batch);
    }
    wb_pool_fini(&pool);
    wb_schema_unref(schema);
}

/* ---- of an outbox ---- */

static void steady_adds_allocate_nothing(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, large_batches);
    for (int round = 0; round < 6; round++) {
        if (round == 2)
            wb_alloc_fail_after(1);
        put_rows(&backlog, BATCH_ROWS);
        store_all(&backlog);
    }
    wb_alloc_fail_after(0);
    assert_int_equal(stats_of(&backlog).stored, 6 * BATCH_ROWS);
    shut_box(&backlog);
}

static void batches_that_pile_up_do_not_grow(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, large_batches);
    put_rows(&backlog, BATCH_ROWS + 1);
    for (int i = 0; i < 3; i++) {
        const wb_batch *open = backlog.outbox.open;
        size_t capacity = open->capacity;
        const uint8_t *tuples = open->tuples;
        put_rows(&backlog, BATCH_ROWS - 1);
        assert_ptr_equal(backlog.outbox.open, open);
        assert_ptr_equal(open->tuples, tuples);
        assert_int_equal(open->capacity, capacity);
        assert_true(capacity >= ROW_BYTES * BATCH_ROWS && capacity < 2 * ROW_BYTES * BATCH_ROWS);
        put_rows(&backlog, 1);
    }
    seal(&backlog);
    store_all(&backlog);
    shut_box(&backlog);
}

static void merges_into_the_same_memory(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, large_batches);
    merge_up_to(&backlog, 4 * BATCH_ROWS);
    backlog.outbox.backlog.threaded = true; /* it rests later */
    const uint8_t *tuples = NULL;
    for (int round = 0; round < 3; round++) {
        put_rows(&backlog, 4 * BATCH_ROWS);
        seal(&backlog);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_int_equal(wb_batch_rows(batch), 4 * BATCH_ROWS);
        assert_int_equal(n_at(batch, 3 * BATCH_ROWS), backlog.next - BATCH_ROWS);
        assert_true(round == 0 || batch->tuples == tuples);
        tuples = batch->tuples;
        store_batch(&backlog, batch);
        assert_null(wb_outbox_take(&backlog.outbox));
    }
    assert_non_null(backlog.outbox.pool.large);
    assert_int_equal(count_of(backlog.outbox.pool.spares), 4);
    assert_null(wb_outbox_take(&backlog.outbox)); /* nothing came for an interval */
    assert_null(backlog.outbox.pool.large);
    assert_int_equal(count_of(backlog.outbox.pool.spares), 2);
    shut_box(&backlog);
}

static void merging_without_memory_loses_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n < 6; n++) {
        struct backlog backlog;
        open_box(&backlog, large_batches);
        merge_up_to(&backlog, 4 * BATCH_ROWS);
        put_rows(&backlog, 3 * BATCH_ROWS);
        seal(&backlog);
        wb_alloc_fail_after(n);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        wb_alloc_fail_after(0);
        assert_non_null(batch);
        assert_int_equal(first_n(batch), 0);
        store_batch(&backlog, batch);
        store_all(&backlog);
        assert_int_equal(stats_of(&backlog).stored, 3 * BATCH_ROWS);
        shut_box(&backlog);
    }
}

static size_t resident(void)
{
    size_t all, here;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &all, &here), 2);
    fclose(file);
    return here * (size_t)sysconf(_SC_PAGESIZE);
}

/* The thread sanitizer keeps as much again of what is freed. */
static void a_backlog_is_given_back(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    enum { MIB = 1 << 20, BATCHES = 200 }; /* of 0.3 MiB */
    struct backlog backlog;
    open_box(&backlog, large_batches);
    put_rows(&backlog, BATCH_ROWS);
    store_all(&backlog);
    size_t before = resident();
    put_rows(&backlog, BATCHES * BATCH_ROWS);
    size_t held = resident() - before, counted = (size_t)stats_of(&backlog).pending_bytes;
    assert_true(counted > 50 * MIB);
    assert_in_range(held, counted - 8 * MIB, counted + counted / 8 + 8 * MIB);
    store_all(&backlog);
    assert_true(resident() < before + 8 * MIB);
    shut_box(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(rests_with_two_spares),
        cmocka_unit_test(knows_what_is_usual),
        cmocka_unit_test(opens_with_less_where_there_is_no_memory),
        cmocka_unit_test(steady_adds_allocate_nothing),
        cmocka_unit_test(batches_that_pile_up_do_not_grow),
        cmocka_unit_test(merges_into_the_same_memory),
        cmocka_unit_test(merging_without_memory_loses_nothing),
        cmocka_unit_test(a_backlog_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
