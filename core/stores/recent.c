/* SPDX-License-Identifier: MIT
 * A list in the order of use. One table costs one comparison, and the longest walk is short beside a write. Names are
 * compared as text, not by address: a batch's name is borrowed, so another name may have its address later.
 * Invariant: the last used is the first, and there are WB_RECENT_TABLES at most.
 * Locks: none. It can't fail. */
#include "stores/recent.h"

#include <stddef.h>
#include <string.h>

wb_recent *wb_recent_find(wb_recent **list, const char *name)
{
    wb_recent **at = list;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    wb_recent *found = *at;
    if (found == NULL || at == list)
        return found;
    *at = found->next;
    found->next = *list;
    *list = found;
    return found;
}

wb_recent *wb_recent_put(wb_recent **list, wb_recent *table)
{
    table->next = *list;
    *list = table;
    wb_recent *last = table;
    for (int kept = 1; kept < WB_RECENT_TABLES && last != NULL; kept++)
        last = last->next;
    if (last == NULL)
        return NULL;
    wb_recent *surplus = last->next;
    last->next = NULL;
    return surplus;
}

wb_recent *wb_recent_take(wb_recent **list)
{
    wb_recent *first = *list;
    if (first != NULL)
        *list = first->next;
    return first;
}
