/* SPDX-License-Identifier: MIT
 * See read.h. A row that finds no room, and a record that was refused when the batcher was closed, stay in the reader. It
 * holds no lock: wb_outbox_put_tuple takes it for each row. */
#include "engine/outbox/read.h"

#include "intake/reader.h"

/* Adds the row that the reader has. One that never will fit is refused, and not tried again. */
static int add_row(wb_outbox *outbox, wb_reader *reader, const wb_choice *choice, bool driven,
                   wb_reading *out, wb_err *err)
{
    int code = wb_outbox_put_tuple(outbox, &reader->tuple, choice, driven ? &out->due : NULL, err);
    if (code == WB_OK) {
        wb_reader_take(reader);
        out->accepted++;
    } else if (code == WB_INVALID) {
        wb_reader_pass(reader);
        out->refusal = reader->records.at;
    }
    return code;
}

static int refuse_record(wb_outbox *outbox, wb_reader *reader, wb_reading *out, wb_err *err)
{
    const wb_err why = *err;
    int code = wb_outbox_reject(outbox, WB_INVALID, err);
    if (code == WB_INVALID)
        out->refusal = reader->records.at;
    else
        reader->seen = why;
    return code;
}

int wb_outbox_read(wb_outbox *outbox, wb_reader *reader, const wb_choice *choice, uint64_t most,
                   bool driven, wb_reading *out, wb_err *err)
{
    int code = WB_OK;
    if (reader->schema != outbox->schema)
        return wb_fail(err, WB_MISUSE, "the reader is of another schema");
    while (code == WB_OK && out->accepted < most && !out->due) {
        int read = wb_reader_next(reader, err);
        if (read == WB_READ_NONE)
            break;
        if (read == WB_READ_MEMORY)
            return WB_MEMORY;
        out->unreadable = read == WB_READ_FAILED;
        if (out->unreadable)
            return WB_INVALID;
        if (read == WB_READ_REFUSED)
            return refuse_record(outbox, reader, out, err);
        code = add_row(outbox, reader, choice, driven, out, err);
    }
    return code;
}
