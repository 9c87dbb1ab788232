/* SPDX-License-Identifier: MIT
 * Intervals in words and as SQL has them: "@ 1 year 2 mons -3 days 04:05:06.7 ago", "1-2 3 4:05:06", "90". */
#ifndef WB_INTERVAL_WORDS_H
#define WB_INTERVAL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "rows/interval_sum.h"

/* Adds it all up; *ago: the text ends with that word. NULL, or why not. */
const char *wb_interval_words(const char *text, size_t bytes, wb_interval_sum *sum, bool *ago);

#endif
