/* SPDX-License-Identifier: MIT
 * The outbox where things meet: rejections with outages and with fresh rows, doubt with bisection, overflow
 * with nothing due, clocks and delays at the ends of their range. */
#include "support/outbox_fixture.h"

#include <poll.h>

#define HOUR (3600 * SECOND)

enum { PATIENCE_MS = 5000 }; /* with the kernel, on a busy machine */

static void two_a_batch(wb_batcher_options *options)
{
    options->batch_size = 2;
    options->flush_at = 1;
}

static void four_a_batch(wb_batcher_options *options)
{
    options->batch_size = 4;
    options->flush_at = 1;
}

static void hundred_a_batch(wb_batcher_options *options)
{
    options->batch_size = 100;
    options->flush_at = 1;
    options->max_pending_rows = 100000;
}

static bool has_n(const wb_batch *batch, int64_t n)
{
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        if (n_at(batch, i) == n)
            return true;
    }
    return false;
}

static void store_all_due(struct backlog *backlog)
{
    wb_batch *batch;
    while ((batch = wb_outbox_take(&backlog->outbox)) != NULL)
        store_batch(backlog, batch);
}

/* A well store and a clock that goes on: nobody flushes. */
static void store_for_an_hour(struct backlog *backlog)
{
    for (int i = 0; i < 90; i++) {
        wb_clock_advance(backlog->clock, 40 * SECOND);
        store_all_due(backlog);
    }
}

static void flush(struct backlog *backlog)
{
    wb_backlog_seal(&backlog->outbox.backlog, WB_REASON_FLUSH);
}

/* ---- rejections and what comes between ---- */

/* Each write finds a fresh batch waiting, which must not be merged into what is being halved. */
static void test_bad_row_is_found_while_rows_keep_coming(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_a_batch);
    merge_up_to(&backlog, 1600);
    put_rows(&backlog, 100);
    for (int step = 0; step < 300 && stats_of(&backlog).dead == 0; step++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        if (batch == NULL) {
            wb_clock_advance(backlog.clock, SECOND);
            continue;
        }
        put_rows(&backlog, 100);
        if (has_n(batch, 0))
            fail_batch(&backlog, batch, WB_REJECT, 0);
        else
            store_batch(&backlog, batch);
    }
    assert_int_equal(stats_of(&backlog).dead, 1);
    shut_box(&backlog);
}

/* Of the first two rows one is left a suspect, the other failed otherwise; then all of the next two are
 * rejected, which holds both batches. */
static void check_suspects_are_tried_again(int first_class, int second_class)
{
    struct backlog backlog;
    open_box(&backlog, two_a_batch);
    put_rows(&backlog, 2);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_REJECT, 0);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), first_class, 0);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), second_class, 0);
    put_rows(&backlog, 2);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    for (int i = 0; i < 3; i++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_non_null(batch);
        assert_in_range(first_n(batch), 2, 3);
        fail_batch(&backlog, batch, WB_REJECT, 0);
    }
    assert_int_equal(stats_of(&backlog).health, WB_HEALTH_HOLDING);
    store_for_an_hour(&backlog);
    assert_int_equal(stats_of(&backlog).stored, 4);
    assert_int_equal(stats_of(&backlog).health, WB_HEALTH_OK);
    shut_box(&backlog);
}

static void test_suspects_of_two_batches_are_tried_again(void **state)
{
    (void)state;
    check_suspects_are_tried_again(WB_REJECT, WB_RETRY);
    check_suspects_are_tried_again(WB_RETRY, WB_REJECT);
}

static void two_a_batch_once(wb_batcher_options *options)
{
    two_a_batch(options);
    options->retry.attempts = 1;
}

static void test_suspect_outlives_the_part_that_was_given_up(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, two_a_batch_once);
    put_rows(&backlog, 2);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_REJECT, 0);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_REJECT, 0);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 0);
    assert_int_equal(stats_of(&backlog).dead, 1);
    assert_int_equal(stats_of(&backlog).pending, 1);
    store_for_an_hour(&backlog);
    assert_int_equal(stats_of(&backlog).stored, 1);
    assert_int_equal(stats_of(&backlog).pending, 0);
    shut_box(&backlog);
}

