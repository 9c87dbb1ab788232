/* SPDX-License-Identifier: MIT
 * The markbox's far side: rounds, chunks, and how they ended. See markbox.h for the invariants. */
#include "markbox.h"

#include <stdio.h>
#include <string.h>

int64_t wb_markbox_next_due_us(const wb_markbox *box)
{
    const wb_round *round = &box->round;
    bool failing = box->metrics.consecutive_failures > 0;
    if (round->claims > 0 && (failing || round->next == round->count))
        return WB_NEVER;
    int64_t due_us = round->next < round->count ? INT64_MIN : box->due_us;
    return due_us > box->gate_us ? due_us : box->gate_us;
}

/* The set becomes the round. Without memory for it, it stays the set and is tried again later. */
static bool begin_round(wb_markbox *box, int64_t now_us)
{
    const int64_t try_again_us = 1000000;
    size_t count;
    wb_mark *marks = wb_uuidset_drain(box->set, &count);
    if (marks == NULL) {
        box->due_us = count > 0 ? now_us + try_again_us : WB_NEVER;
        return false;
    }
    box->round = (wb_round){
        .marks = marks,
        .count = count,
        .at_us = box->env.unix_us(box->env.context),
        .reason = box->reason,
        .oldest = box->oldest,
    };
    box->due_us = WB_NEVER;
    return true;
}

static wb_claim *next_chunk(wb_markbox *box, int64_t now_us)
{
    wb_claim *claim = wb_alloc(sizeof *claim);
    if (claim == NULL)
        return NULL;
    wb_round *round = &box->round;
    size_t left = round->count - round->next;
    size_t count = left < box->chunk ? left : (size_t)box->chunk;
    *claim = (wb_claim){
        .taken_us = now_us,
        .marks =
            {
                .marks = round->marks + round->next,
                .count = count,
                .at_us = round->at_us,
                .exact = box->exact,
                .attempt = box->attempt + 1,
            },
    };
    round->next += count;
    round->claims++;
    box->metrics.batches++;
    if (box->attempt > 0)
        box->metrics.retries++;
    return claim;
}

static wb_claim *take_locked(wb_markbox *box)
{
    int64_t now_us = box->env.now_us(box->env.context);
    if (wb_markbox_next_due_us(box) > now_us)
        return NULL;
    if (box->round.marks == NULL && !begin_round(box, now_us))
        return NULL;
    wb_claim *claim = next_chunk(box, now_us);
    wb_markbox_changed(box);
    return claim;
}

wb_claim *wb_markbox_take(wb_markbox *box)
{
    wb_monitor_lock(&box->monitor);
    wb_claim *claim = take_locked(box);
    wb_monitor_unlock(&box->monitor);
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

static void end_round_if_done(wb_markbox *box)
{
    wb_round *round = &box->round;
    if (round->claims > 0 || round->next < round->count)
        return;
    wb_free(round->marks);
    *round = (wb_round){0};
}

static void succeed(wb_markbox *box, const struct wb_marks *marks, const wb_touched *touched,
                    int64_t now_us)
{
    wb_metrics *metrics = &box->metrics;
    uint64_t sum = marks_in(marks->marks, marks->count);
    metrics->stored += sum;
    metrics->pending -= sum;
    metrics->flushes++;
    metrics->unique += marks->count;
    metrics->updated += touched->updated;
    metrics->unmatched += touched->unmatched;
    if (metrics->consecutive_failures > 0) {
        wb_log_line(box->log, WB_TOPIC_RECOVERY, WB_INFO, now_us, marks->count,
                    "the store takes ids again after %llu failures",
                    (unsigned long long)metrics->consecutive_failures);
        wb_log_reset(box->log, WB_TOPIC_FAILURE);
        wb_log_reset(box->log, WB_TOPIC_HOLD);
    }
    metrics->consecutive_failures = 0;
    box->attempt = 0;
    box->holding = false;
    box->gate_us = INT64_MIN;
}

static void bury(wb_markbox *box, uint64_t marks)
{
    box->metrics.dead += marks;
    box->metrics.pending -= marks;
}

/* Back into the set; what there is no memory for is dead. */
static void merge_back(wb_markbox *box, const wb_mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool full;
        if (wb_uuidset_add(box->set, marks[i].id, marks[i].time_us, marks[i].count, SIZE_MAX,
                           &full) < 0)
            bury(box, marks[i].count);
    }
}

