/* SPDX-License-Identifier: MIT
 * A descriptor that becomes readable at a given time, for an event loop that waits for due work. No lock. */
#ifndef WB_ALARM_H
#define WB_ALARM_H

#include <writebehind.h>

typedef struct wb_alarm {
    int fd;         /* a timerfd; -1 until somebody asks for it */
    int64_t due_us; /* what it is set to; WB_NEVER: not readable */
} wb_alarm;

void wb_alarm_init(wb_alarm *alarm);
void wb_alarm_fini(wb_alarm *alarm);
/* The descriptor, made when first asked for; -1 with errno where none can be made. */
int wb_alarm_fd(wb_alarm *alarm);
/* Makes it readable at due_us: at once where that is now_us or earlier. Does nothing before somebody asked for the
 * descriptor. Both times are of one clock, whichever it is. */
void wb_alarm_set(wb_alarm *alarm, int64_t due_us, int64_t now_us);

#endif
