/* SPDX-License-Identifier: MIT
 * The manual clock: it stands still until it is advanced or waited for, and never goes back. */
#include "support/support.h"

#include "base/env.h"

#define SECOND INT64_C(1000000)

static void test_manual_clock(void **state)
{
    (void)state;
    wb_clock *clock = NULL;
    assert_ok(wb_clock_new(5 * SECOND, &clock, NULL));
    wb_env env = wb_env_of_clock(clock);
    assert_int_equal(env.now_us(env.context), 5 * SECOND);
    wb_clock_advance(clock, SECOND);
    wb_clock_advance(clock, -SECOND);
    assert_int_equal(env.unix_us(env.context), 6 * SECOND);
    env.wait_until(env.context, 9 * SECOND);
    env.wait_until(env.context, 7 * SECOND);
    assert_int_equal(wb_clock_now_us(clock), 9 * SECOND);
    wb_clock_unref(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manual_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
