/* SPDX-License-Identifier: MIT
 * Histograms: percentiles against the numbers themselves, and the extremes. */
#include "support/support.h"

#include "engine/metrics.h"

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
        cmocka_unit_test(test_percentiles_are_close),
        cmocka_unit_test(test_histogram_takes_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
