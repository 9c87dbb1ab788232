/* SPDX-License-Identifier: MIT
 * Asking a decider, in the flusher's thread and without the box's lock. Whatever goes wrong with it is counted
 * and logged, and the answer is then the built-in one; a script that can't be opened is tried again after a
 * while. */
#ifndef WB_SCRIPT_CLIENT_H
#define WB_SCRIPT_CLIENT_H

#include "engine/backlog.h"
#include "stores/script.h"

typedef struct wb_script_client {
    wb_script *decider;
    wb_backlog *backlog;
    bool open;
    int64_t open_us; /* not to be opened before */
} wb_script_client;

/* All zero: nothing is asked. `decider` NULL: the same; else it is ended with the asker. */
void wb_script_client_init(wb_script_client *asker, wb_script *decider, wb_backlog *backlog);
void wb_script_client_fini(wb_script_client *asker);
bool wb_script_client_should_flush(wb_script_client *asker, const wb_stats *stats,
                                   const wb_view *view);
bool wb_script_client_routes(wb_script_client *asker); /* is there somebody to ask for routes? */
/* NULL: the batcher's own table. */
const char *wb_script_client_route(wb_script_client *asker, const wb_batch *batch, size_t index);
int64_t wb_script_client_retry_us(wb_script_client *asker, const wb_stats *stats,
                                  const wb_view *view, const wb_err *failure);

#endif