/* ---- doubt ---- */

/* Of four rows, rejected together, the first two are written under an id of their own; the answer is lost. */
static void doubt_the_first_half(struct backlog *backlog, uint8_t id[16])
{
    put_rows(backlog, 4);
    fail_batch(backlog, wb_outbox_take(&backlog->outbox), WB_REJECT, 0);
    wb_batch *half = wb_outbox_take(&backlog->outbox);
    assert_non_null(half);
    assert_int_equal(first_n(half), 0);
    assert_int_equal(wb_batch_rows(half), 2);
    memcpy(id, wb_batch_id(half), 16);
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "the connection broke");
    err.in_doubt = true;
    wb_ending ending = {.err = &err};
    wb_outbox_complete(&backlog->outbox, half, &ending);
}

static void assert_as_doubted(const wb_batch *batch, const uint8_t id[16])
{
    assert_true(batch->in_doubt);
    assert_memory_equal(wb_batch_id(batch), id, 16);
    assert_int_equal(wb_batch_rows(batch), 2);
}

static void test_doubted_half_comes_back_as_it_was_though_the_rest_is_rejected(void **state)
{
    (void)state;
    struct backlog backlog;
    uint8_t id[16];
    bool seen = false;
    open_box(&backlog, four_a_batch);
    doubt_the_first_half(&backlog, id);
    for (int i = 0; i < 60 && !seen; i++) {
        wb_clock_advance(backlog.clock, 40 * SECOND);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        if (batch == NULL)
            continue;
        seen = has_n(batch, 0);
        if (seen) {
            assert_as_doubted(batch, id);
            store_batch(&backlog, batch);
        } else {
            fail_batch(&backlog, batch, WB_REJECT, 0);
        }
    }
    assert_true(seen);
    shut_box(&backlog);
}

/* All else is rejected as soon as the gate opens, down to what is held: the half waits for its delay still. */
static void test_holding_leaves_a_doubted_half_apart(void **state)
{
    (void)state;
    struct backlog backlog;
    uint8_t id[16];
    wb_batch *batch;
    open_box(&backlog, four_a_batch);
    doubt_the_first_half(&backlog, id);
    put_rows(&backlog, 4);
    wb_clock_advance(backlog.clock, wb_outbox_next_due_us(&backlog.outbox.backlog) -
                                        wb_clock_now_us(backlog.clock));
    while ((batch = wb_outbox_take(&backlog.outbox)) != NULL && first_n(batch) >= 2)
        fail_batch(&backlog, batch, WB_REJECT, 0);
    if (batch == NULL) {
        assert_int_equal(stats_of(&backlog).health, WB_HEALTH_HOLDING);
        flush(&backlog);
        while ((batch = wb_outbox_take(&backlog.outbox)) != NULL && !has_n(batch, 0))
            store_batch(&backlog, batch);
    }
    assert_non_null(batch);
    assert_as_doubted(batch, id);
    store_batch(&backlog, batch);
    store_for_an_hour(&backlog);
    assert_int_equal(stats_of(&backlog).pending, 0);
    shut_box(&backlog);
}

/* ---- clocks and delays at their ends ---- */

static void test_clock_before_1970(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box_at(&backlog, -5 * SECOND, NULL);
    put_rows(&backlog, 1);
    assert_null(wb_outbox_take(&backlog.outbox));
    wb_clock_advance(backlog.clock, 2 * SECOND);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_int_equal(stats_of(&backlog).stored, 1);
    shut_box(&backlog);
}

