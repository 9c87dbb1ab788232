/* SPDX-License-Identifier: MIT
 * Table names by number. The hash table is open, with linear probing, and never more than half full. */
#include "engine/outbox/routes.h"

#include <string.h>

#include "base/env.h"

enum { FIRST_ROOM = 8 };

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

/* Where the name is, or would be. There is always a free slot. */
static uint32_t *slot_of(const wb_routes *routes, const char *name)
{
    uint32_t mask = routes->room * 2 - 1;
    uint32_t at = hash_of(name) & mask;
    while (routes->slots[at] != 0 && strcmp(routes->names[routes->slots[at] - 1], name) != 0)
        at = (at + 1) & mask;
    return &routes->slots[at];
}

static bool grow(wb_routes *routes)
{
    uint32_t room = routes->room == 0 ? FIRST_ROOM : routes->room * 2;
    uint32_t *slots = wb_alloc_zeroed(2 * (size_t)room * sizeof *slots);
    char **names = slots != NULL ? wb_realloc(routes->names, room * sizeof *names) : NULL;
    if (names == NULL) {
        wb_free(slots);
        return false;
    }
    wb_free(routes->slots);
    routes->names = names;
    routes->slots = slots;
    routes->room = room;
    for (uint32_t i = 0; i < routes->count; i++)
        *slot_of(routes, names[i]) = i + 1;
    return true;
}

bool wb_routes_find(wb_routes *routes, const char *table, uint32_t *out)
{
    if (routes->room > 0) {
        uint32_t found = *slot_of(routes, table);
        if (found > 0) {
            *out = found - 1;
            return true;
        }
    }
    if (routes->count == routes->room && !grow(routes))
        return false;
    char *name = wb_strdup(table);
    if (name == NULL)
        return false;
    *out = routes->count;
    *slot_of(routes, table) = routes->count + 1;
    routes->names[routes->count++] = name;
    return true;
}

void wb_routes_fini(wb_routes *routes)
{
    for (uint32_t i = 0; i < routes->count; i++)
        wb_free(routes->names[i]);
    wb_free(routes->names);
    wb_free(routes->slots);
    memset(routes, 0, sizeof *routes);
}
