/* SPDX-License-Identifier: MIT
 * Histograms after the log-linear layout of HdrHistogram: values below 16 have a bucket each, and each
 * further power of two is cut into 16. What is past the last bucket counts there; the maximum is exact. */
#include "engine/metrics.h"

#include <string.h>

static size_t bucket_of(uint64_t us)
{
    if (us < WB_HISTOGRAM_PARTS)
        return us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - 4;
    size_t bucket = (shift + 1) * WB_HISTOGRAM_PARTS + ((us >> shift) - WB_HISTOGRAM_PARTS);
    return bucket < WB_HISTOGRAM_BUCKETS ? bucket : WB_HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end_us(size_t bucket)
{
    if (bucket < WB_HISTOGRAM_PARTS)
        return bucket;
    unsigned shift = (unsigned)(bucket / WB_HISTOGRAM_PARTS) - 1;
    uint64_t part = bucket % WB_HISTOGRAM_PARTS + WB_HISTOGRAM_PARTS;
    return ((part + 1) << shift) - 1;
}

void wb_histogram_add(wb_histogram *histogram, int64_t us)
{
    uint64_t value = us < 0 ? 0 : (uint64_t)us;
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->max_us)
        histogram->max_us = value;
}

void wb_histogram_merge(wb_histogram *histogram, const wb_histogram *more)
{
    for (size_t i = 0; i < WB_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += more->buckets[i];
    histogram->count += more->count;
    if (more->max_us > histogram->max_us)
        histogram->max_us = more->max_us;
}

static double seconds_at(const wb_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < WB_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted || seen == histogram->count) {
            uint64_t end_us = bucket_end_us(i);
            return (double)(end_us < histogram->max_us ? end_us : histogram->max_us) / 1e6;
        }
    }
    return 0;
}

void wb_histogram_summary(const wb_histogram *histogram, wb_latency *out)
{
    *out = (wb_latency){
        .p50_s = seconds_at(histogram, 0.5),
        .p90_s = seconds_at(histogram, 0.9),
        .p99_s = seconds_at(histogram, 0.99),
        .p999_s = seconds_at(histogram, 0.999),
        .max_s = (double)histogram->max_us / 1e6,
        .count = histogram->count,
    };
}

void wb_metrics_stats(const wb_metrics *metrics, wb_stats *out)
{
#define X(field, text) out->field = metrics->field;
#include <writebehind/metrics.def>
#undef X
    memcpy(out->last_error, metrics->last_error, sizeof out->last_error);
    wb_histogram_summary(&metrics->latency, &out->latency);
    wb_histogram_summary(&metrics->write, &out->write);
}
