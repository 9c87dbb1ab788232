/* SPDX-License-Identifier: MIT
 * Lists of batches against a look at each: their order and the earliest due time. */
#include "support/support.h"

#include "engine/outbox/batch_list.h"

enum { POOL = 40, STEPS = 20000 };

struct pool {
    wb_batch_list list;
    wb_batch batches[POOL];
    bool in[POOL];
};

static int order_of(const wb_batch *batch)
{
    return (int)(batch->serial * 100 + batch->route * 10 + batch->rank);
}

static void check(struct pool *pool)
{
    size_t count = 0, in = 0;
    int64_t due_us = WB_NEVER;
    const wb_batch *last = NULL;
    for (const wb_batch *batch = pool->list.first; batch != NULL; batch = batch->next) {
        assert_true(last == NULL || order_of(last) <= order_of(batch));
        assert_true(pool->in[batch - pool->batches]);
        due_us = batch->due_us < due_us ? batch->due_us : due_us;
        count++;
        last = batch;
    }
    for (int i = 0; i < POOL; i++)
        in += pool->in[i];
    assert_int_equal(count, in);
    assert_ptr_equal(pool->list.last, last);
    assert_true(wb_batch_list_due_us(&pool->list) == due_us);
}

static int64_t any_due_us(uint64_t *random)
{
    switch (random_below(random, 4)) {
    case 0:
        return INT64_MIN;
    case 1:
        return WB_NEVER;
    default:
        return (int64_t)random_below(random, 50);
    }
}

static void put_any(struct pool *pool, int at, uint64_t *random)
{
    pool->batches[at] = (wb_batch){
        .serial = random_below(random, 5),
        .route = (uint32_t)random_below(random, 3),
        .rank = random_below(random, 4),
        .due_us = any_due_us(random),
    };
    wb_batch_list_put(&pool->list, &pool->batches[at]);
    pool->in[at] = true;
}

static void change_any(struct pool *pool, int at, uint64_t *random)
{
    wb_batch *batch = &pool->batches[at];
    if (random_below(random, 2) == 0) {
        wb_batch_list_remove(&pool->list, batch);
        assert_null(batch->next);
        pool->in[at] = false;
    } else {
        wb_batch_list_delay(&pool->list, batch, any_due_us(random));
    }
}

static void knows_what_a_look_tells(void **state)
{
    (void)state;
    static struct pool pool;
    uint64_t random = 11;
    check(&pool);
    for (int step = 0; step < STEPS; step++) {
        int at = (int)random_below(&random, POOL);
        if (pool.in[at])
            change_any(&pool, at, &random);
        else
            put_any(&pool, at, &random);
        if (random_below(&random, 2) ==
            0) /* what it knows is used, and what it does not know found out */
            check(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(knows_what_a_look_tells)};
    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
