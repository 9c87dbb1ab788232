/* SPDX-License-Identifier: MIT
 * Batchers and trackers with threads of their own, on the memory store: delivery, closing, letting go,
 * forks. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)

static int64_t in_seconds(int seconds)
{
    return wb_now_us() + seconds * SECOND;
}

static wb_batcher *memory_batcher(wb_store *store, int64_t interval_us)
{
    wb_schema *schema = small_schema();
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = store;
    options.schema = schema;
    options.table = "t";
    options.interval_us = interval_us;
    options.overflow = WB_OVERFLOW_BLOCK;
    options.block_timeout_us = 60 * SECOND;
    wb_batcher *batcher = NULL;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    wb_schema_unref(schema);
    return batcher;
}

static int add(wb_batcher *batcher, int64_t n)
{
    wb_value values[1] = {int_value(n)};
    return wb_batcher_add(batcher, values, 1, NULL, NULL);
}

static uint64_t stored_in(wb_store *store)
{
    wb_batch *rows = NULL;
    uint64_t total = 0;
    if (wb_store_memory_rows(store, "t", &rows, &total, NULL) == WB_OK)
        wb_batch_free(rows);
    return total;
}

static wb_store *memory_store(void)
{
    wb_store *store = NULL;
    assert_ok(wb_store_memory(SIZE_MAX, &store, NULL));
    return store;
}

static void test_rows_arrive_in_order(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    wb_batcher *batcher = memory_batcher(store, SECOND);
    for (int64_t i = 0; i < 5000; i++)
        assert_ok(add(batcher, i));
    assert_ok(wb_pipeline_flush(wb_batcher_pipeline(batcher), in_seconds(60), NULL));
    wb_batch *rows = NULL;
    assert_ok(wb_store_memory_rows(store, "t", &rows, NULL, NULL));
    assert_int_equal(wb_batch_rows(rows), 5000);
    for (size_t i = 0; i < 5000; i++) {
        wb_value values[2];
        wb_batch_values(rows, i, values);
        assert_int_equal(values[0].i, i);
        assert_int_equal(values[1].kind, WB_NULL);
    }
    wb_batch_free(rows);
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL));
    assert_int_equal(stats.stored, 5000);
    assert_int_equal(stats.latency.count, 5000);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
}

static void test_close_drains_and_is_idempotent(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    wb_batcher *batcher = memory_batcher(store, 3600 * SECOND);
    for (int64_t i = 0; i < 10; i++)
        assert_ok(add(batcher, i));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(60), NULL));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(60), NULL));
    assert_int_equal(add(batcher, 11), WB_CLOSED);
    assert_int_equal(stored_in(store), 10);
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL));
    assert_int_equal(stats.health, WB_HEALTH_CLOSED);
    assert_int_equal(stats.stored, 10);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
}

static void test_unused_batcher_closes(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    wb_batcher *batcher = memory_batcher(store, SECOND);
    assert_ok(wb_pipeline_flush(wb_batcher_pipeline(batcher), in_seconds(1), NULL));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(1), NULL));
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
}

static void test_detached_batcher_goes_on(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    for (int round = 0; round < 50; round++) {
        wb_batcher *batcher = memory_batcher(store, 3600 * SECOND);
        for (int64_t i = 0; i < 100; i++)
            assert_ok(add(batcher, i));
        wb_pipeline_detach(wb_batcher_pipeline(batcher));
    }
    int64_t deadline_us = in_seconds(60);
    while (stored_in(store) < 5000 && wb_now_us() < deadline_us)
        usleep(1000);
    assert_int_equal(stored_in(store), 5000);
    wb_store_unref(store);
}

static void test_interval_flushes_without_a_push(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    wb_batcher *batcher = memory_batcher(store, SECOND / 100);
    assert_ok(add(batcher, 1));
    int64_t deadline_us = in_seconds(60);
    while (stored_in(store) < 1 && wb_now_us() < deadline_us)
        usleep(1000);
    assert_int_equal(stored_in(store), 1);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
}

/* The child's verdict is its exit status. */
static int in_child(int (*body)(void *), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        exit(body(argument));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int add_and_close(void *argument)
{
    wb_batcher *batcher = argument;
    int code = add(batcher, 1);
    if (code != WB_OK)
        return code;
    return wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(60), NULL);
}

static void test_unused_batcher_works_in_a_child(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    wb_batcher *batcher = memory_batcher(store, SECOND);
    assert_int_equal(in_child(add_and_close, batcher), WB_OK);
    assert_ok(add(batcher, 2));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(60), NULL));
    assert_int_equal(stored_in(store), 1);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
}

static int use_all(void *argument)
{
    wb_batcher *batcher = argument;
    wb_stats stats;
    bool refused =
        wb_pipeline_flush(wb_batcher_pipeline(batcher), in_seconds(1), NULL) == WB_FORK &&
        wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(1), NULL) == WB_FORK &&
        wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL) == WB_FORK;
    int code = add(batcher, 1);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    return refused ? code : WB_MISUSE;
}

static void test_used_batcher_is_refused_in_a_child(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    wb_batcher *batcher = memory_batcher(store, 3600 * SECOND);
    assert_ok(add(batcher, 1));
    assert_int_equal(in_child(use_all, batcher), WB_FORK);
    assert_ok(add(batcher, 2));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), in_seconds(60), NULL));
    assert_int_equal(stored_in(store), 2);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
}

static void test_tracker_marks_memory(void **state)
{
    (void)state;
    wb_store *store = memory_store();
    const uint8_t known[16] = {1}, unknown[16] = {2};
    const wb_value known_id = uuid_value(known);
    assert_ok(wb_store_memory_put(store, "w", WB_TYPE_UUID, &known_id, 10, NULL));
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.store = store;
    options.table = "w";
    options.key = "id";
    options.column = "last_used_at";
    options.exact = true;
    wb_tracker *tracker = NULL;
    assert_ok(wb_tracker_new(&options, &tracker, NULL));
    assert_ok(wb_tracker_add_uuid(tracker, known, 30, NULL, NULL));
    assert_ok(wb_tracker_add_uuid(tracker, known, 20, NULL, NULL));
    assert_ok(wb_tracker_add_uuid(tracker, unknown, 20, NULL, NULL));
    assert_ok(wb_pipeline_flush(wb_tracker_pipeline(tracker), in_seconds(60), NULL));
    assert_int_equal(wb_store_memory_time_us(store, "w", WB_TYPE_UUID, &known_id), 30);
    assert_ok(wb_tracker_add_uuid(tracker, known, 25, NULL, NULL));
    assert_ok(wb_pipeline_close(wb_tracker_pipeline(tracker), in_seconds(60), NULL));
    assert_int_equal(wb_store_memory_time_us(store, "w", WB_TYPE_UUID, &known_id), 30);
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_tracker_pipeline(tracker), &stats, NULL));
    assert_int_equal(stats.accepted, 4);
    assert_int_equal(stats.unique, 3);
    assert_int_equal(stats.updated, 1);
    assert_int_equal(stats.unmatched, 1);
    wb_pipeline_detach(wb_tracker_pipeline(tracker));
    wb_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_arrive_in_order),
        cmocka_unit_test(test_close_drains_and_is_idempotent),
        cmocka_unit_test(test_unused_batcher_closes),
        cmocka_unit_test(test_detached_batcher_goes_on),
        cmocka_unit_test(test_interval_flushes_without_a_push),
        cmocka_unit_test(test_unused_batcher_works_in_a_child),
        cmocka_unit_test(test_used_batcher_is_refused_in_a_child),
        cmocka_unit_test(test_tracker_marks_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
