/* SPDX-License-Identifier: MIT
 * Rows of one key that become one while they wait: the cases that coalesce_model_test.c hardly meets. */
#include "support/outbox_fixture.h"

#include <pthread.h>
#include <string.h>

enum { KEY, SUM, NOTE, COLUMNS };

static const int32_t the_key[] = {KEY};
static const int32_t sums[COLUMNS] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_MAX};
static const int32_t lasts[COLUMNS] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_LAST};
static const wb_upsert unordered = {.key = the_key, .key_count = 1, .newest = -1, .merge = sums};
static const wb_upsert ordered = {.key = the_key, .key_count = 1, .newest = -1, .merge = lasts};

static wb_batcher_options wanted;

static void change(wb_batcher_options *options)
{
    options->coalesce = wanted.coalesce != NULL ? wanted.coalesce : &ordered;
    options->batch_size = wanted.batch_size > 0 ? wanted.batch_size : 100;
    options->flush_at = options->batch_size;
    if (wanted.max_pending_bytes > 0)
        options->max_pending_bytes = wanted.max_pending_bytes;
    if (wanted.batch_bytes > 0)
        options->batch_bytes = wanted.batch_bytes;
    options->overflow = wanted.overflow;
    options->policy = wanted.policy;
}

static void open_with(struct backlog *backlog, const wb_batcher_options *options)
{
    const wb_column columns[COLUMNS] = {
        {.name = "key", .type = WB_TYPE_INT4, .null = true},
        {.name = "sum", .type = WB_TYPE_INT8},
        {.name = "note", .type = WB_TYPE_TEXT},
    };
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, COLUMNS, &schema, NULL));
    wanted = *options;
    open_keyed_box(backlog, schema, NULL, WB_DEDUPE_NONE, change);
}

static int put_as(struct backlog *backlog, const char *table, int key, const char *note)
{
    wb_err err = {0};
    wb_value values[COLUMNS] = {key < 0 ? (wb_value){.kind = WB_NULL} : int_value(key),
                                int_value(1), text_value(note)};
    wb_choice choice = {.table = table, .overflow = backlog->outbox.overflow};
    return wb_outbox_put(&backlog->outbox, values, COLUMNS, &choice, NULL, &err);
}

static uint64_t flush(struct backlog *backlog)
{
    return wb_backlog_seal(&backlog->outbox.backlog, WB_REASON_FLUSH);
}

static wb_script *no_script(wb_policy *policy, const wb_target *target)
{
    (void)policy, (void)target;
    return NULL;
}

static void no_change(wb_policy *policy)
{
    (void)policy;
}

static void add_weight(void *context, const wb_batch *batch)
{
    *(uint64_t *)context += wb_batch_weight(batch);
}

static void check_weight(struct backlog *backlog)
{
    uint64_t weight = 0;
    each_batch(backlog, add_weight, &weight);
    assert_int_equal(stats_of(backlog).pending_bytes, weight);
}

static void store_all(struct backlog *backlog)
{
    flush(backlog);
    for (wb_batch *batch; (batch = wb_outbox_take(&backlog->outbox)) != NULL;)
        store_batch(backlog, batch);
    assert_int_equal(stats_of(backlog).pending, 0);
    assert_int_equal(stats_of(backlog).pending_bytes, 0);
    assert_int_equal(stats_of(backlog).pending_rows, 0);
    assert_int_equal(backlog->outbox.lanes.rows, 0);
    assert_int_equal(backlog->outbox.lanes.bytes, 0);
}

