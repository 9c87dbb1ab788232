/* SPDX-License-Identifier: MIT
 * The pure rules: policy, backoff, metrics. */
#include "support/support.h"

#include "engine/backoff.h"
#include "engine/metrics.h"
#include "engine/thresholds.h"

static void test_policy_thresholds(void **state)
{
    (void)state;
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    wb_thresholds policy = wb_thresholds_of(&options);
    assert_int_equal(policy.flush_rows, 820);
    assert_int_equal(wb_thresholds_due(&policy, 0, 0, WB_NEVER), WB_REASON_NONE);
    assert_int_equal(wb_thresholds_due(&policy, 819, 1, 0), WB_REASON_NONE);
    assert_int_equal(wb_thresholds_due(&policy, 820, 1, 0), WB_REASON_SIZE);
    assert_int_equal(wb_thresholds_due(&policy, 1, 4 << 20, 0), WB_REASON_BYTES);
    assert_int_equal(wb_thresholds_due(&policy, 1, 1, 999999), WB_REASON_NONE);
    assert_int_equal(wb_thresholds_due(&policy, 1, 1, 1000000), WB_REASON_AGE);
}

static void test_backoff_doubles_to_its_ceiling(void **state)
{
    (void)state;
    wb_retry retry = {.initial_us = 100000, .max_us = 30000000};
    assert_int_equal(wb_backoff_ceiling_us(&retry, 0), 0);
    assert_int_equal(wb_backoff_ceiling_us(&retry, 1), 100000);
    assert_int_equal(wb_backoff_ceiling_us(&retry, 2), 200000);
    assert_int_equal(wb_backoff_ceiling_us(&retry, 9), 25600000);
    assert_int_equal(wb_backoff_ceiling_us(&retry, 10), 30000000);
    assert_int_equal(wb_backoff_ceiling_us(&retry, UINT64_MAX), 30000000);
    assert_int_equal(wb_backoff_us(&retry, 3, 0), 0);
    assert_int_equal(wb_backoff_us(&retry, 3, 0.5), 200000);
    wb_retry none = {.initial_us = 0, .max_us = 0};
    assert_int_equal(wb_backoff_ceiling_us(&none, 70), 0);
    wb_retry huge = {.initial_us = INT64_MAX / 2, .max_us = INT64_MAX};
    assert_int_equal(wb_backoff_ceiling_us(&huge, 80), INT64_MAX);
}

/* Percentiles against the sorted truth: never below it, at most 1/16 above. */
static void test_percentiles_are_close(void **state)
{
    (void)state;
    static wb_histogram histogram;
    uint64_t random = 1;
    enum { COUNT = 100000 };
    for (int i = 0; i < COUNT; i++)
        wb_histogram_add(&histogram, (int64_t)random_below(&random, 1000000));
    wb_latency summary;
    wb_histogram_summary(&histogram, &summary);
    assert_int_equal(summary.count, COUNT);
    const double share[] = {0.5, 0.9, 0.99, 0.999};
    const double found[] = {summary.p50_s, summary.p90_s, summary.p99_s, summary.p999_s};
    for (int i = 0; i < 4; i++)
        assert_true(found[i] > share[i] * 0.98 && found[i] < share[i] * 1.09);
    assert_true(summary.max_s < 1.0 && summary.max_s > 0.999);
}

static void test_histogram_takes_extremes(void **state)
{
    (void)state;
    static wb_histogram histogram;
    wb_latency summary;
    wb_histogram_summary(&histogram, &summary);
    assert_int_equal(summary.count, 0);
    assert_true(summary.p50_s == 0 && summary.max_s == 0);
    wb_histogram_add(&histogram, -5);
    wb_histogram_add(&histogram, 0);
    wb_histogram_add(&histogram, INT64_MAX);
    wb_histogram_summary(&histogram, &summary);
    assert_int_equal(summary.count, 3);
    assert_true(summary.p50_s == 0);
    assert_true(summary.max_s > 9e12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_thresholds),
        cmocka_unit_test(test_backoff_doubles_to_its_ceiling),
        cmocka_unit_test(test_percentiles_are_close),
        cmocka_unit_test(test_histogram_takes_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
