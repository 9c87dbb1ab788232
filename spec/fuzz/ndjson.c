/* SPDX-License-Identifier: MIT
 * Lines of NDJSON make up the input; a line is right if it is a JSON object and only then; pieces lie within the input or
 * the scratch, and are UTF-8. */
#include "fuzz.h"

#include <stdbool.h>

#include "base/json.h"
#include "base/utf8.h"
#include "intake/ndjson.h"

static bool lies_in(const char *begin, size_t bytes, const char *text, size_t length)
{
    return text >= begin && text + length <= begin + bytes;
}

static void check_text(const char *line, const wb_record *record, const char *text, size_t length)
{
    HOLDS(lies_in(line, record->text_bytes, text, length) ||
          lies_in(record->scratch, record->scratch_used, text, length));
    HOLDS(wb_utf8_check(text, length) == length);
}

static void check_pieces(const char *line, const wb_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        const wb_piece *piece = &record->pieces[i];
        size_t at;
        check_text(line, record, piece->name, piece->name_bytes);
        check_text(line, record, piece->text, piece->bytes);
        HOLDS(piece->kind == WB_PIECE_STRING ||
              wb_json_check(piece->text, piece->bytes, &at) == NULL);
    }
}

static size_t skip_space(const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
        at++;
    return at;
}

static bool is_object(const char *text, size_t bytes)
{
    size_t at = skip_space(text, bytes);
    return at < bytes && text[at] == '{' && wb_json_check(text, bytes, &at) == NULL;
}

/* A line that was split, and what is said of it. */
static void check_line(const char *line, const wb_record *record)
{
    size_t bytes = record->bytes - record->lines;
    HOLDS(record->text_bytes <= bytes);
    HOLDS(memchr(line, '\n', bytes) == NULL && (record->lines == 0 || line[bytes] == '\n'));
    if (skip_space(line, bytes) == bytes)
        HOLDS(record->wrong == NULL && record->count == 0 && record->text_bytes == 0);
    else
        HOLDS((record->wrong == NULL) == is_object(line, bytes));
    HOLDS(record->wrong == NULL || (record->count == 0 && record->wrong_at <= record->text_bytes));
    check_pieces(line, record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *text = (const char *)data;
    wb_record record = {0};
    size_t at = 0;
    while (at < bytes) {
        int early = wb_ndjson_split(text + at, bytes - at, false, &record);
        HOLDS((early == WB_SPLIT_MORE) == (memchr(text + at, '\n', bytes - at) == NULL));
        HOLDS(wb_ndjson_split(text + at, bytes - at, true, &record) == WB_SPLIT_RECORD);
        HOLDS(record.bytes > 0 && record.bytes <= bytes - at);
        check_line(text + at, &record);
        at += record.bytes;
    }
    HOLDS(at == bytes);
    wb_record_fini(&record);
    return 0;
}
