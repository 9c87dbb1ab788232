/* SPDX-License-Identifier: MIT
 * Marks are put into a set; it is taken out as a round, and the round handed out in chunks. See markbox.h for the
 * invariants and the lock. An id that does not fit or finds no memory leaves the markbox as it was. What becomes of a
 * chunk: markbox_complete.c. */
#include "engine/markbox.h"

#include <assert.h>
#include <string.h>

#include "base/calendar.h"
#include "spool/tend.h"

static const wb_backlog_class class;

int wb_markbox_init(wb_markbox *markbox, const wb_tracker_options *options, const wb_env *env,
                    wb_log *log, bool threaded, wb_err *err)
{
    memset(markbox, 0, sizeof *markbox);
    markbox->set = wb_markset_new(env, options->key_type == WB_TYPE_TEXT);
    markbox->round_set = wb_markset_new(env, options->key_type == WB_TYPE_TEXT);
    if (markbox->set == NULL || markbox->round_set == NULL) {
        wb_markset_free(markbox->set);
        wb_markset_free(markbox->round_set);
        return wb_fail(err, WB_MEMORY, "tracker: out of memory");
    }
    wb_backlog_init(&markbox->backlog, &class, env, &options->retry, log, threaded);
    markbox->interval_us = options->interval_us;
    markbox->chunk_ids = options->chunk;
    markbox->max_ids = options->max_pending_ids;
    markbox->key_type = options->key_type;
    markbox->exact = options->exact;
    markbox->due_us = WB_NEVER;
    return WB_OK;
}

void wb_markbox_fini(wb_markbox *markbox)
{
    assert(markbox->round.chunks_out == 0);
    wb_marked_fini(&markbox->round.ids);
    wb_markset_free(markbox->set);
    wb_markset_free(markbox->round_set);
    wb_backlog_fini(&markbox->backlog);
}

/* ---- putting a mark in ---- */

static void accept_mark(wb_markbox *markbox)
{
    markbox->backlog.metrics.accepted++;
    markbox->backlog.metrics.pending++;
    if (markbox->due_us != WB_NEVER)
        return;
    int64_t now = wb_backlog_now_us(&markbox->backlog);
    markbox->due_us = wb_after_us(now, markbox->interval_us);
    if (markbox->due_us == WB_NEVER)
        markbox->due_us--; /* WB_NEVER says that the set is empty */
    markbox->oldest = markbox->seal + 1;
    markbox->reason = WB_REASON_AGE;
    wb_monitor_wake_by(&markbox->backlog.monitor, markbox->due_us);
    wb_backlog_changed(&markbox->backlog);
}

static int put_locked(wb_markbox *markbox, const wb_key *key, int64_t unix_us, wb_err *err)
{
    if (markbox->backlog.closing)
        return wb_fail(err, WB_CLOSED, "closed: no new ids");
    if (unix_us == WB_NEVER)
        unix_us = markbox->backlog.env.unix_us(markbox->backlog.env.context);
    else if (unix_us < WB_TIME_MIN_US || unix_us > WB_TIME_MAX_US)
        return wb_fail(err, WB_INVALID, "the time is not within the years 1 to 9999");
    bool full = false;
    if (!wb_id_spool_reserve(&markbox->ids, err))
        return WB_STORE;
    if (wb_markset_add(markbox->set, key, unix_us, 1, markbox->max_ids, &full) < 0) {
        if (!full)
            return wb_fail(err, WB_MEMORY, "out of memory for an id");
        return wb_fail(err, WB_FULL, "full: %zu ids are pending (max_pending_ids)",
                       wb_markset_count(markbox->set));
    }
    wb_id_spool_put(&markbox->ids, key, unix_us, wb_markset_was_us(markbox->set));
    accept_mark(markbox);
    return WB_OK;
}

void wb_markbox_put_adopted(wb_markbox *markbox, const wb_key *key, int64_t unix_us)
{
    bool full;
    wb_monitor_lock(&markbox->backlog.monitor);
    (void)wb_id_spool_reserve(&markbox->ids, NULL);
    if (wb_markset_add(markbox->set, key, unix_us, 1, SIZE_MAX, &full) >= 0) {
        wb_id_spool_put(&markbox->ids, key, unix_us, wb_markset_was_us(markbox->set));
        accept_mark(markbox);
        markbox->backlog.metrics.adopted++;
    }
    wb_monitor_unlock(&markbox->backlog.monitor);
}

int wb_markbox_put(wb_markbox *markbox, const wb_key *key, int64_t unix_us, bool *due, wb_err *err)
{
    wb_monitor_lock(&markbox->backlog.monitor);
    int code = put_locked(markbox, key, unix_us, err);
    if (code != WB_OK)
        markbox->backlog.metrics.rejected++;
    if (due != NULL)
        *due = wb_markbox_next_due_us(&markbox->backlog) <= wb_backlog_now_us(&markbox->backlog);
    wb_monitor_unlock(&markbox->backlog.monitor);
    return code;
}

void wb_markbox_refused(wb_markbox *markbox)
{
    wb_monitor_lock(&markbox->backlog.monitor);
    markbox->backlog.metrics.rejected++;
    wb_monitor_unlock(&markbox->backlog.monitor);
}

