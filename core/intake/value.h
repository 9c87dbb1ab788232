/* SPDX-License-Identifier: MIT
 * A value from a piece of a record, by the type of the column that takes it. Nothing is changed silently: what the column
 * can't keep exactly stays text, which the encoder refuses.
 *
 * A field, a string      what rows/from_text.h reads; of bytea \x and pairs of hex digits, or the bytes themselves; of an
 *                        array PostgreSQL's literal ({1,"a b",NULL}, one dimension) or a JSON list
 * ... for json, jsonb    a field is JSON already; a string is one of JSON
 * A number               as it is written; of a time, an interval seconds, of a timestamp since 1970; of a date none
 * A nested value         of json, jsonb and text as it is written; a list is an array's */
#ifndef WB_INTAKE_VALUE_H
#define WB_INTAKE_VALUE_H

#include <writebehind.h>

#include "intake/record.h"
#include "rows/texts.h"

/* What values are made of that don't stand in the record. All zero: empty. */
typedef struct wb_value_room {
    wb_texts texts;
    wb_record elements;
    struct wb_list *lists;
    bool exact; /* see wb_reader_options */
} wb_value_room;

/* WB_INVALID, WB_MEMORY. Texts live as long as the record's and the room's. */
int wb_piece_value(const wb_column *column, const wb_piece *piece, wb_value_room *room,
                   wb_value *value, wb_err *err);
void wb_value_room_clear(wb_value_room *room); /* for the next row */
void wb_value_room_fini(wb_value_room *room);

#endif
