/* SPDX-License-Identifier: MIT
 * The outbox, driven on a manual clock. */
#include "support/outbox_fixture.h"

#include <math.h>

/* ---- thresholds ---- */

static void test_size_flushes_early(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_rows(&backlog, 819);
    assert_null(wb_outbox_take(&backlog.outbox));
    put_rows(&backlog, 1);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    assert_int_equal(wb_batch_rows(batch), 820);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_SIZE);
    store_batch(&backlog, batch);
    assert_int_equal(stats_of(&backlog).stored, 820);
    shut_box(&backlog);
}

static void test_age_flushes(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_rows(&backlog, 1);
    wb_clock_advance(backlog.clock, SECOND - 1);
    assert_null(wb_outbox_take(&backlog.outbox));
    wb_clock_advance(backlog.clock, 1);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_AGE);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void small_bytes(wb_batcher_options *options)
{
    options->batch_bytes = 200;
}

static void test_bytes_flush(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, small_bytes);
    put_rows(&backlog, 20);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_non_null(batch);
    size_t bytes;
    wb_batch_tuples(batch, &bytes);
    assert_in_range(bytes, 1, 200);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_BYTES);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void no_early(wb_batcher_options *options)
{
    options->batch_size = 10;
    options->flush_at = 1;
}

static void test_batches_never_exceed_their_size(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    put_rows(&backlog, 35);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    const size_t sizes[] = {10, 10, 10, 5};
    for (size_t i = 0; i < 4; i++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_int_equal(wb_batch_rows(batch), sizes[i]);
        assert_int_equal(first_n(batch), 10 * i);
        store_batch(&backlog, batch);
    }
    assert_null(wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void test_waiting_batches_merge(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    merge_up_to(&backlog, 25);
    put_rows(&backlog, 35);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(n_at(batch, i), i);
    store_batch(&backlog, batch);
    batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 15);
    store_batch(&backlog, batch);
    assert_int_equal(stats_of(&backlog).stored, 35);
    shut_box(&backlog);
}

/* ---- failures ---- */

static void test_failed_batch_comes_back_with_its_id(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    put_rows(&backlog, 3);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    uint8_t id[16];
    for (unsigned attempt = 1; attempt <= 12; attempt++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_non_null(batch);
        assert_int_equal(wb_batch_attempt(batch), attempt);
        if (attempt == 1)
            memcpy(id, wb_batch_id(batch), 16);
        assert_memory_equal(wb_batch_id(batch), id, 16);
        fail_batch(&backlog, batch, WB_RETRY, 0);
        int64_t wait_us =
            wb_outbox_next_due_us(&backlog.outbox.backlog) - wb_clock_now_us(backlog.clock);
        assert_true(wait_us >= 0 &&
                    wait_us <= wb_backoff_ceiling_us(&backlog.outbox.backlog.retry, attempt));
        wb_clock_advance(backlog.clock, wait_us);
    }
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.failures, 12);
    assert_int_equal(stats.retries, 11);
    assert_int_equal(stats.consecutive_failures, 12);
    assert_int_equal(stats.health, WB_HEALTH_RETRYING);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    stats = stats_of(&backlog);
    assert_int_equal(stats.stored, 3);
    assert_int_equal(stats.consecutive_failures, 0);
    assert_int_equal(stats.health, WB_HEALTH_OK);
    shut_box(&backlog);
}

static void three_attempts(wb_batcher_options *options)
{
    no_early(options);
    options->retry.attempts = 3;
}

static void test_attempts_end_in_death_but_not_on_hold(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, three_attempts);
    put_rows(&backlog, 2);
    for (int attempt = 1; attempt <= 8; attempt++) {
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
        fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_HOLD, 0);
        assert_int_equal(stats_of(&backlog).health, WB_HEALTH_HOLDING);
    }
    assert_int_equal(stats_of(&backlog).pending, 2);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 0);
    assert_int_equal(stats_of(&backlog).dead, 2);
    assert_int_equal(stats_of(&backlog).pending, 0);
    shut_box(&backlog);
}

static void test_stored_part_is_not_sent_again(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    put_rows(&backlog, 8);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 5);
    assert_int_equal(stats_of(&backlog).stored, 5);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 3);
    assert_int_equal(first_n(batch), 5);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

