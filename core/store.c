/* SPDX-License-Identifier: MIT
 * What every kind of store shares: counting references, opening by URL, reading a table's schema,
 * running a script.
 * A store never changes after it was made, but for its count, so it needs no lock here. An error never shows
 * a URL beyond its scheme: the rest may hold a password. */
#include "store.h"

#include <string.h>

#include "err.h"
#include "timestamp.h"

static atomic_uint exit_handlers; /* zero at first */

static int open_sqlite(const char *path, bool create, wb_store **out, wb_err *err);
static int open_memory(const char *rest, wb_store **out, wb_err *err);
static int refuse_url(const char *url, wb_err *err);

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

const char *wb_store_kind(const wb_store *store)
{
    return store->class->kind;
}

int wb_store_schema(wb_store *store, const char *table, int64_t deadline_us, wb_schema **out,
                    wb_err *err)
{
    wb_until until = {.deadline_us = deadline_us, .cancel = NULL};
    return store->class->describe(store, table, &until, out, err);
}

int wb_store_execute(wb_store *store, const char *sql, int64_t deadline_us, wb_err *err)
{
    wb_until until = {.deadline_us = deadline_us, .cancel = NULL};
    if (store->class->execute == NULL)
        return wb_fail(err, WB_MISUSE, "store: a %s store has no SQL to run", wb_store_kind(store));
    return store->class->execute(store, sql, &until, err);
}

void wb_store_exit_handler_made(void)
{
    atomic_fetch_add(&exit_handlers, 1);
}

unsigned wb_store_exit_handlers(void)
{
    return atomic_load(&exit_handlers);
}

/* What follows the scheme, or NULL where the URL has another one. */
static const char *after_scheme(const char *url, const char *scheme)
{
    size_t bytes = strlen(scheme);
    return strncmp(url, scheme, bytes) == 0 ? url + bytes : NULL;
}

int wb_store_open(const char *url, bool create, wb_store **out, wb_err *err)
{
    if (after_scheme(url, "postgresql://") != NULL || after_scheme(url, "postgres://") != NULL)
        return wb_store_postgres(url, out, err);
    const char *path = after_scheme(url, "sqlite:");
    if (path != NULL)
        return open_sqlite(path, create, out, err);
    const char *rest = after_scheme(url, "memory:");
    if (rest != NULL)
        return open_memory(rest, out, err);
    return refuse_url(url, err);
}

/* "//" would begin a host; "///path" is an absolute path all the same. */
static int open_sqlite(const char *path, bool create, wb_store **out, wb_err *err)
{
    if (path[0] == '/' && path[1] == '/' && path[2] != '/')
        return wb_fail(err, WB_INVALID,
                       "store URL \"sqlite:%s\": a host has no place in it, write sqlite:PATH",
                       path);
    return wb_store_sqlite(path, create, out, err);
}

static int open_memory(const char *rest, wb_store **out, wb_err *err)
{
    if (rest[0] != '\0')
        return wb_fail(err, WB_INVALID, "store URL: \"memory:\" takes nothing after it");
    return wb_store_memory(SIZE_MAX, out, err);
}

static int refuse_url(const char *url, wb_err *err)
{
    const char *known = "known are postgresql://, sqlite:PATH and memory:";
    int bytes = (int)strcspn(url, ":");
    if (url[bytes] == '\0')
        return wb_fail(err, WB_INVALID, "store URL: it has no scheme; %s", known);
    return wb_fail(err, WB_INVALID, "store URL: there is no store for the scheme \"%.*s\"; %s",
                   bytes, url, known);
}

int64_t wb_marks_bound_us(const wb_marks *marks, size_t index, int64_t min_advance_us)
{
    int64_t bound_us = marks->exact ? marks->marks[index].time_us : marks->at_us;
    if (min_advance_us <= 0)
        return bound_us;
    if (min_advance_us > marks->at_us - WB_TIME_MIN_US)
        return WB_TIME_MIN_US;
    int64_t oldest_us = marks->at_us - min_advance_us + 1;
    return oldest_us < bound_us ? oldest_us : bound_us;
}
