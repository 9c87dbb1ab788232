/* SPDX-License-Identifier: MIT
 * What is done to an outbox while it runs: purge, configure, room; and what the log says of its limits. */
#include "support/outbox_fixture.h"

#include <pthread.h>
#include <stdio.h>

static void ten_in_an_hour(wb_batcher_options *options)
{
    options->max_pending_rows = 10;
    options->batch_size = 4;
    options->flush_at = 1;
    options->interval_us = 3600 * SECOND;
    options->retry.initial_us = options->retry.max_us = SECOND;
}

/* The text of the next event; "" where there is none. */
static const char *next_text(struct backlog *backlog)
{
    static wb_event event;
    do {
        if (!wb_backlog_event(&backlog->outbox.backlog, &event))
            return "";
    } while (event.kind != WB_EVENT_LOG);
    return event.text;
}

/* ---- purge ---- */

static void test_purge_drops_what_waits(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, ten_in_an_hour);
    assert_int_equal(wb_outbox_purge(&backlog.outbox), 0);
    assert_string_equal(next_text(&backlog), "");
    put_rows(&backlog, 7);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    uint64_t ticket = wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_POLICY);
    assert_int_equal(wb_outbox_purge(&backlog.outbox), 3);
    assert_int_equal(stats_of(&backlog).pending, 4);
    assert_int_equal(stats_of(&backlog).dropped, 3);
    assert_false(wb_backlog_settled(&backlog.outbox.backlog, ticket));
    assert_string_equal(next_text(&backlog), "purged: dropped all 3 rows that waited");
    store_batch(&backlog, batch);
    assert_true(wb_backlog_settled(&backlog.outbox.backlog, ticket));
    put_rows(&backlog, 2); /* open */
    assert_int_equal(wb_outbox_purge(&backlog.outbox), 2);
    assert_int_equal(stats_of(&backlog).pending, 0);
    assert_int_equal(stats_of(&backlog).pending_bytes, 0);
    assert_int_equal(wb_backlog_next_due_us(&backlog.outbox.backlog), WB_NEVER);
    shut_box(&backlog);
}

/* The parts of a refused batch, but the one that is written. */
static void test_purge_leaves_a_trial_to_its_last_part(void **state)
{
    (void)state;
    for (int class = -1; class <= WB_HOLD; class ++) {
        struct backlog backlog;
        open_box(&backlog, ten_in_an_hour);
        put_rows(&backlog, 4);
        fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_REJECT, 0);
        wb_clock_advance(backlog.clock, 10 * SECOND);
        wb_batch *part = wb_outbox_take(&backlog.outbox);
        size_t rows = wb_batch_rows(part);
        assert_true(rows < 4);
        assert_int_equal(wb_outbox_purge(&backlog.outbox), 4 - rows);
        if (class < 0)
            store_batch(&backlog, part);
        else
            fail_batch(&backlog, part, class, 0);
        wb_outbox_purge(&backlog.outbox);
        assert_int_equal(stats_of(&backlog).pending, 0);
        assert_null(backlog.outbox.trials);
        put_rows(&backlog, 4);
        wb_clock_advance(backlog.clock, 100 * SECOND);
        store_batch(&backlog, wb_outbox_take(&backlog.outbox));
        shut_box(&backlog);
    }
}

/* ---- the limits ---- */

static void test_limits_are_said_once(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, ten_in_an_hour);
    put_rows(&backlog, 8);
    assert_string_equal(next_text(&backlog), "");
    put_rows(&backlog, 2);
    assert_string_equal(next_text(&backlog),
                        "nearly full: 8 rows of at most 10 are pending (max_pending_rows)");
    assert_string_equal(next_text(&backlog), "");
    store_batch(&backlog, wb_outbox_take(&backlog.outbox)); /* 6 are left */
    put_rows(&backlog, 4);                                  /* 10 again */
    assert_string_equal(next_text(&backlog), "");
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_string_equal(next_text(&backlog), "");
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_memory_equal(next_text(&backlog), "there is room again: 2 rows of ", 31);
    assert_string_equal(next_text(&backlog), "");
    wb_clock_advance(backlog.clock, 60 * SECOND);
    put_rows(&backlog, 7);
    assert_memory_equal(next_text(&backlog), "nearly full", 11);
    wb_outbox_purge(&backlog.outbox);
    assert_memory_equal(next_text(&backlog), "there is room again: 0 rows", 27);
    shut_box(&backlog);
}

static void little_memory(wb_batcher_options *options)
{
    ten_in_an_hour(options);
    options->max_pending_rows = WB_NO_LIMIT;
    options->max_pending_bytes = 1000;
    options->overflow = WB_OVERFLOW_DROP_OLDEST;
}

