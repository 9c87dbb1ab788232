/* SPDX-License-Identifier: MIT
 * See ndjson.h. The scanner of base/json_scan.h judges; here it is noted where a member's name and value stand. Most of
 * them are pieces of the input as it is. What holds escapes is decoded into the scratch, which wb_record_begin makes as
 * large as the line: nothing decoded is longer than what it was, so the scratch never moves under a piece. */
#include "intake/ndjson.h"

#include "base/json_scan.h"

#include <string.h>

/* ---- strings ---- */

/* The code unit of four hex digits. */
static unsigned unit_of(const uint8_t *at)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | ((at[i] & 15u) + 9 * (at[i] >> 6)); /* letters have bit 6 */
    return unit;
}

static char *put_utf8(char *to, unsigned point)
{
    if (point < 0x80) {
        *to++ = (char)point;
        return to;
    }
    if (point < 0x800) {
        *to++ = (char)(0xC0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *to++ = (char)(0xE0 | point >> 12);
        } else {
            *to++ = (char)(0xF0 | point >> 18);
            *to++ = (char)(0x80 | (point >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (point & 0x3F));
    return to;
}

/* From after \u. */
static const uint8_t *decode_unicode(char **to, const uint8_t *at)
{
    unsigned point = unit_of(at);
    at += 4;
    if (point >= 0xD800 &&
        point <= 0xDBFF) { /* the scanner saw to it that the other half follows */
        point = 0x10000 + ((point - 0xD800) << 10) + (unit_of(at + 2) - 0xDC00);
        at += 6;
    }
    *to = put_utf8(*to, point);
    return at;
}

/* From after a backslash. */
static const uint8_t *decode_escape(char **to, const uint8_t *at)
{
    static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
    if (*at == 'u')
        return decode_unicode(to, at + 1);
    const char *letter = strchr(from, *at);
    *(*to)++ = letter ? into[letter - from] : (char)*at;
    return at + 1;
}

/* What a string says that is right, into the scratch. */
static const char *decode(wb_record *record, const uint8_t *at, const uint8_t *end, uint32_t *bytes)
{
    char *text = record->scratch + record->scratch_used, *to = text;
    while (at < end) {
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape ? escape : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at = escape ? decode_escape(&to, escape + 1) : end;
    }
    *bytes = (uint32_t)(to - text);
    record->scratch_used += *bytes;
    return text;
}

/* The text of a string that was just scanned, between its quotes. */
static inline const char *text_of(wb_json_scan *s, wb_record *record, const uint8_t *begin,
                                  const uint8_t *end, uint32_t *bytes)
{
    if (s->escaped) {
        s->escaped = false;
        return decode(record, begin, end, bytes);
    }
    *bytes = (uint32_t)(end - begin);
    return (const char *)begin;
}

/* ---- members ---- */

static inline int32_t kind_of(uint8_t first)
{
    switch (first) {
    case '"':
        return WB_PIECE_STRING;
    case '{':
    case '[':
        return WB_PIECE_JSON;
    case 't':
    case 'f':
        return WB_PIECE_BOOL;
    case 'n':
        return WB_PIECE_NULL;
    default:
        return WB_PIECE_NUMBER;
    }
}

static inline const uint8_t *read_string(wb_json_scan *s, const uint8_t *at, wb_record *record,
                                         wb_piece *piece)
{
    const uint8_t *end = wb_json_scan_text(s, at + 1);
    if (end)
        piece->text = text_of(s, record, at + 1, end - 1, &piece->bytes);
    return end;
}

static inline const uint8_t *read_other(wb_json_scan *s, const uint8_t *at, wb_piece *piece)
{
    bool container = piece->kind == WB_PIECE_JSON;
    const uint8_t *end = container ? wb_json_scan_value(s, at) : wb_json_scan_scalar(s, at);
    s->escaped = false;
    piece->text = (const char *)at;
    piece->bytes = (uint32_t)(end - at);
    return end;
}

static inline const uint8_t *read_value(wb_json_scan *s, const uint8_t *at, wb_record *record,
                                        wb_piece *piece)
{
    at = wb_json_skip_space(s, at);
    piece->kind = at < s->end ? kind_of(*at) : WB_PIECE_NUMBER;
    return piece->kind == WB_PIECE_STRING ? read_string(s, at, record, piece)
                                          : read_other(s, at, piece);
}

static inline const uint8_t *read_member(wb_json_scan *s, const uint8_t *at, wb_record *record,
                                         wb_piece *piece)
{
    const uint8_t *name = at + 1, *name_end = name;
    at = wb_json_scan_name(s, at, &name_end);
    if (!at)
        return NULL;
    piece->name = text_of(s, record, name, name_end - 1, &piece->name_bytes);
    return read_value(s, at, record, piece);
}

/* From an object's first byte to after its last. Without memory it answers NULL, and nothing is wrong. */
static const uint8_t *read_object(wb_json_scan *s, const uint8_t *at, wb_record *record)
{
    wb_json_push(s, true);
    at = wb_json_skip_space(s, at + 1);
    if (at < s->end && *at == '}')
        return at + 1;
    for (bool more = true; at && more;) {
        if (record->count == WB_RECORD_MAX_PIECES)
            return wb_json_fail(s, at, "too many members");
        wb_piece *piece = wb_record_add(record);
        if (!piece)
            return NULL;
        at = read_member(s, at, record, piece);
        if (at)
            at = wb_json_scan_next(s, at, true, &more);
    }
    return at;
}

/* The same of a list. */
static const uint8_t *read_list(wb_json_scan *s, const uint8_t *at, wb_record *record)
{
    wb_json_push(s, false);
    at = wb_json_skip_space(s, at + 1);
    if (at < s->end && *at == ']')
        return at + 1;
    for (bool more = true; at && more;) {
        wb_piece *piece = wb_record_add(record);
        if (!piece)
            return NULL;
        piece->name = NULL;
        at = read_value(s, at, record, piece);
        if (at)
            at = wb_json_scan_next(s, at, false, &more);
    }
    return at;
}

/* ---- lines ---- */

/* From a line's first byte that is no white space to its last one; or NULL, as above. */
static const uint8_t *read_line(wb_json_scan *s, const uint8_t *at, wb_record *record)
{
    if (*at != '{')
        return wb_json_fail(s, at,
                            *at == '[' ? "a JSON array, not an object" : "not a JSON object");
    at = read_object(s, at, record);
    if (!at)
        return NULL;
    at = wb_json_skip_space(s, at);
    return at == s->end ? at : wb_json_fail(s, at, "text after the object");
}

/* Begins the record of the line that ends at this LF, or NULL: with the text. False: no memory. */
static bool begin_line(wb_record *record, const char *text, size_t bytes, const char *lf)
{
    size_t line = lf ? (size_t)(lf - text) : bytes;
    if (!wb_record_begin(record, line))
        return false;
    record->lines = lf != NULL;
    record->bytes = line + record->lines;
    record->text_bytes = lf && line > 0 && lf[-1] == '\r' ? line - 1 : line;
    return true;
}

int wb_ndjson_split(const char *text, size_t bytes, bool final, wb_record *record)
{
    const char *lf = memchr(text, '\n', bytes);
    if (!lf && !final)
        return WB_SPLIT_MORE;
    if (!begin_line(record, text, bytes, lf))
        return WB_SPLIT_MEMORY;
    const uint8_t *begin = (const uint8_t *)text;
    wb_json_scan s;
    wb_json_scan_begin(&s, begin, record->text_bytes);
    const uint8_t *at = wb_json_skip_space(&s, begin);
    if (at == s.end) {
        record->text_bytes = 0;
        return WB_SPLIT_RECORD;
    }
    if (read_line(&s, at, record))
        return WB_SPLIT_RECORD;
    record->count = 0;
    record->wrong = s.wrong;
    record->wrong_at = (size_t)(s.wrong_at - begin);
    return s.wrong ? WB_SPLIT_RECORD : WB_SPLIT_MEMORY;
}

int wb_json_elements(const char *text, size_t bytes, wb_record *record)
{
    const uint8_t *begin = (const uint8_t *)text;
    wb_json_scan s;
    if (!wb_record_begin(record, bytes))
        return WB_SPLIT_MEMORY;
    wb_json_scan_begin(&s, begin, bytes);
    const uint8_t *at = wb_json_skip_space(&s, begin);
    if (at == s.end || *at != '[')
        at = wb_json_fail(&s, at, "not a JSON list");
    else
        at = read_list(&s, at, record);
    if (at && wb_json_skip_space(&s, at) != s.end)
        at = wb_json_fail(&s, at, "text after the list");
    record->wrong = s.wrong;
    record->wrong_at = (size_t)(s.wrong_at - begin);
    return at || s.wrong ? WB_SPLIT_RECORD : WB_SPLIT_MEMORY;
}
