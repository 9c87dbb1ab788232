/* SPDX-License-Identifier: MIT
 * Marks are put into a set; it is taken out as a round, and the round handed out in chunks. See markbox.h for the
 * invariants. An id that does not fit or finds no memory leaves the markbox as it was. */
#include "engine/markbox.h"

#include <assert.h>
#include <string.h>

#include "base/calendar.h"

static const wb_backlog_class class;

int wb_markbox_init(wb_markbox *markbox, const wb_tracker_options *options, const wb_env *env,
                    wb_log *log, bool threaded, wb_err *err)
{
    memset(markbox, 0, sizeof *markbox);
    markbox->set = wb_markset_new(env, options->key_type == WB_TYPE_TEXT);
    if (markbox->set == NULL)
        return wb_fail(err, WB_MEMORY, "tracker: out of memory");
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
    if (wb_markset_add(markbox->set, key, unix_us, 1, markbox->max_ids, &full) < 0) {
        if (!full)
            return wb_fail(err, WB_MEMORY, "out of memory for an id");
        return wb_fail(err, WB_FULL, "full: %zu ids are pending (max_pending_ids)",
                       wb_markset_count(markbox->set));
    }
    accept_mark(markbox);
    return WB_OK;
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
    if (round->chunks_out > 0 && (failing || round->next == round->ids.count))
        return WB_NEVER;
    int64_t due_us = round->next < round->ids.count ? INT64_MIN : markbox->due_us;
    return due_us > markbox->backlog.gate_us ? due_us : markbox->backlog.gate_us;
}

/* The set becomes the round. Without memory for it, it stays the set and is tried again later. */
static bool begin_round(wb_markbox *markbox, int64_t now_us)
{
    wb_marked ids;
    if (!wb_markset_drain(markbox->set, &ids)) {
        markbox->due_us = wb_after_us(now_us, TRY_AGAIN_US);
        return false;
    }
    markbox->due_us = WB_NEVER;
    if (ids.count == 0)
        return false;
    markbox->round = (wb_round){
        .ids = ids,
        .at_us = markbox->backlog.env.unix_us(markbox->backlog.env.context),
        .reason = markbox->reason,
        .oldest = markbox->oldest,
    };
    return true;
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
    int64_t now_us = wb_backlog_now_us(&markbox->backlog);
    if (wb_markbox_next_due_us(&markbox->backlog) > now_us)
        return NULL;
    if (markbox->round.ids.count == 0 && !begin_round(markbox, now_us))
        return NULL;
    wb_chunk *chunk = next_chunk(markbox, now_us);
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

/* ---- how it ended ---- */

static uint64_t marks_in(const wb_mark *marks, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += marks[i].count;
    return sum;
}

static void end_round_if_done(wb_markbox *markbox)
{
    wb_round *round = &markbox->round;
    if (round->chunks_out > 0 || round->next < round->ids.count)
        return;
    wb_marked_fini(&round->ids);
    *round = (wb_round){0};
}

static void bury(wb_markbox *markbox, uint64_t marks)
{
    markbox->backlog.metrics.dead += marks;
    markbox->backlog.metrics.pending -= marks;
}

/* Back into the set; what there is no memory for is dead. */
static void merge_back(wb_markbox *markbox, const wb_mark *marks, size_t count, int64_t now_us)
{
    size_t lost = 0;
    for (size_t i = 0; i < count; i++) {
        bool full;
        if (wb_markset_add(markbox->set, &marks[i].key, marks[i].time_us, marks[i].count, SIZE_MAX,
                           &full) >= 0)
            continue;
        bury(markbox, marks[i].count);
        lost++;
    }
    if (lost > 0)
        wb_log_line(markbox->backlog.log, WB_TOPIC_DEAD, WB_ERROR, now_us, lost,
                    "gave up %zu ids: out of memory", lost);
}

static int64_t retry_at_us(wb_markbox *markbox, uint64_t failures, int64_t now_us)
{
    wb_backlog *backlog = &markbox->backlog;
    return wb_after_us(now_us,
                       wb_backlog_delay_us(backlog, failures, wb_backlog_fraction(backlog)));
}

static void keep_oldest(wb_markbox *markbox)
{
    if (markbox->due_us == WB_NEVER || markbox->round.oldest < markbox->oldest)
        markbox->oldest = markbox->round.oldest;
}

/* Those that did not move: they are due soon, whatever else is in the set. */
static void mark_again(wb_markbox *markbox, const struct wb_marks *marks, int64_t now_us)
{
    keep_oldest(markbox);
    for (size_t i = 0; i < marks->count; i++)
        if (marks->again[i])
            merge_back(markbox, &marks->marks[i], 1, now_us);
    int64_t due_us = retry_at_us(markbox, ++markbox->chunks_again, now_us);
    if (wb_markset_count(markbox->set) > 0 && due_us < markbox->due_us)
        markbox->due_us = due_us;
}

/* How many ids are settled. */
static size_t succeed(wb_markbox *markbox, const struct wb_marks *marks, const wb_touched *touched,
                      int64_t now_us)
{
    wb_metrics *metrics = &markbox->backlog.metrics;
    size_t settled = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < marks->count; i++) {
        settled += !marks->again[i];
        sum += marks->again[i] ? 0 : marks->marks[i].count;
    }
    metrics->stored += sum;
    metrics->pending -= sum;
    metrics->unique += settled;
    metrics->updated += touched->updated;
    metrics->unmatched += touched->unmatched;
    if (settled < marks->count)
        mark_again(markbox, marks, now_us);
    else
        markbox->chunks_again = 0;
    wb_backlog_succeeded(&markbox->backlog, settled, now_us);
    markbox->attempt = 0;
    return settled;
}

