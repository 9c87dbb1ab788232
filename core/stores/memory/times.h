/* SPDX-License-Identifier: MIT
 * Ids with a time each: the rows that a tracker touches in a memory store. Ids of several types are side by side; int4
 * and int8 are one. No lock: the store's. The hash has no key, since tests choose the ids. */
#ifndef WB_MEMORY_TIMES_H
#define WB_MEMORY_TIMES_H

#include "rows/key.h"

typedef struct wb_memory_time {
    wb_key key; /* it owns its text */
    int type;   /* enum wb_type */
    int64_t time_us;
    bool used;
} wb_memory_time;

/* All zero: empty. */
typedef struct wb_memory_times {
    wb_memory_time *slots; /* open addressing; at most half of them used */
    size_t room;           /* slots, a power of two, or 0 */
    size_t count;          /* used */
} wb_memory_times;

void wb_memory_times_fini(wb_memory_times *times);
/* The row of an id, which lives until the next put; NULL: there is none. */
wb_memory_time *wb_memory_times_find(const wb_memory_times *times, int type, const wb_key *key);
/* Sets the id's time, new or not; false: no memory. */
bool wb_memory_times_put(wb_memory_times *times, int type, const wb_key *key, int64_t time_us);

#endif
