/* SPDX-License-Identifier: MIT
 * The alarm is a timerfd. It is set to a relative time, so that times of a manual clock serve too: due work shows at
 * once, later work at the next wb_alarm_set. Invariant: due_us is what the timer is set to, so that setting it to the
 * same time costs no system call. No lock: its owner's. Where no timerfd can be made, fd stays -1 and nothing is
 * set. */
#include "base/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

void wb_alarm_init(wb_alarm *alarm)
{
    alarm->fd = -1;
    alarm->due_us = WB_NEVER;
}

void wb_alarm_fini(wb_alarm *alarm)
{
    if (alarm->fd >= 0)
        close(alarm->fd);
    wb_alarm_init(alarm);
}

int wb_alarm_fd(wb_alarm *alarm)
{
    if (alarm->fd < 0)
        alarm->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return alarm->fd;
}

void wb_alarm_set(wb_alarm *alarm, int64_t due_us, int64_t now_us)
{
    if (alarm->fd < 0)
        return;
    if (due_us < now_us)
        due_us = now_us;
    bool stays = due_us == alarm->due_us || (alarm->due_us <= now_us && due_us == now_us);
    if (stays)
        return;
    alarm->due_us = due_us;
    struct itimerspec after = {0}; /* zero disarms it */
    if (due_us != WB_NEVER) {
        int64_t in_us;
        if (__builtin_sub_overflow(due_us, now_us, &in_us))
            in_us = INT64_MAX;
        after.it_value.tv_sec = in_us / 1000000;
        after.it_value.tv_nsec = in_us % 1000000 * 1000 + 1;
    }
    timerfd_settime(alarm->fd, 0, &after, NULL);
}