/* The chunk, and what its round has not handed out, wait together for the next round. */
static void put_back(wb_markbox *markbox, const struct wb_marks *marks, int64_t now_us)
{
    wb_round *round = &markbox->round;
    keep_oldest(markbox);
    merge_back(markbox, marks->marks, marks->count, now_us);
    merge_back(markbox, round->ids.marks + round->next, round->ids.count - round->next, now_us);
    round->next = round->ids.count;
    markbox->backlog.gate_us = retry_at_us(markbox, markbox->attempt, now_us);
    markbox->due_us = wb_markset_count(markbox->set) > 0 ? markbox->backlog.gate_us : WB_NEVER;
}

static void give_up(wb_markbox *markbox, const struct wb_marks *marks, const wb_err *err,
                    int64_t now_us)
{
    bury(markbox, marks_in(marks->marks, marks->count));
    wb_log_line(markbox->backlog.log, WB_TOPIC_DEAD, WB_ERROR, now_us, marks->count,
                "gave up %zu ids after %u attempts: %s", marks->count, (unsigned)markbox->attempt,
                err->text);
    markbox->backlog.gate_us = retry_at_us(markbox, markbox->attempt, now_us);
    markbox->attempt = 0;
}

static void fail(wb_markbox *markbox, const struct wb_marks *marks, const wb_err *err,
                 int64_t now_us)
{
    uint32_t attempts = markbox->backlog.retry.attempts;
    wb_backlog_failed(&markbox->backlog, err, marks->count, false, now_us);
    markbox->attempt++;
    if (attempts > 0 && markbox->attempt >= attempts && err->error_class != WB_HOLD)
        give_up(markbox, marks, err, now_us);
    else
        put_back(markbox, marks, now_us);
}

void wb_markbox_complete(wb_markbox *markbox, wb_chunk *chunk, const wb_err *err,
                         const wb_touched *touched, int64_t elapsed_us)
{
    wb_backlog *backlog = &markbox->backlog;
    const struct wb_marks *marks = &chunk->marks;
    wb_monitor_lock(&backlog->monitor);
    int64_t now_us = wb_backlog_now_us(backlog);
    int reason = markbox->round.reason;
    size_t ids = marks->count;
    wb_histogram_add(&backlog->metrics.write, elapsed_us);
    markbox->round.chunks_out--;
    if (err == NULL)
        ids = succeed(markbox, marks, touched, now_us);
    else
        fail(markbox, marks, err, now_us);
    wb_event event = wb_backlog_write_event(err, reason, marks->attempt, ids, elapsed_us);
    end_round_if_done(markbox);
    wb_log_flush(backlog->log, &event);
    wb_backlog_ended(backlog);
    wb_monitor_unlock(&backlog->monitor);
    wb_log_print(backlog->log);
    wb_free(chunk);
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
    bool round_is = markbox->round.ids.count == 0 || markbox->round.oldest > ticket;
    return set_is && round_is;
}

static void measure(wb_backlog *backlog)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    size_t ids = wb_markset_count(markbox->set) + markbox->round.ids.count;
    size_t text_bytes = wb_markset_text_bytes(markbox->set) + markbox->round.ids.texts.bytes;
    backlog->metrics.pending_bytes = ids * sizeof(wb_mark) + text_bytes;
}

static const wb_backlog_class class = {
    .unit = "ids",
    .next_due_us = wb_markbox_next_due_us,
    .seal = seal,
    .settled = settled,
    .measure = measure,
};