/* Delays that would end after the end of time last until it. */
static void test_clock_near_its_end(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box_at(&backlog, INT64_MAX - 10 * SECOND, NULL);
    put_rows(&backlog, 1);
    flush(&backlog);
    for (int i = 0; i < 12; i++) {
        int64_t now_us = wb_clock_now_us(backlog.clock);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        if (batch != NULL)
            fail_batch(&backlog, batch, WB_RETRY, 0);
        assert_true(batch == NULL || wb_outbox_next_due_us(&backlog.outbox.backlog) >= now_us);
        wb_clock_advance(backlog.clock, SECOND);
    }
    assert_int_equal(wb_clock_now_us(backlog.clock), INT64_MAX);
    flush(&backlog);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void never_by_age(wb_batcher_options *options)
{
    options->interval_us = WB_NEVER;
}

static void test_interval_that_never_ends_waits_for_a_flush(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, never_by_age);
    put_rows(&backlog, 1);
    assert_int_equal(wb_outbox_next_due_us(&backlog.outbox.backlog), WB_NEVER);
    wb_clock_advance(backlog.clock, 24 * HOUR);
    assert_null(wb_outbox_take(&backlog.outbox));
    flush(&backlog);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void retry_never(wb_batcher_options *options)
{
    options->retry.initial_us = WB_NEVER;
    options->retry.max_us = WB_NEVER;
}

static void test_longest_retry_delay_is_no_delay_in_the_past(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, retry_never);
    put_rows(&backlog, 1);
    for (int i = 0; i < 100; i++) {
        flush(&backlog);
        fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 0);
        assert_true(wb_outbox_next_due_us(&backlog.outbox.backlog) >
                    wb_clock_now_us(backlog.clock));
        assert_null(wb_outbox_take(&backlog.outbox));
    }
    flush(&backlog);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void test_waiting_for_what_is_due_leaves_a_manual_clock(void **state)
{
    (void)state;
    wb_clock *clock;
    wb_batcher *batcher;
    wb_batcher_options options;
    wb_value values[2] = {int_value(1), text_value("x")};
    assert_ok(wb_clock_new(1000 * SECOND, &clock, NULL));
    wb_batcher_options_init(&options);
    wb_schema *schema = small_schema();
    options.schema = schema;
    options.table = "t";
    options.clock = clock;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    assert_ok(wb_batcher_add(batcher, values, 2, NULL, NULL));
    wb_pipeline_seal(wb_batcher_pipeline(batcher), WB_REASON_FLUSH);
    wb_pipeline_wait_until(wb_batcher_pipeline(batcher),
                           wb_pipeline_next_due_us(wb_batcher_pipeline(batcher)));
    assert_int_equal(wb_pipeline_now_us(wb_batcher_pipeline(batcher)), 1000 * SECOND);
    wb_batch *batch = wb_batcher_take(batcher);
    assert_non_null(batch);
    wb_batcher_complete(batcher, batch, &(wb_outcome){.code = WB_OK});
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_clock_unref(clock);
    wb_schema_unref(schema);
}

/* ---- whose turn ---- */

static void test_failed_batch_gets_its_turn_under_steady_load(void **state)
{
    (void)state;
    struct backlog backlog;
    bool done = false;
    open_box(&backlog, hundred_a_batch);
    merge_up_to(&backlog, 1600);
    put_rows(&backlog, 100);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 0);
    for (int i = 0; i < 100 && !done; i++) {
        put_rows(&backlog, 100);
        wb_clock_advance(backlog.clock, SECOND);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        if (batch == NULL)
            continue;
        done = first_n(batch) == 0;
        store_batch(&backlog, batch);
    }
    assert_true(done);
    shut_box(&backlog);
}

/* ---- full ---- */

static void drop_oldest_of_two_thousand_bytes(wb_batcher_options *options)
{
    options->batch_size = 1;
    options->flush_at = 1;
    options->max_pending_bytes = 2000;
    options->overflow = WB_OVERFLOW_DROP_OLDEST;
}

