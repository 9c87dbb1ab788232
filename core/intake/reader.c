/* SPDX-License-Identifier: MIT
 * See reader.h and writebehind/reader.h. Invariant: a row that was made is answered until it is taken; nothing else is read
 * meanwhile. No locks: one thread at a time. */
#include "intake/reader.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "base/show.h"
#include "rows/clean.h"

static const char *const format_names[] = {"ndjson", "csv", "tsv", "copy"};

enum { FORMATS = sizeof format_names / sizeof *format_names };

int wb_format_find(const char *name, size_t bytes)
{
    for (int i = 0; i < FORMATS; i++)
        if (strlen(format_names[i]) == bytes && memcmp(format_names[i], name, bytes) == 0)
            return i;
    return -1;
}

/* ---- making one ---- */

void wb_reader_options_init(wb_reader_options *options)
{
    *options = (wb_reader_options){.format = WB_NDJSON};
}

static int no_memory(wb_err *err)
{
    return wb_fail(err, WB_MEMORY, "out of memory for a reader");
}

static const char *keep(wb_reader *reader, const char *text)
{
    return wb_texts_put(&reader->texts, text, strlen(text) + 1);
}

static int set_records(wb_reader *reader, const wb_reader_options *options, wb_err *err)
{
    wb_reader_options own = *options;
    if (options->null != NULL && (own.null = keep(reader, options->null)) == NULL)
        return no_memory(err);
    return wb_records_init(&reader->records, &own, err);
}

static size_t map_length(const char *const *map)
{
    size_t count = 0;
    while (map != NULL && map[count] != NULL && map[count + 1] != NULL)
        count += 2;
    return count;
}

/* The takers borrow the names. */
static int set_takers(wb_reader *reader, const wb_reader_options *options, wb_err *err)
{
    size_t count = map_length(options->map);
    const char **map = wb_alloc((count + 1) * sizeof *map);
    bool kept = map != NULL;
    for (size_t i = 0; i < count && kept; i++)
        kept = (map[i] = keep(reader, options->map[i])) != NULL;
    if (kept)
        map[count] = NULL;
    int code = kept ? wb_takers_init(&reader->takers, reader->schema, map, err) : no_memory(err);
    wb_free(map);
    return code;
}

/* What is wrong is the caller's option. */
static int misuse(wb_err *err, const char *option)
{
    wb_wrap(err, WB_MISUSE, "%s", option);
    if (err != NULL)
        err->code = WB_MISUSE;
    return WB_MISUSE;
}

static int set_header(wb_reader *reader, const char *const *names, wb_err *err)
{
    wb_record header = {0};
    int code = WB_OK;
    for (; names != NULL && *names != NULL && code == WB_OK; names++) {
        wb_piece *piece = wb_record_add(&header);
        if (piece != NULL)
            *piece = (wb_piece){
                .text = *names, .bytes = (uint32_t)strlen(*names), .kind = WB_PIECE_FIELD};
        else
            code = no_memory(err);
    }
    reader->named = names != NULL || reader->records.format == WB_NDJSON;
    if (code == WB_OK && names != NULL)
        code = wb_takers_read_header(&reader->takers, reader->schema, &header,
                                     reader->ignore_unknown, err);
    wb_record_fini(&header);
    return code == WB_INVALID ? misuse(err, "header") : code;
}

static int set_all(wb_reader *reader, const wb_reader_options *options, wb_err *err)
{
    reader->schema = wb_schema_ref(options->schema);
    reader->ignore_unknown = options->ignore_unknown;
    reader->room.exact = options->exact;
    reader->values = wb_alloc_zeroed(wb_schema_count(reader->schema) * sizeof *reader->values);
    if (reader->values == NULL)
        return no_memory(err);
    int code = set_records(reader, options, err);
    if (code == WB_OK)
        code = set_takers(reader, options, err);
    return code == WB_OK ? set_header(reader, options->header, err) : code;
}

