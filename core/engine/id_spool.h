/* SPDX-License-Identifier: MIT
 * What a markbox has in its spool: each id that waits, since a flush of it may be minutes away. An id is put when it comes
 * into the set, and where each has its own time again once that is a second later: what comes back of it is as old as that
 * at the most. No row is marked: the segments that a round's ids are in go when the round is settled; what goes back into
 * the set is put again. A mark that comes twice is one, so an heir marks all that it finds. Locked by the backlog's. */
#ifndef WB_ID_SPOOL_H
#define WB_ID_SPOOL_H

#include "engine/backlog.h"
#include "rows/key.h"
#include "spool/spool.h"

/* All zero: there is none, and nothing is done. */
typedef struct wb_id_spool {
    wb_spool *spool; /* its owner's, as the schema: of one column */
    wb_schema *schema;
    wb_backlog *backlog;
    int key_type;          /* enum wb_type */
    bool exact;            /* each id has its own time */
    bool spools;           /* the last reserve found room */
    bool lacks;            /* an id is in memory alone */
    uint64_t round_serial; /* the round's ids are in segments up to that one */
} wb_id_spool;

/* Makes room for an id. False: there is none, and the options refuse the id for that. */
bool wb_id_spool_reserve(wb_id_spool *ids, wb_err *err);
/* It is in the set, under this time: since when it is there, it was marked at `was_us`; INT64_MIN: it is new. */
void wb_id_spool_put(wb_id_spool *ids, const wb_key *key, int64_t time_us, int64_t was_us);
void wb_id_spool_round(wb_id_spool *ids); /* a round begins: what comes is not of it */
void wb_id_spool_settled(
    wb_id_spool *ids); /* it is over: what of it is not settled is in the set */

#endif
