/* SPDX-License-Identifier: MIT
 * Verdicts by row, driven on a manual clock; without memory too. */
#include "support/outbox_fixture.h"

enum { ROWS = 10 };

static void keeping_dead(wb_batcher_options *options)
{
    options->batch_size = ROWS;
    options->flush_at = 1;
    options->dead_events = true;
    options->retry.attempts = 0;
}

static void say(struct backlog *backlog, wb_batch *batch, const wb_verdict *verdicts)
{
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "some");
    wb_outbox_complete(&backlog->outbox, batch, &(wb_ending){.err = &err, .verdicts = verdicts});
}

static void store_the_rest(struct backlog *backlog)
{
    for (int i = 0; i < 100 && stats_of(backlog).pending > 0; i++) {
        wb_clock_advance(backlog->clock, 60 * SECOND);
        wb_batch *batch = wb_outbox_take(&backlog->outbox);
        if (batch != NULL)
            store_batch(backlog, batch);
    }
}

static void free_dead(struct backlog *backlog)
{
    wb_batch *dead;
    while ((dead = wb_outbox_next_dead(&backlog->outbox)) != NULL)
        wb_batch_free(dead);
}

static void test_rows_part_by_what_is_said_of_them(void **state)
{
    (void)state;
    const wb_verdict verdicts[ROWS] = {
        [1] = {WB_FATE_REJECT, "bad"}, [4] = {WB_FATE_RETRY, NULL}, [9] = {WB_FATE_RETRY, NULL}};
    struct backlog backlog;
    uint8_t id[16];
    open_box(&backlog, keeping_dead);
    put_rows(&backlog, ROWS);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    memcpy(id, wb_batch_id(batch), sizeof id);
    say(&backlog, batch, verdicts);
    assert_int_equal(stats_of(&backlog).stored, 7);
    assert_int_equal(stats_of(&backlog).dead, 1);
    assert_int_equal(stats_of(&backlog).consecutive_failures, 0);
    wb_batch *dead = wb_outbox_next_dead(&backlog.outbox);
    assert_int_equal(first_n(dead), 1);
    assert_string_equal(wb_batch_error(dead), "bad");
    wb_batch_free(dead);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 2);
    assert_int_equal(n_at(batch, 0), 4);
    assert_int_equal(n_at(batch, 1), 9);
    assert_int_equal(wb_batch_attempt(batch), 2);
    assert_memory_not_equal(wb_batch_id(batch), id, sizeof id);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void try_once(wb_batcher_options *options)
{
    keeping_dead(options);
    options->retry.attempts = 1;
}

static void test_what_is_to_come_again_dies_of_a_last_attempt(void **state)
{
    (void)state;
    const wb_verdict verdicts[ROWS] = {[4] = {WB_FATE_RETRY, NULL}, [9] = {WB_FATE_RETRY, NULL}};
    struct backlog backlog;
    open_box(&backlog, try_once);
    put_rows(&backlog, ROWS);
    say(&backlog, wb_outbox_take(&backlog.outbox), verdicts);
    wb_stats stats = stats_of(&backlog);
    assert_true(stats.stored == 8 && stats.dead == 2 && stats.pending == 0);
    free_dead(&backlog);
    shut_box(&backlog);
}

static void test_what_is_to_come_again_whole_is_the_same_batch(void **state)
{
    (void)state;
    const wb_verdict verdicts[2] = {{WB_FATE_RETRY, NULL}, {WB_FATE_RETRY, NULL}};
    struct backlog backlog;
    uint8_t id[16];
    open_box(&backlog, keeping_dead);
    put_rows(&backlog, 2);
    wb_clock_advance(backlog.clock, SECOND);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    memcpy(id, wb_batch_id(batch), sizeof id);
    say(&backlog, batch, verdicts);
    assert_int_equal(stats_of(&backlog).consecutive_failures, 1);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    batch = wb_outbox_take(&backlog.outbox);
    assert_memory_equal(wb_batch_id(batch), id, sizeof id);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

/* Each allocation in turn: rows that are stored don't come again, the others do. */
static void test_without_memory_what_is_stored_is_stored(void **state)
{
    (void)state;
    for (int stored = 0; stored < 2; stored++) {
        wb_verdict verdicts[ROWS] = {[0] = {WB_FATE_REJECT, "bad"},
                                     [3] = {WB_FATE_REJECT, "bad"},
                                     [5] = {WB_FATE_RETRY, NULL}};
        for (int row = 0; row < ROWS && !stored; row++)
            verdicts[row].fate =
                verdicts[row].fate == WB_FATE_STORED ? WB_FATE_RETRY : verdicts[row].fate;
        for (size_t n = 1; n < 30; n++) {
            struct backlog backlog;
            open_box(&backlog, keeping_dead);
            put_rows(&backlog, ROWS);
            wb_batch *batch = wb_outbox_take(&backlog.outbox);
            wb_alloc_fail_after(n);
            say(&backlog, batch, verdicts);
            wb_alloc_fail_after(0);
            assert_int_equal(stats_of(&backlog).stored, stored ? 7 : 0);
            store_the_rest(&backlog);
            assert_int_equal(stats_of(&backlog).pending, 0);
            assert_int_equal(stats_of(&backlog).stored + stats_of(&backlog).dead, ROWS);
            assert_true(stats_of(&backlog).dead == 0 || stats_of(&backlog).dead == 2 || !stored);
            free_dead(&backlog);
            shut_box(&backlog);
        }
    }
}

/* Of any mixture, in any part of a trial: nothing is lost, nothing is stored twice, nothing dies without a witness. */
static void test_any_mixture_conserves_rows(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 500; round++) {
        struct backlog backlog;
        bool seen[4 * ROWS] = {false};
        open_box(&backlog, keeping_dead);
        put_rows(&backlog, 4 * ROWS);
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
        for (int step = 0; step < 1000 && stats_of(&backlog).pending > 0; step++) {
            wb_clock_advance(backlog.clock, 60 * SECOND);
            wb_batch *batch = wb_outbox_take(&backlog.outbox);
            if (batch == NULL)
                continue;
            wb_verdict verdicts[4 * ROWS] = {{0, NULL}};
            size_t rows = wb_batch_rows(batch), named = 0;
            for (size_t row = 0; row < rows; row++) {
                random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                verdicts[row].fate = (int)((random >> 33) % 8 > 4 ? (random >> 40) % 3 : 0);
                named += verdicts[row].fate != WB_FATE_STORED;
                if (verdicts[row].fate == WB_FATE_STORED) {
                    assert_false(seen[n_at(batch, row)]);
                    seen[n_at(batch, row)] = true;
                }
            }
            if (named > 0)
                say(&backlog, batch, verdicts);
            else
                store_batch(&backlog, batch);
        }
        assert_int_equal(stats_of(&backlog).pending, 0);
        uint64_t stored = 0;
        for (int n = 0; n < 4 * ROWS; n++)
            stored += seen[n];
        assert_int_equal(stats_of(&backlog).stored, stored);
        free_dead(&backlog);
        shut_box(&backlog);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_part_by_what_is_said_of_them),
        cmocka_unit_test(test_what_is_to_come_again_dies_of_a_last_attempt),
        cmocka_unit_test(test_what_is_to_come_again_whole_is_the_same_batch),
        cmocka_unit_test(test_without_memory_what_is_stored_is_stored),
        cmocka_unit_test(test_any_mixture_conserves_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