/* A table is forgotten, and with it the batch that its last row left. */
static void a_table_that_is_forgotten(void **state)
{
    (void)state;
    struct backlog backlog;
    open_with(&backlog, &(wb_batcher_options){.max_pending_bytes = 100,
                                              .batch_size = 1000,
                                              .overflow = WB_OVERFLOW_DROP_OLDEST});
    assert_ok(put_as(&backlog, "a", 1, "x"));
    assert_ok(put_as(&backlog, "b", 2, "x")); /* drops the row of a: its batch stays, empty */
    assert_int_equal(backlog.outbox.lanes.count, 1);
    wb_clock_advance(backlog.clock, 7200 * SECOND);
    assert_ok(put_as(&backlog, "c", 1, "x"));
    assert_ok(put_as(&backlog, "d", 1, "x"));
    for (int key = 0; key < 2000; key++)
        assert_ok(put_as(&backlog, "d", key, "x"));
    assert_ok(put_as(&backlog, "a", 1, "x"));
    store_all(&backlog);
    shut_box(&backlog);
}

/* None of its rows was ever to be found: it has no slot. */
static void gaps_of_a_lane_without_keys(void **state)
{
    (void)state;
    struct backlog backlog;
    open_with(&backlog, &(wb_batcher_options){.max_pending_bytes = 1000,
                                              .batch_size = 100000,
                                              .overflow = WB_OVERFLOW_DROP_OLDEST});
    for (int i = 0; i < 200; i++)
        assert_ok(put_as(&backlog, "a", -1, "x"));
    assert_int_equal(backlog.outbox.lanes.count, 1);
    store_all(&backlog);
    shut_box(&backlog);
}

/* Two batches of a table were under way: the row stays in the one that the flush waits for. */
static void a_flush_waits_for_the_older_batch(void **state)
{
    (void)state;
    struct backlog backlog;
    open_with(&backlog, &(wb_batcher_options){.coalesce = &unordered});
    assert_ok(put_as(&backlog, NULL, 1, "x"));
    uint64_t ticket = flush(&backlog);
    wb_batch *older = wb_outbox_take(&backlog.outbox);
    assert_ok(put_as(&backlog, NULL, 1, "x"));
    assert_ok(put_as(&backlog, NULL, 2, "x"));
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_POLICY);
    backlog.outbox.ticket = ticket;
    wb_batch *newer = wb_outbox_take(&backlog.outbox);
    assert_non_null(newer);
    fail_batch(&backlog, older, WB_RETRY, 0);
    fail_batch(&backlog, newer, WB_RETRY, 0);
    assert_int_equal(stats_of(&backlog).pending, 3);
    assert_false(wb_backlog_settled(&backlog.outbox.backlog, ticket));
    wb_clock_advance(backlog.clock, 3600 * SECOND);
    store_all(&backlog);
    shut_box(&backlog);
}

/* A row that grew, behind gaps: its memory is freed when the batch is put in order (the leak sanitizer sees). */
static void a_row_that_moved_behind_gaps(void **state)
{
    (void)state;
    struct backlog backlog;
    open_with(&backlog, &(wb_batcher_options){.batch_size = 10});
    for (int key = 0; key < 10; key++)
        assert_ok(put_as(&backlog, NULL, key, "x"));
    flush(&backlog);
    wb_batch *older = wb_outbox_take(&backlog.outbox);
    for (int key = 0; key < 12; key++)
        assert_ok(put_as(&backlog, NULL, key + 5, "x"));
    for (int key = 0; key < 12; key++)
        assert_ok(put_as(&backlog, NULL, key + 5, "it is longer than it was before"));
    fail_batch(&backlog, older, WB_RETRY, 0);
    check_weight(&backlog);
    wb_clock_advance(backlog.clock, 3600 * SECOND);
    store_all(&backlog);
    shut_box(&backlog);
}

