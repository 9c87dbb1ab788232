/* SPDX-License-Identifier: MIT
 * The outbox, driven on a manual clock. */
#include "support/outbox_fixture.h"

#include <math.h>

/* ---- thresholds ---- */

static void test_size_flushes_early(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, NULL);
    put_rows(&box, 819);
    assert_null(wb_outbox_take(&box.outbox));
    put_rows(&box, 1);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_non_null(batch);
    assert_int_equal(wb_batch_rows(batch), 820);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_SIZE);
    store_batch(&box, batch);
    assert_int_equal(stats_of(&box).stored, 820);
    shut_box(&box);
}

static void test_age_flushes(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, NULL);
    put_rows(&box, 1);
    wb_clock_advance(box.clock, SECOND - 1);
    assert_null(wb_outbox_take(&box.outbox));
    wb_clock_advance(box.clock, 1);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_non_null(batch);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_AGE);
    store_batch(&box, batch);
    shut_box(&box);
}

static void small_bytes(wb_batcher_options *options)
{
    options->batch_bytes = 200;
}

static void test_bytes_flush(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, small_bytes);
    put_rows(&box, 20);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_non_null(batch);
    size_t bytes;
    wb_batch_tuples(batch, &bytes);
    assert_in_range(bytes, 1, 200);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_BYTES);
    store_batch(&box, batch);
    shut_box(&box);
}

static void no_early(wb_batcher_options *options)
{
    options->batch_size = 10;
    options->flush_at = 1;
}

static void test_batches_never_exceed_their_size(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    put_rows(&box, 35);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    const size_t sizes[] = {10, 10, 10, 5};
    for (size_t i = 0; i < 4; i++) {
        wb_batch *batch = wb_outbox_take(&box.outbox);
        assert_int_equal(wb_batch_rows(batch), sizes[i]);
        assert_int_equal(first_n(batch), 10 * i);
        store_batch(&box, batch);
    }
    assert_null(wb_outbox_take(&box.outbox));
    shut_box(&box);
}

static void test_waiting_batches_merge(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    box.outbox.merge_rows = 25;
    put_rows(&box, 35);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_int_equal(wb_batch_rows(batch), 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(n_at(batch, i), i);
    store_batch(&box, batch);
    batch = wb_outbox_take(&box.outbox);
    assert_int_equal(wb_batch_rows(batch), 15);
    store_batch(&box, batch);
    assert_int_equal(stats_of(&box).stored, 35);
    shut_box(&box);
}

/* ---- failures ---- */

static void test_failed_batch_comes_back_with_its_id(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    put_rows(&box, 3);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    uint8_t id[16];
    for (unsigned attempt = 1; attempt <= 12; attempt++) {
        wb_batch *batch = wb_outbox_take(&box.outbox);
        assert_non_null(batch);
        assert_int_equal(wb_batch_attempt(batch), attempt);
        if (attempt == 1)
            memcpy(id, wb_batch_id(batch), 16);
        assert_memory_equal(wb_batch_id(batch), id, 16);
        fail_batch(&box, batch, WB_RETRY, 0);
        int64_t wait_us = wb_outbox_next_due_us(&box.outbox.box) - wb_clock_now_us(box.clock);
        assert_true(wait_us >= 0 &&
                    wait_us <= wb_backoff_ceiling_us(&box.outbox.box.retry, attempt));
        wb_clock_advance(box.clock, wait_us);
    }
    wb_stats stats = stats_of(&box);
    assert_int_equal(stats.failures, 12);
    assert_int_equal(stats.retries, 11);
    assert_int_equal(stats.consecutive_failures, 12);
    assert_int_equal(stats.health, WB_HEALTH_RETRYING);
    store_batch(&box, wb_outbox_take(&box.outbox));
    stats = stats_of(&box);
    assert_int_equal(stats.stored, 3);
    assert_int_equal(stats.consecutive_failures, 0);
    assert_int_equal(stats.health, WB_HEALTH_OK);
    shut_box(&box);
}

static void three_attempts(wb_batcher_options *options)
{
    no_early(options);
    options->retry.attempts = 3;
}

static void test_attempts_end_in_death_but_not_on_hold(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, three_attempts);
    put_rows(&box, 2);
    for (int attempt = 1; attempt <= 8; attempt++) {
        wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
        fail_batch(&box, wb_outbox_take(&box.outbox), WB_HOLD, 0);
        assert_int_equal(stats_of(&box).health, WB_HEALTH_HOLDING);
    }
    assert_int_equal(stats_of(&box).pending, 2);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    fail_batch(&box, wb_outbox_take(&box.outbox), WB_RETRY, 0);
    assert_int_equal(stats_of(&box).dead, 2);
    assert_int_equal(stats_of(&box).pending, 0);
    shut_box(&box);
}

