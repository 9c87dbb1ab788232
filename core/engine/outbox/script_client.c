/* SPDX-License-Identifier: MIT
 * See ask.h. Nothing here is locked: the decider is the flusher's alone. */
#include "engine/outbox/script_client.h"

#include <string.h>

#define OPEN_AGAIN_US INT64_C(1000000)

void wb_script_client_init(wb_script_client *asker, wb_script *decider, wb_backlog *backlog)
{
    *asker = (wb_script_client){.decider = decider, .backlog = backlog, .open_us = INT64_MIN};
}

void wb_script_client_fini(wb_script_client *asker)
{
    if (asker->decider != NULL)
        asker->decider->class->end(asker->decider);
    memset(asker, 0, sizeof *asker);
}

/* The decider, where it is open. */
static wb_script *decider_of(wb_script_client *asker)
{
    wb_err err = {0};
    if (asker->open || asker->decider == NULL)
        return asker->decider;
    int64_t now_us = wb_backlog_now_us(asker->backlog);
    if (now_us < asker->open_us)
        return NULL;
    asker->open = asker->decider->class->open(asker->decider, &err) == WB_OK;
    if (asker->open)
        return asker->decider;
    asker->open_us = wb_after_us(now_us, OPEN_AGAIN_US);
    wb_backlog_undecided(asker->backlog, "worker", err.text);
    return NULL;
}

bool wb_script_client_should_flush(wb_script_client *asker, const wb_stats *stats,
                                   const wb_view *view)
{
    wb_err err = {0};
    bool flush = false;
    wb_script *decider = decider_of(asker);
    if (decider == NULL || !decider->should_flush)
        return false;
    if (decider->class->should_flush(decider, stats, view, &flush, &err) != WB_OK)
        wb_backlog_undecided(asker->backlog, "should_flush", err.text);
    return flush;
}

bool wb_script_client_routes(wb_script_client *asker)
{
    wb_script *decider = decider_of(asker);
    return decider != NULL && decider->route;
}

const char *wb_script_client_route(wb_script_client *asker, const wb_batch *batch, size_t index)
{
    wb_err err = {0};
    const char *table = NULL;
    if (asker->decider->class->route(asker->decider, batch, index, &table, &err) != WB_OK)
        wb_backlog_undecided(asker->backlog, "route", err.text);
    return table;
}

int64_t wb_script_client_retry_us(wb_script_client *asker, const wb_stats *stats,
                                  const wb_view *view, const wb_err *failure)
{
    wb_err err = {0};
    int64_t retry_us = 0;
    wb_script *decider = decider_of(asker);
    if (decider == NULL || !decider->retry)
        return 0;
    if (decider->class->retry(decider, stats, view, failure, &retry_us, &err) != WB_OK)
        wb_backlog_undecided(asker->backlog, "retry_delay", err.text);
    return retry_us;
}
