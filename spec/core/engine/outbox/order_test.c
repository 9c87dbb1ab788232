/* SPDX-License-Identifier: MIT
 * Strict order where rows are refused: bad rows that come first, without a witness, hold up no others for ever. */
#include "support/outbox_fixture.h"

static const int32_t the_key[] = {0}, the_merge[] = {WB_MERGE_KEEP, WB_MERGE_SET};
static const wb_upsert overwrite = {
    .key = the_key, .key_count = 1, .newest = -1, .merge = the_merge};

static void small_batches(wb_batcher_options *options)
{
    options->batch_size = 32;
}

static void large_batches(wb_batcher_options *options)
{
    options->batch_size = 1000;
}

/* The first rows are bad, as many as `bad`. Answers how many were stored within so many writes. */
static uint64_t deliver(struct backlog *backlog, int64_t bad, int writes)
{
    wb_outbox *outbox = &backlog->outbox;
    seed_box(backlog, 1);
    while (writes > 0 && stats_of(backlog).pending > 0) {
        wb_batch *batch = wb_outbox_take(outbox);
        if (batch == NULL)
            wb_clock_advance(backlog->clock, SECOND);
        else if (first_n(batch) < bad)
            fail_batch(backlog, batch, WB_REJECT, 0);
        else
            store_batch(backlog, batch);
        writes -= batch != NULL;
    }
    return stats_of(backlog).stored;
}

static void test_bad_row_comes_first(void **state)
{
    (void)state;
    struct backlog backlog;
    open_keyed_box(&backlog, small_schema(), &overwrite, WB_DEDUPE_NONE, NULL);
    for (int i = 0; i < 3; i++) {
        put_rows(&backlog, 1);
        wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    }
    assert_int_equal(deliver(&backlog, 1, 10), 2);
    assert_int_equal(stats_of(&backlog).dead, 1);
    shut_box(&backlog);
}

/* More than a sample has where rows may be drawn. */
static void test_many_bad_rows_come_first(void **state)
{
    (void)state;
    struct backlog backlog;
    open_keyed_box(&backlog, small_schema(), &overwrite, WB_DEDUPE_NONE, large_batches);
    put_rows(&backlog, 700);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    assert_int_equal(deliver(&backlog, 600, 6000), 100);
    assert_int_equal(stats_of(&backlog).dead, 600);
    shut_box(&backlog);
}

/* What is held is tried again after what is not. */
static void test_bad_batches_come_first(void **state)
{
    (void)state;
    struct backlog backlog;
    open_keyed_box(&backlog, small_schema(), &overwrite, WB_DEDUPE_NONE, small_batches);
    put_rows(&backlog, 1100);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    assert_int_equal(deliver(&backlog, 1000, 30000), 100);
    assert_int_equal(stats_of(&backlog).dead, 1000);
    shut_box(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_row_comes_first),
        cmocka_unit_test(test_many_bad_rows_come_first),
        cmocka_unit_test(test_bad_batches_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
