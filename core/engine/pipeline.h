/* SPDX-License-Identifier: MIT
 * A pipeline: what a batcher and a tracker have in common. A backlog, a log, a thread (the flusher) where there is a
 * store and nobody drives, a session with that store, references, and the rule about fork: what was used in an
 * ancestor can't be used here, since its rows, its thread and its connection are the ancestor's.
 * References: the owner's, the flusher's while it runs, the exit handler's while it waits, one for each batch or
 * chunk that is lent. The last one frees. */
#ifndef WB_PIPELINE_H
#define WB_PIPELINE_H

#include <pthread.h>

#include "engine/backlog.h"
#include "engine/names.h"
#include "stores/store.h"

/* What differs: how one piece of work is delivered, and what is freed last. */
typedef struct wb_pipeline_class {
    /* Takes what is due and writes it to the session; false: nothing is due. */
    bool (*deliver_one)(wb_pipeline *pipeline, const wb_cancel *cancel);
    void (*leave)(wb_pipeline *pipeline); /* the thread ends; NULL: nothing is its alone */
    /* What else is at work for it: from its first use in a process, and to its end, or to a fork. NULL: nothing is. */
    int (*begin)(wb_pipeline *pipeline, wb_err *err);
    void (*halt)(wb_pipeline *pipeline);
    /* Where what is pending stays when nobody delivers it; NULL: nowhere, it is lost. */
    const char *(*place)(wb_pipeline *pipeline);
    /* Before what is pending is reported as lost: gives up what the store refused. NULL: nothing ever is. */
    void (*give_up_refused)(wb_pipeline *pipeline);
    void (*free)(wb_pipeline *pipeline);
} wb_pipeline_class;

/* The thread of a pipeline: flusher.c. Locked by the backlog's monitor, but for `cancel`. */
typedef struct wb_flusher {
    wb_cancel cancel;
    bool started;
    bool ended;  /* the thread won't touch the pipeline but to drop its reference */
    bool joined; /* somebody joins or joined it, or it is detached */
    pid_t tid;   /* of the thread that ended */
    pthread_t thread;
} wb_flusher;

/* The first member of a batcher and of a tracker. */
struct wb_pipeline {
    const wb_pipeline_class *class;
    wb_backlog *backlog; /* its outbox or markbox */
    atomic_uint references;
    atomic_bool used;    /* a row was accepted or a thread started, or soon will be */
    atomic_bool started; /* used, and the thread, where there is one, runs */
    atomic_uint process; /* the fork generation that it belongs to */
    int64_t interval_us; /* the age at which what was accepted is due; locked */
    _Atomic int64_t close_timeout_us, write_timeout_us;
    wb_env env;
    wb_clock *clock; /* a reference, or NULL */
    wb_store *store; /* a reference; NULL: the caller delivers */
    bool threaded;   /* a flusher delivers: there is a store, no manual clock, and nobody drives */
    wb_name name;
    const char *what; /* before the name in log lines; NULL: nothing */
    wb_log *log;
    wb_target target;    /* owns its names, and a reference to its schema; of who delivers */
    wb_session *session; /* of who delivers: the thread, or the caller */
    wb_target earlier;   /* the session's, where that is for rows of an earlier schema */
    int64_t used_us;     /* when that was last */
    wb_flusher flusher;
    wb_pipeline *next_alive;   /* lifeline.c */
    wb_pipeline *next_leaving; /* exit.c */
};

/* What both kinds of options say. `what` names the kind in log lines: "batcher". */
typedef struct wb_pipeline_options {
    const char *what;
    const char *name; /* NULL: the table's */
    wb_store *store;
    wb_clock *clock;
    bool driven;      /* although there is a store */
    wb_target target; /* copied */
    int64_t interval_us;
    int64_t close_timeout_us;
    bool log_events, flush_events;
    uint64_t events, event_ids; /* at the most, that wait for the owner: see wb_log_limit */
} wb_pipeline_options;

/* WB_MEMORY leaves nothing behind. The caller makes the backlog next: it is only pointed at. */
int wb_pipeline_init(wb_pipeline *pipeline, const wb_pipeline_class *class, wb_backlog *backlog,
                     const wb_pipeline_options *options, wb_err *err);
void wb_pipeline_fini(wb_pipeline *pipeline);
void wb_pipeline_ref(wb_pipeline *pipeline);
void wb_pipeline_unref(wb_pipeline *pipeline);

/* Before each use: WB_FORK for one that an ancestor used. */
int wb_pipeline_enter(wb_pipeline *pipeline, wb_err *err);
/* At each use, and before what is logged without one: the first in a process gives it its name. */
void wb_pipeline_take_name(wb_pipeline *pipeline);
bool wb_pipeline_may_take(wb_pipeline *pipeline); /* driven, and not an ancestor's */
/* May a driver write to the pipeline's store? WB_MISUSE where there is none. */
int wb_pipeline_may_write(wb_pipeline *pipeline, wb_err *err);
/* What a driver said of a delivery: whether it failed, and how. */
bool wb_pipeline_outcome(const wb_outcome *outcome, wb_err *err);

/* ---- for who delivers ---- */

/* The session for rows of that schema, a tracker's of NULL: made when it is first asked for, and anew where another schema's
 * rows came, or write_timeout_us has changed. */
int wb_pipeline_session(wb_pipeline *pipeline, wb_schema *schema, wb_session **out, wb_err *err);
void wb_pipeline_end_session(wb_pipeline *pipeline);
/* When the session is to be ended because nobody uses it; WB_NEVER where it is not. */
int64_t wb_pipeline_rest_us(const wb_pipeline *pipeline);
void wb_pipeline_rest(wb_pipeline *pipeline); /* ends it where that is over */
/* The deadline of a write that begins now. */
wb_deadline wb_pipeline_deadline(const wb_pipeline *pipeline, const wb_cancel *cancel);
void wb_pipeline_deliver(
    wb_pipeline *pipeline); /* until nothing is due, or the thread is cancelled */
int64_t wb_pipeline_wake_us(wb_pipeline *pipeline);  /* locked: when the thread is wanted next */
void wb_pipeline_leave(wb_pipeline *pipeline);       /* the thread's last: ends the session */
void wb_pipeline_report_lost(wb_pipeline *pipeline); /* logs what is pending, where there is any */

#endif
