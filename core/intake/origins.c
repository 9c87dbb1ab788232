/* SPDX-License-Identifier: MIT
 * See origins.h. Invariant: each origin is in the bucket of its hash. No locks. */
#include "intake/origins.h"

#include <string.h>

#include "base/env.h"
#include "rows/row.h"

enum { FIRST_ROOM = 1024 };

wb_origins *wb_origins_new(void)
{
    wb_origins *origins = wb_alloc_zeroed(sizeof *origins);
    if (origins != NULL)
        wb_env_system.random(wb_env_system.context, &origins->hash, sizeof origins->hash);
    return origins;
}

void wb_origins_free(wb_origins *origins)
{
    if (origins == NULL)
        return;
    wb_free(origins->list);
    wb_free(origins->buckets);
    wb_free(origins);
}

static uint64_t hash_of(const wb_origins *origins, const wb_schema *schema, const uint8_t *tuple)
{
    uint64_t sum = 0;
    const uint8_t *at = tuple + sizeof(uint16_t);
    for (size_t i = 0; i < schema->count; i++) {
        const uint8_t *next = wb_field_end(at);
        if (schema->columns[i].column.generate == WB_GIVEN)
            sum =
                wb_hash_words(&origins->hash, sum,
                              wb_hash_text(&origins->hash, (const char *)at, (size_t)(next - at)));
        at = next;
    }
    return sum;
}

static uint32_t *bucket_of(const wb_origins *origins, uint64_t hash)
{
    return &origins->buckets[hash & (origins->room - 1)];
}

static void link_all(wb_origins *origins)
{
    if (origins->room > 0)
        memset(origins->buckets, 0, origins->room * sizeof *origins->buckets);
    for (size_t i = 0; i < origins->count; i++) {
        uint32_t *bucket = bucket_of(origins, origins->list[i].hash);
        origins->list[i].next = *bucket;
        *bucket = (uint32_t)i + 1;
    }
}

static bool grow(wb_origins *origins)
{
    size_t room = origins->room > 0 ? 2 * origins->room : FIRST_ROOM;
    wb_origin *list = wb_realloc(origins->list, room * sizeof *list);
    if (list != NULL)
        origins->list = list;
    uint32_t *buckets = list != NULL ? wb_realloc(origins->buckets, room * sizeof *buckets) : NULL;
    if (buckets == NULL)
        return false;
    origins->buckets = buckets;
    origins->room = room;
    link_all(origins);
    return true;
}

void wb_origins_put(wb_origins *origins, const wb_schema *schema, const uint8_t *tuple,
                    const wb_refusal *at)
{
    if (origins->count == origins->room && !grow(origins))
        return;
    uint64_t hash = hash_of(origins, schema, tuple);
    uint32_t *bucket = bucket_of(origins, hash);
    origins->list[origins->count++] = (wb_origin){
        .hash = hash, .line = at->line, .offset = at->offset, .bytes = at->bytes, .next = *bucket};
    *bucket = (uint32_t)origins->count;
}

const wb_origin *wb_origins_tell(wb_origins *origins, const wb_schema *schema, const uint8_t *tuple)
{
    if (origins->count == 0)
        return NULL;
    uint64_t hash = hash_of(origins, schema, tuple);
    for (uint32_t i = *bucket_of(origins, hash); i != 0; i = origins->list[i - 1].next) {
        wb_origin *origin = &origins->list[i - 1];
        if (origin->hash == hash && !origin->told) {
            origin->told = true;
            return origin;
        }
    }
    return NULL;
}

void wb_origins_forget(wb_origins *origins, size_t count)
{
    count = count < origins->count ? count : origins->count;
    origins->count -= count;
    if (origins->count > 0)
        memmove(origins->list, origins->list + count, origins->count * sizeof *origins->list);
    link_all(origins);
}
