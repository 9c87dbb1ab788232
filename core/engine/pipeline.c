/* SPDX-License-Identifier: MIT
 * The common part of batchers and trackers. No lock of its own: `used` and `process` are atomic, the session
 * belongs to the flusher's thread, the rest does not change. */
#include "engine/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/lifeline.h"

static bool copy_names(wb_target *target, const wb_target *from)
{
    target->table = wb_strdup(from->table);
    target->key = from->key == NULL ? NULL : wb_strdup(from->key);
    target->column = from->column == NULL ? NULL : wb_strdup(from->column);
    return target->table != NULL && (from->key == NULL || target->key != NULL) &&
           (from->column == NULL || target->column != NULL);
}

int wb_owner_init(wb_owner *owner, const wb_owner_class *class, const wb_owner_options *options,
                  wb_err *err)
{
    memset(owner, 0, sizeof *owner);
    owner->class = class;
    atomic_init(&owner->references, 1);
    atomic_init(&owner->used, false);
    atomic_init(&owner->started, false);
    atomic_init(&owner->process, wb_fork_generation());
    owner->env = options->clock != NULL ? wb_env_of_clock(options->clock) : wb_env_system;
    owner->clock = options->clock != NULL ? wb_clock_ref(options->clock) : NULL;
    owner->store = options->store != NULL ? wb_store_ref(options->store) : NULL;
    owner->threaded = options->store != NULL && options->clock == NULL && !options->driven;
    owner->target = options->target;
    if (owner->target.schema != NULL)
        wb_schema_ref(owner->target.schema);

    char name[128];
    snprintf(name, sizeof name, "%s %s", options->what, options->target.table);
    owner->log = wb_log_new(name, options->log_events, options->flush_events);
    owner->target.log = owner->log;
    if (!copy_names(&owner->target, &options->target) || owner->log == NULL) {
        wb_owner_fini(owner);
        return wb_fail(err, WB_MEMORY, "%s: out of memory", options->what);
    }
    return WB_OK;
}

void wb_owner_fini(wb_owner *owner)
{
    wb_free((void *)owner->target.table);
    wb_free((void *)owner->target.key);
    wb_free((void *)owner->target.column);
    wb_schema_unref(owner->target.schema);
    wb_log_free(owner->log);
    wb_store_unref(owner->store);
    wb_clock_unref(owner->clock);
}

int wb_owner_enter(wb_owner *owner, wb_err *err)
{
    unsigned process = wb_fork_generation_now();
    if (atomic_load_explicit(&owner->process, memory_order_relaxed) == process)
        return WB_OK;
    if (atomic_load(&owner->used))
        return wb_fail(err, WB_FORK,
                       "used before fork: its rows are the parent's; make a new one here");
    atomic_store(&owner->process, process);
    return WB_OK;
}

int wb_owner_start(wb_owner *owner, wb_err *err)
{
    if (atomic_load_explicit(&owner->started, memory_order_relaxed))
        return WB_OK;
    atomic_store(&owner->used, true); /* first: a fork from now on must not take it for unused */
    int code = WB_OK;
    if (owner->threaded)
        code = wb_flusher_start(&owner->flusher, err);
    else if (!atomic_exchange(&owner->started, true))
        wb_lifeline_enter(&owner->flusher); /* exit says what its driver left undone */
    if (code == WB_OK)
        atomic_store(&owner->started, true);
    return code;
}