static void test_stored_part_is_not_sent_again(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    put_rows(&box, 8);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    fail_batch(&box, wb_outbox_take(&box.outbox), WB_RETRY, 5);
    assert_int_equal(stats_of(&box).stored, 5);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_int_equal(wb_batch_rows(batch), 3);
    assert_int_equal(first_n(batch), 5);
    store_batch(&box, batch);
    shut_box(&box);
}

/* A batch that fails every time must not keep the others from the store. */
static void test_stubborn_batch_stops_nobody(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    put_rows(&box, 50);
    int stored = 0;
    for (int step = 0; step < 1000 && stored < 4; step++) {
        wb_batch *batch = wb_outbox_take(&box.outbox);
        if (batch == NULL) {
            wb_clock_advance(box.clock,
                             wb_outbox_next_due_us(&box.outbox.box) - wb_clock_now_us(box.clock));
        } else if (first_n(batch) == 0) {
            fail_batch(&box, batch, WB_RETRY, 0);
        } else {
            store_batch(&box, batch);
            stored++;
        }
    }
    assert_int_equal(stored, 4);
    shut_box(&box);
}

static void test_one_at_a_time_while_failing(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    put_rows(&box, 30);
    wb_batch *first = wb_outbox_take(&box.outbox);
    wb_batch *second = wb_outbox_take(&box.outbox);
    assert_non_null(first);
    assert_non_null(second);
    fail_batch(&box, first, WB_RETRY, 0);
    wb_clock_advance(box.clock, 60 * SECOND);
    assert_null(wb_outbox_take(&box.outbox));
    store_batch(&box, second);
    wb_batch *third = wb_outbox_take(&box.outbox);
    assert_non_null(third);
    store_batch(&box, third);
    store_batch(&box, wb_outbox_take(&box.outbox));
    assert_int_equal(stats_of(&box).stored, 30);
    shut_box(&box);
}

static void test_settled_mark(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, no_early);
    put_rows(&box, 3);
    uint64_t mark = wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    put_rows(&box, 3);
    assert_false(wb_box_settled(&box.outbox.box, mark));
    store_batch(&box, wb_outbox_take(&box.outbox));
    assert_true(wb_box_settled(&box.outbox.box, mark));
    assert_int_equal(stats_of(&box).pending, 3);
    shut_box(&box);
}

/* ---- rejected rows ---- */