/* A batch that fails every time must not keep the others from the store. */
static void test_stubborn_batch_stops_nobody(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    put_rows(&backlog, 50);
    int stored = 0;
    for (int step = 0; step < 1000 && stored < 4; step++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        if (batch == NULL) {
            wb_clock_advance(backlog.clock, wb_outbox_next_due_us(&backlog.outbox.backlog) -
                                                wb_clock_now_us(backlog.clock));
        } else if (first_n(batch) == 0) {
            fail_batch(&backlog, batch, WB_RETRY, 0);
        } else {
            store_batch(&backlog, batch);
            stored++;
        }
    }
    assert_int_equal(stored, 4);
    shut_box(&backlog);
}

static void test_one_at_a_time_while_failing(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    put_rows(&backlog, 30);
    wb_batch *first = wb_outbox_take(&backlog.outbox);
    wb_batch *second = wb_outbox_take(&backlog.outbox);
    assert_non_null(first);
    assert_non_null(second);
    fail_batch(&backlog, first, WB_RETRY, 0);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    assert_null(wb_outbox_take(&backlog.outbox));
    store_batch(&backlog, second);
    wb_batch *third = wb_outbox_take(&backlog.outbox);
    assert_non_null(third);
    store_batch(&backlog, third);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_int_equal(stats_of(&backlog).stored, 30);
    shut_box(&backlog);
}

static void test_settled_mark(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, no_early);
    put_rows(&backlog, 3);
    uint64_t mark = wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    put_rows(&backlog, 3);
    assert_false(wb_backlog_settled(&backlog.outbox.backlog, mark));
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_true(wb_backlog_settled(&backlog.outbox.backlog, mark));
    assert_int_equal(stats_of(&backlog).pending, 3);
    shut_box(&backlog);
}

/* ---- rejected rows ---- */

/* Writes all that is due to a store that rejects a batch with any row that `bad` names; answers the writes. */
static int deliver(struct backlog *backlog, bool (*bad)(int64_t n))
{
    int writes = 0;
    wb_batch *batch;
    while ((batch = wb_outbox_take(&backlog->outbox)) != NULL) {
        bool rejected = false;
        for (size_t i = 0; i < wb_batch_rows(batch); i++)
            rejected = rejected || bad(n_at(batch, i));
        writes++;
        if (rejected)
            fail_batch(backlog, batch, WB_REJECT, 0);
        else
            store_batch(backlog, batch);
        stats_of(backlog);
    }
    return writes;
}

static int64_t the_bad_one;

static bool is_the_bad_one(int64_t n)
{
    return n == the_bad_one;
}

static bool every_tenth(int64_t n)
{
    return n % 10 == 3;
}

static bool all_of_them(int64_t n)
{
    (void)n;
    return true;
}

static bool none_of_them(int64_t n)
{
    (void)n;
    return false;
}

static void hundred_a_batch(wb_batcher_options *options)
{
    options->batch_size = 128;
    options->flush_at = 1;
}

/* In at most 2 log2(n) + 2 writes, wherever the row is and however many there are. */
static void test_one_bad_row_is_found(void **state)
{
    (void)state;
    for (int rows = 2; rows <= 128; rows += rows < 20 ? 1 : 9) {
        for (the_bad_one = 0; the_bad_one < rows; the_bad_one++) {
            struct backlog backlog;
            open_box(&backlog, hundred_a_batch);
            put_rows(&backlog, rows);
            wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
            assert_true(deliver(&backlog, is_the_bad_one) <= 2 * ceil(log2(rows)) + 2);
            wb_stats stats = stats_of(&backlog);
            assert_int_equal(stats.stored, rows - 1);
            assert_int_equal(stats.dead, 1);
            assert_int_equal(stats.health, WB_HEALTH_OK);
            shut_box(&backlog);
        }
    }
}

static void test_many_bad_rows_are_found(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_a_batch);
    put_rows(&backlog, 128);
    deliver(&backlog, every_tenth);
    assert_int_equal(stats_of(&backlog).stored, 115);
    assert_int_equal(stats_of(&backlog).dead, 13);
    shut_box(&backlog);
}

