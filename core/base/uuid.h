/* SPDX-License-Identifier: MIT
 * UUIDs (RFC 9562): text to bytes and back, and new ids of versions 4 and 7.
 * wb_uuid_parse and wb_uuid_format are in writebehind.h. */
#ifndef WB_UUID_H
#define WB_UUID_H

#include "base/env.h"

enum {
    WB_UUID_POOL_BYTES = 2048,
    WB_UUID_LEAD_MS = 10000, /* how far the last id's time may be ahead of the clock */
};

/* Where new ids come from. No lock: one batcher's. Random bytes are fetched a pool at a time, small enough
 * that an add does not wait long for it. The child of a fork throws the pool away, so that parent and child never make
 * the same id. */
typedef struct wb_uuid_source {
    wb_env env;
    unsigned generation; /* of fork, when the pool was filled */
    uint64_t last_tick;  /* of version 7: the newest time used, in 1/4096 ms */
    size_t left;         /* unused bytes at the pool's end */
    uint8_t pool[WB_UUID_POOL_BYTES];
} wb_uuid_source;

void wb_uuid_source_init(wb_uuid_source *source, const wb_env *env);
void wb_uuid_v4(wb_uuid_source *source, uint8_t out[16]);
/* The ids of a source ascend: milliseconds, then 12 bits of their fraction in rand_a (RFC 9562, 6.2, method 3), then 62
 * random bits. An id whose time is not after the last one's takes the next tick. Where the clock was set back by more than
 * WB_UUID_LEAD_MS, the ids begin anew at its time (6.2, "Monotonicity and Counters", on clock rollbacks). */
void wb_uuid_v7(wb_uuid_source *source, int64_t unix_us, uint8_t out[16]);

/* The two parsers of wb_uuid_parse for texts of 36 characters. They differ only in speed; the second needs a CPU with SSE
 * 4.1. */
bool wb_uuid_parse_portable(const char *text, uint8_t out[16]);
bool wb_uuid_parse_vector(const char *text, uint8_t out[16]);
bool wb_uuid_has_vector(void);

#endif
