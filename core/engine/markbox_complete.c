/* SPDX-License-Identifier: MIT
 * What becomes of a chunk: its marks are settled, go back into the set, or are given up. See markbox.h for the invariants
 * and the lock. The chunk counts as out to the last, also while the lock is left to adds. A mark that there is no memory
 * for is dead. */
#include "engine/markbox.h"

/* What a chunk comes to: counted without the lock. */
typedef struct tally {
    uint64_t marks;   /* of all its ids */
    uint64_t settled; /* of those that are not to be marked again */
    size_t settled_ids;
} tally;

static tally count_marks(const struct wb_marks *marks)
{
    tally sum = {0};
    for (size_t i = 0; i < marks->count; i++) {
        sum.marks += marks->marks[i].count;
        sum.settled += marks->again[i] ? 0 : marks->marks[i].count;
        sum.settled_ids += !marks->again[i];
    }
    return sum;
}

/* Answers what is left to be freed. */
static wb_marked end_round_if_done(wb_markbox *markbox)
{
    wb_round *round = &markbox->round;
    wb_marked ids = round->ids;
    if (round->chunks_out > 0 || round->next < ids.count)
        return (wb_marked){0};
    wb_id_spool_settled(&markbox->ids);
    *round = (wb_round){0};
    return ids;
}

static void bury(wb_markbox *markbox, uint64_t marks)
{
    markbox->backlog.metrics.dead += marks;
    markbox->backlog.metrics.pending -= marks;
}

enum { STEP = 256 };

/* Lets adds have the lock, which a thread that takes it again at once would never leave to them. A driven markbox has no
 * thread besides theirs. */
static void breathe(wb_markbox *markbox)
{
    if (markbox->backlog.threaded)
        wb_monitor_breathe(&markbox->backlog.monitor);
}

static bool merge(wb_markbox *markbox, const wb_mark *mark)
{
    bool full;
    (void)wb_id_spool_reserve(&markbox->ids, NULL);
    if (wb_markset_add(markbox->set, &mark->key, mark->time_us, mark->count, SIZE_MAX, &full) < 0)
        return false;
    wb_id_spool_put(&markbox->ids, &mark->key, mark->time_us, wb_markset_was_us(markbox->set));
    return true;
}

/* Marks go back into the set, those that are `chosen` (NULL: all); what there is no memory for is dead. They are of a
 * round that has a chunk out, so that it stays. */
static void merge_back(wb_markbox *markbox, const wb_mark *marks, const bool *chosen, size_t count,
                       int64_t now_us)
{
    size_t lost = 0;
    for (size_t i = 0; i < count; i++) {
        if ((chosen == NULL || chosen[i]) && !merge(markbox, &marks[i])) {
            bury(markbox, marks[i].count);
            lost++;
        }
        if (i % STEP == STEP - 1)
            breathe(markbox);
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
    merge_back(markbox, marks->marks, marks->again, marks->count, now_us);
    keep_oldest(markbox);
    int64_t due_us = retry_at_us(markbox, ++markbox->chunks_again, now_us);
    if (wb_markset_count(markbox->set) > 0 && due_us < markbox->due_us)
        markbox->due_us = due_us;
}

static void succeed(wb_markbox *markbox, const struct wb_marks *marks, const tally *sum,
                    const wb_touched *touched, int64_t now_us)
{
    wb_metrics *metrics = &markbox->backlog.metrics;
    metrics->stored += sum->settled;
    metrics->pending -= sum->settled;
    metrics->unique += sum->settled_ids;
    metrics->updated += touched->updated;
    metrics->unmatched += touched->unmatched;
    if (sum->settled_ids < marks->count)
        mark_again(markbox, marks, now_us);
    else
        markbox->chunks_again = 0;
    wb_backlog_succeeded(&markbox->backlog, sum->settled_ids, now_us);
    markbox->attempt = 0;
}

/* What the round has not handed out. */
static void merge_rest(wb_markbox *markbox, int64_t now_us)
{
    wb_round *round = &markbox->round;
    while (round->next < round->ids.count) {
        const wb_mark *marks = round->ids.marks + round->next;
        size_t left = round->ids.count - round->next, count = left < STEP ? left : STEP;
        round->next += count;
        merge_back(markbox, marks, NULL, count, now_us);
    }
}

/* The chunk, and what its round has not handed out, wait together for the next round. */
static void put_back(wb_markbox *markbox, const struct wb_marks *marks, int64_t now_us)
{
    merge_back(markbox, marks->marks, NULL, marks->count, now_us);
    merge_rest(markbox, now_us);
    keep_oldest(markbox);
    markbox->backlog.gate_us = retry_at_us(markbox, markbox->attempt, now_us);
    markbox->due_us = wb_markset_count(markbox->set) > 0 ? markbox->backlog.gate_us : WB_NEVER;
}

static void give_up(wb_markbox *markbox, size_t ids, uint64_t marks, const wb_err *err,
                    int64_t now_us)
{
    bury(markbox, marks);
    wb_log_line(markbox->backlog.log, WB_TOPIC_DEAD, WB_ERROR, now_us, ids,
                "gave up %zu ids after %u attempts: %s", ids, (unsigned)markbox->attempt,
                err->text);
    markbox->backlog.gate_us = retry_at_us(markbox, markbox->attempt, now_us);
    markbox->attempt = 0;
}

static void fail(wb_markbox *markbox, const struct wb_marks *marks, const tally *sum,
                 const wb_err *err, int64_t now_us)
{
    uint32_t attempts = markbox->backlog.retry.attempts;
    wb_backlog_failed(&markbox->backlog, err, marks->count, false, now_us);
    markbox->attempt++;
    if (attempts > 0 && markbox->attempt >= attempts && err->error_class != WB_HOLD)
        give_up(markbox, marks->count, sum->marks, err, now_us);
    else
        put_back(markbox, marks, now_us);
}

void wb_markbox_complete(wb_markbox *markbox, wb_chunk *chunk, const wb_err *err,
                         const wb_touched *touched, int64_t elapsed_us)
{
    wb_backlog *backlog = &markbox->backlog;
    const struct wb_marks *marks = &chunk->marks;
    tally sum = count_marks(marks);
    wb_monitor_lock(&backlog->monitor);
    int64_t now_us = wb_backlog_now_us(backlog);
    wb_histogram_add(&backlog->metrics.write, elapsed_us);
    if (err == NULL)
        succeed(markbox, marks, &sum, touched, now_us);
    else
        fail(markbox, marks, &sum, err, now_us);
    wb_event event =
        wb_backlog_write_event(err, markbox->round.reason, marks->attempt,
                               err == NULL ? sum.settled_ids : marks->count, elapsed_us);
    markbox->round.chunks_out--;
    wb_marked done = end_round_if_done(markbox);
    wb_log_flush(backlog->log, &event);
    wb_backlog_ended(backlog);
    wb_monitor_unlock(&backlog->monitor);
    wb_log_print(backlog->log);
    wb_marked_fini(&done);
    wb_free(chunk);
}