static void test_bytes_are_said_too(void **state)
{
    (void)state;
    struct backlog backlog;
    uint64_t rows, bytes;
    open_box(&backlog, little_memory);
    wb_outbox_room(&backlog.outbox, &rows, &bytes);
    assert_true(rows == UINT64_MAX && bytes == 1000);
    put_rows(&backlog, 1);
    uint64_t weight = stats_of(&backlog).pending_bytes;
    wb_outbox_room(&backlog.outbox, &rows, &bytes);
    assert_int_equal(bytes, 1000 - weight);
    put_rows(&backlog, (int)(800 / weight) - 1);
    assert_string_equal(next_text(&backlog), "");
    put_rows(&backlog, 1);
    const char *text = next_text(&backlog);
    assert_non_null(strstr(text, "bytes of at most 1000 are pending (max_pending_bytes)"));
    shut_box(&backlog);
}

/* ---- configure ---- */

static void configure(struct backlog *backlog, void (*change)(wb_batcher_options *),
                      void (*more)(wb_batcher_options *))
{
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.schema = backlog->schema;
    options.table = "t";
    change(&options);
    more(&options);
    wb_monitor_lock(&backlog->outbox.backlog.monitor);
    wb_outbox_configure(&backlog->outbox, &options);
    wb_monitor_unlock(&backlog->outbox.backlog.monitor);
}

static void soon(wb_batcher_options *options)
{
    options->interval_us = SECOND;
}

static void small(wb_batcher_options *options)
{
    options->batch_size = 2;
    options->max_pending_rows = 3;
}

static void large(wb_batcher_options *options)
{
    options->batch_size = 100;
    options->max_pending_rows = 100;
}

static void test_a_shorter_interval_counts_at_once(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, ten_in_an_hour);
    put_rows(&backlog, 1);
    wb_clock_advance(backlog.clock, 2 * SECOND);
    assert_null(wb_outbox_take(&backlog.outbox));
    configure(&backlog, ten_in_an_hour, soon);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void test_a_smaller_batch_counts_for_what_gathers(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_choice choice = {.table = "other", .overflow = WB_OVERFLOW_REJECT};
    open_box(&backlog, ten_in_an_hour);
    wb_value values[2] = {int_value(1), text_value("x")};
    for (int i = 0; i < 3; i++)
        assert_ok(wb_outbox_put(&backlog.outbox, values, 2, &choice, NULL, NULL));
    assert_null(wb_outbox_take(&backlog.outbox));
    configure(&backlog, ten_in_an_hour, small);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    assert_int_equal(wb_batch_rows(batch), 2);
    store_batch(&backlog, batch);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_int_equal(stats_of(&backlog).pending, 0);
    shut_box(&backlog);
}

static void test_lower_limits_drop_nothing(void **state)
{
    (void)state;
    struct backlog backlog;
    uint64_t rows, bytes;
    open_box(&backlog, ten_in_an_hour);
    put_rows(&backlog, 7); /* 4 sealed, 3 open */
    configure(&backlog, ten_in_an_hour, small);
    assert_int_equal(stats_of(&backlog).pending, 7);
    wb_outbox_room(&backlog.outbox, &rows, &bytes);
    assert_int_equal(rows, 0);
    assert_int_equal(put(&backlog, NULL), WB_FULL);
    size_t sizes[4];
    for (int i = 0; i < 4; i++) { /* also what was sealed before is written in small batches */
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_non_null(batch);
        sizes[i] = wb_batch_rows(batch);
        store_batch(&backlog, batch);
    }
    assert_true(sizes[0] == 2 && sizes[1] == 2 && sizes[2] == 2 && sizes[3] == 1);
    put_rows(&backlog, 2);
    configure(&backlog, ten_in_an_hour, large);
    put_rows(&backlog, 60);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_int_equal(stats_of(&backlog).pending, 0);
    shut_box(&backlog);
}

/* ---- of a batcher, with a thread ---- */

static wb_batcher *threaded(wb_store *store, wb_schema *schema)
{
    wb_batcher *batcher;
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = store;
    options.schema = schema;
    options.table = "t";
    options.interval_us = 3600 * SECOND;
    options.max_pending_rows = 2;
    options.overflow = WB_OVERFLOW_BLOCK;
    options.block_timeout_us = 60 * SECOND;
    options.flush_at = 1;
    options.log_events = true;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    return batcher;
}

static int add_row(wb_batcher *batcher)
{
    wb_value values[2] = {int_value(1), text_value("x")};
    return wb_batcher_add(batcher, values, 2, NULL, NULL);
}

