/* SPDX-License-Identifier: MIT
 * Table names by number. The hash table is open, with linear probing, and never more than half full. What is forgotten
 * leaves no mark in it: those behind it move up (Knuth, TAOCP 3, 6.4, algorithm R). */
#include "engine/outbox/routes.h"

#include <string.h>

#include "base/env.h"

enum { FIRST_ROOM = 8 };

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), eight bytes at a time: the high bits, where all have their say. */
static uint32_t hash_of(const char *name)
{
    size_t bytes = strlen(name);
    uint64_t hash = UINT64_C(14695981039346656037), word;
    for (; bytes >= sizeof word; name += sizeof word, bytes -= sizeof word) {
        memcpy(&word, name, sizeof word);
        hash = (hash ^ word ^ hash >> 32) * UINT64_C(1099511628211);
    }
    word = 0;
    memcpy(&word, name, bytes);
    hash = (hash ^ word ^ hash >> 32) * UINT64_C(1099511628211);
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}

static uint32_t mask_of(const wb_routes *routes)
{
    return routes->room * 2 - 1;
}

static const char *name_in(const wb_routes *routes, uint32_t slot)
{
    return routes->routes[routes->slots[slot] - 1].name->text;
}

/* Where the name is, or would be. There is always a free slot. */
static uint32_t slot_of(const wb_routes *routes, const char *name)
{
    uint32_t slot = hash_of(name) & mask_of(routes);
    while (routes->slots[slot] != 0 && strcmp(name_in(routes, slot), name) != 0)
        slot = (slot + 1) & mask_of(routes);
    return slot;
}

static bool grow(wb_routes *routes)
{
    uint32_t room = routes->room == 0 ? FIRST_ROOM : routes->room * 2;
    uint32_t *slots = wb_alloc_zeroed(2 * (size_t)room * sizeof *slots);
    struct wb_route *all = slots != NULL ? wb_realloc(routes->routes, room * sizeof *all) : NULL;
    if (all == NULL) {
        wb_free(slots);
        return false;
    }
    wb_free(routes->slots);
    routes->routes = all;
    routes->slots = slots;
    routes->room = room;
    for (uint32_t i = 0; i < routes->count; i++)
        slots[slot_of(routes, all[i].name->text)] = i + 1;
    return true;
}

/* There is room for it. */
static uint32_t give_out(wb_routes *routes, wb_shared_text *name)
{
    uint32_t number = routes->free > 0 ? routes->free - 1 : routes->count++;
    if (routes->free > 0)
        routes->free = routes->routes[number].next_free;
    routes->routes[number] = (struct wb_route){.name = name};
    routes->slots[slot_of(routes, name->text)] = number + 1;
    return number;
}

bool wb_routes_find(wb_routes *routes, const char *table, uint32_t *out)
{
    uint32_t found = routes->room > 0 ? routes->slots[slot_of(routes, table)] : 0;
    if (found > 0) {
        *out = found - 1;
        return true;
    }
    if (routes->free == 0 && routes->count == routes->room && !grow(routes))
        return false;
    wb_shared_text *name = wb_shared_text_new(table);
    if (name == NULL)
        return false;
    *out = give_out(routes, name);
    return true;
}

/* Frees a slot. One behind it may move up where that brings it not before its own place. */
static void free_slot(wb_routes *routes, uint32_t hole)
{
    uint32_t mask = mask_of(routes);
    for (uint32_t at = (hole + 1) & mask; routes->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t own = hash_of(name_in(routes, at)) & mask;
        if (((at - own) & mask) < ((at - hole) & mask))
            continue;
        routes->slots[hole] = routes->slots[at];
        hole = at;
    }
    routes->slots[hole] = 0;
}

void wb_routes_forget(wb_routes *routes, uint32_t number)
{
    struct wb_route *route = &routes->routes[number];
    free_slot(routes, slot_of(routes, route->name->text));
    wb_shared_text_unref(route->name);
    *route = (struct wb_route){.next_free = routes->free};
    routes->free = number + 1;
}

void wb_routes_fini(wb_routes *routes)
{
    for (uint32_t i = 0; i < routes->count; i++)
        wb_shared_text_unref(routes->routes[i].name);
    wb_free(routes->routes);
    wb_free(routes->slots);
    memset(routes, 0, sizeof *routes);
}
