/* SPDX-License-Identifier: MIT
 * A question to JetStream, over a connection of its own: streams are made and looked at by it. No state. */
#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "stores/nats/nats.h"

static int copy_answer(const natsMsg *reply, char **out, wb_err *err)
{
    size_t bytes = (size_t)natsMsg_GetDataLength(reply);
    char *copy = wb_alloc(bytes + 1);
    if (copy == NULL)
        return wb_fail(err, WB_MEMORY, "nats: out of memory for an answer");
    memcpy(copy, natsMsg_GetData(reply), bytes);
    copy[bytes] = '\0';
    *out = copy;
    return WB_OK;
}

static int ask(wb_nats_connection *connection, const wb_nats_request *request,
               const wb_deadline *deadline, char **out, wb_err *err)
{
    natsMsg *reply;
    int code = wb_nats_connect(connection, deadline, err);
    if (code == WB_OK)
        code = wb_nats_ask(connection, request, deadline, &reply, err);
    if (code != WB_OK)
        return code;
    if (reply == NULL)
        return wb_fail_store(err, WB_RETRY, "nats server %s: JetStream does not answer",
                             connection->server);
    code = copy_answer(reply, out, err);
    natsMsg_Destroy(reply);
    return code;
}

int wb_nats_api(const wb_nats_options *options, const char *subject, const char *body,
                int64_t deadline_us, char **out, wb_err *err)
{
    wb_nats_settings settings = {.count = 0};
    wb_nats_connection connection = {.settings = &settings};
    const wb_deadline deadline = {.at_us = deadline_us};
    const wb_nats_request request = {.subject = subject, .body = body, .bytes = strlen(body)};
    int code = wb_nats_settings_init(&settings, options, err);
    if (code == WB_OK)
        code = ask(&connection, &request, &deadline, out, err);
    wb_nats_disconnect(&connection);
    wb_nats_settings_fini(&settings);
    return code;
}
