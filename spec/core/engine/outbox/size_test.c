/* SPDX-License-Identifier: MIT
 * How large writes are, on a store that is well and slow: it takes a time for each write and for each row, and gives
 * up at the deadline. Time is a clock's. */
#include "support/outbox_fixture.h"

#define TIMEOUT (10 * SECOND)

static void small_batches(wb_batcher_options *options)
{
    options->batch_size = 100;
    options->flush_at = 1;
    options->max_pending_rows = 100000;
    options->retry.attempts = 2;
}

/* A store that is slow, and what it has. */
struct slow {
    int64_t write_us, row_us;
    bool stored[100000];
    unsigned writes;
    size_t largest, last; /* rows of a write that was stored */
};

static void time_is_up(struct backlog *backlog, wb_batch *batch)
{
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "canceling statement due to statement timeout");
    err.timed_out = true;
    wb_outbox_complete(&backlog->outbox, batch, &(wb_ending){.err = &err, .elapsed_us = TIMEOUT});
}

static void is_stored(struct backlog *backlog, struct slow *slow, wb_batch *batch, int64_t took_us)
{
    slow->last = wb_batch_rows(batch);
    slow->largest = slow->last > slow->largest ? slow->last : slow->largest;
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        assert_false(slow->stored[n_at(batch, i)]);
        slow->stored[n_at(batch, i)] = true;
    }
    wb_outbox_complete(&backlog->outbox, batch, &(wb_ending){.elapsed_us = took_us});
}

static void write(struct backlog *backlog, struct slow *slow, wb_batch *batch)
{
    int64_t took_us = slow->write_us + slow->row_us * (int64_t)wb_batch_rows(batch);
    slow->writes++;
    wb_clock_advance(backlog->clock, took_us < TIMEOUT ? took_us : TIMEOUT);
    if (took_us >= TIMEOUT)
        time_is_up(backlog, batch);
    else
        is_stored(backlog, slow, batch, took_us);
}

/* Until nothing is left. */
static void drain(struct backlog *backlog, struct slow *slow, unsigned most_writes)
{
    while (stats_of(backlog).pending > 0) {
        wb_batch *batch = wb_outbox_take(&backlog->outbox);
        if (batch != NULL)
            write(backlog, slow, batch);
        else
            wb_clock_advance(backlog->clock, SECOND / 10);
        assert_true(slow->writes <= most_writes);
    }
}

/* Whatever a row costs, all are stored, no attempt is counted, and the size is found in a few writes. */
static void slow_stores_drain(void **state)
{
    (void)state;
    static struct slow slow;
    const int64_t costs_us[] = {0, 100, 1000, 3000, 50000, 900000, 6000000};
    for (size_t i = 0; i < sizeof costs_us / sizeof *costs_us; i++) {
        struct backlog backlog;
        int rows = costs_us[i] < 10000 ? 5000 : 300;
        slow = (struct slow){.row_us = costs_us[i], .write_us = 1000};
        open_box(&backlog, small_batches);
        merge_up_to(&backlog, 1600);
        put_rows(&backlog, rows);
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
        int64_t fit = costs_us[i] > 0 ? TIMEOUT / costs_us[i] : 1600;
        drain(&backlog, &slow, 11 + 4 * (unsigned)rows / (unsigned)(fit < 1600 ? fit : 1600) + 4);
        assert_int_equal(stats_of(&backlog).stored, rows);
        assert_int_equal(stats_of(&backlog).dead, 0);
        shut_box(&backlog);
    }
}

/* It was slow for a while: writes grow again, by steps, to what they were. */
static void sizes_grow_again(void **state)
{
    (void)state;
    static struct slow slow;
    struct backlog backlog;
    slow = (struct slow){.row_us = 100000, .write_us = 1000};
    open_box(&backlog, small_batches);
    merge_up_to(&backlog, 1600);
    put_rows(&backlog, 2000);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    drain(&backlog, &slow, 200);
    assert_in_range(slow.last, 1, 99);
    slow.row_us = 10;
    for (int i = 0; i < 40; i++) {
        put_rows(&backlog, 1600);
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
        drain(&backlog, &slow, 10000);
    }
    assert_int_equal(slow.largest, 1600);
    shut_box(&backlog);
}

/* Rows that may be in go out again as they went: with their id, however often their time is up. */
static void doubt_is_not_cut(void **state)
{
    (void)state;
    struct backlog backlog;
    uint8_t id[16];
    open_box(&backlog, small_batches);
    put_rows(&backlog, 100);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    memcpy(id, wb_batch_id(batch), sizeof id);
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "no answer from the server in time");
    err.timed_out = err.in_doubt = true;
    wb_outbox_complete(&backlog.outbox, batch, &(wb_ending){.err = &err});
    wb_clock_advance(backlog.clock, 60 * SECOND);
    batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 100);
    assert_memory_equal(wb_batch_id(batch), id, sizeof id);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

/* Parts have ids of their own, and the order of rows. */
static void parts_keep_order(void **state)
{
    (void)state;
    struct backlog backlog;
    uint8_t ids[2][16];
    open_box(&backlog, small_batches);
    put_rows(&backlog, 100);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    memcpy(ids[0], wb_batch_id(batch), 16);
    time_is_up(&backlog, batch);
    for (int i = 0; i < 2; i++) {
        wb_clock_advance(backlog.clock, 60 * SECOND);
        batch = wb_outbox_take(&backlog.outbox);
        assert_int_equal(wb_batch_rows(batch), 50);
        assert_int_equal(first_n(batch), i * 50);
        assert_int_equal(wb_batch_attempt(batch), 1);
        assert_memory_not_equal(wb_batch_id(batch), ids[i], 16);
        memcpy(ids[1], wb_batch_id(batch), 16);
        store_batch(&backlog, batch);
    }
    shut_box(&backlog);
}

/* A single row has no smaller form: its attempts end. */
static void one_row_has_attempts(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, small_batches);
    put_rows(&backlog, 1);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    for (int i = 0; i < 2; i++) {
        wb_batch *batch = NULL;
        while ((batch = wb_outbox_take(&backlog.outbox)) == NULL)
            wb_clock_advance(backlog.clock, SECOND);
        time_is_up(&backlog, batch);
    }
    assert_int_equal(stats_of(&backlog).dead, 1);
    shut_box(&backlog);
}

/* A part of a refused batch that is too much for a slow store comes back smaller, too. */
static void parts_of_a_trial_are_cut(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    merge_up_to(&backlog, 100);
    put_rows(&backlog, 100);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_REJECT, 0);
    wb_batch *half = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(half), 50);
    time_is_up(&backlog, half);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    wb_batch *part = wb_outbox_take(&backlog.outbox);
    assert_non_null(part);
    assert_in_range(wb_batch_rows(part), 1, 25);
    assert_true(wb_trial_divides(part));
    store_batch(&backlog, part);
    shut_box(&backlog);
}

/* Without memory for a part the batch goes out whole. */
static void without_memory(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, small_batches);
    put_rows(&backlog, 100);
    time_is_up(&backlog, wb_outbox_take(&backlog.outbox));
    wb_clock_advance(backlog.clock, 60 * SECOND);
    wb_alloc_fail_after(1);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    wb_alloc_fail_after(0);
    assert_int_equal(wb_batch_rows(batch), 100);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_stores_drain),        cmocka_unit_test(sizes_grow_again),
        cmocka_unit_test(doubt_is_not_cut),         cmocka_unit_test(parts_keep_order),
        cmocka_unit_test(one_row_has_attempts),     cmocka_unit_test(without_memory),
        cmocka_unit_test(parts_of_a_trial_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
