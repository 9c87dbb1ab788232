/* SPDX-License-Identifier: MIT
 * How long a call may take: to a deadline, or until somebody asks it to stop. A thread that is blocked on a
 * descriptor sees the request too. */
#ifndef WB_DEADLINE_H
#define WB_DEADLINE_H

#include <stdatomic.h>

#include <writebehind.h>

typedef struct wb_cancel {
    atomic_bool asked;
    /* A child process will restart the stopped work, so a write that is cut off is no failed try. Set before
     * wb_cancel_ask. */
    atomic_bool will_restart;
    int fd; /* an eventfd, readable once asked; -1 where none could be made */
} wb_cancel;

/* The limit of one call. */
typedef struct wb_deadline {
    int64_t at_us;           /* absolute, on the clock of wb_now_us; WB_NEVER: there is none */
    const wb_cancel *cancel; /* NULL: nobody can ask */
} wb_deadline;

void wb_cancel_init(wb_cancel *cancel);
void wb_cancel_fini(wb_cancel *cancel);
void wb_cancel_ask(wb_cancel *cancel); /* from any thread, once or more */

enum { WB_WAIT_READ = 1, WB_WAIT_WRITE = 2 };
/* Waits for any of `events` on fd. Answers those that are ready (an error counts as both), 0 when the deadline passed
 * or somebody asked to stop. */
int wb_deadline_wait(const wb_deadline *deadline, int fd, int events);
/* When half of the time that is left will have passed; WB_NEVER where there is no deadline. */
int64_t wb_deadline_half_us(const wb_deadline *deadline);
/* The time has passed, or somebody asked to stop. */
bool wb_deadline_passed(const wb_deadline *deadline);

#endif
