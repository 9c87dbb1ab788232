/* SPDX-License-Identifier: MIT
 * Reading a segment's bytes that this process may not have written: whatever they are, what is answered lies in them. Nothing
 * is locked, nothing fails but as it says. */
#ifndef WB_READING_H
#define WB_READING_H

#include <stdbool.h>

#include "base/err.h"
#include "spool/format.h"

typedef struct wb_spool_reading {
    const uint8_t *bytes; /* the caller's: the whole file */
    uint32_t size;
    uint64_t serial;
    uint32_t claimed; /* entries that it says it has */
    uint32_t count;   /* that are to be believed */
    bool same_boot;   /* nothing of it can be lost but what the disk can't read */
    bool doubtful;    /* its rows without a key may have been written */
    bool replaces;
} wb_spool_reading;

/* What an entry says. */
typedef struct wb_spooled_row {
    uint32_t entry;
    const uint8_t *tuple;
    size_t bytes;
    const char *table; /* NULL: the object's own, or not known yet */
    bool routed;
    int64_t unix_us;
    uint64_t adds;
    uint64_t replaces;
    uint64_t key[2]; /* of the write that has it; 0: none */
    bool settled;
} wb_spooled_row;

/* WB_INVALID, with what is wrong: it is no segment, or of a format that is not known. `gaps`: parts of it could not be
 * read, and are 0, so that only proofs are believed. */
int wb_spool_segment_read(const uint8_t *bytes, size_t size, bool gaps, wb_spool_reading *out,
                          wb_err *err);
/* The object's own table. Both are "" of one without an entry. */
const char *wb_spool_segment_table(const wb_spool_reading *segment);
/* The schema's text. */
const uint8_t *wb_spool_segment_schema(const wb_spool_reading *segment, size_t *bytes);
/* Entry `number`, below `count`. False: it is no row. */
bool wb_spool_segment_row(const wb_spool_reading *segment, uint32_t number, wb_spooled_row *out);
/* What it replaces besides, where it is no row; 0: nothing. */
uint64_t wb_spool_segment_replaces(const wb_spool_reading *segment, uint32_t number);
/* What is believed ends before the first row that is no tuple of its schema. WB_INVALID: it has none; WB_MEMORY. */
int wb_spool_segment_believe(wb_spool_reading *segment, wb_err *err);
/* Was nothing ever put into it? Of a file that was only made all is 0, but what there is of a header. */
bool wb_spool_segment_is_blank(const uint8_t *bytes, size_t size);

#endif
