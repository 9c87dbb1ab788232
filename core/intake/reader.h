/* SPDX-License-Identifier: MIT
 * The inside of a reader: one row after another, for who adds them. */
#ifndef WB_READER_H
#define WB_READER_H

#include "intake/origins.h"
#include "intake/records.h"
#include "intake/takers.h"
#include "intake/value.h"
#include "rows/row.h"

struct wb_reader {
    wb_schema *schema;
    wb_records records;
    wb_takers takers;
    wb_value_room room;
    wb_value *values; /* of the row that is made, by their columns' places */
    uint8_t *bytes;   /* of its tuple */
    size_t byte_room;
    wb_tuple tuple;
    wb_origins *origins; /* where the rows came from that were taken; NULL: nobody asks */
    wb_texts texts;      /* of the options */
    bool ignore_unknown;
    bool named;     /* the header was read */
    bool has_row;   /* the tuple is that of a row that was not taken yet */
    wb_err seen;    /* the refusal that was looked at, and comes next; WB_OK: none */
    wb_err failure; /* why nothing can be read any more; WB_OK: it can */
};

enum wb_read {
    WB_READ_ROW,     /* reader->tuple */
    WB_READ_REFUSED, /* reader->records.at, and *err says why */
    WB_READ_NONE,    /* there is no whole record left */
    WB_READ_FAILED,  /* nothing can be read any more, *err says why */
    WB_READ_MEMORY,  /* the same record comes next */
};

/* The next row, the same until wb_reader_take; or what came instead. */
int wb_reader_next(wb_reader *reader, wb_err *err);
/* What wb_reader_next will answer. The row's values are there until more text is given. */
int wb_reader_look(wb_reader *reader);
void wb_reader_take(wb_reader *reader); /* the row was added */
void wb_reader_pass(wb_reader *reader); /* it was not, and is behind us */

#endif
