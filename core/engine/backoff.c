/* SPDX-License-Identifier: MIT
 * Delays between attempts; pure functions, exact for any number of failures. */
#include "engine/backoff.h"

int64_t wb_backoff_ceiling_us(const wb_retry *retry, uint64_t failures)
{
    if (failures == 0)
        return 0;
    int64_t ceiling_us = retry->initial_us;
    for (uint64_t i = 1; i < failures && ceiling_us > 0 && ceiling_us < retry->max_us; i++)
        ceiling_us = ceiling_us > INT64_MAX / 2 ? INT64_MAX : ceiling_us * 2;
    return ceiling_us < retry->max_us ? ceiling_us : retry->max_us;
}

int64_t wb_backoff_us(const wb_retry *retry, uint64_t failures, double fraction)
{
    return (int64_t)(fraction * (double)wb_backoff_ceiling_us(retry, failures));
}
