/* SPDX-License-Identifier: MIT
 * Rows from text, which writebehind.h includes: NDJSON, CSV, TSV, and the text format of PostgreSQL's COPY. A reader takes
 * text piece by piece, cut anywhere, and makes rows of a schema of it, without a copy of each value. */
#ifndef WRITEBEHIND_READER_H
#define WRITEBEHIND_READER_H

#include "writebehind/values.h"

#ifdef __cplusplus
extern "C" {
#endif

enum wb_format {
    WB_NDJSON, /* a JSON object a line (RFC 8259) */
    WB_CSV, /* RFC 4180, and line ends of any kind; a quote in the middle of a field without quotes is itself */
    WB_TSV,  /* what stands between tabs, as it is: no quotes, no escapes */
    WB_COPY, /* PostgreSQL manual, "COPY", text format */
};
WB_API int wb_format_find(const char *name,
                          size_t bytes); /* "ndjson", "csv", "tsv", "copy"; or -1 */

/* delimiter, null and header are of the formats with fields. */
typedef struct wb_reader_options {
    wb_schema *schema; /* required */
    int32_t format;    /* enum wb_format */
    char delimiter;    /* 0: a comma in CSV, else a tab */
    char comment;      /* lines that begin with it are left out; 0: none */
    const char *
        null; /* a field without quotes of this text is NULL. NULL: an empty one, in TSV also \N; in COPY \N */
    uint64_t skip; /* so many lines are left out at the beginning */
    const char *const
        *header; /* what the fields are named, up to a NULL; NULL: the first record says so */
    const char *const *
        map; /* a column's name, the name that it has in the text, and so on, up to a NULL; may be NULL */
    bool ignore_unknown; /* what no column takes is left out; else it is refused */
    /* A number or a boolean is taken from a field or a string only if it is written as it would be read back: 00501, +1,
     * 1e5 and yes are none. */
    bool exact;
    size_t max_record_bytes; /* a longer record is refused, in pieces of that size. 0: 64 MiB */
} wb_reader_options;

typedef struct wb_reader wb_reader; /* one thread at a time may use it */

WB_API void wb_reader_options_init(wb_reader_options *options); /* of NDJSON */
/* Copies the options. WB_MISUSE names the option that is wrong. */
WB_API int wb_reader_new(const wb_reader_options *options, wb_reader **out, wb_err *err);
WB_API void wb_reader_free(wb_reader *reader); /* NULL is fine */
/* Gives it more text, which is copied. WB_MEMORY: it has none of it. WB_MISUSE: after wb_reader_finish. */
WB_API int wb_reader_put(wb_reader *reader, const char *text, size_t bytes, wb_err *err);
WB_API void wb_reader_finish(wb_reader *reader); /* nothing follows */

/* A record that was refused. */
typedef struct wb_refusal {
    uint64_t line;    /* where it begins, from 1 */
    uint64_t offset;  /* the same in bytes of all the text, from 0 */
    const char *text; /* as it came, without its line's end; until the reader is used again */
    size_t bytes;
} wb_refusal;

/* How far wb_batcher_read came. */
typedef struct wb_reading {
    uint64_t accepted; /* rows */
    bool due;          /* of a driven batcher: work is due now, and there may be more to read */
    bool
        unreadable; /* of WB_INVALID: nothing can be read any more, as a header that does not fit */
    wb_refusal refusal;
} wb_reading;

#ifdef __cplusplus
}
#endif

#endif
