/* SPDX-License-Identifier: MIT
 * What JetStream answers, and what its errors mean for rows. No state. Source of the numbers: errors.json of nats-server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "stores/nats/nats.h"

/* ---- reading ---- */

typedef struct text {
    const char *at;
    size_t bytes;
} text;

/* The value of an object's member. False: it has none, or is no object. */
static bool member(text object, const char *name, text *out)
{
    wb_json_scan s = {.depth = 0};
    const uint8_t *at = (const uint8_t *)object.at, *name_end = at;
    bool more = true, found = false;
    wb_json_scan_begin(&s, at, object.bytes);
    at = wb_json_skip_space(&s, at);
    if (at == s.end || *at != '{')
        return false;
    wb_json_push(&s, true);
    at = wb_json_skip_space(&s, at + 1);
    while (!found && more && at != NULL) {
        const char *key = (const char *)at + 1;
        at = wb_json_scan_name(&s, at, &name_end);
        if (at == NULL)
            break;
        found = (size_t)((const char *)name_end - 1 - key) == strlen(name) &&
                memcmp(key, name, strlen(name)) == 0;
        const uint8_t *value = wb_json_skip_space(&s, at);
        at = wb_json_scan_value(&s, value);
        if (at == NULL)
            return false;
        *out = (text){(const char *)value, (size_t)(at - value)};
        if (!found)
            at = wb_json_scan_next(&s, at, true, &more);
    }
    return found;
}

static uint64_t number(text value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)(value.bytes < 23 ? value.bytes : 23), value.at);
    return strtoull(digits, NULL, 10);
}

bool wb_nats_read_answer(const char *json, size_t bytes, wb_nats_answer *out)
{
    size_t at;
    text all = {json, bytes}, config, error, value;
    *out = (wb_nats_answer){0};
    if (wb_json_check(json, bytes, &at) != NULL)
        return false;
    if (member(all, "seq", &value))
        out->sequence = number(value);
    if (member(all, "config", &config) && member(config, "max_bytes", &value) && value.at[0] != '-')
        out->most_bytes = number(value);
    if (!member(all, "error", &error))
        return true;
    out->error = member(error, "err_code", &value) ? (int)number(value) : -1;
    if (member(error, "description", &value) && value.bytes >= 2)
        snprintf(out->why, sizeof out->why, "%.*s", (int)(value.bytes - 2), value.at + 1);
    return true;
}

/* ---- what it means ---- */

static const struct meaning {
    int error;
    int class;
} meanings[] = {
    {10008, WB_RETRY},        /* JetStream is away for a while, as without a leader */
    {10009, WB_RETRY},        /* the peers do not answer */
    {10023, WB_RETRY},        /* no resources */
    {10047, WB_RETRY},        /* no storage */
    {10028, WB_RETRY},        /* no memory */
    {WB_NATS_FULL, WB_RETRY}, /* or its disk is */
    {10076, WB_RETRY},        /* it has no leader */
    {10110, WB_RETRY},        /* its messages are being restored */
    {10054, WB_REJECT},       /* larger than the stream takes */
    {10039, WB_HOLD},         /* JetStream is not for this account */
    {10059, WB_HOLD},         /* there is no such stream */
    {10060, WB_HOLD},         /* the subject is another stream's */
    {10109, WB_HOLD},         /* it is sealed */
};

/* What is not known may pass, and holds nothing up if it is repeated. */
static int class_of(int error)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].error == error)
            return meanings[i].class;
    return WB_RETRY;
}

int wb_nats_refused(const wb_nats_answer *answer, const char *stream, wb_err *err)
{
    return wb_fail_store(err, class_of(answer->error), "stream \"%s\": %s (%d)", stream,
                         answer->why, answer->error);
}

/* What JetStream says of the stream. WB_STORE: nothing. */
static int ask_for_stream(wb_nats_connection *connection, const wb_deadline *deadline,
                          wb_nats_answer *out, wb_err *err)
{
    const char *stream = connection->settings->stream;
    char info[300];
    natsMsg *message;
    snprintf(info, sizeof info, "$JS.API.STREAM.INFO.%s", stream);
    int code =
        wb_nats_ask(connection, &(wb_nats_request){.subject = info}, deadline, &message, err);
    if (code != WB_OK && err != NULL)
        err->in_doubt = false; /* it was a question */
    if (code != WB_OK)
        return code;
    bool read = message != NULL && wb_nats_read_answer(natsMsg_GetData(message),
                                                       (size_t)natsMsg_GetDataLength(message), out);
    natsMsg_Destroy(message);
    return read ? WB_OK
                : wb_fail_store(err, WB_RETRY, "stream \"%s\": JetStream does not answer", stream);
}

bool wb_nats_never_fits(wb_nats_connection *connection, size_t bytes, const wb_deadline *deadline)
{
    wb_nats_answer answer;
    return ask_for_stream(connection, deadline, &answer, NULL) == WB_OK && answer.most_bytes > 0 &&
           bytes > answer.most_bytes;
}

int wb_nats_nobody(wb_nats_connection *connection, const char *subject, const wb_deadline *deadline,
                   wb_err *err)
{
    const char *stream = connection->settings->stream;
    wb_nats_answer answer;
    int code = ask_for_stream(connection, deadline, &answer, err);
    if (code != WB_OK)
        return code;
    if (answer.error != 0)
        return wb_nats_refused(&answer, stream, err);
    return wb_fail_store(
        err, WB_RETRY, "stream \"%s\": nobody takes \"%s\": it has no leader, or not this subject",
        stream, subject);
}
