/* SPDX-License-Identifier: MIT
 * A file of dead rows, for a person or a replay: a line each, as rows/dead_line.h has it. */
#ifndef WB_DEAD_LETTER_H
#define WB_DEAD_LETTER_H

#include "rows/batch.h"

/* Appends the rows of a dead batch in one write, to a regular file that is made where it is missing, for its owner alone
 * (0600). Lines are whole: what a full disk cuts is taken back. WB_STORE names the file and the system's reason.
 * Blocks as a local file does. */
int wb_dead_letter_append(const char *path, const char *table, int64_t unix_us,
                          const wb_batch *batch, wb_err *err);

#endif
