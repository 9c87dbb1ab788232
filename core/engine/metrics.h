/* SPDX-License-Identifier: MIT
 * Counters and latency histograms of one batcher or tracker; not locked. */
#ifndef WB_METRICS_H
#define WB_METRICS_H

#include <writebehind.h>

/* Log-linear: each power of two in 16 equal parts, so that a percentile is at most 1/16 too high. */
enum { WB_HISTOGRAM_PARTS = 16, WB_HISTOGRAM_BUCKETS = 40 * WB_HISTOGRAM_PARTS };

typedef struct wb_histogram {
    uint64_t count;
    uint64_t max_us;
    uint64_t buckets[WB_HISTOGRAM_BUCKETS];
} wb_histogram;

typedef struct wb_metrics {
#define X(field, text) uint64_t field;
#include <writebehind/metrics.def>
#undef X
    char last_error[256];
    wb_histogram latency;
    wb_histogram write;
} wb_metrics;

void wb_histogram_add(wb_histogram *histogram, int64_t us); /* below 0 counts as 0 */
void wb_histogram_merge(wb_histogram *histogram, const wb_histogram *more);
void wb_histogram_summary(const wb_histogram *histogram, wb_latency *out);
/* Everything but the health. */
void wb_metrics_stats(const wb_metrics *metrics, wb_stats *out);
/* The conservation law; asserted at every change of state. */
static inline bool wb_metrics_conserved(const wb_metrics *m)
{
    return m->accepted == m->stored + m->pending + m->dead + m->dropped;
}

#endif
