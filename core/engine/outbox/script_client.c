/* SPDX-License-Identifier: MIT
 * See script_client.h. Nothing here is locked: the script is the flusher's alone. */
#include "engine/outbox/script_client.h"

#define OPEN_AGAIN_US INT64_C(1000000)

void wb_script_client_init(wb_script_client *client, wb_policy *policy, const wb_target *target,
                           wb_backlog *backlog)
{
    *client = (wb_script_client){
        .policy = policy, .target = target, .backlog = backlog, .open_us = INT64_MIN};
    if (policy != NULL)
        policy->class->ref(policy);
}

void wb_script_client_end(wb_script_client *client)
{
    if (client->script != NULL)
        client->script->class->end(client->script);
    client->script = NULL;
    client->open = false;
}

void wb_script_client_fini(wb_script_client *client)
{
    wb_script_client_end(client);
    if (client->policy != NULL)
        client->policy->class->unref(client->policy);
    client->policy = NULL;
}

/* The script, where it is open. */
static wb_script *script_of(wb_script_client *client)
{
    wb_err err = {0};
    if (client->open || client->policy == NULL)
        return client->script;
    int64_t now_us = wb_backlog_now_us(client->backlog);
    if (now_us < client->open_us)
        return NULL;
    if (client->script == NULL)
        client->script = client->policy->class->script(client->policy, client->target);
    if (client->script == NULL)
        return NULL; /* no memory now */
    client->open = client->script->class->open(client->script, &err) == WB_OK;
    if (client->open)
        return client->script;
    client->open_us = wb_after_us(now_us, OPEN_AGAIN_US);
    wb_backlog_undecided(client->backlog, "worker", err.text);
    return NULL;
}

bool wb_script_client_may_flush(const wb_script_client *client)
{
    return client->policy != NULL && (!client->open || client->script->should_flush);
}

bool wb_script_client_routes(wb_script_client *client)
{
    const wb_script *script = script_of(client);
    return script != NULL && script->route;
}

bool wb_script_client_should_flush(wb_script_client *client, const wb_stats *stats,
                                   const wb_view *view)
{
    wb_err err = {0};
    bool flush = false;
    wb_script *script = script_of(client);
    if (script == NULL || !script->should_flush)
        return false;
    if (script->class->should_flush(script, stats, view, &flush, &err) != WB_OK)
        wb_backlog_undecided(client->backlog, "should_flush", err.text);
    return flush;
}

bool wb_script_client_route(wb_script_client *client, const wb_batch *batch, size_t index,
                            const char **table, wb_err *refusal)
{
    int code = client->script->class->route(client->script, batch, index, table, refusal);
    if (code != WB_OK && code != WB_INVALID)
        wb_backlog_undecided(client->backlog, "route", refusal->text);
    return code != WB_INVALID;
}

int64_t wb_script_client_retry_us(wb_script_client *client, const wb_stats *stats,
                                  const wb_view *view, const wb_err *failure)
{
    wb_err err = {0};
    int64_t retry_us = 0;
    wb_script *script = script_of(client);
    if (script == NULL || !script->retry)
        return 0;
    if (script->class->retry(script, stats, view, failure, &retry_us, &err) != WB_OK)
        wb_backlog_undecided(client->backlog, "retry_delay", err.text);
    return retry_us;
}
