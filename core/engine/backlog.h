/* SPDX-License-Identifier: MIT
 * What an outbox (of batches) and a markbox (of marks) have in common: a place where what was accepted waits
 * under one lock until it is delivered. Here are the lock, the counters, closing, waiting, health, the backoff
 * of the whole and the descriptor for loops; how things are kept and taken is the class's.
 * Invariant, asserted at each change of state: accepted == stored + pending + dead + dropped. */
#ifndef WB_BOX_H
#define WB_BOX_H

#include "base/alarm.h"
#include "engine/backoff.h"
#include "base/env.h"
#include "base/log.h"
#include "engine/metrics.h"
#include "base/sync.h"

typedef struct wb_box wb_box;

/* Locked, all of them. */
typedef struct wb_box_class {
    const char *unit; /* of what is counted: "rows" */
    /* When there will be something to take; WB_NEVER where not before something is put or completed. */
    int64_t (*next_due_us)(wb_box *box);
    /* Makes what waits due now; the mark for settled. */
    uint64_t (*seal)(wb_box *box, int reason);
    bool (*settled)(const wb_box *box, uint64_t mark);
    /* Is there something for the owner's hooks besides events? NULL: never. */
    bool (*unread)(const wb_box *box);
    /* Brings derived metrics up to date. NULL: there are none. */
    void (*measure)(wb_box *box);
} wb_box_class;

/* The first member of an outbox and of a markbox. */
struct wb_box {
    const wb_box_class *class;
    wb_monitor monitor;
    wb_env env;
    wb_log *log; /* its owner's */
    wb_retry retry;
    bool threaded;   /* a flusher does what is due: the descriptor is for events alone */
    bool closing;    /* nothing new is accepted */
    bool holding;    /* the last failure was systemic */
    bool active;     /* a write ended since the worker last had nothing to wait for */
    int64_t gate_us; /* nothing is taken before */
    wb_metrics metrics;
    wb_alarm alarm;
};

/* Memory that is zero but for `class`; `log` outlives it. */
void wb_box_init(wb_box *box, const wb_box_class *class, const wb_env *env, const wb_retry *retry,
                 wb_log *log);
void wb_box_fini(wb_box *box);

/* Unlocked. */

uint64_t wb_box_seal(wb_box *box, int reason);
bool wb_box_settled(wb_box *box, uint64_t mark);
void wb_box_close(wb_box *box); /* refuses what is new, seals, wakes who waits */
/* Waits until all up to the mark is settled; false at the deadline. */
bool wb_box_wait(wb_box *box, uint64_t mark, int64_t deadline_us);
void wb_box_stats(wb_box *box, wb_stats *out);
int wb_box_fd(wb_box *box);
bool wb_box_event(wb_box *box, wb_event *out);
int64_t wb_box_next_due_us(wb_box *box);
/* A scripted decision failed: counts and logs it. */
void wb_box_undecided(wb_box *box, const char *decision, const char *why);

static inline int64_t wb_box_now_us(const wb_box *box)
{
    return box->env.now_us(box->env.context);
}

/* Locked. */

void wb_box_changed(wb_box *box);       /* after a change of state: asserts, sets the alarm */
bool wb_box_drained(const wb_box *box); /* closed, and nothing is left */
/* A write of `count` units ended: counts and logs it, opens the gate or says that the store is failing. */
void wb_box_succeeded(wb_box *box, uint64_t count, int64_t now_us);
void wb_box_failed(wb_box *box, const wb_err *err, uint64_t count, bool progress, int64_t now_us);
/* A number in [0, 1) for delays, and the delay of that many failures: short while closing, since there may be
 * no later. */
double wb_box_fraction(wb_box *box);
int64_t wb_box_delay_us(const wb_box *box, uint64_t failures, double fraction);
int64_t wb_box_bounded_us(const wb_box *box, int64_t delay_us);
/* After the end of a write: tells those who wait, wakes the worker for what is due next. */
void wb_box_ended(wb_box *box);

/* Unlocked: the event of a write for the owner's hook. */
wb_event wb_box_write_event(const wb_err *err, int reason, uint32_t attempt, uint64_t count,
                            int64_t elapsed_us);

#endif
