/* SPDX-License-Identifier: MIT
 * The tables that a batcher's rows go to. Each name is kept once and known by a number, until it is forgotten; then the
 * number is another's. Not locked: its owner's lock holds. */
#ifndef WB_ROUTES_H
#define WB_ROUTES_H

#include <writebehind.h>

#include "base/shared_text.h"

typedef struct wb_routes {
    struct wb_route {
        wb_shared_text *name; /* NULL: the number is free */
        uint32_t next_free;   /* of the numbers that are free; see `free` */
    } * routes;
    uint32_t count; /* numbers that were ever given out */
    uint32_t room;
    uint32_t free; /* a number that is free, plus 1; 0: none */
    uint32_t *
        slots; /* a hash table of numbers plus 1; 0: free. Twice as many as there is room for names */
} wb_routes;

/* All zero: empty. The number of `table`, the first being 0. False: no memory. */
bool wb_routes_find(wb_routes *routes, const char *table, uint32_t *out);
void wb_routes_forget(wb_routes *routes, uint32_t number);
void wb_routes_fini(wb_routes *routes);

/* NULL: it was forgotten. */
static inline wb_shared_text *wb_routes_name(const wb_routes *routes, uint32_t number)
{
    return routes->routes[number].name;
}

#endif