static void test_store_that_rejects_all_kills_none(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_a_batch);
    put_rows(&backlog, 300);
    for (int i = 0; i < 50; i++) {
        wb_clock_advance(backlog.clock, 40 * SECOND);
        assert_in_range(deliver(&backlog, all_of_them), 0, i == 0 ? 8 + 16 : 3 * 128);
        assert_int_equal(stats_of(&backlog).health, WB_HEALTH_HOLDING);
    }
    assert_int_equal(stats_of(&backlog).dead, 0);
    assert_int_equal(stats_of(&backlog).pending, 300);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    deliver(&backlog, none_of_them);
    assert_int_equal(stats_of(&backlog).stored, 300);
    shut_box(&backlog);
}

/* Alone it can't be told from a broken store; once others were taken, it can. */
static void test_lone_bad_row_waits_for_a_good_one(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_a_batch);
    the_bad_one = 0;
    put_rows(&backlog, 1);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    deliver(&backlog, is_the_bad_one);
    assert_int_equal(stats_of(&backlog).health, WB_HEALTH_HOLDING);
    put_rows(&backlog, 1);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    deliver(&backlog, is_the_bad_one);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    deliver(&backlog, is_the_bad_one);
    assert_int_equal(stats_of(&backlog).stored, 1);
    assert_int_equal(stats_of(&backlog).dead, 1);
    shut_box(&backlog);
}

/* ---- overflow ---- */

static void at_most_five(wb_batcher_options *options)
{
    no_early(options);
    options->max_pending_rows = 5;
}

static void drop_oldest(wb_batcher_options *options)
{
    at_most_five(options);
    options->overflow = WB_OVERFLOW_DROP_OLDEST;
}

static void drop_newest(wb_batcher_options *options)
{
    at_most_five(options);
    options->overflow = WB_OVERFLOW_DROP_NEWEST;
}

static void test_overflow_rejects(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_err err;
    open_box(&backlog, at_most_five);
    put_rows(&backlog, 5);
    assert_int_equal(put(&backlog, &err), WB_FULL);
    assert_non_null(strstr(err.text, "max_pending_rows"));
    wb_value bad[1] = {text_value("no number")};
    assert_int_equal(wb_outbox_put(&backlog.outbox, bad, 1, NULL, NULL, &err), WB_INVALID);
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.accepted, 5);
    assert_int_equal(stats.rejected, 2);
    shut_box(&backlog);
}

static void test_overflow_drops_oldest(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, drop_oldest);
    put_rows(&backlog, 12);
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.accepted, 12);
    assert_int_equal(stats.dropped, 7);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(first_n(batch), 7);
    assert_int_equal(wb_batch_rows(batch), 5);
    assert_int_equal(put(&backlog, NULL), WB_FULL); /* all are taken */
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void test_overflow_drops_newest(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, drop_newest);
    put_rows(&backlog, 12);
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.accepted, 12);
    assert_int_equal(stats.dropped, 7);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(first_n(batch), 0);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void tiny_pending(wb_batcher_options *options)
{
    options->max_pending_bytes = 100;
}

static void test_row_larger_than_the_limit_is_invalid(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_err err;
    char text[200];
    open_box(&backlog, tiny_pending);
    memset(text, 'a', sizeof text);
    wb_value values[2] = {int_value(1), {.kind = WB_TEXT, .bytes = sizeof text, .text = text}};
    assert_int_equal(wb_outbox_put(&backlog.outbox, values, 2, NULL, NULL, &err), WB_INVALID);
    assert_non_null(strstr(err.text, "max_pending_bytes"));
    shut_box(&backlog);
}

static void test_closed_refuses(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_rows(&backlog, 2);
    wb_backlog_close(&backlog.outbox.backlog);
    assert_int_equal(put(&backlog, NULL), WB_CLOSED);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_CLOSE);
    store_batch(&backlog, batch);
    assert_int_equal(stats_of(&backlog).health, WB_HEALTH_CLOSED);
    shut_box(&backlog);
}

