/* SPDX-License-Identifier: MIT
 * The markbox's far side: rounds, chunks, and how they ended. See markbox.h for the invariants. */
#include "engine/markbox.h"

/* Where there was no memory for a round or a chunk. */
enum { TRY_AGAIN_US = 1000000 };

int64_t wb_markbox_next_due_us(wb_box *box)
{
    const wb_markbox *markbox = (const wb_markbox *)box;
    const wb_round *round = &markbox->round;
    bool failing = markbox->box.metrics.consecutive_failures > 0;
    if (round->claims > 0 && (failing || round->next == round->count))
        return WB_NEVER;
    int64_t due_us = round->next < round->count ? INT64_MIN : markbox->due_us;
    return due_us > markbox->box.gate_us ? due_us : markbox->box.gate_us;
}

/* The set becomes the round. Without memory for it, it stays the set and is tried again later. */
static bool begin_round(wb_markbox *markbox, int64_t now_us)
{
    size_t count;
    wb_mark *marks = wb_uuidset_drain(markbox->set, &count);
    if (marks == NULL) {
        markbox->due_us = count > 0 ? wb_after_us(now_us, TRY_AGAIN_US) : WB_NEVER;
        return false;
    }
    markbox->round = (wb_round){
        .marks = marks,
        .count = count,
        .at_us = markbox->box.env.unix_us(markbox->box.env.context),
        .reason = markbox->reason,
        .oldest = markbox->oldest,
    };
    markbox->due_us = WB_NEVER;
    return true;
}

static wb_claim *next_chunk(wb_markbox *markbox, int64_t now_us)
{
    wb_claim *claim = wb_alloc(sizeof *claim);
    if (claim == NULL)
        return NULL;
    wb_round *round = &markbox->round;
    size_t left = round->count - round->next;
    size_t count = left < markbox->chunk ? left : (size_t)markbox->chunk;
    *claim = (wb_claim){
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
    markbox->box.metrics.batches++;
    if (markbox->attempt > 0)
        markbox->box.metrics.retries++;
    return claim;
}

static wb_claim *take_locked(wb_markbox *markbox)
{
    int64_t now_us = wb_box_now_us(&markbox->box);
    if (wb_markbox_next_due_us(&markbox->box) > now_us)
        return NULL;
    if (markbox->round.marks == NULL && !begin_round(markbox, now_us))
        return NULL;
    wb_claim *claim = next_chunk(markbox, now_us);
    if (claim == NULL)
        markbox->box.gate_us = wb_after_us(now_us, TRY_AGAIN_US);
    wb_box_changed(&markbox->box);
    return claim;
}

wb_claim *wb_markbox_take(wb_markbox *markbox)
{
    wb_monitor_lock(&markbox->box.monitor);
    wb_claim *claim = take_locked(markbox);
    wb_monitor_unlock(&markbox->box.monitor);
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
    wb_metrics *metrics = &markbox->box.metrics;
    uint64_t sum = marks_in(marks->marks, marks->count);
    metrics->stored += sum;
    metrics->pending -= sum;
    metrics->unique += marks->count;
    metrics->updated += touched->updated;
    metrics->unmatched += touched->unmatched;
    wb_box_succeeded(&markbox->box, marks->count, now_us);
    markbox->attempt = 0;
}

static void bury(wb_markbox *markbox, uint64_t marks)
{
    markbox->box.metrics.dead += marks;
    markbox->box.metrics.pending -= marks;
}

/* Back into the set; what there is no memory for is dead. */
static void merge_back(wb_markbox *markbox, const wb_mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool full;
        if (wb_uuidset_add(markbox->set, marks[i].id, marks[i].time_us, marks[i].count, SIZE_MAX,
                           &full) < 0)
            bury(markbox, marks[i].count);
    }
}

static int64_t retry_at_us(wb_markbox *markbox, int64_t now_us)
{
    wb_box *box = &markbox->box;
    return wb_after_us(now_us, wb_box_delay_us(box, markbox->attempt, wb_box_fraction(box)));
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
    markbox->box.gate_us = retry_at_us(markbox, now_us);
    markbox->due_us = wb_uuidset_count(markbox->set) > 0 ? markbox->box.gate_us : WB_NEVER;
}

static void give_up(wb_markbox *markbox, const struct wb_marks *marks, const wb_err *err,
                    int64_t now_us)
{
    bury(markbox, marks_in(marks->marks, marks->count));
    wb_log_line(markbox->box.log, WB_TOPIC_DEAD, WB_ERROR, now_us, marks->count,
                "gave up %zu ids after %u attempts: %s", marks->count, (unsigned)markbox->attempt,
                err->text);
    markbox->box.gate_us = retry_at_us(markbox, now_us);
    markbox->attempt = 0;
}

static void fail(wb_markbox *markbox, const struct wb_marks *marks, const wb_err *err,
                 int64_t now_us)
{
    uint32_t attempts = markbox->box.retry.attempts;
    wb_box_failed(&markbox->box, err, marks->count, false, now_us);
    markbox->attempt++;
    if (attempts > 0 && markbox->attempt >= attempts && err->class != WB_HOLD)
        give_up(markbox, marks, err, now_us);
    else
        put_back(markbox, marks, now_us);
}

void wb_markbox_complete(wb_markbox *markbox, wb_claim *claim, const wb_err *err,
                         const wb_touched *touched, int64_t elapsed_us)
{
    wb_box *box = &markbox->box;
    const struct wb_marks *marks = &claim->marks;
    wb_monitor_lock(&box->monitor);
    int64_t now_us = wb_box_now_us(box);
    wb_event event =
        wb_box_write_event(err, markbox->round.reason, marks->attempt, marks->count, elapsed_us);
    wb_histogram_add(&box->metrics.write, elapsed_us);
    markbox->round.claims--;
    if (err == NULL)
        succeed(markbox, marks, touched, now_us);
    else
        fail(markbox, marks, err, now_us);
    end_round_if_done(markbox);
    wb_log_flush(box->log, &event);
    wb_box_ended(box);
    wb_monitor_unlock(&box->monitor);
    wb_log_print(box->log);
    wb_free(claim);
}