int wb_reader_new(const wb_reader_options *options, wb_reader **out, wb_err *err)
{
    if (options->schema == NULL)
        return wb_fail(err, WB_MISUSE, "schema: required");
    wb_reader *reader = wb_alloc_zeroed(sizeof *reader);
    if (reader == NULL)
        return no_memory(err);
    int code = set_all(reader, options, err);
    if (code == WB_OK)
        *out = reader;
    else
        wb_reader_free(reader);
    return code;
}

void wb_reader_free(wb_reader *reader)
{
    if (reader == NULL)
        return;
    wb_records_fini(&reader->records);
    wb_takers_fini(&reader->takers);
    wb_value_room_fini(&reader->room);
    wb_origins_free(reader->origins);
    wb_texts_fini(&reader->texts);
    wb_free(reader->values);
    wb_free(reader->bytes);
    wb_schema_unref(reader->schema);
    wb_free(reader);
}

/* ---- text ---- */

int wb_reader_put(wb_reader *reader, const char *text, size_t bytes, wb_err *err)
{
    if (reader->records.final)
        return wb_fail(err, WB_MISUSE, "finished: it takes no more text");
    if (reader->has_row) { /* its values' texts are where the text was; it is made once more */
        wb_records_again(&reader->records);
        reader->has_row = false;
    }
    return wb_records_put(&reader->records, text, bytes)
               ? WB_OK
               : wb_fail(err, WB_MEMORY, "out of memory for %zu bytes of text", bytes);
}

void wb_reader_finish(wb_reader *reader)
{
    reader->records.final = true;
}

/* ---- a row ---- */

static int refuse_member(const wb_piece *piece, const char *what, wb_err *err)
{
    char shown[WB_SHOWN_BYTES];
    return wb_fail(err, WB_INVALID, what, wb_show_text(piece->name, piece->name_bytes, shown));
}

static int32_t column_of(wb_reader *reader, size_t index)
{
    const wb_piece *piece = &reader->records.record.pieces[index];
    if (reader->records.format != WB_NDJSON)
        return reader->takers.fields[index];
    return wb_takers_find(&reader->takers, index, piece->name, piece->name_bytes);
}

static int take_piece(wb_reader *reader, size_t index, wb_err *err)
{
    const wb_piece *piece = &reader->records.record.pieces[index];
    int32_t number = column_of(reader, index);
    if (number == WB_NO_TAKER)
        return reader->ignore_unknown ? WB_OK : refuse_member(piece, "no column takes %s", err);
    const wb_column_plan *plan = &reader->schema->columns[number];
    wb_value *value = &reader->values[plan->place];
    if (value->kind != WB_ABSENT)
        return refuse_member(piece, "%s comes twice", err);
    return wb_piece_value(&plan->column, piece, &reader->room, value, err);
}

static int read_values(wb_reader *reader, wb_err *err)
{
    const wb_record *record = &reader->records.record;
    size_t expected = reader->takers.field_count;
    if (record->wrong != NULL)
        return wb_fail(err, WB_INVALID, "%s at byte %zu", record->wrong, record->wrong_at + 1);
    if (reader->records.format != WB_NDJSON && record->count != expected)
        return wb_fail(err, WB_INVALID, "%zu field%s, the header has %zu", record->count,
                       record->count == 1 ? "" : "s", expected);
    wb_value_room_clear(&reader->room);
    memset(reader->values, 0, reader->schema->count * sizeof *reader->values); /* WB_ABSENT */
    for (size_t i = 0; i < record->count; i++) {
        int code = take_piece(reader, i, err);
        if (code != WB_OK)
            return code;
    }
    return WB_OK;
}

static bool make_room(wb_reader *reader, size_t bytes)
{
    if (bytes <= reader->byte_room)
        return true;
    uint8_t *room = wb_alloc(2 * bytes);
    if (room == NULL)
        return false;
    wb_free(reader->bytes);
    reader->bytes = room;
    reader->byte_room = 2 * bytes;
    return true;
}

static int encode(wb_reader *reader, const wb_value *values, wb_err *err)
{
    size_t count = reader->schema->count, bound = wb_row_bound(reader->schema, values, count);
    if (bound > WB_TUPLE_MAX_BYTES)
        return wb_row_refuse(reader->schema, values, count, err);
    if (!make_room(reader, bound))
        return wb_fail(err, WB_MEMORY, "out of memory for a row");
    reader->tuple.at = reader->bytes;
    return wb_row_encode(reader->schema, values, count, reader->bytes, &reader->tuple.bytes, err);
}