/* Writes all that is due to a store that rejects a batch with any row that `bad` names; answers the writes. */
static int deliver(struct box *box, bool (*bad)(int64_t n))
{
    int writes = 0;
    wb_batch *batch;
    while ((batch = wb_outbox_take(&box->outbox)) != NULL) {
        bool rejected = false;
        for (size_t i = 0; i < wb_batch_rows(batch); i++)
            rejected = rejected || bad(n_at(batch, i));
        writes++;
        if (rejected)
            fail_batch(box, batch, WB_REJECT, 0);
        else
            store_batch(box, batch);
        stats_of(box);
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

/* At most 2 log2(n) + 2 writes, wherever the row is and however many there are. */
static void test_one_bad_row_is_found(void **state)
{
    (void)state;
    for (int rows = 2; rows <= 128; rows += rows < 20 ? 1 : 9) {
        for (the_bad_one = 0; the_bad_one < rows; the_bad_one++) {
            struct box box;
            open_box(&box, hundred_a_batch);
            put_rows(&box, rows);
            wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
            assert_true(deliver(&box, is_the_bad_one) <= 2 * log2(rows) + 2);
            wb_stats stats = stats_of(&box);
            assert_int_equal(stats.stored, rows - 1);
            assert_int_equal(stats.dead, 1);
            assert_int_equal(stats.health, WB_HEALTH_OK);
            shut_box(&box);
        }
    }
}

static void test_many_bad_rows_are_found(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, hundred_a_batch);
    put_rows(&box, 128);
    deliver(&box, every_tenth);
    assert_int_equal(stats_of(&box).stored, 115);
    assert_int_equal(stats_of(&box).dead, 13);
    shut_box(&box);
}

static void test_store_that_rejects_all_kills_none(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, hundred_a_batch);
    put_rows(&box, 300);
    for (int i = 0; i < 50; i++) {
        wb_clock_advance(box.clock, 40 * SECOND);
        assert_in_range(deliver(&box, all_of_them), 0, 40);
        assert_int_equal(stats_of(&box).health, WB_HEALTH_HOLDING);
    }
    assert_int_equal(stats_of(&box).dead, 0);
    assert_int_equal(stats_of(&box).pending, 300);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    deliver(&box, none_of_them);
    assert_int_equal(stats_of(&box).stored, 300);
    shut_box(&box);
}

/* Alone it can't be told from a broken store; once others were taken, it can. */
static void test_lone_bad_row_waits_for_a_good_one(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, hundred_a_batch);
    the_bad_one = 0;
    put_rows(&box, 1);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    deliver(&box, is_the_bad_one);
    assert_int_equal(stats_of(&box).health, WB_HEALTH_HOLDING);
    put_rows(&box, 1);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    wb_clock_advance(box.clock, 60 * SECOND);
    deliver(&box, is_the_bad_one);
    wb_clock_advance(box.clock, 60 * SECOND);
    deliver(&box, is_the_bad_one);
    assert_int_equal(stats_of(&box).stored, 1);
    assert_int_equal(stats_of(&box).dead, 1);
    shut_box(&box);
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
    struct box box;
    wb_err err;
    open_box(&box, at_most_five);
    put_rows(&box, 5);
    assert_int_equal(put(&box, &err), WB_FULL);
    assert_non_null(strstr(err.text, "max_pending_rows"));
    wb_value bad[1] = {text_value("no number")};
    assert_int_equal(wb_outbox_put(&box.outbox, bad, 1, NULL, NULL, &err), WB_INVALID);
    wb_stats stats = stats_of(&box);
    assert_int_equal(stats.accepted, 5);
    assert_int_equal(stats.rejected, 2);
    shut_box(&box);
}

static void test_overflow_drops_oldest(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, drop_oldest);
    put_rows(&box, 12);
    wb_stats stats = stats_of(&box);
    assert_int_equal(stats.accepted, 12);
    assert_int_equal(stats.dropped, 7);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_int_equal(first_n(batch), 7);
    assert_int_equal(wb_batch_rows(batch), 5);
    assert_int_equal(put(&box, NULL), WB_FULL); /* all are taken */
    store_batch(&box, batch);
    shut_box(&box);
}

static void test_overflow_drops_newest(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, drop_newest);
    put_rows(&box, 12);
    wb_stats stats = stats_of(&box);
    assert_int_equal(stats.accepted, 12);
    assert_int_equal(stats.dropped, 7);
    wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_int_equal(first_n(batch), 0);
    store_batch(&box, batch);
    shut_box(&box);
}

static void tiny_pending(wb_batcher_options *options)
{
    options->max_pending_bytes = 100;
}

static void test_row_larger_than_the_limit_is_invalid(void **state)
{
    (void)state;
    struct box box;
    wb_err err;
    char text[200];
    open_box(&box, tiny_pending);
    memset(text, 'a', sizeof text);
    wb_value values[2] = {int_value(1), {.kind = WB_TEXT, .bytes = sizeof text, .text = text}};
    assert_int_equal(wb_outbox_put(&box.outbox, values, 2, NULL, NULL, &err), WB_INVALID);
    assert_non_null(strstr(err.text, "max_pending_bytes"));
    shut_box(&box);
}

