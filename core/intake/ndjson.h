/* SPDX-License-Identifier: MIT
 * A line of NDJSON: one JSON object (RFC 8259), as its members. A line ends at LF; what JSON calls white space, a CR too,
 * may stand around everything. */
#ifndef WB_NDJSON_H
#define WB_NDJSON_H

#include "intake/record.h"

/* Splits the line that begins at `text`; `final`: nothing follows these bytes. There is a byte at least, and no more than
 * WB_RECORD_MAX_BYTES. Members become pieces with names, in their order; a name that comes twice comes twice. Strings are
 * decoded, UTF-8 and without NUL (\u0000 is refused); everything else stands as it is written, null too. All of it is
 * checked, nested values too, as wb_json_check does. `text_bytes` leaves out the LF and a CR just before it. A line of
 * white space alone has no pieces, and `text_bytes` of 0. What is not one object is wrong: it has its end all the same,
 * and no pieces. WB_SPLIT_MORE leaves the record as it was. */
int wb_ndjson_split(const char *text, size_t bytes, bool final, wb_record *record);

/* The elements of a JSON list, as pieces without names. What is no valid list is wrong. WB_SPLIT_RECORD,
 * WB_SPLIT_MEMORY. */
int wb_json_elements(const char *text, size_t bytes, wb_record *record);

#endif
