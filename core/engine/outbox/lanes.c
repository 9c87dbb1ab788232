/* SPDX-License-Identifier: MIT
 * See lanes.h. A binary heap of routes; each lane knows its place, so that it moves in the logarithm of their number. Where
 * two are due at once the lower route is first. */
#include "engine/outbox/lanes.h"

#include "base/env.h"

enum { FIRST_ROOM = 8 };

static const wb_lane unused = {.gate_us = INT64_MIN};

static void free_lane(wb_lane *lane)
{
    wb_batch_free(lane->open);
    wb_free(lane->error);
}

void wb_lanes_forget(wb_lanes *lanes, uint32_t route)
{
    wb_lane *lane = wb_lane_of(lanes, route);
    free_lane(lane);
    *lane = unused;
}

void wb_lanes_fini(wb_lanes *lanes)
{
    free_lane(&lanes->own);
    for (uint32_t i = 0; i < lanes->room; i++)
        free_lane(&lanes->others[i]);
    wb_free(lanes->others);
    wb_free(lanes->heap);
}

static bool grow(wb_lanes *lanes, uint32_t room)
{
    uint32_t *heap = wb_realloc(lanes->heap, ((size_t)room + 1) * sizeof *heap);
    if (heap == NULL)
        return false;
    lanes->heap = heap;
    wb_lane *others = wb_realloc(lanes->others, room * sizeof *others);
    if (others == NULL)
        return false;
    for (uint32_t i = lanes->room; i < room; i++)
        others[i] = unused;
    lanes->others = others;
    lanes->room = room;
    return true;
}

bool wb_lanes_prepare(wb_lanes *lanes, uint32_t routes)
{
    uint32_t room = lanes->room == 0 ? FIRST_ROOM : lanes->room;
    while (room < routes)
        room *= 2;
    return room == lanes->room || grow(lanes, room);
}

/* ---- the heap ---- */

static bool is_before(wb_lanes *lanes, uint32_t route, uint32_t other)
{
    int64_t since_us = wb_lane_of(lanes, route)->since_us;
    int64_t other_us = wb_lane_of(lanes, other)->since_us;
    return since_us != other_us ? since_us < other_us : route < other;
}

static void put_at(wb_lanes *lanes, uint32_t place, uint32_t route)
{
    lanes->heap[place - 1] = route;
    wb_lane_of(lanes, route)->place = place;
}

static uint32_t at(const wb_lanes *lanes, uint32_t place)
{
    return lanes->heap[place - 1];
}

/* The route goes to that place, or above it. */
static uint32_t rise(wb_lanes *lanes, uint32_t place, uint32_t route)
{
    for (; place > 1 && is_before(lanes, route, at(lanes, place / 2)); place /= 2)
        put_at(lanes, place, at(lanes, place / 2));
    put_at(lanes, place, route);
    return place;
}

static void sink(wb_lanes *lanes, uint32_t place, uint32_t route)
{
    for (uint32_t below; (below = 2 * place) <= lanes->count; place = below) {
        if (below < lanes->count && is_before(lanes, at(lanes, below + 1), at(lanes, below)))
            below++;
        if (!is_before(lanes, at(lanes, below), route))
            break;
        put_at(lanes, place, at(lanes, below));
    }
    put_at(lanes, place, route);
}

static void settle(wb_lanes *lanes, uint32_t place, uint32_t route)
{
    if (rise(lanes, place, route) == place)
        sink(lanes, place, route);
}

void wb_lanes_set(wb_lanes *lanes, uint32_t route, int64_t since_us)
{
    wb_lane *lane = wb_lane_of(lanes, route);
    lane->since_us = since_us;
    settle(lanes, lane->place > 0 ? lane->place : ++lanes->count, route);
}

void wb_lanes_remove(wb_lanes *lanes, uint32_t route)
{
    wb_lane *lane = wb_lane_of(lanes, route);
    uint32_t place = lane->place;
    if (place == 0)
        return;
    lane->place = 0;
    uint32_t last = at(lanes, lanes->count--);
    if (last != route)
        settle(lanes, place, last);
}
