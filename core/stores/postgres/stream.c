/* SPDX-License-Identifier: MIT
 * The rows of a COPY, sent to a server that is ready for them. Tuples go out as they are, from where they lie, wherever
 * they can. Where fields are left to the server, or an array's elements have another OID there, each row is copied. Where
 * a value is cast, rows go out as text, which the input function of each column's type reads.
 * Used by the session's thread, so not locked. Fails as wire.c does, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "rows/shape.h"
#include "rows/value_text.h"

/* Large enough that the calls cost nothing, small enough that libpq's copy stays in the cache. With the header of its
 * message it is a multiple of what libpq sends at once, 8 KiB: else each chunk ends in a packet of a few bytes. */
enum { MESSAGE_HEADER_BYTES = 5, CHUNK_BYTES = 64 * 1024 - MESSAGE_HEADER_BYTES };

static int put(wb_pg_session *session, const char *data, size_t bytes, const wb_deadline *deadline,
               wb_err *err)
{
    int queued;
    while ((queued = PQputCopyData(session->conn, data, (int)bytes)) == 0) {
        int code = wb_pg_flush(session, deadline, err);
        if (code != WB_OK)
            return code;
    }
    return queued > 0 ? wb_pg_flush(session, deadline, err) : wb_pg_lost(session, err);
}

static int put_run(wb_pg_session *session, const char *data, size_t left,
                   const wb_deadline *deadline, wb_err *err)
{
    int code = WB_OK;
    while (code == WB_OK && left > 0) {
        size_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        code = put(session, data, bytes, deadline, err);
        data += bytes;
        left -= bytes;
    }
    return code;
}

/* Sends a chunk that is full, or the last. */
static int put_chunk(wb_pg_session *session, wb_buffer *chunk, size_t least,
                     const wb_deadline *deadline, wb_err *err)
{
    if (chunk->failed)
        return wb_fail_store(err, WB_RETRY, "out of memory for rows");
    if (chunk->bytes < least)
        return WB_OK;
    int code = put_run(session, chunk->data, chunk->bytes, deadline, err);
    chunk->bytes = 0;
    return code;
}

/* A value in COPY's text format ("Text Format"): what would end a field or a row, and the backslash, escaped. */
static void put_field(wb_buffer *chunk, const char *text, size_t bytes)
{
    static const char special[] = "\b\f\n\r\t\v\\", letters[] = "bfnrtv\\";
    for (size_t i = 0; i < bytes; i++) {
        const char *at = text[i] != '\0' ? strchr(special, text[i]) : NULL;
        if (at != NULL)
            wb_buffer_put_char(chunk, '\\');
        wb_buffer_put_char(chunk, at != NULL ? letters[at - special] : text[i]);
    }
}

static void write_value(wb_buffer *chunk, const wb_column *column, const wb_value *value)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    if (value->kind == WB_NULL) {
        wb_buffer_put_text(chunk, "\\N");
        return;
    }
    wb_put_value(&text, column, value);
    chunk->failed |= text.failed;
    if (!text.failed)
        put_field(chunk, text.data, text.bytes);
    wb_buffer_fini(&text);
}

static void write_text(wb_buffer *chunk, const wb_schema *schema, const uint8_t *tuple)
{
    const uint8_t *field = tuple + sizeof(uint16_t);
    bool first = true;
    for (size_t i = 0; i < schema->count; i++) {
        wb_value value;
        field = wb_field_value(&schema->columns[i].column, field, &value);
        if (value.kind == WB_ABSENT)
            continue;
        if (!first)
            wb_buffer_put_char(chunk, '\t');
        write_value(chunk, &schema->columns[i].column, &value);
        first = false;
    }
    wb_buffer_put_char(chunk, '\n');
}

static void write_row(wb_buffer *chunk, const wb_pg_table *table, const wb_schema *schema,
                      const uint8_t *tuple, size_t bytes)
{
    if (table->as_text)
        write_text(chunk, schema, tuple);
    else if (wb_buffer_reserve(chunk, bytes))
        chunk->bytes +=
            wb_tuple_given(tuple, table->elements, (uint8_t *)chunk->data + chunk->bytes);
}

static int put_rows(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                    wb_err *err)
{
    int code = WB_OK;
    wb_buffer chunk = WB_BUFFER_EMPTY;
    for (size_t row = 0; row < wb_batch_left(rows->batch) && code == WB_OK; row++) {
        size_t bytes;
        const uint8_t *tuple = wb_batch_row(rows->batch, row, &bytes);
        if (rows->there != NULL && rows->there[row])
            continue;
        write_row(&chunk, wb_pg_table_now(session), rows->batch->schema, tuple, bytes);
        code = put_chunk(session, &chunk, CHUNK_BYTES, deadline, err);
    }
    if (code == WB_OK)
        code = put_chunk(session, &chunk, 1, deadline, err);
    wb_buffer_fini(&chunk);
    return code;
}

static int put_as_they_are(wb_pg_session *session, const wb_batch *batch,
                           const wb_deadline *deadline, wb_err *err)
{
    size_t bytes;
    const char *data = (const char *)wb_batch_tuples(batch, &bytes);
    return put_run(session, data, bytes, deadline, err);
}

int wb_pg_put_rows(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                   wb_err *err)
{
    const wb_pg_table *table = wb_pg_table_now(session);
    bool as_they_are =
        rows->there == NULL && rows->batch->schema->left == 0 && table->elements == NULL;
    if (table->as_text)
        return put_rows(session, rows, deadline, err);
    int code = put(session, (const char *)wb_copy_header, WB_COPY_HEADER_BYTES, deadline, err);
    if (code == WB_OK)
        code = as_they_are ? put_as_they_are(session, rows->batch, deadline, err)
                           : put_rows(session, rows, deadline, err);
    if (code != WB_OK)
        return code;
    return put(session, (const char *)wb_copy_trailer, WB_COPY_TRAILER_BYTES, deadline, err);
}

/* ---- what the server says to them ---- */

/* Which row of the batch is the one in that line of the stream? From 1; 0: none. */
static uint32_t row_in_line(const wb_pg_rows *rows, size_t line)
{
    size_t lines = 0;
    for (size_t row = 0; row < wb_batch_left(rows->batch) && line > 0; row++) {
        lines += rows->there == NULL || !rows->there[row];
        if (lines == line)
            return (uint32_t)row + 1;
    }
    return 0;
}

int wb_pg_refused(wb_pg_session *session, const wb_pg_rows *rows, const PGresult *result,
                  bool *in_doubt, wb_err *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    *in_doubt = sqlstate == NULL || wb_pg_doubtful(sqlstate);
    wb_pg_table *table = wb_pg_table_now(session);
    size_t line;
    int code = wb_pg_fail_row(err, result, table->base.name, &line);
    err->row = row_in_line(rows, line);
    wb_pg_ledger_refused(session, result);
    if (err->some_rows)
        err->group_column = wb_pg_group_column(table->columns, rows->batch->schema);
    if (strcmp(err->sqlstate, "22P02") ==
        0) /* no label of an enum: of the enum that was, perhaps */
        wb_pg_table_forget(table);
    return code;
}
