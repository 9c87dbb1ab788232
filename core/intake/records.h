/* SPDX-License-Identifier: MIT
 * The records of a text that comes in pieces: what is left out is left out, lines are counted, and what is longer than
 * allowed comes as refused pieces, so that memory has a bound. */
#ifndef WB_RECORDS_H
#define WB_RECORDS_H

#include <writebehind.h>

#include "intake/csv.h"
#include "intake/record.h"

typedef struct wb_records {
    int32_t format; /* enum wb_format */
    wb_csv csv;     /* of a format with fields */
    char comment;
    uint64_t skip; /* lines that are still to be left out */
    size_t max_bytes;
    char *data; /* the text that was given and is not yet behind us: from `from` to `to` */
    size_t from, to, room;
    size_t tried;       /* so many bytes were searched, and hold no record's end */
    bool begun;         /* what the text begins with was looked at */
    bool final;         /* nothing follows */
    bool ended;         /* behind the end that COPY writes */
    bool leaving;       /* it is within a line that is left out */
    bool too_long;      /* it is within a record that is too long */
    wb_csv_state state; /* behind `tried` */
    uint64_t line;      /* of the next record */
    uint64_t offset;    /* the same in bytes of all the text */
    wb_record record;   /* the newest */
    wb_refusal at;      /* its line and text */
    size_t passed;      /* its bytes before data[from], its line's end included; 0: it is gone */
} wb_records;

enum wb_next {
    /* records->record, which lives until the next put, and ->at, which lives until the next record; a wrong one is to be
     * refused */
    WB_NEXT_RECORD,
    WB_NEXT_NONE,   /* there is no whole one in the text that was given */
    WB_NEXT_FAILED, /* the text is of another kind; record.wrong says which */
    WB_NEXT_MEMORY,
};

/* Begins with the options of a format. What stands for NULL is borrowed. WB_MISUSE. */
int wb_records_init(wb_records *records, const wb_reader_options *options, wb_err *err);
bool wb_records_put(wb_records *records, const char *text,
                    size_t bytes); /* false: no memory, nothing was taken */
int wb_records_next(wb_records *records);
void wb_records_again(wb_records *records); /* the record that was answered comes again */
void wb_records_fini(wb_records *records);

#endif
