/* SPDX-License-Identifier: MIT
 * A set of 16-byte ids, each with the newest time it was marked at and how often. Open addressing, keyed
 * hashing (ids may be chosen by an attacker), no locks, no pointers out of it. */
#ifndef WB_MARKSET_H
#define WB_MARKSET_H

#include "base/env.h"

typedef struct wb_mark {
    uint8_t id[16];
    int64_t time_us;
    uint64_t count; /* marks that this one stands for; never 0 */
} wb_mark;

typedef struct wb_markset wb_markset;

/* An empty set; the key of its hash comes from env's random bytes. NULL: no memory. */
wb_markset *wb_markset_new(const wb_env *env);
void wb_markset_free(wb_markset *set);
size_t wb_markset_count(const wb_markset *set);
/* Adds `count` marks of an id; the newest time wins. 1: the id is new, 0: it was there, -1: no memory, or
 * the id is new and the set holds `limit` ids already (the set is as it was; *full says which). */
int wb_markset_add(wb_markset *set, const uint8_t id[16], int64_t time_us, uint64_t count,
                   size_t limit, bool *full);
/* Takes everything out, ascending by id bytewise: an array that the caller frees with wb_free, NULL when
 * the set is empty (*count 0) or there is no memory (*count is the set's, which keeps all). The table keeps
 * its size unless it is far too large for what it held. */
wb_mark *wb_markset_drain(wb_markset *set, size_t *count);
/* Sorts marks by id, ascending bytewise. Needs `count` marks of scratch memory. */
void wb_marks_sort(wb_mark *marks, wb_mark *scratch, size_t count);

#endif
