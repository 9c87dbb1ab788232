/* SPDX-License-Identifier: MIT
 * Options: the defaults stand the check, each option is refused outside its range, in the words that callers see,
 * and what must be given or fit together. */
#include "support/support.h"

#include <math.h>

#include "engine/options.h"

static wb_schema *schema;

static wb_batcher_options batcher_options(void)
{
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.schema = schema;
    options.table = "t";
    return options;
}

static wb_tracker_options tracker_options(void)
{
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.table = "t";
    options.key = "id";
    options.column = "at";
    return options;
}

static int make_schema(void **state)
{
    (void)state;
    wb_column columns[] = {{.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV7},
                           {.name = "n", .type = WB_TYPE_INT8}};
    return wb_schema_new(columns, 2, &schema, NULL);
}

static int free_schema(void **state)
{
    (void)state;
    wb_schema_unref(schema);
    return 0;
}

static void assert_batcher(const wb_batcher_options *options, const char *message)
{
    wb_err err;
    assert_int_equal(wb_batcher_options_check(options, &err), message == NULL ? WB_OK : WB_MISUSE);
    if (message != NULL)
        assert_string_equal(err.text, message);
}

static void assert_tracker(const wb_tracker_options *options, const char *message)
{
    wb_err err;
    assert_int_equal(wb_tracker_options_check(options, &err), message == NULL ? WB_OK : WB_MISUSE);
    if (message != NULL)
        assert_string_equal(err.text, message);
}

static void test_defaults(void **state)
{
    (void)state;
    wb_batcher_options batcher = batcher_options();
    wb_tracker_options tracker = tracker_options();
    assert_batcher(&batcher, NULL);
    assert_tracker(&tracker, NULL);
    assert_int_equal(batcher.batch_size, 1024);
    assert_true(batcher.flush_at == 0.8);
    assert_int_equal(batcher.batch_bytes, 4 << 20);
    assert_int_equal(batcher.interval_us, 1000000);
    assert_int_equal(batcher.overflow, WB_OVERFLOW_REJECT);
    assert_int_equal(batcher.dedupe, WB_DEDUPE_COLUMN);
    assert_int_equal(batcher.dedupe_column, -1);
    assert_int_equal(batcher.retry.attempts, 0);
    assert_int_equal(tracker.interval_us, 60000000);
    assert_int_equal(tracker.chunk, 5000);
    assert_int_equal(tracker.min_advance_us, 0);
    assert_int_equal(tracker.retry.max_us, 30000000);
}

/* One option set to a value, all others as they are by default. */
static void assert_set(const char *name, double value, const char *message)
{
    for (const wb_option *option = wb_batcher_option_list; option->name != NULL; option++) {
        wb_batcher_options options = batcher_options();
        if (strcmp(option->name, name) != 0)
            continue;
        wb_option_set(option, &options, value);
        assert_batcher(&options, message);
        return;
    }
    fail_msg("no option %s", name);
}

static void test_ranges(void **state)
{
    (void)state;
    assert_set("batch_size", 0, "batch_size: must be 1 or more");
    assert_set("batch_size", INFINITY, NULL);
    assert_set("flush_at", 0, "flush_at: must be above 0 and at most 1");
    assert_set("flush_at", 1.01, "flush_at: must be above 0 and at most 1");
    assert_set("flush_at", NAN, "flush_at: must be above 0 and at most 1");
    assert_set("flush_at", 1, NULL);
    assert_set("batch_bytes", 0, "batch_bytes: must be from 1 to 2^30");
    assert_set("batch_bytes", (1 << 30) + 1, "batch_bytes: must be from 1 to 2^30");
    assert_set("batch_bytes", 1 << 30, NULL);
    assert_set("max_pending_rows", 0, "max_pending_rows: must be 1 or more");
    assert_set("interval", -1, "interval: must not be below 0");
    assert_set("write_timeout", 0, "write_timeout: must be above 0");
    assert_set("write_timeout", 1, NULL);
    assert_set("overflow", WB_OVERFLOW_ASK, "overflow: unknown");
    assert_set("overflow", -1, "overflow: unknown");
    assert_set("dedupe", 2,
               "dedupe: who delivers by hand keeps no ledger: a PostgreSQL or SQLite store does");
    assert_set("dedupe", 3, "dedupe: unknown");
    assert_set("dedupe_column", 0, NULL);
    assert_set("dedupe_column", 1, "dedupe: must name a generated uuid column of the schema");
    assert_set("dedupe_column", 2, "dedupe: must name a generated uuid column of the schema");
    assert_set("retry.initial", -1, "retry.initial: must not be below 0");
    assert_set("retry.initial", 30000001, "retry.max: must not be below retry.initial");
    assert_set("retry.attempts", 0, NULL); /* no limit */
}

static void test_what_must_be_given(void **state)
{
    (void)state;
    wb_batcher_options batcher = batcher_options();
    wb_tracker_options tracker = tracker_options();
    batcher.table = "";
    assert_batcher(&batcher, "table: is required");
    batcher.schema = NULL;
    assert_batcher(&batcher, "schema: is required");
    tracker.column = NULL;
    assert_tracker(&tracker, "column: is required");
    tracker.key = NULL;
    assert_tracker(&tracker, "key: is required");
}

static void test_tracker_ranges(void **state)
{
    (void)state;
    wb_tracker_options tracker = tracker_options();
    tracker.close_timeout_us = -1;
    assert_tracker(&tracker, "close_timeout: must not be below 0");
    tracker.max_pending_ids = 0;
    assert_tracker(&tracker, "max_pending_ids: must be 1 or more");
    tracker.max_pending_ids = UINT64_MAX;
    tracker.close_timeout_us = WB_NEVER;
    assert_tracker(&tracker, NULL);
}

static void test_tracker_columns_and_stores(void **state)
{
    (void)state;
    wb_tracker_options tracker;
    wb_store *memory = NULL;
    wb_tracker_options_init(&tracker);
    assert_string_equal(tracker.key, "id");
    assert_int_equal(tracker.key_type, WB_TYPE_UUID);
    assert_string_equal(tracker.column, "last_used_at");
    assert_tracker(&tracker, NULL); /* driven: the caller knows the table */
    assert_ok(wb_store_memory(0, &memory, NULL));
    tracker.insert = true;
    assert_tracker(&tracker, "insert: a script makes its rows itself");
    tracker.store = memory;
    assert_tracker(&tracker, "table: is required");
    tracker.table = "t";
    assert_tracker(&tracker, NULL);
    tracker.key_type = WB_TYPE_INT2;
    assert_tracker(&tracker, "key: must be of type uuid, int4, int8 or text");
    tracker.key_type = WB_TYPE_TEXT;
    tracker.key = "";
    assert_tracker(&tracker, "key: is required");
    tracker.key = "id";
    tracker.column_type = WB_TYPE_TIME;
    assert_tracker(&tracker, "column: must be of type timestamptz, timestamp, date or int8");
    tracker.column_type = WB_TYPE_INT8;
    tracker.unit = 3;
    assert_tracker(&tracker, "unit: unknown");
    tracker.unit = WB_UNIT_US;
    assert_tracker(&tracker, NULL);
    wb_store_unref(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_what_must_be_given),
        cmocka_unit_test(test_tracker_ranges),
        cmocka_unit_test(test_tracker_columns_and_stores),
    };
    return cmocka_run_group_tests(tests, make_schema, free_schema);
}
