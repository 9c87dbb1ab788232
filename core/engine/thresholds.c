/* SPDX-License-Identifier: MIT
 * The thresholds that follow from a batcher's options. */
#include "engine/thresholds.h"

#include <math.h>

wb_thresholds wb_thresholds_of(const wb_batcher_options *options)
{
    double early = ceil(options->flush_at * (double)options->batch_size);
    if (early > (double)options->max_pending_rows) /* more never wait */
        early = (double)options->max_pending_rows;
    return (wb_thresholds){
        .batch_size = options->batch_size,
        .flush_rows = early < 1 ? 1 : (uint64_t)early,
        .batch_bytes = options->batch_bytes,
        .interval_us = options->interval_us,
    };
}