/* Those that were added are in, and no other. */
static void test_many_at_once_without_memory(void **state)
{
    (void)state;
    for (size_t n = 1; n < 20; n++) {
        struct backlog backlog;
        wb_value values[2] = {int_value(7), text_value("x")};
        uint8_t bytes[64];
        wb_tuple tuple = {.at = bytes};
        wb_tuple tuples[50];
        size_t added = 99;
        open_box(&backlog, no_early);
        assert_ok(wb_row_encode(backlog.schema, values, 2, bytes, &tuple.bytes, NULL));
        for (size_t i = 0; i < 50; i++)
            tuples[i] = tuple;
        wb_alloc_fail_after(n);
        int code = wb_outbox_put_tuples(&backlog.outbox, tuples, 50, &added, NULL, NULL);
        wb_alloc_fail_after(0);
        assert_int_equal(code, added == 50 ? WB_OK : WB_MEMORY);
        assert_int_equal(stats_of(&backlog).accepted, added);
        assert_int_equal(stats_of(&backlog).rejected, added < 50);
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
        for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;)
            store_batch(&backlog, batch);
        assert_int_equal(stats_of(&backlog).stored, added);
        shut_box(&backlog);
    }
}

static void keeping_dead(wb_batcher_options *options)
{
    no_early(options);
    options->dead_events = true;
}

static void fail_in_doubt(struct backlog *backlog, wb_batch *batch)
{
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "the connection was cut");
    err.in_doubt = true;
    wb_outbox_complete(&backlog->outbox, batch, &(wb_ending){.err = &err});
}

static void assert_next_dead(struct backlog *backlog, int64_t first, size_t rows, const char *why)
{
    wb_batch *dead = wb_outbox_next_dead(&backlog->outbox);
    assert_non_null(dead);
    assert_int_equal(first_n(dead), first);
    assert_int_equal(wb_batch_rows(dead), rows);
    assert_string_equal(wb_batch_error(dead), why);
    wb_batch_free(dead);
}

static void test_what_waits_is_given_up_and_what_is_taken_is_not(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, keeping_dead);
    put_rows(&backlog, 35);
    wb_batch *taken = wb_outbox_take(&backlog.outbox), *doubted = wb_outbox_take(&backlog.outbox);
    fail_in_doubt(&backlog, doubted);
    wb_backlog_close(&backlog.outbox.backlog);
    wb_outbox_give_up_all(&backlog.outbox, "no use");
    assert_int_equal(stats_of(&backlog).dead, 25);
    assert_int_equal(stats_of(&backlog).pending, 10);
    assert_next_dead(&backlog, 10, 10, "may be stored, the answer to its write was lost: no use");
    assert_next_dead(&backlog, 20, 10, "no use");
    assert_next_dead(&backlog, 30, 5, "no use");
    assert_null(wb_outbox_next_dead(&backlog.outbox));
    store_batch(&backlog, taken);
    assert_int_equal(stats_of(&backlog).stored, 10);
    assert_int_equal(stats_of(&backlog).health, WB_HEALTH_CLOSED);
    shut_box(&backlog);
}

static void test_no_memory_loses_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        struct backlog backlog;
        wb_err err;
        open_box(&backlog, no_early);
        wb_alloc_fail_after(n);
        int accepted = 0;
        for (int i = 0; i < 40; i++) {
            int code = put(&backlog, &err);
            assert_true(code == WB_OK || code == WB_MEMORY);
            accepted += code == WB_OK;
        }
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
        merge_up_to(&backlog, 1000);
        wb_batch *batch;
        while ((batch = wb_outbox_take(&backlog.outbox)) != NULL)
            store_batch(&backlog, batch);
        wb_alloc_fail_after(0);
        assert_int_equal(stats_of(&backlog).stored, accepted);
        shut_box(&backlog);
    }
}

/* ---- everything at random ---- */

static void any_size(wb_batcher_options *options)
{
    options->batch_size = 7;
    options->batch_bytes = 300;
    options->max_pending_rows = 60;
    options->max_pending_bytes = 3000;
    options->retry.attempts = 4;
}

enum { IN_FLIGHT = 4 };

