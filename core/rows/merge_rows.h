/* SPDX-License-Identifier: MIT
 * Two rows of one key become one, by what an upsert says of each column. Pure, no locks; only the buffer can fail for want
 * of memory. */
#ifndef WB_MERGE_ROWS_H
#define WB_MERGE_ROWS_H

#include "base/buffer.h"
#include "rows/schema.h"
#include "rows/upsert.h"

/* Appends the tuple of both. They awaited no ids; `newer` came later; the upsert is a wb_upsert_copy.
 *   nothing      the older row
 *   keep         the older row's value
 *   set          that of the row whose `newest` is larger, NULL being the smallest; else the newer row's
 *   first, last  the older row's, the newer row's: not NULL where one is not
 *   min, max     in PostgreSQL's order, without NULL; of equal ones the older row's
 *   sum          without NULL
 * False: they have to stay two, and nothing is appended. A sum is out of its type's range, which the server is to say, or
 * they leave different columns to the server, or the tuple would be too large. */
bool wb_rows_merge(const wb_upsert *upsert, const wb_schema *schema, const uint8_t *older,
                   const uint8_t *newer, wb_buffer *to);

#endif
