/* SPDX-License-Identifier: MIT
 * The memory of batches that are settled, for those to come: an add in a steady state allocates nothing and touches no
 * new page. Where there is nothing in it, a batch opens with the room that batches of late took, so that it does not
 * grow.
 * What it holds: spares of that size, two or what one write settles (batch_bytes and a quarter), and one batch of up to
 * batch_bytes to merge into; at rest, two spares. What it lets go is freed by its user, without the lock: unmapping
 * takes long.
 * Locked by the outbox, all of these. */
#ifndef WB_POOL_H
#define WB_POOL_H

#include "rows/batch.h"

typedef struct wb_pool {
    size_t most_bytes;              /* of each: batch_bytes */
    size_t usual_rows, usual_bytes; /* what batches of late took, and an eighth */
    wb_batch *spares;               /* empty, the last one used first: it may be in the cache */
    size_t spare_bytes;             /* their memory */
    wb_batch *large;                /* empty, larger than any spare; NULL: none */
    wb_batch *rubbish;              /* to be freed */
    bool used;                      /* since it was last told that nothing is pending */
} wb_pool;

void wb_pool_fini(wb_pool *pool);
/* An empty batch with the usual room, or less where there is no memory; NULL: not even for the batch. */
wb_batch *wb_pool_get(wb_pool *pool, wb_schema *schema);
wb_batch *wb_pool_get_large(wb_pool *pool); /* NULL: there is none */
void wb_pool_learn(wb_pool *pool, const wb_batch *sealed);
void wb_pool_put(wb_pool *pool, wb_batch *settled);
void wb_pool_drop(wb_pool *pool, wb_batch *settled); /* it is rubbish */
/* Nothing is pending. Where that is so for the second time in a row, two spares are enough; `at_once`: for the first. */
void wb_pool_rest(wb_pool *pool, bool at_once);

/* The list of what is to be freed, by wb_batch_free_list, without the lock. */
static inline wb_batch *wb_pool_rubbish(wb_pool *pool)
{
    wb_batch *rubbish = pool->rubbish;
    pool->rubbish = NULL;
    return rubbish;
}

#endif
