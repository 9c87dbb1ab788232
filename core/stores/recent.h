/* SPDX-License-Identifier: MIT
 * What a session keeps of the tables that it used last, WB_RECENT_TABLES at most, found by a table's name. What is
 * kept begins with a wb_recent. A list belongs to one session, so it is not locked. */
#ifndef WB_STORE_RECENT_H
#define WB_STORE_RECENT_H

enum { WB_RECENT_TABLES = 64 };

typedef struct wb_recent {
    struct wb_recent *next; /* was used before this one */
    char *name;             /* the table's, as the user writes it; the session frees it */
} wb_recent;

/* Finds a table and makes it the first. NULL: the list lacks it. */
wb_recent *wb_recent_find(wb_recent **list, const char *name);
/* Puts a table first that the list lacks. Returns the one that falls off the end, or NULL. */
wb_recent *wb_recent_put(wb_recent **list, wb_recent *table);
/* Takes the first out. NULL: the list is empty. */
wb_recent *wb_recent_take(wb_recent **list);

#endif
