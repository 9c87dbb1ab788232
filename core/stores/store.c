/* SPDX-License-Identifier: MIT
 * What every kind of store shares: counting references, reading a table's schema, running SQL, what a table refused,
 * counting exit handlers.
 * Invariant: a store never changes once it is used, but for its count.
 * Locks: none; the counts are atomic. Fails as the store's class does, and with WB_MISUSE where it has no SQL. */
#include "stores/store.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"

/* So many ids are a fair sample of a table. */
enum { REFUSED_SAMPLE = 4 };

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

void wb_tell_refused(const wb_target *target, uint64_t ids, const char *why)
{
    if (ids > 0 && target->log != NULL)
        wb_log_line(target->log, WB_TOPIC_REFUSED, WB_WARN, wb_now_us(), ids,
                    "table \"%s\" refuses the rows of %zu ids: %s", target->table, (size_t)ids,
                    why);
}

int wb_touch_refused(const wb_target *target, uint64_t updated, uint64_t ids, const wb_err *why,
                     wb_err *err)
{
    if (ids >= REFUSED_SAMPLE && updated == 0) {
        if (err != NULL) {
            *err = *why;
            err->error_class = WB_HOLD;
        }
        return WB_STORE;
    }
    wb_tell_refused(target, ids, why->text);
    return WB_OK;
}

/* ---- describing a table ---- */

bool wb_leave_out(wb_describing *describing, const char *name, const char *reason)
{
    size_t bytes = strlen(name) + 1;
    wb_left_out *last = wb_alloc(sizeof *last + bytes), **link = &describing->left_out;
    if (last == NULL)
        return false;
    last->next = NULL;
    last->reason = reason;
    last->name = memcpy(last + 1, name, bytes);
    while (*link != NULL)
        link = &(*link)->next;
    *link = last;
    return true;
}

bool wb_is_left(const wb_describing *describing, const char *name)
{
    const char *const *at = describing->server_default;
    while (at != NULL && *at != NULL && strcmp(*at, name) != 0)
        at++;
    return at != NULL && *at != NULL;
}

void wb_left_out_free(wb_left_out *list)
{
    for (wb_left_out *next; list != NULL; list = next) {
        next = list->next;
        wb_free(list);
    }
}

static int check_names(const char *const *names, const wb_schema *schema, wb_err *err)
{
    for (; names != NULL && *names != NULL; names++) {
        int column = wb_schema_find(schema, *names, strlen(*names));
        if (column < 0 || !wb_schema_column(schema, (size_t)column)->server_default)
            return wb_fail(err, WB_INVALID,
                           "server_default: the table has no column \"%s\" that may be given",
                           *names);
    }
    return WB_OK;
}

int wb_store_describe(wb_store *store, const char *table, const char *const *server_default,
                      int64_t deadline_us, wb_schema **out, wb_left_out **left_out, wb_err *err)
{
    wb_deadline deadline = {.at_us = deadline_us, .cancel = NULL};
    wb_describing describing = {.server_default = server_default};
    wb_schema *schema = NULL;
    if (store->class->describe == NULL)
        return wb_fail(err, WB_MISUSE, "store: a %s store has no tables to read a schema from",
                       wb_store_kind(store));
    int code = store->class->describe(store, table, &describing, &deadline, &schema, err);
    if (code == WB_OK)
        code = check_names(server_default, schema, err);
    if (code == WB_OK)
        *out = schema;
    else
        wb_schema_unref(schema);
    if (code == WB_OK && left_out != NULL)
        *left_out = describing.left_out;
    else
        wb_left_out_free(describing.left_out);
    return code;
}

int wb_store_schema(wb_store *store, const char *table, int64_t deadline_us, wb_schema **out,
                    wb_err *err)
{
    return wb_store_describe(store, table, NULL, deadline_us, out, NULL, err);
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
