/* SPDX-License-Identifier: MIT
 * Records of text with delimiters: CSV (RFC 4180, and what people have besides), TSV, and the text format of PostgreSQL's
 * COPY.
 *
 * A record ends at LF, CR or CR LF, in any mixture; the last one needs no end. Fields become pieces of kind FIELD or NULL.
 * An empty line has none: to COPY it is a row of a table with one column, to most programs it is nothing.
 * With a quote (CSV): a field that begins with one goes on to the next that stands alone, over line ends too; two of them
 * in it are one. A quote inside a field that does not begin with one is itself, as most programs read it. Text after a
 * closing quote is wrong, and the record goes on to the next line end, whatever the quotes before it. A quote that nothing
 * closes is wrong, and the record goes on to the text's end. What is in quotes is never NULL.
 * Without a quote: a field is what stands between two delimiters.
 * With COPY's escapes: \b \f \n \r \t \v, \ and one to three octal digits, \x and one or two hexadecimal ones. Any other
 * backslash is left out, and what follows it belongs to the field, be it a backslash, the delimiter, LF or CR (of CR LF
 * the CR alone: the LF ends the record). A field \N is NULL (PostgreSQL manual, "COPY", text format). A record \. is the end
 * of COPY's data, as pg_dump and scripts for psql have it: it has no pieces and is not wrong, and its text_bytes are 2, not
 * 0 as those of an empty line. A reader stops there: what follows is not data. Elsewhere \. is a dot.
 * White space belongs to a field. Encodings and NULs are the caller's. */
#ifndef WB_CSV_H
#define WB_CSV_H

#include "intake/record.h"

typedef struct wb_csv {
    char delimiter;   /* no line end, not the quote; with `escapes` no letter, digit, \ or dot */
    char quote;       /* no line end; '\0': there are no quotes */
    bool escapes;     /* COPY's; without a quote */
    const char *null; /* an unquoted field of this text is NULL; NULL: none */
    size_t null_bytes;
    bool backslash_n; /* an unquoted field \N is NULL too */
} wb_csv;

/* Splits the record that begins at `text`; `final`: nothing follows these bytes. There is a byte at least, and no more than
 * WB_RECORD_MAX_BYTES. A record that is wrong has its end all the same, and no pieces (`count` is 0). A CR that is the last
 * byte, and not `final`, is no end yet: LF may follow. The work is linear in the bytes of the record, or in all where there
 * is no end of it. */
int wb_csv_split(const wb_csv *csv, const char *text, size_t bytes, bool final, wb_record *record);

/* Where a record that is only skipped goes on: begins as 0. */
typedef int wb_csv_state;

/* Skips what belongs to the record that was begun, from one piece of its text to the next. Answers how many bytes belong
 * to it, the line's end included, and in *ended whether it ends there: where wb_csv_split would say, however it is cut, and
 * with the text where `final` (there may be no bytes then). A CR that is the last byte, and would end it, ends it where
 * `final`; else it is not skipped yet, and comes again with what follows. */
size_t wb_csv_skip(const wb_csv *csv, wb_csv_state *state, const char *text, size_t bytes,
                   bool final, bool *ended);

#endif
