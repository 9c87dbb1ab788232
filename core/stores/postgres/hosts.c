/* SPDX-License-Identifier: MIT
 * What a conninfo says, and the servers that it names. libpq can walk several hosts by itself, but a dead first one
 * would use up the deadline: only libpq's blocking connect heeds connect_timeout. So the list is split here, and
 * connect.c gives each host its share of the time. Where splitting would change its meaning, the list stays
 * libpq's: prefer-standby looks at all hosts twice, a service file is read at connecting only, and lists of
 * different lengths are an error that libpq words best.
 *
 * Runs while a store is made, so not locked. Fails with WB_INVALID or WB_MEMORY. Never shows a password: libpq's
 * messages quote what they could not read, which may be part of one. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"

const char *wb_pg_option(const wb_pg_store *store, const char *keyword)
{
    for (const PQconninfoOption *option = store->options; option->keyword != NULL; option++)
        if (strcmp(option->keyword, keyword) == 0)
            return option->val;
    return NULL;
}

/* ---- bad conninfo ---- */

/* libpq quotes what it could not read. That may be a part of a password, wherever it stands: behind a blank, between
 * slashes, or given alone. Only the name of an option is shown, where nothing hints at a password. Another language of
 * libpq's shows nothing. */
static bool may_show(const char *conninfo, const char *words)
{
    bool of_option = strncmp(words, "invalid connection option ", 26) == 0 ||
                     strncmp(words, "invalid URI query parameter: ", 29) == 0;
    return of_option && strstr(conninfo, "pass") == NULL && strchr(conninfo, '@') == NULL;
}

static int refuse(const char *conninfo, const char *words, wb_err *err)
{
    const char *open = strchr(words, '"');
    if (open == NULL || may_show(conninfo, words))
        return wb_fail(err, WB_INVALID, "conninfo: %.*s", (int)strcspn(words, "\n"), words);
    return wb_fail(err, WB_INVALID, "conninfo: %.*s\"...\"", (int)(open - words), words);
}

static int parse_options(wb_pg_store *store, const char *conninfo, wb_err *err)
{
    char *words = NULL;
    store->options = PQconninfoParse(conninfo, &words);
    if (store->options != NULL)
        return WB_OK;
    int code = words == NULL ? wb_fail(err, WB_MEMORY, "conninfo: out of memory")
                             : refuse(conninfo, words, err);
    PQfreemem(words);
    return code;
}

/* ---- the list of hosts ---- */

static const char *default_of(const PQconninfoOption *defaults, const char *keyword)
{
    for (; defaults != NULL && defaults->keyword != NULL; defaults++)
        if (strcmp(defaults->keyword, keyword) == 0)
            return defaults->val;
    return NULL;
}

/* What libpq would take: the conninfo's, else the environment's. */
static const char *setting(const wb_pg_store *store, const PQconninfoOption *defaults,
                           const char *keyword)
{
    const char *own = wb_pg_option(store, keyword);
    return own != NULL ? own : default_of(defaults, keyword);
}

static size_t items(const char *list)
{
    if (list == NULL || *list == '\0')
        return 0;
    size_t count = 1;
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

/* Copies the item, or the only one, to *out, which stays NULL where there is no list or the item is empty:
 * libpq's default then. False: no memory. */
static bool item(const char *list, size_t index, char **out)
{
    if (items(list) == 0)
        return true;
    if (items(list) == 1)
        index = 0;
    for (; index > 0; index--)
        list = strchr(list, ',') + 1;
    size_t bytes = strcspn(list, ",");
    if (bytes == 0)
        return true;
    *out = wb_alloc(bytes + 1);
    if (*out == NULL)
        return false;
    memcpy(*out, list, bytes);
    (*out)[bytes] = '\0';
    return true;
}

static bool may_split(const wb_pg_store *store, size_t hosts, size_t addresses, size_t ports)
{
    const char *attributes = wb_pg_option(store, "target_session_attrs");
    size_t count = addresses > 0 ? addresses : hosts;
    return wb_pg_option(store, "service") == NULL && count > 1 && (hosts == 0 || hosts == count) &&
           (ports <= 1 || ports == count) &&
           (attributes == NULL || strcmp(attributes, "prefer-standby") != 0);
}

static int split(wb_pg_store *store, const PQconninfoOption *defaults, wb_err *err)
{
    const char *hosts = setting(store, defaults, "host");
    const char *addresses = setting(store, defaults, "hostaddr");
    const char *ports = setting(store, defaults, "port");
    store->count = 1;
    if (!may_split(store, items(hosts), items(addresses), items(ports)))
        return WB_OK;
    size_t count = items(addresses) > 0 ? items(addresses) : items(hosts);
    store->hosts = wb_alloc_zeroed(count * sizeof *store->hosts);
    if (store->hosts == NULL)
        return wb_fail(err, WB_MEMORY, "conninfo: out of memory");
    store->count = count;
    for (size_t i = 0; i < count; i++) {
        wb_pg_host *host = &store->hosts[i];
        if (!item(hosts, i, &host->host) || !item(addresses, i, &host->hostaddr) ||
            !item(ports, i, &host->port))
            return wb_fail(err, WB_MEMORY, "conninfo: out of memory");
    }
    return WB_OK;
}

int wb_pg_hosts_parse(wb_pg_store *store, const char *conninfo, wb_err *err)
{
    int code = parse_options(store, conninfo, err);
    if (code != WB_OK)
        return code;
    PQconninfoOption *defaults = PQconndefaults();
    code = split(store, defaults, err);
    PQconninfoFree(defaults);
    return code;
}

void wb_pg_hosts_free(wb_pg_store *store)
{
    for (size_t i = 0; store->hosts != NULL && i < store->count; i++) {
        wb_free(store->hosts[i].host);
        wb_free(store->hosts[i].hostaddr);
        wb_free(store->hosts[i].port);
    }
    wb_free(store->hosts);
    PQconninfoFree(store->options);
}
