/* SPDX-License-Identifier: MIT
 * See records.h. Invariant: `line` is that of data[from]. A text that holds no whole record is split again when twice as
 * much is there, so all the work is linear in the text. No locks. */
#include "intake/records.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "intake/ndjson.h"

#define USUAL_MAX_BYTES ((size_t)64 << 20)

enum { FIRST_ROOM = 1 << 16, LEAST_TO_BEGIN = 4, LEAST_MAX_BYTES = 16 };

/* ---- options ---- */

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_escape(char c)
{
    return c == '.' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static int check(const wb_reader_options *options, wb_err *err)
{
    bool fields = options->format != WB_NDJSON;
    if (options->format < WB_NDJSON || options->format > WB_COPY)
        return wb_fail(err, WB_MISUSE, "format: there is no number %d", (int)options->format);
    if (!fields && (options->delimiter != '\0' || options->null != NULL || options->header != NULL))
        return wb_fail(err, WB_MISUSE, "%s: NDJSON has none",
                       options->delimiter != '\0' ? "delimiter"
                       : options->null != NULL    ? "null"
                                                  : "header");
    if (is_line_end(options->delimiter) || options->delimiter == '"' || options->delimiter == '\\')
        return wb_fail(err, WB_MISUSE, "delimiter: a line end, a quote and a backslash are none");
    if (options->format == WB_COPY && is_escape(options->delimiter))
        return wb_fail(err, WB_MISUSE, "delimiter: COPY's are no letter, digit or full stop");
    if (is_line_end(options->comment))
        return wb_fail(err, WB_MISUSE, "comment: a line end is none");
    if (options->max_record_bytes > WB_RECORD_MAX_BYTES ||
        (options->max_record_bytes > 0 && options->max_record_bytes < LEAST_MAX_BYTES))
        return wb_fail(err, WB_MISUSE, "max_record_bytes: from %d to 2^30", LEAST_MAX_BYTES);
    return WB_OK;
}

int wb_records_init(wb_records *records, const wb_reader_options *options, wb_err *err)
{
    bool copy = options->format == WB_COPY;
    const char *null = options->null != NULL || copy ? options->null : "";
    char usual = options->format == WB_CSV ? ',' : '\t';
    int code = check(options, err);
    if (code != WB_OK)
        return code;
    *records = (wb_records){
        .format = options->format,
        .csv = {.delimiter = options->delimiter != '\0' ? options->delimiter : usual,
                .quote = options->format == WB_CSV ? '"' : '\0',
                .escapes = copy,
                .null = null,
                .null_bytes = null != NULL ? strlen(null) : 0,
                .backslash_n = options->null == NULL && options->format != WB_CSV},
        .comment = options->comment,
        .skip = options->skip,
        .max_bytes = options->max_record_bytes > 0 ? options->max_record_bytes : USUAL_MAX_BYTES,
        .line = 1,
    };
    return WB_OK;
}

/* ---- text ---- */

bool wb_records_put(wb_records *records, const char *text, size_t bytes)
{
    size_t left = records->to - records->from;
    if (records->room - records->to < bytes && records->from > 0) {
        memmove(records->data, records->data + records->from, left);
        records->from = 0;
        records->to = left;
    }
    size_t room = records->room > 0 ? records->room : FIRST_ROOM;
    while (room - records->to < bytes)
        room *= 2;
    if (room > records->room) {
        char *data = wb_realloc(records->data, room);
        if (data == NULL)
            return false;
        records->data = data;
        records->room = room;
    }
    if (bytes > 0)
        memcpy(records->data + records->to, text, bytes);
    records->to += bytes;
    return true;
}

void wb_records_fini(wb_records *records)
{
    wb_free(records->data);
    wb_record_fini(&records->record);
    records->data = NULL;
    records->from = records->to = records->room = 0;
}

static size_t left_of(const wb_records *records)
{
    return records->to - records->from;
}

static const char *text_of(const wb_records *records)
{
    return records->data + records->from;
}

static void advance(wb_records *records, size_t bytes)
{
    records->from += bytes;
    records->offset += bytes;
}

/* ---- what a text begins with ---- */

static bool begins_with(const wb_records *records, const char *bytes, size_t count)
{
    return left_of(records) >= count && memcmp(text_of(records), bytes, count) == 0;
}

static const char *foreign_text(const wb_records *records)
{
    size_t left = left_of(records);
    const char *text = text_of(records);
    if (begins_with(records, "\xff\xfe", 2) || begins_with(records, "\xfe\xff", 2) ||
        (left >= 2 && (text[0] == '\0') != (text[1] == '\0')))
        return "the text is UTF-16, not UTF-8";
    if (begins_with(records, "\x1f\x8b", 2))
        return "the text is compressed by gzip";
    if (begins_with(records, "PK\3\4", 4))
        return "the text is a ZIP archive, as spreadsheets are";
    size_t at = begins_with(records, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < left &&
           (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
        at++;
    if (records->format == WB_NDJSON && at < left && text[at] == '[')
        return "the text is a JSON list, not a JSON object a line";
    return NULL;
}

/* False: it has to see more of it, or can't read it. */
static bool begin(wb_records *records, int *answer)
{
    *answer = WB_NEXT_NONE;
    if (left_of(records) < LEAST_TO_BEGIN && !records->final)
        return false;
    records->record.wrong = foreign_text(records);
    if (records->record.wrong != NULL) {
        *answer = WB_NEXT_FAILED;
        return false;
    }
    if (begins_with(records, "\xef\xbb\xbf", 3))
        advance(records, 3);
    return records->begun = true;
}

/* ---- what is left out ---- */

static bool is_left_out(const wb_records *records)
{
    return records->leaving || records->skip > 0 ||
           (records->comment != '\0' && *text_of(records) == records->comment);
}

/* The place after the line's end; NULL: there is none yet. */
static const char *line_end(const wb_records *records, const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '\n')
            return at + 1;
        if (*at != '\r' || records->format == WB_NDJSON)
            continue;
        if (at + 1 < end)
            return at + (at[1] == '\n' ? 2 : 1);
        return records->final ? end : NULL;
    }
    return NULL;
}

/* Leaves out a line, or what there is of it but a CR that may be half of its end. */
static void leave_out(wb_records *records)
{
    const char *text = text_of(records), *end = records->data + records->to;
    const char *after = line_end(records, text, end);
    records->leaving = after == NULL;
    if (after == NULL)
        after = end[-1] == '\r' && !records->final ? end - 1 : end;
    advance(records, (size_t)(after - text));
    if (!records->leaving) {
        records->line++;
        records->skip -= records->skip > 0;
    }
}

/* ---- records ---- */

static int split(wb_records *records)
{
    const char *text = text_of(records);
    size_t bytes = left_of(records);
    if (records->format == WB_NDJSON)
        return wb_ndjson_split(text, bytes, records->final, &records->record);
    return wb_csv_split(&records->csv, text, bytes, records->final, &records->record);
}

/* Goes behind so many bytes, of which the first are a record's text. */
static void pass(wb_records *records, size_t text_bytes, size_t bytes)
{
    records->at = (wb_refusal){.line = records->line,
                               .offset = records->offset,
                               .text = text_of(records),
                               .bytes = text_bytes};
    records->passed = bytes;
    advance(records, bytes);
    records->line += records->record.lines;
    records->tried = 0;
}

void wb_records_again(wb_records *records)
{
    records->from -= records->passed;
    records->offset = records->at.offset;
    records->line = records->at.line;
    records->passed = 0;
}

static size_t line_ends(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += text[i] == '\n' || (text[i] == '\r' && (i + 1 == bytes || text[i + 1] != '\n'));
    return count;
}

/* The next piece of a record that is too long: of max_bytes, or its last. */
static int next_piece(wb_records *records)
{
    wb_record *record = &records->record;
    const char *text = text_of(records);
    size_t bytes = left_of(records);
    bool ended = false;
    if (bytes < records->max_bytes && !records->final)
        return WB_NEXT_NONE;
    if (bytes > records->max_bytes)
        bytes = records->max_bytes;
    bool final = records->final && bytes == left_of(records);
    if (records->format == WB_NDJSON) {
        const char *end = memchr(text, '\n', bytes);
        ended = end != NULL;
        bytes = ended ? (size_t)(end - text) + 1 : bytes;
    } else {
        bytes = wb_csv_skip(&records->csv, &records->state, text, bytes, final, &ended);
    }
    size_t kept = bytes;
    while (ended && kept > 0 && (text[kept - 1] == '\n' || text[kept - 1] == '\r'))
        kept--;
    record->count = 0;
    record->lines = records->format == WB_NDJSON ? ended : line_ends(text, bytes);
    record->wrong = "a record is longer than is allowed";
    record->wrong_at = 0;
    pass(records, kept, bytes);
    records->too_long = !ended && !(records->final && left_of(records) == 0);
    return WB_NEXT_RECORD;
}

static int begin_too_long(wb_records *records)
{
    records->too_long = true;
    records->state = 0;
    return next_piece(records);
}

static bool waits_for_more(const wb_records *records)
{
    size_t left = left_of(records);
    return !records->final && left < records->max_bytes && left / 2 < records->tried;
}

/* The next record, empty ones too. */
static int next_record(wb_records *records)
{
    size_t left = left_of(records);
    if (records->too_long)
        return next_piece(records);
    if (waits_for_more(records))
        return WB_NEXT_NONE;
    int answer = split(records);
    if (answer == WB_SPLIT_MEMORY)
        return WB_NEXT_MEMORY;
    if (answer == WB_SPLIT_MORE ? left >= records->max_bytes
                                : records->record.text_bytes > records->max_bytes)
        return begin_too_long(records);
    if (answer == WB_SPLIT_MORE) {
        records->tried = left;
        return WB_NEXT_NONE;
    }
    pass(records, records->record.text_bytes, records->record.bytes);
    return WB_NEXT_RECORD;
}

static bool is_empty(const wb_records *records)
{
    return records->record.wrong == NULL && records->record.count == 0 && records->at.bytes == 0;
}

/* An empty line is a row of one empty field there, and a line of \. the end, after which only empty lines come. False:
 * there is nothing to answer. */
static bool copy_record(wb_records *records, int *answer)
{
    wb_record *record = &records->record;
    bool marker = record->wrong == NULL && record->count == 0 && records->at.bytes == 2;
    if (records->ended && records->at.bytes > 0) {
        record->wrong = "text after \\., the end of COPY's data";
        record->count = 0;
    }
    if (marker || (records->ended && records->at.bytes == 0)) {
        records->ended = true;
        return false;
    }
    if (!is_empty(records))
        return true;
    wb_piece *piece = wb_record_add(record);
    if (piece != NULL)
        *piece = (wb_piece){.text = records->at.text, .kind = WB_PIECE_FIELD};
    else
        *answer = WB_NEXT_MEMORY;
    return true;
}

/* Is the record one that is answered? */
static bool counts(wb_records *records, int *answer)
{
    return records->format == WB_COPY ? copy_record(records, answer) : !is_empty(records);
}

int wb_records_next(wb_records *records)
{
    int answer;
    if (!records->begun && !begin(records, &answer))
        return answer;
    while (left_of(records) > 0) {
        if (!records->too_long && is_left_out(records)) {
            size_t left = left_of(records);
            leave_out(records);
            if (left_of(records) == left)
                return WB_NEXT_NONE;
            continue;
        }
        answer = next_record(records);
        if (answer != WB_NEXT_RECORD || counts(records, &answer))
            return answer;
    }
    return WB_NEXT_NONE;
}
