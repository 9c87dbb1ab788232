/* SPDX-License-Identifier: MIT
 * Sorting keys of any length by memcmp. Pure: no memory, no locks, no failure. */
#ifndef WB_KEYSORT_H
#define WB_KEYSORT_H

#include <string.h>

#include "rows/key.h"

/* Keys, one after another. None begins another one, but where they are equal. */
typedef struct wb_key_list {
    const char *bytes;
    const size_t *ends; /* of each */
} wb_key_list;

static inline const char *wb_key_at(const wb_key_list *list, size_t index)
{
    return list->bytes + (index > 0 ? list->ends[index - 1] : 0);
}

static inline size_t wb_key_bytes(const wb_key_list *list, size_t index)
{
    return list->ends[index] - (index > 0 ? list->ends[index - 1] : 0);
}

/* Sorts marks whose time is the number of a key; equal ones keep their order. `scratch` has room for as many. */
void wb_keys_sort(const wb_key_list *list, wb_mark *marks, wb_mark *scratch, size_t count);
/* Of two neighbours that were sorted: are their keys equal? */
bool wb_keys_equal(const wb_key_list *list, const wb_mark *a, const wb_mark *b);

#endif