static void test_configure_is_all_or_nothing(void **state)
{
    (void)state;
    wb_err err;
    wb_store *store;
    wb_schema *schema = small_schema();
    assert_ok(wb_store_memory(SIZE_MAX, &store, NULL));
    wb_batcher *batcher = threaded(store, schema);
    wb_batcher_options options, after;
    wb_batcher_options_of(batcher, &options);
    assert_int_equal(options.max_pending_rows, 2);
    options.interval_us = SECOND;
    options.batch_size = 0;
    assert_int_equal(wb_batcher_configure(batcher, &options, &err), WB_MISUSE);
    assert_string_equal(err.text, "batch_size: must be 1 or more");
    wb_batcher_options_of(batcher, &after);
    assert_int_equal(after.interval_us, 3600 * SECOND);
    struct {
        const char *name;
        wb_batcher_options changed;
    } fixed[] = {{"table", after},  {"name", after},   {"dead_path", after},    {"store", after},
                 {"events", after}, {"driven", after}, {"dedupe_column", after}};
    fixed[0].changed.table = "other";
    fixed[1].changed.name = NULL;
    fixed[2].changed.dead_path = "dead.ndjson";
    fixed[3].changed.store = NULL;
    fixed[4].changed.events++;
    fixed[5].changed.driven = true;
    fixed[6].changed.dedupe_column = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s: can't change while the batcher runs", fixed[i].name);
        assert_int_equal(wb_batcher_configure(batcher, &fixed[i].changed, &err), WB_MISUSE);
        assert_string_equal(err.text, text);
    }
    options.batch_size = 7;
    options.table = "t"; /* the text counts */
    assert_ok(wb_batcher_configure(batcher, &options, NULL));
    wb_batcher_options_of(batcher, &after);
    assert_int_equal(after.batch_size, 7);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_schema_unref(schema);
    wb_store_unref(store);
}

enum { MANY = 2000 };

static void *add_many(void *batcher)
{
    for (int i = 0; i < MANY; i++)
        assert_ok(add_row(batcher));
    return NULL;
}

static void change(wb_batcher *batcher, uint64_t rows, int64_t timeout_us)
{
    uint64_t left, bytes;
    wb_batcher_options options;
    wb_batcher_options_of(batcher, &options);
    options.max_pending_rows = options.batch_size = rows;
    options.interval_us = options.write_timeout_us = options.close_timeout_us = timeout_us;
    options.overflow = rows % 2 == 0 ? WB_OVERFLOW_BLOCK : WB_OVERFLOW_DROP_NEWEST;
    assert_ok(wb_batcher_configure(batcher, &options, NULL));
    assert_ok(wb_batcher_room(batcher, &left, &bytes, NULL));
}

/* For ThreadSanitizer, and rows are conserved. */
static void test_changes_while_threads_add(void **state)
{
    (void)state;
    wb_store *store;
    wb_schema *schema = small_schema();
    assert_ok(wb_store_memory(SIZE_MAX, &store, NULL));
    wb_batcher *batcher = threaded(store, schema);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, batcher), 0);
    uint64_t purged = 0, rows;
    for (int i = 0; i < 200; i++) {
        change(batcher, 1 + (uint64_t)i % 50, 1000 + i);
        assert_ok(wb_batcher_purge(batcher, &rows, NULL));
        purged += rows;
    }
    change(batcher, 100000, 60 * SECOND); /* whoever waits has room now */
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), WB_NEVER, NULL));
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL));
    assert_int_equal(stats.accepted, 2 * MANY);
    assert_int_equal(stats.accepted, stats.stored + stats.dropped);
    assert_true(stats.dropped >= purged);
    assert_ok(wb_batcher_purge(batcher, &rows, NULL));
    assert_int_equal(rows, 0);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_schema_unref(schema);
    wb_store_unref(store);
}

/* Once two rows are pending, and not in the thread's hands. */
static void *purge(void *batcher)
{
    wb_stats stats;
    uint64_t rows = 0;
    do
        assert_ok(wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL));
    while (stats.pending < 2);
    while (rows == 0)
        assert_ok(wb_batcher_purge(batcher, &rows, NULL));
    return NULL;
}

/* The interval is an hour, and the store can't be reached: nothing else would make room, or end the flush. */
static void test_purge_wakes_who_waits(void **state)
{
    (void)state;
    wb_store *store;
    wb_schema *schema = small_schema();
    assert_ok(wb_store_sqlite("/nowhere/at/all.db", false, &store, NULL));
    wb_batcher *batcher = threaded(store, schema);
    wb_batcher_options options;
    wb_batcher_options_of(batcher, &options);
    options.retry.initial_us = options.retry.max_us = 3600 * SECOND;
    assert_ok(wb_batcher_configure(batcher, &options, NULL));
    assert_ok(add_row(batcher));
    assert_ok(add_row(batcher));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, purge, batcher), 0);
    assert_ok(add_row(batcher)); /* waits for room */
    pthread_join(thread, NULL);
    assert_ok(add_row(batcher));
    assert_int_equal(pthread_create(&thread, NULL, purge, batcher), 0);
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), wb_now_us() + 600 * SECOND, NULL));
    pthread_join(thread, NULL);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_schema_unref(schema);
    wb_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_purge_drops_what_waits),
        cmocka_unit_test(test_purge_leaves_a_trial_to_its_last_part),
        cmocka_unit_test(test_limits_are_said_once),
        cmocka_unit_test(test_bytes_are_said_too),
        cmocka_unit_test(test_a_shorter_interval_counts_at_once),
        cmocka_unit_test(test_a_smaller_batch_counts_for_what_gathers),
        cmocka_unit_test(test_lower_limits_drop_nothing),
        cmocka_unit_test(test_configure_is_all_or_nothing),
        cmocka_unit_test(test_changes_while_threads_add),
        cmocka_unit_test(test_purge_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
