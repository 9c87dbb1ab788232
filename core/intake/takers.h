/* SPDX-License-Identifier: MIT
 * Which column takes what a text has by a name, or at a place. */
#ifndef WB_TAKERS_H
#define WB_TAKERS_H

#include <writebehind.h>

#include "intake/record.h"

enum { WB_NO_TAKER = -1 };

typedef struct wb_taker {
    const char *name; /* in the text */
    uint32_t bytes;
    int32_t column; /* its index in the schema */
} wb_taker;

typedef struct wb_takers {
    wb_taker *sorted; /* by name */
    size_t count;
    int32_t *
        fields; /* of a header: the column of each field, or WB_NO_TAKER; of objects: that of the member that was there
                        in the one before */
    size_t field_count, field_room;
} wb_takers;

/* All zero before. `map`: as wb_reader_options has it. Names are borrowed. WB_MISUSE, WB_MEMORY. */
int wb_takers_init(wb_takers *takers, const wb_schema *schema, const char *const *map, wb_err *err);
void wb_takers_fini(wb_takers *takers);

/* Sets the fields by the names that the pieces of a header are; one that is empty is called column_N by its place, one that
 * was there before gets _2, _3, … WB_INVALID says what no column takes, unless `ignore_unknown`, what one takes twice, and
 * what is missing. WB_MEMORY. */
int wb_takers_read_header(wb_takers *takers, const wb_schema *schema, const wb_record *header,
                          bool ignore_unknown, wb_err *err);

/* The column that takes the member of that name and place in its object, or WB_NO_TAKER. */
int32_t wb_takers_find(wb_takers *takers, size_t place, const char *name, size_t bytes);

#endif
