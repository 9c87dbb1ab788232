/* SPDX-License-Identifier: MIT
 * The common part of batchers and trackers. No lock of its own: `used` and `process` are atomic, the session
 * belongs to the flusher's thread, the rest does not change. */
#include "owner.h"

#include <stdio.h>
#include <string.h>

static bool copy_names(wb_target *target, const wb_target *from)
{
    target->table = wb_strdup(from->table);
    target->key = from->key == NULL ? NULL : wb_strdup(from->key);
    target->column = from->column == NULL ? NULL : wb_strdup(from->column);
    return target->table != NULL && (from->key == NULL || target->key != NULL) &&
           (from->column == NULL || target->column != NULL);
}

int wb_owner_init(wb_owner *owner, const wb_owner_options *options, wb_err *err)
{
    memset(owner, 0, sizeof *owner);
    atomic_init(&owner->references, 1);
    atomic_init(&owner->used, false);
    atomic_init(&owner->process, wb_fork_generation());
    owner->env = options->clock != NULL ? wb_env_of_clock(options->clock) : wb_env_system;
    owner->clock = options->clock != NULL ? wb_clock_ref(options->clock) : NULL;
    owner->store = options->store != NULL ? wb_store_ref(options->store) : NULL;
    owner->threaded = options->store != NULL && options->clock == NULL;
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
    unsigned process = wb_fork_generation();
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
    if (atomic_load_explicit(&owner->used, memory_order_relaxed))
        return WB_OK;
    if (owner->threaded) {
        int code = wb_flusher_start(&owner->flusher, err);
        if (code != WB_OK)
            return code;
    }
    atomic_store(&owner->used, true);
    return WB_OK;
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
    return true;
}
