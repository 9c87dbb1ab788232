/* SPDX-License-Identifier: MIT
 * From a URL to a store. This is the one file that knows all kinds.
 * Locks: none. Fails with WB_INVALID for a URL, and as the store does that it names. An error shows no more of a
 * URL than its scheme, since the rest may hold a password; a path of SQLite's it shows. */
#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "stores/store.h"

static int open_sqlite(const char *path, bool create, wb_store **out, wb_err *err);
static int open_memory(const char *rest, wb_store **out, wb_err *err);
static int open_nats(const char *url, const char *after, wb_store **out, wb_err *err);
static int refuse_url(const char *url, wb_err *err);

/* What follows the scheme. NULL: the URL has another one. */
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
    rest = after_scheme(url, "nats://");
    if (rest != NULL)
        return open_nats(url, rest, out, err);
    return refuse_url(url, err);
}

/* "//" begins a host, which is refused. "///path" is an absolute path. */
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

/* The stream's name comes last, after all servers. */
static int open_nats(const char *url, const char *after, wb_store **out, wb_err *err)
{
    const char *slash = strrchr(after, '/');
    if (slash == NULL || slash == after || slash[-1] == '/')
        return wb_fail(err, WB_INVALID, "store URL: expected nats://HOST:PORT,…/STREAM");
    char *servers = wb_strdup(url);
    if (servers == NULL)
        return wb_fail(err, WB_MEMORY, "store URL: out of memory");
    servers[slash - url] = '\0';
    int code = wb_store_nats(&(wb_nats_options){.servers = servers, .stream = slash + 1}, out, err);
    wb_free(servers);
    return code;
}

static int refuse_url(const char *url, wb_err *err)
{
    const char *known = "known are postgresql://, sqlite:PATH, nats://HOST:PORT/STREAM and memory:";
    int bytes = (int)strcspn(url, ":");
    if (url[bytes] == '\0')
        return wb_fail(err, WB_INVALID, "store URL: it has no scheme; %s", known);
    return wb_fail(err, WB_INVALID, "store URL: there is no store for the scheme \"%.*s\"; %s",
                   bytes, url, known);
}
