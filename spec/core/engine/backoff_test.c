/* SPDX-License-Identifier: MIT
 * Backoff: the ceiling of a delay, and its share. */
#include "support/support.h"

#include "engine/backoff.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_doubles_to_its_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
