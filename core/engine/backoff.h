/* SPDX-License-Identifier: MIT
 * Exponential backoff with full jitter: a delay is uniform between 0 and a ceiling that doubles with each
 * failure. Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
#ifndef WB_BACKOFF_H
#define WB_BACKOFF_H

#include <writebehind.h>

/* min(max_us, initial_us * 2^(failures - 1)); 0 for no failure. */
int64_t wb_backoff_ceiling_us(const wb_retry *retry, uint64_t failures);
/* A delay below that ceiling: `fraction` is uniform in [0, 1). */
int64_t wb_backoff_us(const wb_retry *retry, uint64_t failures, double fraction);

#endif
