/* SPDX-License-Identifier: MIT
 * See pool.h. Invariant: spare_bytes is the sum of the spares' memory; none of them has a row. Nothing fails but for
 * memory, and then a batch is smaller. */
#include "engine/outbox/pool.h"

enum {
    SPARES = 2,           /* that stay at rest */
    LEARN_SHIFT = 3,      /* the usual falls by an eighth a batch, and has an eighth to spare */
    SMALL_BYTES = 1 << 14 /* a spare of so many is never too large */
};

static size_t memory_of(const wb_batch *batch)
{
    return batch->capacity + batch->room * wb_row_overhead(false);
}

static void push(wb_batch **list, wb_batch *batch)
{
    batch->next = *list;
    *list = batch;
}

static wb_batch *pop(wb_batch **list)
{
    wb_batch *batch = *list;
    *list = batch->next;
    batch->next = NULL;
    return batch;
}

static wb_batch *pop_spare(wb_pool *pool)
{
    wb_batch *spare = pop(&pool->spares);
    pool->spare_bytes -= memory_of(spare);
    return spare;
}

void wb_pool_fini(wb_pool *pool)
{
    wb_batch_free_list(pool->spares);
    wb_batch_free_list(pool->rubbish);
    wb_batch_free(pool->large);
}

wb_batch *wb_pool_get(wb_pool *pool, wb_schema *schema)
{
    wb_batch *batch = pool->spares != NULL ? pop_spare(pool) : wb_batch_new(schema);
    if (batch != NULL)
        (void)wb_batch_prepare(batch, pool->usual_rows, pool->usual_bytes);
    return batch;
}

wb_batch *wb_pool_get_large(wb_pool *pool)
{
    wb_batch *large = pool->large;
    pool->large = NULL;
    return large;
}

/* The most of late: a batch with few rows, sealed by a flush, is not what the next will be. */
static size_t learn(size_t usual, size_t taken, size_t most)
{
    size_t room = taken + (taken >> LEARN_SHIFT), faded = usual - (usual >> LEARN_SHIFT);
    size_t next = room > faded ? room : faded;
    return next < most ? next : most;
}

void wb_pool_learn(wb_pool *pool, const wb_batch *sealed)
{
    pool->usual_rows = learn(pool->usual_rows, sealed->count, SIZE_MAX);
    pool->usual_bytes = learn(pool->usual_bytes, sealed->bytes, pool->most_bytes);
}

/* Growth by doubling takes up to twice the usual. */
static bool is_large(const wb_pool *pool, const wb_batch *batch)
{
    return batch->capacity > 2 * pool->usual_bytes + SMALL_BYTES;
}

static bool is_wanted(const wb_pool *pool, const wb_batch *batch)
{
    if (batch->capacity > pool->most_bytes)
        return false;
    if (is_large(pool, batch))
        return pool->large == NULL;
    bool few = pool->spares == NULL || pool->spares->next == NULL;
    return few || pool->spare_bytes + memory_of(batch) <= pool->most_bytes + pool->most_bytes / 4;
}

void wb_pool_drop(wb_pool *pool, wb_batch *settled)
{
    push(&pool->rubbish, settled);
}

void wb_pool_put(wb_pool *pool, wb_batch *settled)
{
    pool->used = true;
    if (!is_wanted(pool, settled)) {
        push(&pool->rubbish, settled);
        return;
    }
    wb_batch_clear(settled);
    if (is_large(pool, settled)) {
        pool->large = settled;
        return;
    }
    pool->spare_bytes += memory_of(settled);
    push(&pool->spares, settled);
}

static void trim(wb_pool *pool)
{
    if (pool->large != NULL)
        push(&pool->rubbish, wb_pool_get_large(pool));
    wb_batch *kept = NULL;
    for (int i = 0; i < SPARES && pool->spares != NULL; i++)
        push(&kept, pop(&pool->spares));
    while (pool->spares != NULL)
        push(&pool->rubbish, pop_spare(pool));
    pool->spares = kept;
}

void wb_pool_rest(wb_pool *pool, bool at_once)
{
    if (at_once || !pool->used)
        trim(pool);
    pool->used = false;
}