/* What is taken can't give way: dropping all the others would not make room for a row this large. */
static void test_nothing_is_dropped_in_vain(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_err err;
    char text[1500];
    open_box(&backlog, drop_oldest_of_two_thousand_bytes);
    memset(text, 'x', sizeof text);
    wb_value values[2] = {int_value(-1), {.kind = WB_TEXT, .bytes = sizeof text, .text = text}};
    assert_ok(wb_outbox_put(&backlog.outbox, values, 2, NULL, NULL, NULL));
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    put_rows(&backlog, 5);
    assert_int_equal(wb_outbox_put(&backlog.outbox, values, 2, NULL, NULL, &err), WB_FULL);
    assert_non_null(strstr(err.text, "max_pending_bytes"));
    assert_int_equal(stats_of(&backlog).dropped, 0);
    assert_int_equal(stats_of(&backlog).pending, 6);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void hundred_in_an_hour(wb_batcher_options *options)
{
    options->max_pending_rows = 100;
    options->interval_us = HOUR;
}

static void few_bytes_in_an_hour(wb_batcher_options *options)
{
    options->max_pending_bytes = 2000;
    options->interval_us = HOUR;
}

static int refused_or_dropped(struct backlog *backlog)
{
    wb_stats stats = stats_of(backlog);
    return (int)(stats.rejected + stats.dropped);
}

/* The limit is below the batch's own: the rows would wait for an age that is far away. */
static void check_full_delivers_at_once(void (*limit)(wb_batcher_options *), int overflow)
{
    struct backlog backlog;
    open_box(&backlog, limit);
    backlog.outbox.overflow = overflow;
    for (int i = 0; i < 1000 && refused_or_dropped(&backlog) == 0; i++)
        put(&backlog, NULL);
    assert_int_equal(refused_or_dropped(&backlog), 1);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    assert_int_equal(wb_batch_rows(batch), stats_of(&backlog).pending);
    store_batch(&backlog, batch);
    put_rows(&backlog, 1);
    assert_int_equal(stats_of(&backlog).pending, 1);
    shut_box(&backlog);
}

static void test_full_outbox_delivers_at_once(void **state)
{
    (void)state;
    const int overflows[] = {WB_OVERFLOW_REJECT, WB_OVERFLOW_BLOCK, WB_OVERFLOW_DROP_NEWEST};
    for (size_t i = 0; i < sizeof overflows / sizeof *overflows; i++) {
        check_full_delivers_at_once(hundred_in_an_hour, overflows[i]);
        check_full_delivers_at_once(few_bytes_in_an_hour, overflows[i]);
    }
}

static bool is_readable(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, wait_ms) == 1;
}

static void five_in_an_hour(wb_batcher_options *options)
{
    options->max_pending_rows = 5;
    options->interval_us = HOUR;
}

/* All rows are taken: nothing is due, so the event alone makes it readable. */
static void test_descriptor_tells_of_a_refused_row(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, five_in_an_hour);
    int fd = wb_backlog_fd(&backlog.outbox.backlog);
    assert_true(fd >= 0);
    put_rows(&backlog, 5);
    flush(&backlog);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    wb_event nearly_full;
    assert_true(wb_backlog_event(&backlog.outbox.backlog, &nearly_full));
    assert_false(wb_log_waiting(backlog.log));
    assert_false(is_readable(fd, 0));
    assert_int_equal(put(&backlog, NULL), WB_FULL);
    assert_true(wb_log_waiting(backlog.log));
    assert_true(is_readable(fd, PATIENCE_MS));
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_row_is_found_while_rows_keep_coming),
        cmocka_unit_test(test_suspects_of_two_batches_are_tried_again),
        cmocka_unit_test(test_suspect_outlives_the_part_that_was_given_up),
        cmocka_unit_test(test_doubted_half_comes_back_as_it_was_though_the_rest_is_rejected),
        cmocka_unit_test(test_holding_leaves_a_doubted_half_apart),
        cmocka_unit_test(test_clock_before_1970),
        cmocka_unit_test(test_clock_near_its_end),
        cmocka_unit_test(test_interval_that_never_ends_waits_for_a_flush),
        cmocka_unit_test(test_longest_retry_delay_is_no_delay_in_the_past),
        cmocka_unit_test(test_waiting_for_what_is_due_leaves_a_manual_clock),
        cmocka_unit_test(test_failed_batch_gets_its_turn_under_steady_load),
        cmocka_unit_test(test_nothing_is_dropped_in_vain),
        cmocka_unit_test(test_full_outbox_delivers_at_once),
        cmocka_unit_test(test_descriptor_tells_of_a_refused_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
