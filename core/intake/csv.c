/* SPDX-License-Identifier: MIT
 * See csv.h. The bytes that mean something are found 64 at a time, then looked at one by one, none twice. A field that is
 * not what stands in the input goes to the record's scratch, which has room for the whole text from the beginning, as
 * nothing grows where it is unescaped. No state, no locks; it fails where there is no memory. */
#include "intake/csv.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 64 };

typedef struct scan {
    const char *text;
    size_t bytes;
    size_t ahead; /* where the block begins that is looked at next */
    uint64_t
        found; /* what means something in the one before, and was not given yet; its first byte is the lowest bit */
    char delimiter;
    char other; /* the quote, or the backslash; the delimiter: neither */
    bool escapes;
    const char *null;
    size_t null_bytes;
    bool backslash_n;
    wb_record *record;
} scan;

static inline bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* ---- the bytes that mean something ---- */

#ifdef __SSE2__
static inline uint64_t find_in_16(const char *text, char delimiter, char other)
{
    __m128i chunk = _mm_loadu_si128((const __m128i *)text);
    __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('\n')),
                                _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\r')));
    __m128i others = _mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8(delimiter)),
                                  _mm_cmpeq_epi8(chunk, _mm_set1_epi8(other)));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(ends, others));
}

static inline uint64_t find_in_block(const char *text, char delimiter, char other)
{
    return find_in_16(text, delimiter, other) | find_in_16(text + 16, delimiter, other) << 16 |
           find_in_16(text + 32, delimiter, other) << 32 |
           find_in_16(text + 48, delimiter, other) << 48;
}
#else
static inline uint64_t find_in_block(const char *text, char delimiter, char other)
{
    uint64_t found = 0;
    for (size_t i = 0; i < BLOCK; i++)
        if (text[i] == delimiter || text[i] == other || is_line_end(text[i]))
            found |= (uint64_t)1 << i;
    return found;
}
#endif

static uint64_t find_in_tail(const char *text, size_t bytes, char delimiter, char other)
{
    char block[BLOCK] = {0};
    memcpy(block, text, bytes);
    return find_in_block(block, delimiter, other) & (((uint64_t)1 << bytes) - 1);
}

/* Looks at the blocks ahead, up to one with something in it. */
static void look_ahead(scan *s)
{
    while (s->found == 0 && s->ahead < s->bytes) {
        const char *text = s->text + s->ahead;
        size_t bytes = s->bytes - s->ahead;
        s->found = bytes >= BLOCK ? find_in_block(text, s->delimiter, s->other)
                                  : find_in_tail(text, bytes, s->delimiter, s->other);
        s->ahead += BLOCK;
    }
}

/* Where the next byte is that means something; `bytes`: there is none. */
static inline size_t next(scan *s)
{
    if (s->found == 0)
        look_ahead(s);
    if (s->found == 0)
        return s->bytes;
    size_t at = s->ahead - BLOCK + (size_t)__builtin_ctzll(s->found);
    s->found &= s->found - 1;
    return at;
}

/* ---- a field: each function answers where it ends, at a delimiter, a line's end or the text's ---- */

static void wrong_at(wb_record *record, size_t at, const char *phrase)
{
    record->wrong = phrase;
    record->wrong_at = at;
}

static inline bool is_other(const scan *s, size_t at)
{
    return at < s->bytes && s->text[at] == s->other && s->other != s->delimiter;
}

static bool means_something(const scan *s, char c)
{
    return c == s->delimiter || c == s->other || is_line_end(c);
}

/* Counts the line that ends at this byte, if one does: of CR LF at the second. */
static void count_line(scan *s, size_t at)
{
    const char *text = s->text;
    if (text[at] == '\n' || (text[at] == '\r' && (at + 1 == s->bytes || text[at + 1] != '\n')))
        s->record->lines++;
}

static void put(wb_record *record, const char *text, size_t bytes)
{
    memcpy(record->scratch + record->scratch_used, text, bytes);
    record->scratch_used += bytes;
}

static inline void fill(wb_piece *piece, int kind, const char *text, size_t bytes)
{
    *piece = (wb_piece){.kind = kind, .text = text, .bytes = (uint32_t)bytes};
}

