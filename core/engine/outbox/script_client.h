/* SPDX-License-Identifier: MIT
 * Asking a script, in the flusher's thread and without the backlog's lock. Whatever goes wrong with it is counted and
 * logged, and the answer is then the built-in one. A script that can't be made or opened is tried again after a
 * while. */
#ifndef WB_SCRIPT_CLIENT_H
#define WB_SCRIPT_CLIENT_H

#include "engine/backlog.h"
#include "stores/store.h"

typedef struct wb_script_client {
    wb_policy *policy; /* a reference; NULL: nothing is asked */
    const wb_target *target;
    wb_backlog *backlog;
    wb_script *script; /* the thread's; NULL: not made yet */
    bool open;
    int64_t open_us; /* not to be opened before */
} wb_script_client;

void wb_script_client_init(wb_script_client *client, wb_policy *policy, const wb_target *target,
                           wb_backlog *backlog);
void wb_script_client_end(wb_script_client *client); /* the thread ends, and the script with it */
void wb_script_client_fini(wb_script_client *client);

/* Does the script answer this? True also while nobody knows. */
bool wb_script_client_may_flush(const wb_script_client *client);
bool wb_script_client_routes(wb_script_client *client); /* is there somebody to ask for routes? */

bool wb_script_client_should_flush(wb_script_client *client, const wb_stats *stats,
                                   const wb_view *view);
/* *table is left as it was for the batcher's own. False: the row is refused, *refusal says why. */
bool wb_script_client_route(wb_script_client *client, const wb_batch *batch, size_t index,
                            const char **table, wb_err *refusal);
int64_t wb_script_client_retry_us(wb_script_client *client, const wb_stats *stats,
                                  const wb_view *view, const wb_err *failure);

#endif
