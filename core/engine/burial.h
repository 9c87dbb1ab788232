/* SPDX-License-Identifier: MIT
 * A batcher's dead rows go to a file, by who delivers. A row leaves the spool once it is there. */
#ifndef WB_BURIAL_H
#define WB_BURIAL_H

#include "engine/outbox/outbox.h"
#include "engine/pipeline.h"

typedef struct wb_burial {
    wb_pipeline *pipeline;
    wb_outbox *outbox;
    char *path;       /* NULL: dead rows go to no file */
    int64_t again_us; /* where it can't be written: the next try; 0: it can */
} wb_burial;

void wb_burial_some(wb_burial *burial); /* those that are there */
/* The last try: what can't be written now is lost, or stays in the spool. */
void wb_burial_end(wb_burial *burial);

#endif