/* What was put since `begin` is the field. */
static void fill_put(scan *s, wb_piece *piece, size_t begin)
{
    wb_record *record = s->record;
    fill(piece, WB_PIECE_FIELD, record->scratch + begin, record->scratch_used - begin);
}

/* The rest of a record that is wrong. */
static size_t skip_line(scan *s, size_t at)
{
    while (at < s->bytes && !is_line_end(s->text[at]))
        at = next(s);
    return at;
}

/* Goes to the field's closing quote, and puts what precedes the second of two quotes; *run is what follows the last one. */
static size_t find_closing(scan *s, size_t *run)
{
    const char *text = s->text;
    char quote = s->other;
    for (;;) {
        size_t at = next(s);
        if (at == s->bytes)
            return at;
        if (text[at] != quote) {
            count_line(s, at);
        } else if (at + 1 < s->bytes && text[at + 1] == quote) {
            put(s->record, text + *run, at + 1 - *run);
            *run = next(s) + 1;
        } else {
            return at;
        }
    }
}

static size_t read_quoted(scan *s, wb_piece *piece, size_t open)
{
    size_t run = open + 1, begin = s->record->scratch_used;
    size_t closing = find_closing(s, &run);
    if (closing == s->bytes) {
        wrong_at(s->record, open, "a quoted field has no end");
        return closing;
    }
    if (run == open + 1) {
        fill(piece, WB_PIECE_FIELD, s->text + run, closing - run);
    } else {
        put(s->record, s->text + run, closing - run);
        fill_put(s, piece, begin);
    }
    size_t end = next(s);
    if (end == closing + 1)
        return end;
    wrong_at(s->record, closing + 1, "text after a field's closing quote");
    return skip_line(s, end);
}

static int digit_of(char c, int base)
{
    int letter = c | 0x20, digit = base;
    if (c >= '0' && c <= '9')
        digit = c - '0';
    else if (letter >= 'a' && letter <= 'f')
        digit = letter - 'a' + 10;
    return digit < base ? digit : -1;
}

/* Puts the byte of at most `most` digits; answers what follows them. */
static const char *put_number(wb_record *record, const char *at, const char *end, int base,
                              int most)
{
    int number = 0;
    for (int digit; most > 0 && at < end && (digit = digit_of(*at, base)) >= 0; most--, at++)
        number = number * base + digit;
    char byte = (char)(number & 0xff);
    put(record, &byte, 1);
    return at;
}

