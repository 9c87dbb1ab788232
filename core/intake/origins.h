/* SPDX-License-Identifier: MIT
 * Where rows came from in a text, so that one that dies later is reported by its line. A row is known by a hash of its
 * fields but the generated ones, whose ids are made when it is accepted. */
#ifndef WB_ORIGINS_H
#define WB_ORIGINS_H

#include "rows/hash.h"
#include "rows/schema.h"

typedef struct wb_origin {
    uint64_t hash, line, offset; /* see wb_refusal */
    size_t bytes;
    uint32_t next; /* of the same bucket, from 1; 0: none */
    bool told;
} wb_origin;

typedef struct wb_origins {
    wb_hash hash;
    wb_origin *list; /* in the order of the text */
    size_t count, room;
    uint32_t *buckets; /* the newest of each, from 1; as many as there is room */
} wb_origins;

wb_origins *wb_origins_new(void); /* NULL: no memory */
void wb_origins_free(wb_origins *origins);
/* Remembers a row; without memory for it, it is forgotten. */
void wb_origins_put(wb_origins *origins, const wb_schema *schema, const uint8_t *tuple,
                    const wb_refusal *at);
/* The row of such a tuple that was not told before, and is then; NULL: there is none. */
const wb_origin *wb_origins_tell(wb_origins *origins, const wb_schema *schema,
                                 const uint8_t *tuple);
/* Forgets the first rows. */
void wb_origins_forget(wb_origins *origins, size_t count);

#endif
