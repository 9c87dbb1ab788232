/* SPDX-License-Identifier: MIT
 * Rows that come into batches from the spool: what another process left, and what was parked. In the keeper's thread.
 * What another process left is counted as accepted, and parked; but rows with a key come back at once as the batch that they
 * were, in doubt: its id, or theirs, tells the store whether they are in. Parked rows come back a segment at a time, the
 * oldest first, while the memory has room. */
#ifndef WB_REPLAY_H
#define WB_REPLAY_H

#include "engine/outbox/spooled_pieces.h"

/* Unlocked, both. Takes over what is there. What `replay` has, all zero at first, may be half of a write, whose other half
 * comes at another call. */
void wb_outbox_adopt(wb_outbox *outbox, wb_replay *replay);
/* Brings back a segment's parked rows. False: there are none, or the memory has no room for them. */
bool wb_outbox_replay(wb_outbox *outbox);

#endif