static int encode_clean(wb_reader *reader, wb_err *err)
{
    wb_cleaned cleaned;
    reader->tuple.cleaned = 0;
    if (!reader->schema->lenient)
        return encode(reader, reader->values, err);
    if (!wb_clean(reader->schema, reader->values, reader->schema->count, &cleaned))
        return wb_fail(err, WB_MEMORY, "out of memory for a row");
    int code = encode(reader, cleaned.values, err);
    reader->tuple.cleaned = cleaned.changed;
    wb_cleaned_fini(&cleaned);
    return code;
}

static int make_row(wb_reader *reader, wb_err *err)
{
    int code = read_values(reader, err);
    if (code == WB_OK)
        code = encode_clean(reader, err);
    if (code == WB_MEMORY) {
        wb_records_again(&reader->records);
        return WB_READ_MEMORY;
    }
    reader->has_row = code == WB_OK;
    return code == WB_OK ? WB_READ_ROW : WB_READ_REFUSED;
}

/* ---- what comes next ---- */

static int fail(wb_reader *reader, wb_err *err)
{
    if (err != NULL)
        *err = reader->failure;
    return WB_READ_FAILED;
}

/* False: there was no memory, and it comes again. */
static bool read_header(wb_reader *reader)
{
    const wb_record *record = &reader->records.record;
    if (record->wrong != NULL)
        wb_fail(&reader->failure, WB_INVALID, "the header: %s at byte %zu", record->wrong,
                record->wrong_at + 1);
    else
        wb_takers_read_header(&reader->takers, reader->schema, record, reader->ignore_unknown,
                              &reader->failure);
    reader->named = reader->failure.code != WB_MEMORY;
    if (!reader->named) {
        wb_records_again(&reader->records);
        reader->failure.code = WB_OK;
    }
    return reader->named;
}

/* The answer where there is no record. */
static int without_record(wb_reader *reader, int answer, wb_err *err)
{
    if (answer == WB_NEXT_MEMORY) {
        wb_fail(err, WB_MEMORY, "out of memory for a record");
        return WB_READ_MEMORY;
    }
    if (answer == WB_NEXT_FAILED)
        wb_fail(&reader->failure, WB_INVALID, "%s", reader->records.record.wrong);
    else if (reader->records.final && !reader->named)
        wb_fail(&reader->failure, WB_INVALID, "there is no header");
    return reader->failure.code != WB_OK ? fail(reader, err) : WB_READ_NONE;
}

static int again(wb_reader *reader, wb_err *err)
{
    if (err != NULL)
        *err = reader->seen;
    reader->seen.code = WB_OK;
    return WB_READ_REFUSED;
}

int wb_reader_next(wb_reader *reader, wb_err *err)
{
    wb_err own;
    if (reader->seen.code != WB_OK)
        return again(reader, err);
    while (!reader->has_row && reader->failure.code == WB_OK) {
        int answer = wb_records_next(&reader->records);
        if (answer != WB_NEXT_RECORD)
            return without_record(reader, answer, err);
        if (reader->named)
            return make_row(reader, err != NULL ? err : &own);
        if (!read_header(reader))
            return without_record(reader, WB_NEXT_MEMORY, err);
    }
    return reader->has_row ? WB_READ_ROW : fail(reader, err);
}

int wb_reader_look(wb_reader *reader)
{
    wb_err err;
    int read = wb_reader_next(reader, &err);
    if (read == WB_READ_REFUSED)
        reader->seen = err;
    return read;
}

void wb_reader_pass(wb_reader *reader)
{
    reader->has_row = false;
}

/* Where it can't be remembered, only its place is not known later. */
void wb_reader_take(wb_reader *reader)
{
    wb_reader_pass(reader);
    if (reader->origins != NULL)
        wb_origins_put(reader->origins, reader->schema, reader->tuple.at, &reader->records.at);
}
