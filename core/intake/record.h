/* SPDX-License-Identifier: MIT
 * A record of a text: a line of NDJSON, or what stands between two line ends of CSV, with its pieces as they stand. What a
 * splitter (ndjson.h, csv.h) fills, a reader turns into a row. */
#ifndef WB_RECORD_H
#define WB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wb_piece_kind {
    WB_PIECE_NULL,
    WB_PIECE_FIELD,  /* of CSV and the like */
    WB_PIECE_STRING, /* of JSON, decoded */
    WB_PIECE_NUMBER, /* of JSON, as it is written */
    WB_PIECE_BOOL,   /* true, false */
    WB_PIECE_JSON,   /* an object or an array, as it is written; it is valid */
};

typedef struct wb_piece {
    const char *text; /* in the input or in the record's scratch */
    const char *name; /* of a member; NULL: a field, known by its place */
    uint32_t bytes, name_bytes;
    int32_t kind; /* enum wb_piece_kind */
} wb_piece;

/* All zero: nothing was split yet. Texts live until the next split. */
typedef struct wb_record {
    wb_piece *pieces;
    size_t count, room;
    char *scratch; /* texts that are not what stands in the input */
    size_t scratch_used, scratch_bytes;
    size_t bytes;      /* of the input, the line's end included */
    size_t text_bytes; /* without it */
    size_t lines;      /* line ends in them */
    const char *wrong; /* why it can't be read, a constant phrase; NULL: it can */
    size_t wrong_at;   /* the offset of the byte */
} wb_record;

/* What a splitter answers. */
enum wb_split {
    WB_SPLIT_RECORD, /* there is one, it may be wrong */
    WB_SPLIT_MORE,   /* the text has no end of it */
    WB_SPLIT_MEMORY, /* there was none */
};

/* A text may hold no more than this: lengths of pieces are 32 bits. */
#define WB_RECORD_MAX_BYTES ((size_t)1 << 30)

/* More fields or members make a record wrong: no table has so many columns. */
enum { WB_RECORD_MAX_PIECES = 1 << 16 };

/* Begins a record, with scratch for what `bytes` of input become at the most. False: no memory. */
bool wb_record_begin(wb_record *record, size_t bytes);
/* Room for more pieces. False: no memory. */
bool wb_record_grow(wb_record *record);
/* One more piece, not filled; NULL: no memory. */
static inline wb_piece *wb_record_add(wb_record *record)
{
    if (record->count == record->room && !wb_record_grow(record))
        return NULL;
    return &record->pieces[record->count++];
}
void wb_record_fini(wb_record *record);

#endif
