/* SPDX-License-Identifier: MIT
 * See record.h. Its memory grows and is kept from one record to the next. */
#include "intake/record.h"

#include "base/env.h"

enum { FIRST_PIECES = 16, FIRST_SCRATCH = 4096 };

bool wb_record_begin(wb_record *record, size_t bytes)
{
    record->count = record->scratch_used = record->lines = 0;
    record->wrong = NULL;
    record->wrong_at = 0;
    if (record->scratch != NULL && bytes <= record->scratch_bytes)
        return true;
    size_t room = record->scratch_bytes > 0 ? record->scratch_bytes : FIRST_SCRATCH;
    while (room < bytes)
        room *= 2;
    char *scratch = wb_alloc(room);
    if (scratch == NULL)
        return false;
    wb_free(record->scratch);
    record->scratch = scratch;
    record->scratch_bytes = room;
    return true;
}

bool wb_record_grow(wb_record *record)
{
    size_t room = record->room > 0 ? 2 * record->room : FIRST_PIECES;
    wb_piece *pieces = wb_realloc(record->pieces, room * sizeof *pieces);
    if (pieces == NULL)
        return false;
    record->pieces = pieces;
    record->room = room;
    return true;
}

void wb_record_fini(wb_record *record)
{
    wb_free(record->pieces);
    wb_free(record->scratch);
    *record = (wb_record){0};
}
