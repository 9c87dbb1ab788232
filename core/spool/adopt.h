/* SPDX-License-Identifier: MIT
 * Taking over what other processes left: their folders move into this spool's, and their segments become its own, one at a
 * time, whatever state they are in. What is damaged is put aside as ROOT/FOLDER.SERIAL.bad, said once, and stops nothing. What
 * fails for now, for want of memory or descriptors, is tried again with the next look. */
#ifndef WB_ADOPT_H
#define WB_ADOPT_H

#include "spool/files.h"

/* What is done with them, in the keeper's thread. */
typedef struct wb_adopter {
    void *context;
    /* A segment that is this spool's now, pinned, with its bytes as `reading` has them until this returns. */
    void (*segment)(void *context, wb_spool_file *file, const wb_spool_reading *reading);
    /* All that was left was shown, in this look or earlier ones: a write may have had rows of several segments. */
    void (*whole)(void *context);
    void (*say)(void *context, int level, const char *text);
} wb_adopter;

/* Adopts all that is there. */
void wb_spool_adopt(wb_spool *spool, const wb_adopter *adopter);

#endif
