/* SPDX-License-Identifier: MIT
 * Rows that come into batches from the spool: what another process left, and what was parked.
 * What another process left is counted as accepted, and parked; but rows with a key come back at once as the batch that they
 * were, in doubt: its id, or theirs, tells the store whether they are in. Parked rows come back a segment at a time, the
 * oldest first, in the keeper's thread where the memory has room, and in any that can't wait for it. */
#ifndef WB_REPLAY_H
#define WB_REPLAY_H

#include "engine/outbox/spooled_pieces.h"

/* Unlocked. Takes over what is there. What `replay` has, all zero at first, may be half of a write, whose other half
 * comes at another call. */
void wb_outbox_adopt(wb_outbox *outbox, wb_replay *replay);
/* Locked. Are rows parked for which the memory has room? The keeper brings them back then. */
bool wb_outbox_replays(const wb_outbox *outbox);
/* Unlocked. Brings back a segment's parked rows, or waits for who does. False: there are none, or they can't be read. */
bool wb_outbox_replay(wb_outbox *outbox);

#endif
