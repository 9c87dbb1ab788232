/* SPDX-License-Identifier: MIT
 * The outbox: what a batcher has accepted and not settled yet. The sole owner of batch states, of overflow
 * and of the lock. Rows are put in one by one; batches are taken out, delivered by whoever took them, and
 * completed, each exactly once.
 *
 * Invariants, under the box's lock: `sealed` is ascending by serial; a batch is in exactly one of `open`, `sealed`, `taken`.
 * Taking: the batches that are due, the least tried first, then the oldest, so that one that always fails
 * can't stop the others. After a failure nothing is taken before `gate_us`, and one at a time. */
#ifndef WB_OUTBOX_H
#define WB_OUTBOX_H

#include "batch.h"
#include "box.h"
#include "policy.h"

enum { WB_OUTBOX_SPARES = 2 };

typedef struct wb_outbox {
    wb_box box;
    wb_schema *schema;
    wb_policy policy;
    uint64_t max_rows, max_bytes; /* pending, at the most */
    uint64_t merge_rows;          /* waiting batches are merged up to this many rows; 0: never */
    int overflow;                 /* enum wb_overflow */
    int64_t block_timeout_us;

    unsigned credit;   /* rejected rows that may be given up: see outbox_reject.c */
    int64_t unix_skew; /* wall clock less monotonic clock, read with each new open batch */
    uint64_t serial;   /* of the last sealed batch */
    size_t taken_count;
    unsigned passed_over; /* batches taken in a row while one that failed was due */
    wb_batch *open;       /* NULL until a row comes */
    wb_batch *sealed;
    wb_batch *taken;
    wb_batch *dead;     /* settled batches that somebody wants to see: the oldest first */
    uint64_t dead_rows; /* in them */
    bool keep_dead;     /* somebody wants to */
    wb_batch *spares;   /* cleared batches, kept for their memory */
    size_t spare_count;
    wb_uuid_source ids;
} wb_outbox;

/* The caller's memory. `log` and the options' schema outlive it. */
void wb_outbox_init(wb_outbox *outbox, const wb_batcher_options *options, const wb_env *env,
                    wb_log *log);
void wb_outbox_fini(wb_outbox *outbox); /* with nothing taken */

/* Unlocked, all of these. */

/* See wb_batcher_add. */
int wb_outbox_put(wb_outbox *outbox, const wb_value *values, size_t count, bool *due, wb_err *err);
wb_batch *wb_outbox_take(wb_outbox *outbox);
/* err: NULL where the batch is stored whole; else why it failed, `stored` leading rows are in. */
void wb_outbox_complete(wb_outbox *outbox, wb_batch *batch, const wb_err *err, uint64_t stored,
                        int64_t elapsed_us);
wb_batch *wb_outbox_next_dead(wb_outbox *outbox); /* the caller frees it; NULL: there is none */

/* Locked; between the outbox's own parts. */
int64_t wb_outbox_next_due_us(const wb_box *box);
void wb_outbox_seal_open(wb_outbox *outbox, int reason);
void wb_outbox_release(wb_outbox *outbox, wb_batch *batch); /* settled: kept as a spare or freed */
void wb_outbox_enlist(wb_batch **list, wb_batch *batch);    /* by serial */
void wb_outbox_delist(wb_batch **list, wb_batch *batch);
void wb_outbox_settle(wb_outbox *outbox, wb_batch *batch);
/* Not to be taken before a delay that grows with its failures; nor is any other, with all of theirs. */
void wb_outbox_delay(wb_outbox *outbox, wb_batch *batch, int64_t now_us);
/* A taken batch, back among the sealed after that delay. */
void wb_outbox_put_back(wb_outbox *outbox, wb_batch *batch, int64_t now_us);
void wb_outbox_give_up(wb_outbox *outbox, wb_batch *batch, const char *why, int64_t now_us);
/* A taken batch was rejected: some row of it is bad, or the store is. */
void wb_outbox_reject(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us);
/* A piece was stored: the half that follows it must have the bad row, so it is halved without a write. */
void wb_outbox_narrow(wb_outbox *outbox, uint64_t serial);
/* A part of a rejected batch is gone without a verdict: suspects that are left alone are held. */
void wb_outbox_check_suspects(wb_outbox *outbox, int64_t now_us);
/* The store took rows: rejected rows that wait for a verdict have it. */
void wb_outbox_vouch(wb_outbox *outbox, int64_t now_us);

#endif
