/* SPDX-License-Identifier: MIT
 * Rows of one key in the outbox: an outage with very many adds takes the memory of its keys (CI_LONG: 100 million adds);
 * what a refused add leaves behind. What else can happen plays coalesce_model_test.c. */
#include <stdio.h>
#include <stdlib.h>

#include "support/outbox_fixture.h"
#include "support/rounds.h"

static const int32_t the_key[] = {0};
static const int32_t the_words[] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_SUM, WB_MERGE_LAST};
static const wb_upsert the_rules = {
    .key = the_key, .key_count = 1, .newest = -1, .merge = the_words};

enum { KEY, ADDS, BYTES, PATH, COLUMNS };

static wb_schema *meter_schema(void)
{
    const wb_column columns[COLUMNS] = {
        {.name = "key", .type = WB_TYPE_INT8},
        {.name = "adds", .type = WB_TYPE_INT8},
        {.name = "bytes", .type = WB_TYPE_INT8},
        {.name = "path", .type = WB_TYPE_TEXT},
    };
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, COLUMNS, &schema, NULL));
    return schema;
}

static void change(wb_batcher_options *options)
{
    options->coalesce = &the_rules;
    options->batch_size = 1000;
    options->max_pending_rows = 200000;
    options->max_pending_bytes = 1 << 26;
}

static int meter(struct backlog *backlog, int64_t key, int64_t bytes, wb_err *err)
{
    static const char path[] = "/a/path/of/some/length";
    wb_value values[COLUMNS] = {
        int_value(key),
        int_value(1),
        int_value(bytes),
        {.kind = WB_TEXT, .text = path, .bytes = 4 + (uint32_t)(bytes & 15)}};
    return wb_outbox_put(&backlog->outbox, values, COLUMNS, NULL, NULL, err);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * 4;
}

static void add_up(const wb_batch *batch, int64_t *sums)
{
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        wb_value values[COLUMNS];
        wb_batch_values(batch, row, values);
        assert_int_equal(values[ADDS].i, wb_batch_adds_of(batch, row));
        sums[values[KEY].i] += values[BYTES].i;
    }
}

static void test_an_outage_holds_each_key_once(void **state)
{
    (void)state;
    const int keys = rounds(100000), a_try = keys / 2;
    const int64_t adds = rounds(getenv("CI_LONG") != NULL ? 100000000 : 1000000);
    int64_t *wanted = calloc((size_t)keys, sizeof *wanted);
    int64_t *sums = calloc((size_t)keys, sizeof *sums);
    uint64_t random = 1, most_bytes = 0;
    struct backlog backlog;
    open_keyed_box(&backlog, meter_schema(), NULL, WB_DEDUPE_NONE, change);
    long before = resident_kib();
    for (int64_t i = 0; i < adds; i++) {
        int64_t key = (int64_t)random_below(&random, (uint64_t)keys),
                bytes = (int64_t)random_below(&random, 5000);
        assert_ok(meter(&backlog, key, bytes, NULL));
        wanted[key] += bytes;
        if (i % a_try > 0)
            continue;
        wb_clock_advance(backlog.clock, 60 * SECOND);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        for (int64_t more = 0; batch != NULL && more < 100; more++) {
            assert_ok(meter(&backlog, more, 1, NULL)); /* while it is under way */
            wanted[more]++;
        }
        if (batch != NULL)
            fail_batch(&backlog, batch, WB_RETRY, 0);
        wb_stats stats = stats_of(&backlog);
        assert_true(stats.pending_rows <= (uint64_t)keys && stats.pending == stats.accepted);
        most_bytes = stats.pending_bytes > most_bytes ? stats.pending_bytes : most_bytes;
    }
    /* a tuple of some 50 bytes, its row and tally, and what moved */
    assert_true(most_bytes < (uint64_t)keys * 220);
    printf("%lld adds, %d keys: %llu KiB pending, %ld KiB more resident\n", (long long)adds, keys,
           (unsigned long long)most_bytes / 1024, resident_kib() - before);
    while (stats_of(&backlog).pending > 0) {
        wb_clock_advance(backlog.clock, 60 * SECOND);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_non_null(batch);
        add_up(batch, sums);
        store_batch(&backlog, batch);
    }
    assert_memory_equal(sums, wanted, (size_t)keys * sizeof *sums);
    assert_int_equal(stats_of(&backlog).pending_bytes, 0);
    assert_int_equal(stats_of(&backlog).pending_rows, 0);
    free(wanted);
    free(sums);
    shut_box(&backlog);
}

/* The row that is there stays as it was, and the next add is merged with it. */
static void test_a_sum_out_of_its_range(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_err err;
    open_keyed_box(&backlog, meter_schema(), NULL, WB_DEDUPE_NONE, change);
    assert_ok(meter(&backlog, 1, INT64_MAX - 10, &err));
    assert_int_equal(meter(&backlog, 1, 11, &err), WB_INVALID);
    assert_non_null(strstr(err.text, "column \"bytes\""));
    assert_ok(meter(&backlog, 1, 10, &err));
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.accepted, 2);
    assert_int_equal(stats.rejected, 1);
    assert_int_equal(stats.coalesced, 1);
    wb_clock_advance(backlog.clock, 60 * SECOND);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    int64_t sums[2] = {0};
    add_up(batch, sums);
    assert_int_equal(sums[1], INT64_MAX);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_outage_holds_each_key_once),
        cmocka_unit_test(test_a_sum_out_of_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
