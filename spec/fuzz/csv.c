/* SPDX-License-Identifier: MIT
 * Records of CSV and COPY's text: they make up the text, their pieces lie in it or in the scratch, and neither what they
 * are nor where they end depends on where the text is cut. The first byte chooses the dialect, the second the cut. */
#include "fuzz.h"

#include "intake/csv.h"

static const wb_csv dialects[] = {
    {.delimiter = ',', .quote = '"', .null = "", .null_bytes = 0},
    {.delimiter = ';', .quote = '\'', .null = "NULL", .null_bytes = 4},
    {.delimiter = '\t', .escapes = true, .backslash_n = true},
    {.delimiter = '\t'},
    {.delimiter = '|', .escapes = true, .backslash_n = true},
    {.delimiter = '\xA7', .quote = '\xFF', .null = "\x80", .null_bytes = 1},
};

static bool lies_in(const wb_piece *piece, const char *memory, size_t bytes)
{
    return memory != NULL && piece->text >= memory && piece->text <= memory + bytes &&
           piece->bytes <= (size_t)(memory + bytes - piece->text);
}

static void check_pieces(const wb_record *record, const char *text)
{
    HOLDS(record->text_bytes <= record->bytes && record->bytes <= record->text_bytes + 2);
    HOLDS(record->lines <= record->bytes && record->scratch_used <= record->text_bytes);
    HOLDS(record->wrong == NULL || record->wrong_at < record->text_bytes);
    HOLDS(record->wrong == NULL || record->count == 0);
    for (size_t i = 0; i < record->count; i++) {
        const wb_piece *piece = &record->pieces[i];
        HOLDS(piece->kind == WB_PIECE_FIELD || piece->kind == WB_PIECE_NULL);
        HOLDS(lies_in(piece, text, record->text_bytes) ||
              lies_in(piece, record->scratch, record->scratch_used));
    }
}

static void check_same(const wb_record *a, const wb_record *b)
{
    HOLDS(a->bytes == b->bytes && a->text_bytes == b->text_bytes && a->lines == b->lines);
    HOLDS(a->wrong == b->wrong && a->wrong_at == b->wrong_at && a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const wb_piece *x = &a->pieces[i], *y = &b->pieces[i];
        HOLDS(x->kind == y->kind && x->bytes == y->bytes && !memcmp(x->text, y->text, x->bytes));
    }
}

/* What precedes the cut has no end of the record yet, or has the same one. */
static void check_cut(const wb_csv *csv, const char *text, size_t cut, const wb_record *whole)
{
    if (cut == 0)
        return;
    char *first = malloc(cut);
    HOLDS(first != NULL);
    memcpy(first, text, cut);
    wb_record record = {0};
    int answer = wb_csv_split(csv, first, cut, false, &record);
    if (answer == WB_SPLIT_RECORD)
        check_same(&record, whole);
    else
        HOLDS(answer == WB_SPLIT_MORE && cut <= whole->bytes);
    wb_record_fini(&record);
    free(first);
}

static void check_skip(const wb_csv *csv, const char *text, size_t bytes, size_t cut, size_t record)
{
    wb_csv_state state = 0;
    bool ended = false;
    size_t used = wb_csv_skip(csv, &state, text, cut, false, &ended);
    HOLDS(used <= cut && (ended || used + 1 >= cut));
    if (!ended)
        used += wb_csv_skip(csv, &state, text + used, bytes - used, true, &ended);
    HOLDS(ended && used == record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2)
        return 0;
    const wb_csv *csv = &dialects[data[0] % (sizeof dialects / sizeof *dialects)];
    size_t cut = data[1];
    const char *text = (const char *)data + 2, *end = text + bytes - 2;
    wb_record record = {0};
    while (text < end) {
        size_t rest = (size_t)(end - text), first = cut < rest ? cut : rest;
        HOLDS(wb_csv_split(csv, text, rest, true, &record) == WB_SPLIT_RECORD);
        HOLDS(record.bytes > 0 && record.bytes <= rest);
        check_pieces(&record, text);
        check_cut(csv, text, first, &record);
        check_skip(csv, text, rest, first, record.bytes);
        text += record.bytes;
    }
    wb_record_fini(&record);
    return 0;
}
