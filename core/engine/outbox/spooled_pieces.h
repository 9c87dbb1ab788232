/* SPDX-License-Identifier: MIT
 * Batches made of rows that a spool has, each of one table, one schema and one write. Not locked: nobody else has these rows,
 * and the outbox is only read for what does not change. */
#ifndef WB_PIECES_OF_SPOOL_H
#define WB_PIECES_OF_SPOOL_H

#include "engine/outbox/outbox.h"

/* A batch in the making. */
typedef struct wb_spooled_piece {
    struct wb_spooled_piece *next;
    wb_batch *batch;
    char *table; /* NULL: the outbox's own */
    bool routed;
    uint64_t key[2];
    uint64_t ticket; /* of the segment that its first row is from */
} wb_spooled_piece;

typedef struct wb_replay {
    wb_outbox *outbox;
    wb_schema *schema;  /* of the segment */
    wb_schema *earlier; /* the last that was not the outbox's own */
    const char *table;  /* the own one of who wrote it, where that is another; else NULL */
    uint64_t ticket;    /* of the segment */
    int64_t unix_skew;
    wb_spooled_piece *fresh; /* of one segment */
    wb_spooled_piece *keyed; /* of writes that are not whole yet */
    bool no_memory;
} wb_replay;

/* All zero before the first time. */
void wb_replay_begin(wb_replay *replay, wb_outbox *outbox);
/* The rows that come are of this segment, which outlives their putting. Its schema is the outbox's own, where it is the
 * same. False: no memory, or it is damaged. */
bool wb_replay_schema(wb_replay *replay, const wb_spool_reading *reading, wb_err *err);
/* Puts a row of the segment in that slot into the piece that it belongs to. False: no memory. */
bool wb_replay_put(wb_replay *replay, wb_spooled_piece **pieces, uint32_t slot,
                   const wb_spooled_row *spooled);
void wb_replay_fini(wb_replay *replay);
void wb_replay_free_pieces(wb_spooled_piece **pieces);

#endif
