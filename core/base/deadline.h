/* SPDX-License-Identifier: MIT
 * A request to stop, that a thread blocked on a descriptor sees too. */
#ifndef WB_DEADLINE_H
#define WB_DEADLINE_H

#include <stdatomic.h>

#include <writebehind.h>

typedef struct wb_cancel {
    atomic_bool asked;
    atomic_bool
        resumed; /* what is stopped is to be gone on with, by another thread; set before it is asked */
    int fd;      /* an eventfd, readable once asked; -1 where none could be made */
} wb_cancel;

/* How long a call into a store may take. */
typedef struct wb_deadline {
    int64_t at_us;           /* absolute, on the clock of wb_now_us; WB_NEVER: there is none */
    const wb_cancel *cancel; /* NULL: none */
} wb_deadline;

void wb_cancel_init(wb_cancel *cancel);
void wb_cancel_fini(wb_cancel *cancel);
void wb_cancel_ask(wb_cancel *cancel); /* from any thread, once or more */

enum { WB_WAIT_READ = 1, WB_WAIT_WRITE = 2 };
/* Waits for any of `events` on fd: the events that are ready (errors count as both), 0 at the deadline or
 * when cancelled. */
int wb_deadline_wait(const wb_deadline *deadline, int fd, int events);
bool wb_deadline_passed(
    const wb_deadline *deadline); /* the deadline passed or stop was asked for */

#endif
