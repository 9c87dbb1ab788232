/* SPDX-License-Identifier: MIT
 * Rows that a worker's policy refuses when it is asked where they go: they were accepted already, so they are dead, each for
 * its reason. Of one batch, between asking and dividing; the batch belongs to its taker. */
#ifndef WB_REFUSALS_H
#define WB_REFUSALS_H

#include "engine/outbox/outbox.h"

/* All zero: none. */
typedef struct wb_refusals {
    wb_routes reasons; /* each once */
    bool any;
} wb_refusals;

/* Row `index` of those that are left is refused. Its route says so until the batch is buried. */
void wb_refusals_put(wb_refusals *refusals, wb_batch *batch, size_t index, const char *why);
/* Unlocked. The refused rows of a taken batch are dead. *batch: the others, taken, or NULL where there are none. False: no
 * memory, nothing is changed. */
bool wb_refusals_bury(wb_outbox *outbox, const wb_refusals *refusals, wb_batch **batch);
void wb_refusals_fini(wb_refusals *refusals);

#endif
