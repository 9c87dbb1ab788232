/* SPDX-License-Identifier: MIT
 * UUIDs (RFC 9562): text to bytes and back, and versions 4 and 7 from random bytes taken in bulk.
 * wb_uuid_parse and wb_uuid_format are in writebehind.h. */
#ifndef WB_UUID_H
#define WB_UUID_H

#include "base/env.h"

enum { WB_UUID_POOL_BYTES = 4096 };

/* Where generated ids come from. Not locked; one batcher's. Its random bytes are thrown away in a child of
 * fork, so that parent and child never share an id. */
typedef struct wb_uuid_source {
    wb_env env;
    unsigned generation; /* of fork, when the pool was filled */
    uint64_t last_tick;  /* of version 7: the newest time used, in 1/4096 ms */
    size_t left;         /* unused bytes at the pool's end */
    uint8_t pool[WB_UUID_POOL_BYTES];
} wb_uuid_source;

void wb_uuid_source_init(wb_uuid_source *source, const wb_env *env);
void wb_uuid_v4(wb_uuid_source *source, uint8_t out[16]);
/* Ascending within a source: milliseconds, then 12 bits of their fraction in rand_a (RFC 9562, 6.2 method
 * 3); an id that would not be newer than the last takes the next tick. 62 random bits. */
void wb_uuid_v7(wb_uuid_source *source, int64_t unix_us, uint8_t out[16]);

/* The two ways of wb_uuid_parse, equal in all but speed; it takes the second where the CPU can (SSE 4.1).
 * Both are given exactly 36 characters. */
bool wb_uuid_parse_portable(const char *text, uint8_t out[16]);
bool wb_uuid_parse_vector(const char *text, uint8_t out[16]);
bool wb_uuid_has_vector(void);

#endif
