/* SPDX-License-Identifier: MIT
 * Deadlines: a wait ends when its descriptor is ready, at its time, or when somebody asks it to stop. */
#include "support/support.h"

#include <unistd.h>

#include "base/deadline.h"

#define SECOND INT64_C(1000000)

static void test_cancel_ends_a_wait(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    wb_cancel cancel;
    wb_cancel_init(&cancel);
    wb_deadline deadline = {.at_us = wb_now_us() + 3600 * SECOND, .cancel = &cancel};
    assert_int_equal(wb_deadline_wait(&deadline, pipes[1], WB_WAIT_WRITE), WB_WAIT_WRITE);
    assert_false(wb_deadline_passed(&deadline));
    wb_cancel_ask(&cancel);
    wb_cancel_ask(&cancel);
    assert_int_equal(wb_deadline_wait(&deadline, pipes[0], WB_WAIT_READ), 0);
    assert_true(wb_deadline_passed(&deadline));
    wb_cancel_fini(&cancel);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    wb_deadline deadline = {.at_us = wb_now_us() + SECOND / 100};
    assert_int_equal(wb_deadline_wait(&deadline, pipes[0], WB_WAIT_READ), 0);
    assert_true(wb_deadline_passed(&deadline));
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_ends_a_wait),
        cmocka_unit_test(test_wait_ends_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
