/* SPDX-License-Identifier: MIT
 * The markbox: what a tracker has accepted and not settled yet. Marks are put into a set; when it is due the
 * set is taken out whole, sorted, as a round, and handed out in chunks. What fails goes back into the set,
 * where the newest time wins, together with the chunks of its round that nobody took.
 *
 * Invariants, under the backlog's lock: a mark is in the set, in the round (its set, or its untaken part), or in
 * exactly one taken chunk; a round begins when the last one is settled. What takes long is done without the lock, or in
 * steps, so that no add waits for it: a round is sorted and freed by who takes and who completes, and goes back a few
 * hundred marks at a time. */
#ifndef WB_MARKBOX_H
#define WB_MARKBOX_H

#include "engine/backlog.h"
#include "engine/id_spool.h"
#include "stores/store.h"

/* A chunk that was taken. */
typedef struct wb_chunk {
    struct wb_marks marks; /* first: a wb_marks * is its chunk */
    int64_t taken_us;
    bool again[]; /* those of the marks */
} wb_chunk;

/* The ids of one drain. */
typedef struct wb_round {
    bool open;         /* there is one */
    bool sorting;      /* somebody is at it, without the lock: nothing is taken */
    wb_marked ids;     /* ascending; none: they are still in the round's set */
    size_t bytes;      /* of their memory */
    size_t next;       /* the first that was not handed out */
    size_t chunks_out; /* chunks handed out and not completed */
    int64_t at_us;     /* since 1970 */
    int reason;        /* enum wb_reason */
    uint64_t oldest;   /* the earliest seal that its marks belong to */
} wb_round;

typedef struct wb_markbox {
    wb_backlog backlog;
    int64_t interval_us;
    uint64_t chunk_ids; /* ids in a chunk, at the most */
    uint64_t max_ids;
    int key_type; /* enum wb_type */
    bool exact;

    int reason;       /* why the set will be taken: enum wb_reason */
    uint32_t attempt; /* failures of what waits, since the last that was settled */
    wb_markset *set;
    wb_markset
        *round_set;  /* changes places with it when a round begins; empty once that is sorted */
    int64_t due_us;  /* of the set; WB_NEVER: it is empty, or what goes back is not all there */
    uint64_t seal;   /* grows with each seal */
    uint64_t oldest; /* the earliest seal that the set's marks belong to */
    uint64_t chunks_again; /* in a row that had marks to be marked again */
    wb_round round;
    wb_id_spool ids;
} wb_markbox;

/* The caller's memory; `log` outlives it. WB_MEMORY leaves nothing behind. */
int wb_markbox_init(wb_markbox *markbox, const wb_tracker_options *options, const wb_env *env,
                    wb_log *log, bool threaded, wb_err *err);
void wb_markbox_fini(wb_markbox *markbox); /* with nothing taken */

/* Unlocked. See wb_tracker_*. */
int wb_markbox_put(wb_markbox *markbox, const wb_key *key, int64_t unix_us, bool *due, wb_err *err);
void wb_markbox_refused(wb_markbox *markbox); /* counts an id that was no key */
/* A mark that another process had accepted. */
void wb_markbox_put_adopted(wb_markbox *markbox, const wb_key *key, int64_t unix_us);
wb_chunk *wb_markbox_take(wb_markbox *markbox);
/* Frees the chunk. err: NULL where its ids are settled, but those that are to be marked again: they wait with the set
 * for the next round, and hold nothing up. */
void wb_markbox_complete(wb_markbox *markbox, wb_chunk *chunk, const wb_err *err,
                         const wb_touched *touched, int64_t elapsed_us);

/* Locked; for the backlog. */
int64_t wb_markbox_next_due_us(wb_backlog *backlog);

#endif