/* Puts what an escape means; `at` is after its backslash. Answers what follows it. */
static const char *put_escape(wb_record *record, const char *at, const char *end)
{
    static const char letters[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v"; /* and NUL is NUL */
    if (digit_of(*at, 8) >= 0)
        return put_number(record, at, end, 8, 3);
    if (*at == 'x' && at + 1 < end && digit_of(at[1], 16) >= 0)
        return put_number(record, at + 1, end, 16, 2);
    const char *letter = strchr(letters, *at);
    put(record, letter != NULL ? &meanings[letter - letters] : at, 1);
    return at + 1;
}

static size_t read_escaped(scan *s, wb_piece *piece, size_t field, size_t backslash)
{
    const char *text = s->text, *end = text + s->bytes, *run = text + field;
    size_t begin = s->record->scratch_used, at = backslash;
    while (is_other(s, at)) {
        put(s->record, run, (size_t)(text + at - run));
        run = text + at + 1;
        if (run < end) {
            if (means_something(s, *run))
                count_line(s, next(s));
            run = put_escape(s->record, run, end);
        }
        at = next(s);
    }
    put(s->record, run, (size_t)(text + at - run));
    fill_put(s, piece, begin);
    return at;
}

static bool is_null(const scan *s, const char *text, size_t bytes)
{
    if (bytes == s->null_bytes && memcmp(text, s->null, bytes) == 0)
        return true;
    return s->backslash_n && bytes == 2 && text[0] == '\\' && text[1] == 'N';
}

static size_t read_field(scan *s, wb_piece *piece, size_t field)
{
    size_t end = next(s);
    if (is_other(s, end) && !s->escapes) {
        if (end == field)
            return read_quoted(s, piece, field);
        while (is_other(s, end))
            end = next(s);
    }
    if (is_other(s, end))
        end = read_escaped(s, piece, field, end);
    else
        fill(piece, WB_PIECE_FIELD, s->text + field, end - field);
    if (is_null(s, s->text + field, end - field))
        fill(piece, WB_PIECE_NULL, s->text + field, 0);
    return end;
}

/* ---- a record ---- */

static scan begin(const wb_csv *csv, const char *text, size_t bytes, wb_record *record)
{
    scan s = {.text = text, .bytes = bytes, .delimiter = csv->delimiter, .record = record};
    s.escapes = csv->escapes;
    s.other = csv->escapes ? '\\' : csv->quote != '\0' ? csv->quote : csv->delimiter;
    s.backslash_n = csv->backslash_n;
    s.null = csv->null;
    s.null_bytes = csv->null != NULL ? csv->null_bytes : SIZE_MAX;
    return s;
}

static int finish(scan *s, size_t end, bool final)
{
    const char *text = s->text;
    wb_record *record = s->record;
    bool open = end == s->bytes || (end + 1 == s->bytes && text[end] == '\r');
    if (open && !final)
        return WB_SPLIT_MORE;
    record->text_bytes = record->bytes = end;
    if (end < s->bytes) {
        bool both = text[end] == '\r' && end + 1 < s->bytes && text[end + 1] == '\n';
        record->bytes += both ? 2 : 1;
        record->lines++;
    }
    bool marker = s->escapes && end == 2 && text[0] == '\\' && text[1] == '.';
    if (end == 0 || marker || record->wrong != NULL)
        record->count = 0;
    return WB_SPLIT_RECORD;
}

/* Memory for so many fields is not worth it: what comes after takes the place of what was there. */
static void start_over(wb_record *record, size_t at)
{
    record->count = 0;
    if (record->wrong == NULL) {
        record->wrong = "too many fields";
        record->wrong_at = at;
    }
}

int wb_csv_split(const wb_csv *csv, const char *text, size_t bytes, bool final, wb_record *record)
{
    if (!wb_record_begin(record, bytes))
        return WB_SPLIT_MEMORY;
    scan s = begin(csv, text, bytes, record);
    size_t field = 0;
    for (;;) {
        wb_piece *piece = wb_record_add(record);
        if (piece == NULL)
            return WB_SPLIT_MEMORY;
        size_t end = read_field(&s, piece, field);
        if (end == bytes || text[end] != s.delimiter)
            return finish(&s, end, final);
        if (record->count == WB_RECORD_MAX_PIECES)
            start_over(record, end);
        field = end + 1;
    }
}

/* ---- a record that is skipped ---- */

enum {
    AT_FIELD, /* a field begins */
    IN_FIELD,
    IN_QUOTES,
    AFTER_QUOTE, /* in quotes: it closes the field, or it is the first of two */
    AFTER_BACKSLASH,
    IN_REST, /* of a record that is wrong */
};

static int state_in_field(const wb_csv *csv, int state, char c)
{
    if (c == csv->delimiter)
        return AT_FIELD;
    if (csv->escapes)
        return c == '\\' ? AFTER_BACKSLASH : IN_FIELD;
    bool quote = csv->quote != '\0' && c == csv->quote;
    return state == AT_FIELD && quote ? IN_QUOTES : IN_FIELD;
}

static int state_after(const wb_csv *csv, int state, char c)
{
    switch (state) {
    case AT_FIELD:
    case IN_FIELD:
        return state_in_field(csv, state, c);
    case IN_QUOTES:
        return c == csv->quote ? AFTER_QUOTE : IN_QUOTES;
    case AFTER_QUOTE:
        return c == csv->quote ? IN_QUOTES : c == csv->delimiter ? AT_FIELD : IN_REST;
    case AFTER_BACKSLASH:
        return IN_FIELD;
    default:
        return IN_REST;
    }
}

size_t wb_csv_skip(const wb_csv *csv, wb_csv_state *state, const char *text, size_t bytes,
                   bool final, bool *ended)
{
    for (size_t at = 0; at < bytes; at++) {
        char c = text[at];
        if (is_line_end(c) && *state != IN_QUOTES && *state != AFTER_BACKSLASH) {
            bool last = at + 1 == bytes;
            *ended = c == '\n' || !last || final;
            if (!*ended)
                return at;
            return at + (c == '\r' && !last && text[at + 1] == '\n' ? 2 : 1);
        }
        *state = state_after(csv, *state, c);
    }
    *ended = final;
    return bytes;
}
