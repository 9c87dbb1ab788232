/* SPDX-License-Identifier: MIT
 * Alarms: their descriptor is readable when they are due, and only then. */
#include "support/support.h"

#include <poll.h>

#include "base/alarm.h"

#define SECOND INT64_C(1000000)

static bool readable(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, wait_ms) == 1;
}

static void test_alarm_is_readable_when_due(void **state)
{
    (void)state;
    wb_alarm alarm;
    wb_alarm_init(&alarm);
    wb_alarm_set(&alarm, 5, 10); /* nobody asked for it yet */
    int fd = wb_alarm_fd(&alarm);
    assert_true(fd >= 0);
    wb_alarm_set(&alarm, 3600 * SECOND, 10);
    assert_false(readable(fd, 0));
    wb_alarm_set(&alarm, 5, 10);
    assert_true(readable(fd, 60000));
    wb_alarm_set(&alarm, WB_NEVER, 11);
    assert_false(readable(fd, 0));
    wb_alarm_set(&alarm, SECOND / 100, 0);
    assert_true(readable(fd, 60000));
    wb_alarm_fini(&alarm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alarm_is_readable_when_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
