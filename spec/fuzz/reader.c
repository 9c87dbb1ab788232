/* SPDX-License-Identifier: MIT
 * A reader: the rows and the refusals of a text are the same however it is cut, and they account for it: records follow
 * each other, and between them there are only line ends, blanks, and lines that are left out. The first byte chooses the
 * format, the second and the third the options, the fourth where the text is cut. */
#include "fuzz.h"

#include "base/buffer.h"
#include "intake/reader.h"

typedef struct text {
    const char *at;
    size_t bytes;
} text;

static wb_schema *schema(void)
{
    static wb_schema *made;
    const wb_column columns[] = {
        {.name = "a", .type = WB_TYPE_INT8, .null = true},
        {.name = "b", .type = WB_TYPE_TEXT, .null = true},
        {.name = "c", .type = WB_TYPE_TEXT, .null = true, .array = true},
        {.name = "d", .type = WB_TYPE_JSONB, .null = true},
        {.name = "e", .type = WB_TYPE_BYTEA, .null = true, .lenient = true},
        {.name = "f", .type = WB_TYPE_TIMESTAMPTZ, .null = true},
    };
    if (made == NULL)
        HOLDS(wb_schema_new(columns, sizeof columns / sizeof *columns, &made, NULL) == WB_OK);
    return made;
}

static wb_reader_options options_of(const uint8_t *choice)
{
    static const char *const header[] = {"a", "b", NULL};
    static const char *const map[] = {"a", "b", "b", "a", NULL};
    wb_reader_options options = {.schema = schema(), .format = choice[0] % 4};
    bool fields = options.format != WB_NDJSON;
    options.ignore_unknown = choice[1] & 1;
    options.exact = choice[1] & 2;
    options.map = choice[1] & 4 ? map : NULL;
    options.max_record_bytes = choice[1] & 8 ? 16 + (choice[1] >> 6) : 0;
    options.header = fields && choice[1] & 16 ? header : NULL;
    options.delimiter = fields && choice[1] & 32 ? ';' : '\0';
    options.comment = choice[2] & 1 ? '#' : '\0';
    options.skip = choice[2] >> 1 & 3;
    options.null = fields && choice[2] & 8 ? "-" : NULL;
    return options;
}

static bool is_left_out(const wb_reader_options *options, char c)
{
    return options->skip > 0 || options->comment != '\0' || options->format == WB_COPY ||
           strchr(" \t\r\n\xef\xbb\xbf", c) != NULL;
}

/* What lies between two records, or before the first one, which may be a header. */
static void check_gap(const wb_reader *reader, const wb_reader_options *options, text whole,
                      size_t from)
{
    size_t to = (size_t)reader->records.at.offset;
    HOLDS(from <= to && to + reader->records.at.bytes <= whole.bytes);
    for (size_t i = from; i < to; i++)
        HOLDS(is_left_out(options, whole.at[i]));
}

static void note(wb_buffer *notes, const wb_reader *reader, int read, const wb_err *err)
{
    const wb_refusal *at = &reader->records.at;
    wb_buffer_printf(notes, "%d %zu %zu ", read, (size_t)at->line, (size_t)at->offset);
    if (read == WB_READ_ROW)
        wb_buffer_put(notes, reader->tuple.at, reader->tuple.bytes);
    else
        wb_buffer_put_text(notes, err->text);
    if (read == WB_READ_REFUSED)
        wb_buffer_put(notes, at->text, at->bytes);
}

/* Reads what there is. `behind`: where the record before ends; SIZE_MAX: it may be a header's. */
static bool read_some(wb_reader *reader, const wb_reader_options *options, text whole,
                      size_t *behind, wb_buffer *notes)
{
    wb_err err;
    int read;
    while ((read = wb_reader_next(reader, &err)) == WB_READ_ROW || read == WB_READ_REFUSED) {
        const wb_refusal *at = &reader->records.at;
        HOLDS(memcmp(at->text, whole.at + at->offset, at->bytes) == 0);
        if (*behind != SIZE_MAX)
            check_gap(reader, options, whole, *behind);
        *behind = (size_t)at->offset + at->bytes;
        note(notes, reader, read, &err);
        if (read == WB_READ_ROW)
            wb_reader_take(reader);
        else
            check_message(&err);
    }
    HOLDS(read == WB_READ_NONE || read == WB_READ_FAILED);
    if (read == WB_READ_FAILED) {
        check_message(&err);
        wb_buffer_put_text(notes, err.text);
    }
    return read == WB_READ_NONE;
}

/* A piece in memory of its own. After it the row that comes next was looked at, and comes all the same. */
static void give(wb_reader *reader, const char *at, size_t bytes)
{
    char *own = malloc(bytes + 1);
    HOLDS(own != NULL);
    memcpy(own, at, bytes);
    HOLDS(wb_reader_put(reader, own, bytes, NULL) == WB_OK);
    free(own);
    wb_reader_look(reader);
    HOLDS(wb_reader_put(reader, "", 0, NULL) == WB_OK);
}

/* In pieces of `step`. */
static wb_buffer read_all(const wb_reader_options *options, text whole, size_t step)
{
    wb_buffer notes = WB_BUFFER_EMPTY;
    wb_reader *reader;
    bool named = options->format == WB_NDJSON || options->header != NULL, reads = true;
    size_t behind = named ? 0 : SIZE_MAX;
    HOLDS(wb_reader_new(options, &reader, NULL) == WB_OK);
    for (size_t at = 0; at < whole.bytes && reads; at += step) {
        size_t left = whole.bytes - at;
        give(reader, whole.at + at, left < step ? left : step);
        reads = read_some(reader, options, whole, &behind, &notes);
    }
    wb_reader_finish(reader);
    if (reads && read_some(reader, options, whole, &behind, &notes)) {
        HOLDS(reader->records.offset == whole.bytes);
        for (size_t i = behind; i < whole.bytes; i++)
            HOLDS(is_left_out(options, whole.at[i]));
    }
    wb_reader_free(reader);
    return notes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 4)
        return 0;
    const wb_reader_options options = options_of(data);
    const text whole = {(const char *)data + 4, bytes - 4};
    const size_t steps[] = {data[3] % 64 + 1, whole.bytes / 2 + 1, 1};
    wb_buffer expected = read_all(&options, whole, whole.bytes + 1);
    for (size_t i = 0; i < 3; i++) {
        wb_buffer cut = read_all(&options, whole, steps[i]);
        HOLDS(cut.bytes == expected.bytes);
        HOLDS(cut.bytes == 0 || memcmp(cut.data, expected.data, cut.bytes) == 0);
        wb_buffer_fini(&cut);
    }
    wb_buffer_fini(&expected);
    return 0;
}