/* The row that was to grow was dropped: the new one needs room of its own. */
static void a_row_that_found_no_room_to_grow(void **state)
{
    (void)state;
    struct backlog backlog;
    open_with(&backlog,
              &(wb_batcher_options){.max_pending_bytes = 171, .overflow = WB_OVERFLOW_DROP_OLDEST});
    assert_ok(put_as(&backlog, NULL, 1, "x"));
    assert_ok(put_as(&backlog, NULL, 2, "x"));
    assert_ok(put_as(&backlog, NULL, 1, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    assert_true(stats_of(&backlog).pending_bytes <= 171);
    check_weight(&backlog);
    store_all(&backlog);
    shut_box(&backlog);
}

/* Rows that grew count as they are where batches are merged. */
static void writes_of_rows_that_grew(void **state)
{
    (void)state;
    struct backlog backlog;
    char note[1000];
    open_with(&backlog, &(wb_batcher_options){.batch_size = 10, .batch_bytes = 12000});
    merge_up_to(&backlog, 100);
    memset(note, 'x', sizeof note - 1);
    note[sizeof note - 1] = '\0';
    for (int i = 0; i < 2; i++)
        for (int key = 0; key < 100; key++)
            assert_ok(put_as(&backlog, NULL, key, i == 0 ? "x" : note));
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 10);
    store_batch(&backlog, batch);
    store_all(&backlog);
    shut_box(&backlog);
}

/* A worker's policy is not asked of rows that say where they go. */
static void tables_beside_a_policy(void **state)
{
    (void)state;
    struct backlog backlog;
    static const wb_policy_class class = {no_script, no_change, no_change};
    wb_policy policy = {.class = &class};
    open_with(&backlog, &(wb_batcher_options){.policy = &policy});
    assert_ok(put_as(&backlog, "a", 1, "x"));
    assert_ok(put_as(&backlog, "b", 1, "x"));
    assert_ok(put_as(&backlog, NULL, 1, "x"));
    assert_int_equal(stats_of(&backlog).pending_rows, 3);
    assert_int_equal(backlog.outbox.lanes.count, 2);
    store_all(&backlog);
    shut_box(&backlog);
}

/* ---- threads ---- */

static _Atomic bool all_added;

/* Looks at what is taken, too: all that is pending is dropped again and again, and the tables are told. */
static void *add_and_look(void *context)
{
    struct backlog *backlog = context;
    char note[251];
    memset(note, 'x', sizeof note - 1);
    note[sizeof note - 1] = '\0';
    for (int i = 0; i < 10000; i++) {
        wb_table_stats *tables = NULL;
        size_t count;
        wb_err err;
        (void)put_as(backlog, i % 3 == 0 ? "a" : NULL, i * 31 % 400, note + i * 7919 % 250);
        if (wb_outbox_tables(&backlog->outbox, &tables, &count, &err) == WB_OK)
            wb_free(tables);
    }
    all_added = true;
    return NULL;
}

/* The thread sanitizer sees who looks at a batch while its rows are put in order. */
static void a_look_at_what_is_taken(void **state)
{
    (void)state;
    struct backlog backlog;
    pthread_t adder;
    open_with(&backlog, &(wb_batcher_options){.batch_size = 30,
                                              .max_pending_bytes = 40000,
                                              .overflow = WB_OVERFLOW_DROP_OLDEST});
    assert_int_equal(pthread_create(&adder, NULL, add_and_look, &backlog), 0);
    for (int i = 0; !all_added; i++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        if (batch == NULL)
            wb_clock_advance(backlog.clock, SECOND);
        else if (i % 3 == 0)
            fail_batch(&backlog, batch, WB_RETRY, 0);
        else
            store_batch(&backlog, batch);
    }
    pthread_join(adder, NULL);
    check_weight(&backlog);
    store_all(&backlog);
    shut_box(&backlog);
}

int main(int count, char **words)
{
    if (count > 1)
        cmocka_set_test_filter(words[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_is_forgotten),
        cmocka_unit_test(gaps_of_a_lane_without_keys),
        cmocka_unit_test(a_flush_waits_for_the_older_batch),
        cmocka_unit_test(a_row_that_moved_behind_gaps),
        cmocka_unit_test(a_row_that_found_no_room_to_grow),
        cmocka_unit_test(a_look_at_what_is_taken),
        cmocka_unit_test(writes_of_rows_that_grew),
        cmocka_unit_test(tables_beside_a_policy),
    };
    return cmocka_run_group_tests_name("coalesce_cases", tests, NULL, NULL);
}