static int64_t retry_at_us(wb_markbox *box, int64_t now_us)
{
    const int64_t closing_us = 1000000;
    uint32_t draw;
    box->env.random(box->env.context, &draw, sizeof draw);
    int64_t delay_us = wb_backoff_us(&box->retry, box->attempt, draw / 4294967296.0);
    return now_us + (box->closing && delay_us > closing_us ? closing_us : delay_us);
}

/* The chunk, and what its round has not handed out, wait together for the next round. */
static void put_back(wb_markbox *box, const struct wb_marks *marks, int64_t now_us)
{
    wb_round *round = &box->round;
    if (box->due_us == WB_NEVER || round->oldest < box->oldest)
        box->oldest = round->oldest;
    merge_back(box, marks->marks, marks->count);
    merge_back(box, round->marks + round->next, round->count - round->next);
    round->next = round->count;
    box->gate_us = retry_at_us(box, now_us);
    box->due_us = wb_uuidset_count(box->set) > 0 ? box->gate_us : WB_NEVER;
}

static void log_failure(wb_markbox *box, const wb_err *err, size_t ids, int64_t now_us)
{
    unsigned long long failures = box->metrics.consecutive_failures;
    wb_log_line(box->log, box->holding ? WB_TOPIC_HOLD : WB_TOPIC_FAILURE,
                failures > 1 ? WB_ERROR : WB_WARN, now_us, ids,
                "a write of %zu ids failed, %llu in a row, they are kept: %s", ids, failures,
                err->text);
}

static void give_up(wb_markbox *box, const struct wb_marks *marks, const wb_err *err,
                    int64_t now_us)
{
    bury(box, marks_in(marks->marks, marks->count));
    wb_log_line(box->log, WB_TOPIC_DEAD, WB_ERROR, now_us, marks->count,
                "gave up %zu ids after %u attempts: %s", marks->count, (unsigned)box->attempt,
                err->text);
    box->gate_us = retry_at_us(box, now_us);
    box->attempt = 0;
}

static void fail(wb_markbox *box, const struct wb_marks *marks, const wb_err *err, int64_t now_us)
{
    wb_metrics *metrics = &box->metrics;
    metrics->failures++;
    metrics->consecutive_failures++;
    box->attempt++;
    snprintf(metrics->last_error, sizeof metrics->last_error, "%s", err->text);
    box->holding = err->class == WB_HOLD;
    bool last = box->retry.attempts > 0 && box->attempt >= box->retry.attempts;
    if (last && !box->holding) {
        give_up(box, marks, err, now_us);
        return;
    }
    log_failure(box, err, marks->count, now_us);
    put_back(box, marks, now_us);
}

void wb_markbox_complete(wb_markbox *box, wb_claim *claim, const wb_err *err,
                         const wb_touched *touched, int64_t elapsed_us)
{
    wb_event event = {
        .kind = WB_EVENT_FLUSH,
        .level = err == NULL ? WB_DEBUG : WB_WARN,
        .code = err == NULL ? WB_OK : err->code,
        .class = err == NULL ? WB_RETRY : err->class,
        .reason = box->round.reason,
        .attempt = claim->marks.attempt,
        .rows = claim->marks.count,
        .elapsed_s = (double)elapsed_us / 1e6,
    };
    if (err != NULL)
        memcpy(event.text, err->text, sizeof event.text);

    wb_monitor_lock(&box->monitor);
    int64_t now_us = box->env.now_us(box->env.context);
    wb_histogram_add(&box->metrics.write, elapsed_us);
    box->round.claims--;
    if (err == NULL)
        succeed(box, &claim->marks, touched, now_us);
    else
        fail(box, &claim->marks, err, now_us);
    end_round_if_done(box);
    wb_log_flush(box->log, &event);
    wb_monitor_tell(&box->monitor);
    wb_monitor_wake_by(&box->monitor, wb_markbox_next_due_us(box));
    wb_markbox_changed(box);
    wb_monitor_unlock(&box->monitor);
    wb_log_print(box->log);
    wb_free(claim);
}
