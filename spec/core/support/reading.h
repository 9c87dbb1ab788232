/* SPDX-License-Identifier: MIT
 * What the tests of readers share: a driven batcher on a clock that stands still, and what it is given as one text. */
#ifndef SPEC_READING_H
#define SPEC_READING_H

#include "support/support.h"

#include "base/buffer.h"

typedef struct reading {
    wb_clock *clock;
    wb_schema *schema;
    wb_batcher *batcher;
    wb_buffer refused; /* `line offset text!why;` of each record */
    uint64_t accepted, refusals;
} reading;

/* n int8, note text, tags text[]; the last two may be NULL */
static inline wb_schema *reading_schema(void)
{
    const wb_column columns[] = {
        {.name = "n", .type = WB_TYPE_INT8},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
        {.name = "tags", .type = WB_TYPE_TEXT, .array = true, .null = true},
    };
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 3, &schema, NULL));
    return schema;
}

static inline reading begin_reading(uint64_t batch_size, uint64_t max_rows)
{
    reading r = {.schema = reading_schema()};
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    assert_ok(wb_clock_new(0, &r.clock, NULL));
    options.clock = r.clock;
    options.schema = r.schema;
    options.table = "t";
    options.batch_size = batch_size;
    options.flush_at = 1;
    options.max_pending_rows = max_rows;
    options.overflow = WB_OVERFLOW_REJECT;
    options.log_events = true;
    assert_ok(wb_batcher_new(&options, &r.batcher, NULL));
    return r;
}

static inline wb_reader *new_reader(const reading *r, wb_reader_options options)
{
    wb_reader *reader = NULL;
    wb_err err;
    options.schema = r->schema;
    if (wb_reader_new(&options, &reader, &err) != WB_OK)
        fail_msg("%s", err.text);
    return reader;
}

static inline void note_refusal(reading *r, const wb_reading *out, const wb_err *err)
{
    const wb_refusal *at = &out->refusal;
    r->refusals++;
    if (out->unreadable) {
        wb_buffer_printf(&r->refused, "UNREADABLE %s", err->text);
        return;
    }
    wb_buffer_printf(&r->refused, "%d %d ", (int)at->line, (int)at->offset);
    wb_buffer_put(&r->refused, at->text, at->bytes);
    wb_buffer_printf(&r->refused, "!%s;", err->text);
}

/* Adds what there is. WB_OK, or what stopped it. */
static inline int read_some(reading *r, wb_reader *reader)
{
    for (;;) {
        wb_reading out;
        wb_err err;
        int code = wb_batcher_read(r->batcher, reader, NULL, UINT64_MAX, &out, &err);
        r->accepted += out.accepted;
        if (code == WB_INVALID)
            note_refusal(r, &out, &err);
        if (code != WB_INVALID || out.unreadable)
            return code;
    }
}

/* Takes the rows out of the batcher, as NDJSON. */
static inline void take_rows(reading *r, wb_buffer *rows)
{
    const wb_outcome stored = {.code = WB_OK};
    wb_batch *batch;
    wb_clock_advance(r->clock, INT64_C(3600000000));
    while ((batch = wb_batcher_take(r->batcher)) != NULL) {
        char *text;
        size_t bytes;
        assert_ok(wb_batch_ndjson(batch, &text, &bytes, NULL));
        wb_buffer_put(rows, text, bytes);
        wb_free(text);
        wb_batcher_complete(r->batcher, batch, &stored);
    }
}

/* The rows, then what was refused; the caller frees it. */
static inline char *end_reading(reading *r, wb_reader *reader)
{
    wb_buffer all = WB_BUFFER_EMPTY;
    take_rows(r, &all);
    if (r->refused.bytes > 0)
        wb_buffer_put(&all, r->refused.data, r->refused.bytes);
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(r->batcher), &stats, NULL));
    assert_int_equal(stats.accepted, r->accepted);
    wb_reader_free(reader);
    wb_pipeline_detach(wb_batcher_pipeline(r->batcher));
    wb_schema_unref(r->schema);
    wb_clock_unref(r->clock);
    wb_buffer_fini(&r->refused);
    wb_buffer_put_text(&all, "");
    return wb_buffer_take(&all, NULL);
}

static inline void put_text(wb_reader *reader, const char *text)
{
    assert_ok(wb_reader_put(reader, text, strlen(text), NULL));
}

/* What comes of a text that is cut at one place, and then into pieces of `step`. */
static inline char *read_cut(wb_reader_options options, const char *text, size_t first, size_t step)
{
    reading r = begin_reading(100000, 100000);
    wb_reader *reader = new_reader(&r, options);
    size_t bytes = strlen(text);
    int code = WB_OK;
    for (size_t at = 0, next; at < bytes && code == WB_OK; at = next) {
        next = at + (at == 0 && first > 0 ? first : step);
        next = next < bytes ? next : bytes;
        assert_ok(wb_reader_put(reader, text + at, next - at, NULL));
        code = read_some(&r, reader);
    }
    wb_reader_finish(reader);
    if (code == WB_OK)
        read_some(&r, reader);
    return end_reading(&r, reader);
}

static inline void assert_read(wb_reader_options options, const char *text, size_t first,
                               size_t step, const char *expected)
{
    char *read = read_cut(options, text, first, step);
    if (strcmp(read, expected) != 0)
        fail_msg("%s, cut at %d, then by %d:\n%s, not\n%s", text, (int)first, (int)step, read,
                 expected);
    wb_free(read);
}

/* However the text is cut. */
static inline void assert_reads(wb_reader_options options, const char *text, const char *expected)
{
    size_t bytes = strlen(text);
    assert_read(options, text, 0, bytes + 1, expected);
    for (size_t cut = 1; cut < bytes; cut++)
        assert_read(options, text, cut, bytes, expected);
    assert_read(options, text, 0, 1, expected);
}

#endif
