/* SPDX-License-Identifier: MIT
 * What every kind of store shares: counting references, reading a table's schema, running SQL, counting exit handlers.
 * Invariant: a store never changes once it is used, but for its count.
 * Locks: none; the counts are atomic. Fails as the store's class does, and with WB_MISUSE where it has no SQL. */
#include "stores/store.h"

#include "base/err.h"

static atomic_uint exit_handlers;

wb_store *wb_store_ref(wb_store *store)
{
    atomic_fetch_add(&store->references, 1);
    return store;
}

void wb_store_unref(wb_store *store)
{
    if (store != NULL && atomic_fetch_sub(&store->references, 1) == 1)
        store->class->free(store);
}

void wb_store_idle_timeout(wb_store *store, int64_t us)
{
    store->idle_timeout_us = us;
}

const char *wb_store_kind(const wb_store *store)
{
    return store->class->kind;
}

int wb_store_schema(wb_store *store, const char *table, int64_t deadline_us, wb_schema **out,
                    wb_err *err)
{
    wb_deadline deadline = {.at_us = deadline_us, .cancel = NULL};
    return store->class->describe(store, table, &deadline, out, err);
}

int wb_store_execute(wb_store *store, const char *sql, int64_t deadline_us, wb_err *err)
{
    wb_deadline deadline = {.at_us = deadline_us, .cancel = NULL};
    if (store->class->execute == NULL)
        return wb_fail(err, WB_MISUSE, "store: a %s store has no SQL to run", wb_store_kind(store));
    return store->class->execute(store, sql, &deadline, err);
}

void wb_store_count_exit_handler(void)
{
    atomic_fetch_add(&exit_handlers, 1);
}

unsigned wb_store_exit_handlers(void)
{
    return atomic_load(&exit_handlers);
}
