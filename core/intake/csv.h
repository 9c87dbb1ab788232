/* SPDX-License-Identifier: MIT
 * Records of text with delimiters: CSV (RFC 4180, and what people have besides), TSV, and the text format of PostgreSQL's
 * COPY.
 *
 * A record ends at LF, CR or CR LF, in any mixture; the last one needs no end. Fields become pieces of kind FIELD or NULL.
 * With a quote (CSV): a field that begins with one goes on to the next that stands alone, over line ends too; two of them
 * in it are one. A quote inside a field that does not begin with one is itself, as most programs read it. Text after a
 * closing quote is wrong. What is in quotes is never NULL. Without a quote: a field is what stands between two delimiters.
 * With COPY's escapes: \b \f \n \r \t \v, \ and one to three octal digits, \x and one or two hexadecimal ones; a backslash
 * before any other character, a line's end too, is left out; a field \N is NULL (PostgreSQL manual, "COPY", text format).
 * White space belongs to a field. Encodings and NULs are the caller's. */
#ifndef WB_CSV_H
#define WB_CSV_H

#include "intake/record.h"

typedef struct wb_csv {
    char delimiter;   /* not a line end, not the quote */
    char quote;       /* '\0': there are no quotes */
    bool escapes;     /* COPY's; without a quote */
    const char *null; /* a field of this text without quotes is NULL; with `escapes` only \N is */
    size_t null_bytes;
} wb_csv;

/* Splits the record that begins at `text`; `final`: nothing follows these bytes. There is a byte at least, and no more than
 * WB_RECORD_MAX_BYTES. A record that is wrong has its end all the same, and no pieces that count. */
int wb_csv_split(const wb_csv *csv, const char *text, size_t bytes, bool final, wb_record *record);

/* Where a record that is only skipped goes on: begins as 0. */
typedef int wb_csv_state;

/* Skips what belongs to the record that was begun, from one piece of its text to the next. Answers how many bytes belong
 * to it, the line's end included, and in *ended whether it ends there. A CR that is the last byte ends it where `final`; else
 * it is not skipped yet. */
size_t wb_csv_skip(const wb_csv *csv, wb_csv_state *state, const char *text, size_t bytes,
                   bool final, bool *ended);

#endif