static void complete_one(struct backlog *backlog, wb_batch **batch, uint64_t *random)
{
    uint64_t left = wb_batch_rows(*batch);
    switch (random_below(random, 4)) {
    case 0:
        fail_batch(backlog, *batch, (int)random_below(random, 3), random_below(random, left + 1));
        break;
    case 1:
        fail_batch(backlog, *batch, WB_RETRY, 0);
        break;
    default:
        store_batch(backlog, *batch);
    }
    *batch = NULL;
}

static void step(struct backlog *backlog, wb_batch *flight[IN_FLIGHT], uint64_t *random)
{
    wb_batch **slot = &flight[random_below(random, IN_FLIGHT)];
    switch (random_below(random, 10)) {
    case 0:
        wb_clock_advance(backlog->clock, (int64_t)random_below(random, 2 * SECOND));
        break;
    case 1:
        wb_backlog_seal(&backlog->outbox.backlog, WB_REASON_FLUSH);
        break;
    case 2:
    case 3:
        if (*slot == NULL)
            *slot = wb_outbox_take(&backlog->outbox);
        else
            complete_one(backlog, slot, random);
        break;
    default:
        put(backlog, NULL);
    }
}

static uint64_t rows_left(const wb_batch *batch)
{
    uint64_t rows = 0;
    for (; batch != NULL; batch = batch->next)
        rows += wb_batch_left(batch);
    return rows;
}

static int64_t due_of(const wb_batch *batch)
{
    int64_t due_us = WB_NEVER;
    for (; batch != NULL; batch = batch->next)
        due_us = batch->due_us < due_us ? batch->due_us : due_us;
    return due_us;
}

static void test_rows_are_conserved_whatever_happens(void **state)
{
    (void)state;
    for (int overflow = WB_OVERFLOW_REJECT; overflow <= WB_OVERFLOW_DROP_NEWEST; overflow++) {
        struct backlog backlog;
        wb_batch *flight[IN_FLIGHT] = {NULL};
        uint64_t random = 42 + (uint64_t)overflow;
        open_box(&backlog, any_size);
        backlog.outbox.overflow = overflow;
        merge_up_to(&backlog, overflow % 2 == 0 ? 20 : 0);
        for (int i = 0; i < 20000; i++) {
            step(&backlog, flight, &random);
            uint64_t held = rows_left(backlog.outbox.open) +
                            rows_left(backlog.outbox.sealed.first) +
                            rows_left(backlog.outbox.taken.first);
            assert_int_equal(stats_of(&backlog).pending, held);
            assert_true(wb_batch_list_due_us(&backlog.outbox.sealed) ==
                        due_of(backlog.outbox.sealed.first));
        }
        for (int i = 0; i < IN_FLIGHT; i++) {
            if (flight[i] != NULL)
                store_batch(&backlog, flight[i]);
        }
        shut_box(&backlog);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_flushes_early),
        cmocka_unit_test(test_age_flushes),
        cmocka_unit_test(test_bytes_flush),
        cmocka_unit_test(test_batches_never_exceed_their_size),
        cmocka_unit_test(test_waiting_batches_merge),
        cmocka_unit_test(test_failed_batch_comes_back_with_its_id),
        cmocka_unit_test(test_attempts_end_in_death_but_not_on_hold),
        cmocka_unit_test(test_stored_part_is_not_sent_again),
        cmocka_unit_test(test_stubborn_batch_stops_nobody),
        cmocka_unit_test(test_one_at_a_time_while_failing),
        cmocka_unit_test(test_settled_mark),
        cmocka_unit_test(test_one_bad_row_is_found),
        cmocka_unit_test(test_many_bad_rows_are_found),
        cmocka_unit_test(test_store_that_rejects_all_kills_none),
        cmocka_unit_test(test_lone_bad_row_waits_for_a_good_one),
        cmocka_unit_test(test_overflow_rejects),
        cmocka_unit_test(test_overflow_drops_oldest),
        cmocka_unit_test(test_overflow_drops_newest),
        cmocka_unit_test(test_row_larger_than_the_limit_is_invalid),
        cmocka_unit_test(test_closed_refuses),
        cmocka_unit_test(test_many_at_once_without_memory),
        cmocka_unit_test(test_what_waits_is_given_up_and_what_is_taken_is_not),
        cmocka_unit_test(test_no_memory_loses_nothing),
        cmocka_unit_test(test_rows_are_conserved_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
