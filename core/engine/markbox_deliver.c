/* SPDX-License-Identifier: MIT
 * The markbox's far side: rounds, chunks, and how they ended. See markbox.h for the invariants. */
#include "engine/markbox.h"

/* Where there was no memory for a round or a chunk. */
enum { TRY_AGAIN_US = 1000000 };

int64_t wb_markbox_next_due_us(wb_backlog *backlog)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    const wb_round *round = &markbox->round;
    bool failing = markbox->backlog.metrics.consecutive_failures > 0;
    if (round->claims > 0 && (failing || round->next == round->count))
        return WB_NEVER;
    int64_t due_us = round->next < round->count ? INT64_MIN : markbox->due_us;
    return due_us > markbox->backlog.gate_us ? due_us : markbox->backlog.gate_us;
}

/* The set becomes the round. Without memory for it, it stays the set and is tried again later. */
static bool begin_round(wb_markbox *markbox, int64_t now_us)
{
    size_t count;
    wb_mark *marks = wb_markset_drain(markbox->set, &count);
    if (marks == NULL) {
        markbox->due_us = count > 0 ? wb_after_us(now_us, TRY_AGAIN_US) : WB_NEVER;
        return false;
    }
    markbox->round = (wb_round){
        .marks = marks,
        .count = count,
        .at_us = markbox->backlog.env.unix_us(markbox->backlog.env.context),
        .reason = markbox->reason,
        .oldest = markbox->oldest,
    };
    markbox->due_us = WB_NEVER;
    return true;
}

static wb_chunk *next_chunk(wb_markbox *markbox, int64_t now_us)
{
    wb_chunk *claim = wb_alloc(sizeof *claim);
    if (claim == NULL)
        return NULL;
    wb_round *round = &markbox->round;
    size_t left = round->count - round->next;
    size_t count = left < markbox->chunk ? left : (size_t)markbox->chunk;
    *claim = (wb_chunk){
        .taken_us = now_us,
        .marks =
            {
                .marks = round->marks + round->next,
                .count = count,
                .at_us = round->at_us,
                .exact = markbox->exact,
                .attempt = markbox->attempt + 1,
            },
    };
    round->next += count;
    round->claims++;
    markbox->backlog.metrics.batches++;
    if (markbox->attempt > 0)
        markbox->backlog.metrics.retries++;
    return claim;
}

static wb_chunk *take_locked(wb_markbox *markbox)
{
    int64_t now_us = wb_backlog_now_us(&markbox->backlog);
    if (wb_markbox_next_due_us(&markbox->backlog) > now_us)
        return NULL;
    if (markbox->round.marks == NULL && !begin_round(markbox, now_us))
        return NULL;
    wb_chunk *claim = next_chunk(markbox, now_us);
    if (claim == NULL)
        markbox->backlog.gate_us = wb_after_us(now_us, TRY_AGAIN_US);
    wb_backlog_changed(&markbox->backlog);
    return claim;
}

wb_chunk *wb_markbox_take(wb_markbox *markbox)
{
    wb_monitor_lock(&markbox->backlog.monitor);
    wb_chunk *claim = take_locked(markbox);
    wb_monitor_unlock(&markbox->backlog.monitor);
    return claim;
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
    if (round->claims > 0 || round->next < round->count)
        return;
    wb_free(round->marks);
    *round = (wb_round){0};
}

static void succeed(wb_markbox *markbox, const struct wb_marks *marks, const wb_touched *touched,
                    int64_t now_us)
{
    wb_metrics *metrics = &markbox->backlog.metrics;
    uint64_t sum = marks_in(marks->marks, marks->count);
    metrics->stored += sum;
    metrics->pending -= sum;
    metrics->unique += marks->count;
    metrics->updated += touched->updated;
    metrics->unmatched += touched->unmatched;
    wb_backlog_succeeded(&markbox->backlog, marks->count, now_us);
    markbox->attempt = 0;
}

static void bury(wb_markbox *markbox, uint64_t marks)
{
    markbox->backlog.metrics.dead += marks;
    markbox->backlog.metrics.pending -= marks;
}

/* Back into the set; what there is no memory for is dead. */
static void merge_back(wb_markbox *markbox, const wb_mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool full;
        if (wb_markset_add(markbox->set, marks[i].id, marks[i].time_us, marks[i].count, SIZE_MAX,
                           &full) < 0)
            bury(markbox, marks[i].count);
    }
}

static int64_t retry_at_us(wb_markbox *markbox, int64_t now_us)
{
    wb_backlog *backlog = &markbox->backlog;
    return wb_after_us(
        now_us, wb_backlog_delay_us(backlog, markbox->attempt, wb_backlog_fraction(backlog)));
}

/* The chunk, and what its round has not handed out, wait together for the next round. */
static void put_back(wb_markbox *markbox, const struct wb_marks *marks, int64_t now_us)
{
    wb_round *round = &markbox->round;
    if (markbox->due_us == WB_NEVER || round->oldest < markbox->oldest)
        markbox->oldest = round->oldest;
    merge_back(markbox, marks->marks, marks->count);
    merge_back(markbox, round->marks + round->next, round->count - round->next);
    round->next = round->count;
    markbox->backlog.gate_us = retry_at_us(markbox, now_us);
    markbox->due_us = wb_markset_count(markbox->set) > 0 ? markbox->backlog.gate_us : WB_NEVER;
}

static void give_up(wb_markbox *markbox, const struct wb_marks *marks, const wb_err *err,
                    int64_t now_us)
{
    bury(markbox, marks_in(marks->marks, marks->count));
    wb_log_line(markbox->backlog.log, WB_TOPIC_DEAD, WB_ERROR, now_us, marks->count,
                "gave up %zu ids after %u attempts: %s", marks->count, (unsigned)markbox->attempt,
                err->text);
    markbox->backlog.gate_us = retry_at_us(markbox, now_us);
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

void wb_markbox_complete(wb_markbox *markbox, wb_chunk *claim, const wb_err *err,
                         const wb_touched *touched, int64_t elapsed_us)
{
    wb_backlog *backlog = &markbox->backlog;
    const struct wb_marks *marks = &claim->marks;
    wb_monitor_lock(&backlog->monitor);
    int64_t now_us = wb_backlog_now_us(backlog);
    wb_event event = wb_backlog_write_event(err, markbox->round.reason, marks->attempt,
                                            marks->count, elapsed_us);
    wb_histogram_add(&backlog->metrics.write, elapsed_us);
    markbox->round.claims--;
    if (err == NULL)
        succeed(markbox, marks, touched, now_us);
    else
        fail(markbox, marks, err, now_us);
    end_round_if_done(markbox);
    wb_log_flush(backlog->log, &event);
    wb_backlog_ended(backlog);
    wb_monitor_unlock(&backlog->monitor);
    wb_log_print(backlog->log);
    wb_free(claim);
}
