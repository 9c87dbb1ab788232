/* SPDX-License-Identifier: MIT
 * What an outbox (of batches) and a markbox (of marks) have in common: what was accepted waits there, under one lock,
 * until it is delivered. The backlog has the lock, the counters, closing, waiting, health, the backoff of the whole
 * and the descriptor for loops. Its class keeps and takes things.
 * Invariant, asserted at each change of state: accepted == stored + pending + dead + dropped. */
#ifndef WB_BACKLOG_H
#define WB_BACKLOG_H

#include "base/alarm.h"
#include "base/env.h"
#include "base/log.h"
#include "base/sync.h"
#include "engine/backoff.h"
#include "engine/metrics.h"

typedef struct wb_backlog wb_backlog;

/* Locked, all of them. */
typedef struct wb_backlog_class {
    const char *unit; /* of what is counted: "rows" */
    /* When there will be something to take; WB_NEVER: not before something is put or completed. */
    int64_t (*next_due_us)(wb_backlog *backlog);
    /* Makes due now what is open, and what waits for another try unless the reason is WB_REASON_POLICY. Returns a
     * ticket: all that was accepted so far is settled once the ticket is. */
    uint64_t (*seal)(wb_backlog *backlog, int reason);
    bool (*settled)(const wb_backlog *backlog, uint64_t ticket);
    /* Is there something for the owner's hooks besides events? NULL: never. */
    bool (*unread)(const wb_backlog *backlog);
    /* Brings derived metrics up to date. NULL: there are none. */
    void (*measure)(wb_backlog *backlog);
} wb_backlog_class;

/* The first member of an outbox and of a markbox. */
struct wb_backlog {
    const wb_backlog_class *class;
    wb_monitor monitor;
    wb_env env;
    wb_log *log; /* its owner's */
    wb_retry retry;
    bool threaded;   /* a flusher does what is due: the descriptor is for events alone */
    bool closing;    /* nothing new is accepted */
    bool holding;    /* the last failure was systemic */
    bool troubled;   /* a part of it fails, whatever gets through besides */
    bool active;     /* a write ended since wb_backlog_rests was last asked */
    int64_t gate_us; /* nothing is taken before */
    wb_metrics metrics;
    wb_alarm alarm;
};

/* Memory that is zero; `log` outlives it. `threaded`: a flusher does what is due. */
void wb_backlog_init(wb_backlog *backlog, const wb_backlog_class *class, const wb_env *env,
                     const wb_retry *retry, wb_log *log, bool threaded);
void wb_backlog_fini(wb_backlog *backlog);

/* Unlocked. */

uint64_t wb_backlog_seal(wb_backlog *backlog, int reason);
bool wb_backlog_settled(wb_backlog *backlog, uint64_t ticket);
void wb_backlog_close(wb_backlog *backlog); /* refuses what is new, seals, wakes who waits */
/* Waits until the ticket is settled; false at the deadline. */
bool wb_backlog_wait(wb_backlog *backlog, uint64_t ticket, int64_t deadline_us);
void wb_backlog_stats(wb_backlog *backlog, wb_stats *out);
int wb_backlog_fd(wb_backlog *backlog);
bool wb_backlog_event(wb_backlog *backlog, wb_event *out);
int64_t wb_backlog_next_due_us(wb_backlog *backlog);
/* A scripted decision failed: counts and logs it. */
void wb_backlog_undecided(wb_backlog *backlog, const char *decision, const char *why);

static inline int64_t wb_backlog_now_us(const wb_backlog *backlog)
{
    return backlog->env.now_us(backlog->env.context);
}

/* Locked. */

void wb_backlog_changed(wb_backlog *backlog); /* after a change of state: asserts, sets the alarm */
bool wb_backlog_drained(const wb_backlog *backlog); /* closed, and nothing is left */
/* Has a write ended since this was last asked? */
bool wb_backlog_rests(wb_backlog *backlog);
/* A write of `count` units ended: counts and logs it, opens the gate or says that the store is failing. */
void wb_backlog_succeeded(wb_backlog *backlog, uint64_t count, int64_t now_us);
void wb_backlog_failed(wb_backlog *backlog, const wb_err *err, uint64_t count, bool progress,
                       int64_t now_us);
/* A random number in [0, 1), and the delay after so many failures: at most a second while closing. */
double wb_backlog_fraction(wb_backlog *backlog);
int64_t wb_backlog_delay_us(const wb_backlog *backlog, uint64_t failures, double fraction);
int64_t wb_backlog_bounded_us(const wb_backlog *backlog, int64_t delay_us);
/* After the end of a write: tells those who wait, wakes the worker for what is due next. */
void wb_backlog_ended(wb_backlog *backlog);

/* Unlocked: the event of a write for the owner's hook. */
wb_event wb_backlog_write_event(const wb_err *err, int reason, uint32_t attempt, uint64_t count,
                                int64_t elapsed_us);

#endif
