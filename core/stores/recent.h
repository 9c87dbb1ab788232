/* SPDX-License-Identifier: MIT
 * What a session keeps of each table that it writes to, by the table's name: of the tables used last, and of
 * no more than WB_RECENT_TABLES. What is kept begins with a wb_recent. A list belongs to one session, so it
 * is not locked. */
#ifndef WB_STORE_RECENT_H
#define WB_STORE_RECENT_H

enum { WB_RECENT_TABLES = 64 };

typedef struct wb_recent {
    struct wb_recent *next; /* used before it */
    char *name;             /* the table's, as its user says it; of the one who keeps it */
} wb_recent;

/* The table's, which is the first of the list from now on; NULL: there is none. */
wb_recent *wb_recent_find(wb_recent **list, const char *name);
/* Puts a table in that the list lacks, as its first. Returns the one that has to go, NULL: none has. */
wb_recent *wb_recent_put(wb_recent **list, wb_recent *table);
/* Takes the first out; NULL: the list is empty. */
wb_recent *wb_recent_take(wb_recent **list);

#endif
