/* SPDX-License-Identifier: MIT
 * A batch as a message. Wb-Columns is JSON: of each column of the body, in its order, its name and type, whether it is an
 * array or may be NULL, the type that it is cast to, and whether it tells rows apart (dedupe). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/env.h"
#include "base/err.h"
#include "stores/nats/nats.h"

#define FORMAT "pgcopy-1" /* a stream of PostgreSQL's binary COPY, version 1 of these headers */

static void put_column(wb_buffer *json, const wb_column *column, bool dedupe)
{
    wb_buffer_put_text(json, "{\"name\":");
    wb_buffer_put_json_string(json, column->name, strlen(column->name));
    wb_buffer_printf(json, ",\"type\":\"%s\"", wb_type_name(column->type));
    if (column->array)
        wb_buffer_put_text(json, ",\"array\":true");
    if (column->null)
        wb_buffer_put_text(json, ",\"null\":true");
    if (column->cast != NULL) {
        wb_buffer_put_text(json, ",\"cast\":");
        wb_buffer_put_json_string(json, column->cast, strlen(column->cast));
    }
    wb_buffer_put_text(json, dedupe ? ",\"dedupe\":true}" : "}");
}

/* NULL: no memory. */
static char *columns_of(const wb_target *target, const wb_batch *batch)
{
    wb_buffer json = WB_BUFFER_EMPTY;
    const wb_schema *schema = wb_batch_schema(batch);
    char before = '[';
    for (size_t i = 0; i < wb_schema_count(schema); i++) {
        if (!wb_batch_gives(batch, i))
            continue;
        bool dedupe = target->dedupe == WB_DEDUPE_COLUMN && target->dedupe_column == (int)i;
        wb_buffer_put_char(&json, before);
        before = ',';
        put_column(&json, wb_schema_column(schema, i), dedupe);
    }
    wb_buffer_put_char(&json, ']');
    return wb_buffer_take(&json, NULL);
}

static char *subject_of(const wb_nats_settings *settings, const char *table)
{
    wb_buffer subject = WB_BUFFER_EMPTY;
    (void)wb_nats_subject(settings, table, &subject);
    return wb_buffer_take(&subject, NULL);
}

static void put_headers(const wb_nats_settings *settings, const char *table, wb_nats_message *out)
{
    const char *const headers[] = {
        "Nats-Msg-Id",
        out->id,
        "Nats-Expected-Stream",
        settings->stream,
        "Wb-Format",
        FORMAT,
        "Wb-Table",
        table,
        "Wb-Rows",
        out->rows,
        "Wb-Columns",
        out->columns,
        NULL,
    };
    memcpy(out->headers, headers, sizeof headers);
}

int wb_nats_message_of(const wb_nats_settings *settings, const wb_target *target,
                       const wb_batch *batch, wb_nats_message *out, wb_err *err)
{
    const char *table = wb_target_table(target, batch);
    wb_err own = {0};
    *out = (wb_nats_message){.columns = columns_of(target, batch),
                             .subject = subject_of(settings, table)};
    if (strpbrk(table, "\r\n") != NULL)
        return wb_fail_store(err, WB_HOLD,
                             "stream \"%s\": a table's name with a line break can't be sent",
                             settings->stream);
    wb_uuid_format(wb_batch_id(batch), out->id);
    snprintf(out->rows, sizeof out->rows, "%zu", wb_batch_rows(batch));
    int code = out->columns != NULL && out->subject != NULL
                   ? wb_batch_copy_binary(batch, &out->body, &out->bytes, &own)
                   : wb_fail(&own, WB_MEMORY, "out of memory for a message");
    if (code != WB_OK)
        return wb_fail_store(err, code == WB_MEMORY ? WB_RETRY : WB_REJECT, "stream \"%s\": %s",
                             settings->stream, own.text);
    put_headers(settings, table, out);
    return WB_OK;
}

void wb_nats_message_fini(wb_nats_message *message)
{
    wb_free(message->columns);
    wb_free(message->subject);
    wb_free(message->body);
}
