/* SPDX-License-Identifier: MIT
 * See records.h. Invariant: `line` is that of data[from]. A text that holds no whole record is only searched for the
 * record's end, no byte of it twice, until that is there, so all the work is linear in the text. No locks. */
#include "intake/records.h"

#include <string.h>

#include "base/calendar.h"
#include "base/env.h"
#include "base/err.h"
#include "base/words.h"
#include "intake/foreign.h"
#include "intake/ndjson.h"

#define USUAL_MAX_BYTES ((size_t)64 << 20)

enum { FIRST_ROOM = 1 << 16, LEAST_TO_BEGIN = WB_FOREIGN_BYTES, LEAST_MAX_BYTES = 16 };

/* ---- options ---- */

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool may_follow_backslash(char c)
{
    char lower = wb_lower(c);
    return (lower >= 'a' && lower <= 'z') || wb_is_digit(c) || c == '.';
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
    if (options->format == WB_COPY && may_follow_backslash(options->delimiter))
        return wb_fail(err, WB_MISUSE, "delimiter: letters, digits and a dot are none in COPY");
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
    char delimiter = options->delimiter != '\0' ? options->delimiter : usual;
    if (code != WB_OK)
        return code;
    if (options->comment == delimiter || options->comment == '"')
        return wb_fail(err, WB_MISUSE, "comment: the delimiter and a quote are none");
    *records = (wb_records){
        .format = options->format,
        .csv = {.delimiter = delimiter,
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

/* What was read is thrown away where that gives more room than it costs work; the newest record stays. */
static void compact(wb_records *records, size_t bytes)
{
    size_t begin = records->from - records->passed, kept = records->to - begin;
    if (records->room - records->to >= bytes || begin == 0 || begin < kept)
        return;
    memmove(records->data, records->data + begin, kept);
    records->from = records->passed;
    records->to = kept;
}

static bool make_room(wb_records *records, size_t bytes)
{
    size_t room = records->room > 0 ? records->room : FIRST_ROOM;
    compact(records, bytes);
    while (room - records->to < bytes)
        room *= 2;
    if (room == records->room)
        return true;
    char *data = wb_realloc(records->data, room);
    if (data == NULL)
        return false;
    records->data = data;
    records->room = room;
    return true;
}

bool wb_records_put(wb_records *records, const char *text, size_t bytes)
{
    bool made = make_room(records, bytes);
    if (made && bytes > 0)
        memcpy(records->data + records->to, text, bytes);
    records->to += made ? bytes : 0;
    if (records->passed > 0)
        records->at.text = records->data + records->from - records->passed;
    else
        records->at.bytes = 0;
    return made;
}

void wb_records_fini(wb_records *records)
{
    wb_free(records->data);
    wb_record_fini(&records->record);
    records->data = NULL;
    records->from = records->to = records->room = 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
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
    records->passed = 0;
}

/* ---- what a text begins with ---- */

/* False: it has to see more of it, or can't read it. */
static bool begin(wb_records *records, int *answer)
{
    *answer = WB_NEXT_NONE;
    if (left_of(records) == 0 || (left_of(records) < LEAST_TO_BEGIN && !records->final))
        return false;
    records->record.wrong = wb_foreign_text(
        text_of(records), smaller(left_of(records), LEAST_TO_BEGIN), records->format == WB_NDJSON);
    if (records->record.wrong != NULL) {
        *answer = WB_NEXT_FAILED;
        return false;
    }
    if (left_of(records) >= 3 && memcmp(text_of(records), WB_BYTE_ORDER_MARK, 3) == 0)
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

/* So many bytes of text and the line's end decide whether a record is too long. */
static size_t enough_of(const wb_records *records)
{
    return records->max_bytes + 2;
}

static int split(wb_records *records, size_t bytes, bool final)
{
    const char *text = text_of(records);
    if (records->format == WB_NDJSON)
        return wb_ndjson_split(text, bytes, final, &records->record);
    return wb_csv_split(&records->csv, text, bytes, final, &records->record);
}

/* Is the record's end in so many bytes? Then it is at `tried`. A CR that is the last of them is none yet. */
static bool find_end(wb_records *records, size_t bytes)
{
    const char *text = text_of(records) + records->tried;
    bool ended = false;
    bytes -= records->tried;
    if (records->format == WB_NDJSON) {
        const char *end = memchr(text, '\n', bytes);
        ended = end != NULL;
        bytes = ended ? (size_t)(end - text) + 1 : bytes;
    } else {
        bytes = wb_csv_skip(&records->csv, &records->state, text, bytes, false, &ended);
    }
    records->tried += bytes;
    return ended;
}

static void try_again(wb_records *records)
{
    records->tried = 0;
    records->state = 0;
}

/* Goes behind so many bytes, of which the first are a record's text. */
static void pass(wb_records *records, size_t text_bytes, size_t bytes)
{
    records->at = (wb_refusal){.line = records->line,
                               .offset = records->offset,
                               .text = text_of(records),
                               .bytes = text_bytes};
    advance(records, bytes);
    records->passed = bytes;
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

/* Of the first bytes of a text: a CR before LF is none. */
static size_t line_ends(const char *text, size_t bytes, size_t all)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += text[i] == '\n' || (text[i] == '\r' && (i + 1 == all || text[i + 1] != '\n'));
    return count;
}

static size_t without_end(const char *text, size_t bytes)
{
    bool both = bytes > 1 && text[bytes - 1] == '\n' && text[bytes - 2] == '\r';
    return bytes - (both ? 2 : 1);
}

static const char too_long[] = "a record is longer than is allowed";

/* The next piece of a record that is too long: of max_bytes, one less before a CR, or its last. */
static int next_piece(wb_records *records)
{
    wb_record *record = &records->record;
    const char *text = text_of(records);
    size_t left = left_of(records), bytes = smaller(left, records->max_bytes);
    bool ended = find_end(records, bytes), last = ended || (records->final && bytes == left);
    if (!last && left <= records->max_bytes)
        return WB_NEXT_NONE;
    if (ended || !last)
        bytes = records->tried;
    record->count = 0;
    record->lines = records->format == WB_NDJSON ? ended : line_ends(text, bytes, left);
    record->wrong = too_long;
    record->wrong_at = 0;
    pass(records, ended ? without_end(text, bytes) : records->tried, bytes);
    records->too_long = !last;
    return WB_NEXT_RECORD;
}

static int begin_too_long(wb_records *records)
{
    records->too_long = true;
    try_again(records);
    return next_piece(records);
}

/* The next record, empty ones too. One whose end was not there is split again when it is. */
static int next_record(wb_records *records)
{
    size_t left = left_of(records), enough = enough_of(records), bytes = smaller(left, enough);
    bool final = records->final && bytes == left;
    if (records->too_long)
        return next_piece(records);
    if (records->tried > 0 && bytes < enough && !final && !find_end(records, bytes))
        return WB_NEXT_NONE;
    try_again(records);
    int answer = split(records, bytes, final);
    if (answer == WB_SPLIT_MEMORY)
        return WB_NEXT_MEMORY;
    if (answer == WB_SPLIT_MORE ? bytes == enough : records->record.text_bytes > records->max_bytes)
        return begin_too_long(records);
    if (answer == WB_SPLIT_MORE) {
        find_end(records, bytes);
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
    if (piece != NULL) {
        *piece = (wb_piece){.text = records->at.text, .kind = WB_PIECE_FIELD};
    } else {
        wb_records_again(records);
        *answer = WB_NEXT_MEMORY;
    }
    return true;
}

/* Is the record one that is answered? Not if it is only the line's end behind the pieces of one that was too long. */
static bool counts(wb_records *records, int *answer)
{
    if (records->record.wrong == too_long && records->at.bytes == 0)
        return false;
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
