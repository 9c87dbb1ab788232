/* SPDX-License-Identifier: MIT
 * A row as a line of a dead-letter file, for a person or a replay: one JSON object,
 *   {"at":"2024-05-14T08:00:00.115245Z","table":"t","error":"…","row":{…}}
 * `row` as wb_batch_ndjson writes it. Fields may be added, never renamed. */
#ifndef WB_DEAD_LINE_H
#define WB_DEAD_LINE_H

#include <stdint.h>

#include "base/buffer.h"

/* What stands before the row; a "}" and a newline follow it. */
void wb_dead_line_head(wb_buffer *to, const char *table, int64_t unix_us, const char *error);

#endif
