/* SPDX-License-Identifier: MIT
 * The tables that a batcher's rows go to. Each name is kept once, until the end, and known by a number. Not locked:
 * its owner's lock holds. */
#ifndef WB_ROUTES_H
#define WB_ROUTES_H

#include <writebehind.h>

typedef struct wb_routes {
    char **names;
    uint32_t count, room;
    uint32_t *
        slots; /* a hash table of numbers plus 1; 0: free. Twice as many as there is room for names */
} wb_routes;

/* All zero: empty. The number of `table`, the first being 0; false: no memory. */
bool wb_routes_find(wb_routes *routes, const char *table, uint32_t *out);
void wb_routes_fini(wb_routes *routes);

#endif
