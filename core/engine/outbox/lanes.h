/* SPDX-License-Identifier: MIT
 * A lane is what the outbox keeps of each table that rows go to: the batch that fills, the table's own gate, its failures.
 * Lanes with open rows are in a heap, the one that is due first on top. A batch of a lane is made to measure, so that a
 * thousand tables take no more than twice the memory of their rows, and some hundred bytes each.
 * Invariant: a lane is in the heap exactly while it has open rows; `rows` and `bytes` are of all these. Not locked: the
 * outbox's lock holds. */
#ifndef WB_LANES_H
#define WB_LANES_H

#include "rows/batch.h"

typedef struct wb_lane {
    wb_batch *open;    /* fills; NULL: none yet */
    uint32_t place;    /* in the heap, from 1; 0: nowhere */
    bool busy;         /* its last batch was full: the next one opens with the usual room */
    bool shut;         /* a write failed since one was stored: it is no news if another does */
    bool held_back;    /* the gate has put off due times of its batches */
    int64_t held_us;   /* until when; WB_NEVER: until the batch of it that is lent comes back */
    int64_t since_us;  /* in the heap: when its oldest row came, or later, where its gate is shut */
    int64_t gate_us;   /* nothing of it is due before */
    uint64_t failures; /* in a row */
    uint64_t refused;  /* lone rows in a row, since a write was stored or the gate was shut */
    unsigned holds;    /* in a row, since a write was stored */
    char *error;       /* of the last failure; NULL: none, or no memory */
    uint64_t walk;     /* in which a batch of its table was met: order.c */
    int64_t used_us;   /* when a row last came; 0: none did */
} wb_lane;

typedef struct wb_lanes {
    wb_lane own; /* of route 0: the batcher's own table */
    wb_lane *others;
    uint32_t *heap; /* of routes */
    uint32_t room;  /* of others; of the heap one more */
    uint32_t count; /* in the heap */
    uint64_t rows, bytes;
    unsigned newly_shut; /* lanes, since a write to any table was stored */
    unsigned failing;    /* lanes whose last write failed */
} wb_lanes;

void wb_lanes_fini(wb_lanes *lanes); /* all zero: empty */
/* Room for so many routes besides 0. False: no memory. */
bool wb_lanes_prepare(wb_lanes *lanes, uint32_t routes);
/* The lane has open rows, since that time: puts it into the heap, or at its new place there. */
void wb_lanes_set(wb_lanes *lanes, uint32_t route, int64_t since_us);
void wb_lanes_remove(wb_lanes *lanes,
                     uint32_t route); /* nothing is open in it; it may be gone already */
void wb_lanes_forget(wb_lanes *lanes, uint32_t route); /* nothing is open in it */

static inline wb_lane *wb_lane_of(wb_lanes *lanes, uint32_t route)
{
    return route == 0 ? &lanes->own : &lanes->others[route - 1];
}

#endif
