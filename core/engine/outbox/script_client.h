/* SPDX-License-Identifier: MIT
 * Asking a decider, in the flusher's thread and without the box's lock. Whatever goes wrong with it is counted
 * and logged, and the answer is then the built-in one; a script that can't be opened is tried again after a
 * while. */
#ifndef WB_ASK_H
#define WB_ASK_H

#include "engine/backlog.h"
#include "stores/script.h"

typedef struct wb_asker {
    wb_decider *decider;
    wb_box *box;
    bool open;
    int64_t open_us; /* not to be opened before */
} wb_asker;

/* All zero: nothing is asked. `decider` NULL: the same; else it is ended with the asker. */
void wb_asker_init(wb_asker *asker, wb_decider *decider, wb_box *box);
void wb_asker_fini(wb_asker *asker);
bool wb_ask_should_flush(wb_asker *asker, const wb_stats *stats, const wb_view *view);
bool wb_asker_routes(wb_asker *asker); /* is there somebody to ask for routes? */
/* NULL: the batcher's own table. */
const char *wb_ask_route(wb_asker *asker, const wb_batch *batch, size_t index);
int64_t wb_ask_retry_us(wb_asker *asker, const wb_stats *stats, const wb_view *view,
                        const wb_err *failure);

#endif