int wb_owner_session(wb_owner *owner, wb_session **out, wb_err *err)
{
    if (owner->session == NULL)
        owner->session = owner->store->class->session(owner->store, &owner->target);
    if (owner->session == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a session");
    *out = owner->session;
    return WB_OK;
}

void wb_owner_end_session(wb_owner *owner)
{
    if (owner->session != NULL)
        owner->session->class->end(owner->session);
    owner->session = NULL;
}

int wb_owner_may_write(wb_owner *owner, wb_err *err)
{
    if (owner->store == NULL || owner->threaded)
        return wb_fail(err, WB_MISUSE, "write: there is no store of its own to drive");
    return wb_owner_enter(owner, err);
}

wb_until wb_owner_until(const wb_owner *owner, const wb_cancel *cancel)
{
    int64_t now_us = wb_now_us();
    int64_t timeout_us = owner->target.write_timeout_us;
    bool never = timeout_us >= WB_NEVER - now_us;
    return (wb_until){.deadline_us = never ? WB_NEVER : now_us + timeout_us, .cancel = cancel};
}

int64_t wb_owner_now_us(const wb_owner *owner)
{
    return owner->env.now_us(owner->env.context);
}

bool wb_owner_outcome(const wb_outcome *outcome, wb_err *err)
{
    if (outcome->code == WB_OK)
        return false;
    wb_fail_store(err, outcome->class, "%s",
                  outcome->text != NULL ? outcome->text : "the store failed");
    err->in_doubt = outcome->in_doubt;
    return true;
}

/* ---- the flusher's side ---- */

static void deliver(void *owner, const wb_cancel *cancel)
{
    wb_owner *self = owner;
    while (!atomic_load(&cancel->asked) && self->class->deliver_one(self, cancel))
        continue;
}

/* After work the thread naps for an interval before it sleeps without end: what comes meanwhile is due later
 * than the nap is over, so it need not wake the thread. */
static int64_t next_due_us(void *owner)
{
    wb_owner *self = owner;
    int64_t due_us = self->box->class->next_due_us(self->box);
    if (due_us != WB_NEVER || !self->box->active)
        return due_us;
    self->box->active = false;
    return wb_after_us(wb_now_us(), self->interval_us);
}

static bool drained(void *owner)
{
    return wb_box_drained(((wb_owner *)owner)->box);
}

static void leave(void *owner)
{
    wb_owner *self = owner;
    wb_owner_end_session(self);
    if (self->class->leave != NULL)
        self->class->leave(self);
}

static void close_now(void *owner)
{
    wb_box_close(((wb_owner *)owner)->box);
}

static void report_lost(void *owner)
{
    wb_owner *self = owner;
    wb_stats stats;
    wb_box_stats(self->box, &stats);
    if (stats.pending == 0)
        return;
    wb_log_orphan(self->log);
    wb_log_line(self->log, WB_TOPIC_LOST, WB_ERROR, wb_owner_now_us(self), stats.pending,
                "%llu accepted %s were not stored%s%s", (unsigned long long)stats.pending,
                self->box->class->unit, stats.last_error[0] != '\0' ? ": " : "", stats.last_error);
    wb_log_print(self->log);
}

static void ref(void *owner)
{
    wb_owner_ref(owner);
}

static void unref(void *owner)
{
    wb_owner_unref(owner);
}

static const wb_work work = {
    .deliver = deliver,
    .next_due_us = next_due_us,
    .drained = drained,
    .leave = leave,
    .close = close_now,
    .lost = report_lost,
    .ref = ref,
    .unref = unref,
};

void wb_owner_begin(wb_owner *owner, wb_box *box, int64_t interval_us, int64_t close_timeout_us)
{
    owner->box = box;
    owner->interval_us = interval_us;
    box->threaded = owner->threaded;
    wb_flusher_init(&owner->flusher, &work, owner, &box->monitor, close_timeout_us);
}

int wb_owner_fd(wb_owner *owner)
{
    if (wb_owner_enter(owner, NULL) != WB_OK) {
        errno = ECHILD;
        return -1;
    }
    atomic_store(&owner->used, true);
    return wb_box_fd(owner->box);
}

void wb_owner_ref(wb_owner *owner)
{
    atomic_fetch_add(&owner->references, 1);
}

void wb_owner_unref(wb_owner *owner)
{
    if (atomic_fetch_sub(&owner->references, 1) > 1)
        return;
    wb_owner_end_session(owner);
    wb_flusher_fini(&owner->flusher);
    owner->class->free(owner);
}

/* ---- the owner's side ---- */

static int not_settled(wb_owner *owner, wb_err *err)
{
    wb_stats stats;
    wb_box_stats(owner->box, &stats);
    if (stats.pending == 0)
        return wb_fail(err, WB_TIMEOUT, "all %s are settled; the store is still being closed",
                       owner->box->class->unit);
    const char *why = stats.consecutive_failures > 0 ? stats.last_error : "";
    return wb_fail(err, WB_TIMEOUT, "%llu %s are not settled yet%s%s",
                   (unsigned long long)stats.pending, owner->box->class->unit,
                   why[0] != '\0' ? ": " : "", why);
}

/* What is driven is settled by its driver: there is nothing to wait for in here. */
static bool wait_settled(wb_owner *owner, uint64_t mark, int64_t deadline_us)
{
    return owner->threaded ? wb_box_wait(owner->box, mark, deadline_us)
                           : wb_box_settled(owner->box, mark);
}

int wb_owner_flush(wb_owner *owner, int64_t deadline_us, wb_err *err)
{
    int code = wb_owner_enter(owner, err);
    if (code != WB_OK)
        return code;
    uint64_t mark = wb_box_seal(owner->box, WB_REASON_FLUSH);
    return wait_settled(owner, mark, deadline_us) ? WB_OK : not_settled(owner, err);
}

int wb_owner_close(wb_owner *owner, int64_t deadline_us, wb_err *err)
{
    int code = wb_owner_enter(owner, err);
    if (code != WB_OK)
        return code;
    wb_box_close(owner->box);
    bool settled = wait_settled(owner, UINT64_MAX, deadline_us);
    if (!settled || !wb_flusher_join(&owner->flusher, deadline_us))
        return not_settled(owner, err);
    if (!owner->threaded)
        wb_owner_end_session(owner);
    return WB_OK;
}

/* One that an ancestor used is left as it is: its lock may be held, and its connection is not ours. */
void wb_owner_detach(wb_owner *owner)
{
    if (wb_owner_enter(owner, NULL) != WB_OK)
        return;
    if (owner->threaded) {
        wb_box_close(owner->box);
    } else {
        wb_lifeline_leave(&owner->flusher);
        report_lost(owner);
    }
    wb_flusher_detach(&owner->flusher);
    wb_owner_unref(owner);
}

int wb_owner_stats(wb_owner *owner, wb_stats *out, wb_err *err)
{
    int code = wb_owner_enter(owner, err);
    if (code == WB_OK)
        wb_box_stats(owner->box, out);
    return code;
}

bool wb_owner_event(wb_owner *owner, wb_event *out)
{
    return wb_owner_enter(owner, NULL) == WB_OK && wb_box_event(owner->box, out);
}

bool wb_owner_may_take(wb_owner *owner)
{
    return !owner->threaded && wb_owner_enter(owner, NULL) == WB_OK;
}