/* ---- rounds and chunks ---- */

/* Where there was no memory for a round or a chunk. */
enum { TRY_AGAIN_US = 1000000 };

int64_t wb_markbox_next_due_us(wb_backlog *backlog)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    const wb_round *round = &markbox->round;
    bool failing = markbox->backlog.metrics.consecutive_failures > 0;
    if (round->sorting || (round->chunks_out > 0 && (failing || round->next == round->ids.count)))
        return WB_NEVER;
    int64_t due_us = round->open ? INT64_MIN : markbox->due_us;
    return due_us > markbox->backlog.gate_us ? due_us : markbox->backlog.gate_us;
}

static size_t bytes_in(const wb_markset *set)
{
    return wb_markset_count(set) * sizeof(wb_mark) + wb_markset_text_bytes(set);
}

/* The set becomes the round's, and the round's, which is empty, the set. */
static void begin_round(wb_markbox *markbox)
{
    wb_markset *set = markbox->set;
    markbox->set = markbox->round_set;
    markbox->round_set = set;
    markbox->due_us = WB_NEVER;
    markbox->round = (wb_round){
        .open = wb_markset_count(set) > 0,
        .bytes = bytes_in(set),
        .at_us = markbox->backlog.env.unix_us(markbox->backlog.env.context),
        .reason = markbox->reason,
        .oldest = markbox->oldest,
    };
    wb_id_spool_round(&markbox->ids);
}

/* Gives the lock away while it sorts. False: there is no memory, and the marks stay where they are. */
static bool sort_round(wb_markbox *markbox)
{
    wb_marked ids;
    markbox->round.sorting = true;
    wb_monitor_unlock(&markbox->backlog.monitor);
    bool sorted = wb_markset_drain(markbox->round_set, &ids);
    wb_monitor_lock(&markbox->backlog.monitor);
    markbox->round.sorting = false;
    if (sorted)
        markbox->round.ids = ids;
    return sorted;
}

static wb_chunk *next_chunk(wb_markbox *markbox, int64_t now_us)
{
    wb_round *round = &markbox->round;
    size_t left = round->ids.count - round->next;
    size_t count = left < markbox->chunk_ids ? left : (size_t)markbox->chunk_ids;
    wb_chunk *chunk = wb_alloc_zeroed(sizeof *chunk + count * sizeof *chunk->again);
    if (chunk == NULL)
        return NULL;
    chunk->taken_us = now_us;
    chunk->marks = (wb_marks){
        .marks = round->ids.marks + round->next,
        .count = count,
        .key_type = markbox->key_type,
        .at_us = round->at_us,
        .exact = markbox->exact,
        .attempt = markbox->attempt + 1,
        .again = chunk->again,
    };
    round->next += count;
    round->chunks_out++;
    markbox->backlog.metrics.batches++;
    if (markbox->attempt > 0)
        markbox->backlog.metrics.retries++;
    return chunk;
}

static wb_chunk *take_locked(wb_markbox *markbox)
{
    if (wb_markbox_next_due_us(&markbox->backlog) > wb_backlog_now_us(&markbox->backlog))
        return NULL;
    if (!markbox->round.open)
        begin_round(markbox);
    if (!markbox->round.open)
        return NULL;
    bool sorted = markbox->round.ids.count > 0 || sort_round(markbox);
    int64_t now_us = wb_backlog_now_us(&markbox->backlog);
    wb_chunk *chunk = sorted ? next_chunk(markbox, now_us) : NULL;
    if (chunk == NULL)
        markbox->backlog.gate_us = wb_after_us(now_us, TRY_AGAIN_US);
    wb_backlog_changed(&markbox->backlog);
    return chunk;
}

wb_chunk *wb_markbox_take(wb_markbox *markbox)
{
    wb_monitor_lock(&markbox->backlog.monitor);
    wb_chunk *chunk = take_locked(markbox);
    wb_monitor_unlock(&markbox->backlog.monitor);
    return chunk;
}

/* ---- what the backlog asks ---- */

static uint64_t seal(wb_backlog *backlog, int reason)
{
    wb_markbox *markbox = (wb_markbox *)backlog;
    markbox->reason = reason;
    if (markbox->due_us != WB_NEVER)
        markbox->due_us = INT64_MIN;
    return ++markbox->seal;
}

static bool settled(const wb_backlog *backlog, uint64_t ticket)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    bool set_is = markbox->due_us == WB_NEVER || markbox->oldest > ticket;
    bool round_is = !markbox->round.open || markbox->round.oldest > ticket;
    return set_is && round_is;
}

static void measure(wb_backlog *backlog)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    backlog->metrics.pending_rows = wb_markset_count(markbox->set) +
                                    wb_markset_count(markbox->round_set) + markbox->round.ids.count;
    if (markbox->ids.spool != NULL)
        backlog->metrics.spool_bytes = wb_spool_bytes(markbox->ids.spool);
    backlog->metrics.pending_bytes = bytes_in(markbox->set) + markbox->round.bytes;
}

static const wb_backlog_class class = {
    .unit = "ids",
    .next_due_us = wb_markbox_next_due_us,
    .seal = seal,
    .settled = settled,
    .measure = measure,
};