static void test_closed_refuses(void **state)
{
    (void)state;
    struct box box;
    open_box(&box, NULL);
    put_rows(&box, 2);
    wb_box_close(&box.outbox.box);
    assert_int_equal(put(&box, NULL), WB_CLOSED);
    wb_batch *batch = wb_outbox_take(&box.outbox);
    assert_int_equal(wb_batch_reason(batch), WB_REASON_CLOSE);
    store_batch(&box, batch);
    assert_int_equal(stats_of(&box).health, WB_HEALTH_CLOSED);
    shut_box(&box);
}

static void test_no_memory_loses_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        struct box box;
        wb_err err;
        open_box(&box, no_early);
        wb_alloc_fail_after(n);
        int accepted = 0;
        for (int i = 0; i < 40; i++) {
            int code = put(&box, &err);
            assert_true(code == WB_OK || code == WB_MEMORY);
            accepted += code == WB_OK;
        }
        wb_box_seal(&box.outbox.box, WB_REASON_FLUSH);
        box.outbox.merge_rows = 1000;
        wb_batch *batch;
        while ((batch = wb_outbox_take(&box.outbox)) != NULL)
            store_batch(&box, batch);
        wb_alloc_fail_after(0);
        assert_int_equal(stats_of(&box).stored, accepted);
        shut_box(&box);
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

static void complete_one(struct box *box, wb_batch **batch, uint64_t *random)
{
    uint64_t left = wb_batch_rows(*batch);
    switch (random_below(random, 4)) {
    case 0:
        fail_batch(box, *batch, (int)random_below(random, 3), random_below(random, left + 1));
        break;
    case 1:
        fail_batch(box, *batch, WB_RETRY, 0);
        break;
    default:
        store_batch(box, *batch);
    }
    *batch = NULL;
}

static void step(struct box *box, wb_batch *flight[IN_FLIGHT], uint64_t *random)
{
    wb_batch **slot = &flight[random_below(random, IN_FLIGHT)];
    switch (random_below(random, 10)) {
    case 0:
        wb_clock_advance(box->clock, (int64_t)random_below(random, 2 * SECOND));
        break;
    case 1:
        wb_box_seal(&box->outbox.box, WB_REASON_FLUSH);
        break;
    case 2:
    case 3:
        if (*slot == NULL)
            *slot = wb_outbox_take(&box->outbox);
        else
            complete_one(box, slot, random);
        break;
    default:
        put(box, NULL);
    }
}

static uint64_t rows_left(const wb_batch *batch)
{
    uint64_t rows = 0;
    for (; batch != NULL; batch = batch->next)
        rows += wb_batch_left(batch);
    return rows;
}

static size_t suspects_in(const wb_batch *batch)
{
    size_t count = 0;
    for (; batch != NULL; batch = batch->next)
        count += batch->suspect;
    return count;
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
        struct box box;
        wb_batch *flight[IN_FLIGHT] = {NULL};
        uint64_t random = 42 + (uint64_t)overflow;
        open_box(&box, any_size);
        box.outbox.overflow = overflow;
        box.outbox.merge_rows = overflow % 2 == 0 ? 20 : 0;
        for (int i = 0; i < 20000; i++) {
            step(&box, flight, &random);
            uint64_t held = rows_left(box.outbox.open) + rows_left(box.outbox.sealed.first) +
                            rows_left(box.outbox.taken.first);
            assert_int_equal(stats_of(&box).pending, held);
            assert_true(box.outbox.sealed.suspects == suspects_in(box.outbox.sealed.first));
            assert_true(wb_batches_due_us(&box.outbox.sealed) == due_of(box.outbox.sealed.first));
        }
        for (int i = 0; i < IN_FLIGHT; i++) {
            if (flight[i] != NULL)
                store_batch(&box, flight[i]);
        }
        shut_box(&box);
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
        cmocka_unit_test(test_no_memory_loses_nothing),
        cmocka_unit_test(test_rows_are_conserved_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
