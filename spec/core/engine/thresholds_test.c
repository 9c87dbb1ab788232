/* SPDX-License-Identifier: MIT
 * Thresholds: which of its sizes makes a batch due. */
#include "support/support.h"

#include "engine/thresholds.h"

static void test_the_first_threshold_makes_due(void **state)
{
    (void)state;
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    wb_thresholds thresholds = wb_thresholds_of(&options);
    assert_int_equal(thresholds.flush_rows, 820);
    assert_int_equal(wb_thresholds_due(&thresholds, 0, 0, WB_NEVER), WB_REASON_NONE);
    assert_int_equal(wb_thresholds_due(&thresholds, 819, 1, 0), WB_REASON_NONE);
    assert_int_equal(wb_thresholds_due(&thresholds, 820, 1, 0), WB_REASON_SIZE);
    assert_int_equal(wb_thresholds_due(&thresholds, 1, 4 << 20, 0), WB_REASON_BYTES);
    assert_int_equal(wb_thresholds_due(&thresholds, 1, 1, 999999), WB_REASON_NONE);
    assert_int_equal(wb_thresholds_due(&thresholds, 1, 1, 1000000), WB_REASON_AGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_threshold_makes_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
