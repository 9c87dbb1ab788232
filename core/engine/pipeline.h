/* SPDX-License-Identifier: MIT
 * What a batcher and a tracker have in common: a box, a log, a flusher where there is a store, a session in its
 * thread, references, and the rule about fork: what was used in an ancestor can't be used here, since its
 * rows, its thread and its connection are the ancestor's. */
#ifndef WB_PIPELINE_H
#define WB_PIPELINE_H

#include "engine/backlog.h"
#include "engine/flusher.h"
#include "stores/store.h"

typedef struct wb_pipeline wb_pipeline;

/* What differs: how one piece of work is delivered, and what is freed last. */
typedef struct wb_pipeline_class {
    /* Takes what is due and writes it to the session; false: nothing is due. */
    bool (*deliver_one)(wb_pipeline *pipeline, const wb_cancel *cancel);
    void (*leave)(wb_pipeline *pipeline); /* the thread ends; NULL: nothing is its alone */
    void (*free)(wb_pipeline *pipeline);
} wb_pipeline_class;

/* The first member of a batcher and of a tracker. */
struct wb_pipeline {
    const wb_pipeline_class *class;
    wb_backlog *backlog; /* its outbox or markbox */
    atomic_uint references;
    atomic_bool used;    /* a row was accepted or a thread started, or soon will be */
    atomic_bool started; /* used, and the thread, where there is one, runs */
    atomic_uint process; /* fork generation it belongs to */
    int64_t interval_us; /* age at which what was accepted is due */
    wb_env env;
    wb_clock *clock; /* a reference, or NULL */
    wb_store *store; /* a reference; NULL: the caller delivers */
    bool threaded;   /* a flusher delivers: there is a store, no manual clock, and nobody drives */
    wb_log *log;
    wb_target target;    /* owns its names, and a reference to its schema */
    wb_session *session; /* of who delivers: the thread, or the caller */
    wb_flusher flusher;
};

/* What both kinds of options say. `what` names the kind in log lines: "batcher". */
typedef struct wb_pipeline_options {
    const char *what;
    wb_store *store;
    wb_clock *clock;
    bool driven;      /* although there is a store */
    wb_target target; /* copied */
    int64_t close_timeout_us;
    bool log_events, flush_events;
} wb_pipeline_options;

/* WB_MEMORY leaves nothing behind. The caller then makes the box and calls wb_pipeline_begin. */
int wb_pipeline_init(wb_pipeline *pipeline, const wb_pipeline_class *class,
                     const wb_pipeline_options *options, wb_err *err);
void wb_pipeline_begin(wb_pipeline *pipeline, wb_backlog *backlog, int64_t interval_us,
                       int64_t close_timeout_us);
void wb_pipeline_fini(wb_pipeline *pipeline);
/* Before each use: WB_FORK for one that an ancestor used. */
int wb_pipeline_enter(wb_pipeline *pipeline, wb_err *err);
/* Before a row is accepted: marks it used, starts the thread. */
int wb_pipeline_start(wb_pipeline *pipeline, wb_err *err);
/* Where it is delivered: the session, made when first asked for. */
int wb_pipeline_session(wb_pipeline *pipeline, wb_session **out, wb_err *err);
void wb_pipeline_end_session(wb_pipeline *pipeline);
/* For a driver: may it write to the owner's store? WB_MISUSE where there is none. */
int wb_pipeline_may_write(wb_pipeline *pipeline, wb_err *err);
/* The deadline of a write that begins now. */
wb_deadline wb_pipeline_until(const wb_pipeline *pipeline, const wb_cancel *cancel);
int64_t wb_pipeline_now_us(const wb_pipeline *pipeline);
/* A use: a child would share the descriptor, and set it for both. -1 with ECHILD in a child. */
int wb_pipeline_fd(wb_pipeline *pipeline);
/* What a driver said of a delivery: whether it failed, and how. */
bool wb_pipeline_outcome(const wb_outcome *outcome, wb_err *err);

/* ---- the public functions that both have: see writebehind.h ---- */

int wb_pipeline_flush(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err);
int wb_pipeline_close(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err);
void wb_pipeline_detach(wb_pipeline *pipeline);
int wb_pipeline_stats(wb_pipeline *pipeline, wb_stats *out, wb_err *err);
bool wb_pipeline_event(wb_pipeline *pipeline, wb_event *out);
bool wb_pipeline_may_take(wb_pipeline *pipeline); /* driven, and not an ancestor's */
void wb_pipeline_ref(wb_pipeline *pipeline);      /* for a claim, until it is completed */
void wb_pipeline_unref(wb_pipeline *pipeline);

#endif
