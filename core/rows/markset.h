/* SPDX-License-Identifier: MIT
 * A set of 16-byte ids, each with its newest time and how often it was marked. The hash has a secret key, since an
 * attacker may choose ids. No lock: its owner's. No pointer leads into it. */
#ifndef WB_MARKSET_H
#define WB_MARKSET_H

#include "base/env.h"

typedef struct wb_mark {
    uint8_t id[16];
    int64_t time_us;
    uint64_t count; /* of marks that were merged into it; never 0 */
} wb_mark;

typedef struct wb_markset wb_markset;

/* An empty set; the key of its hash comes from env's random bytes. NULL: no memory. */
wb_markset *wb_markset_new(const wb_env *env);
void wb_markset_free(wb_markset *set);
size_t wb_markset_count(const wb_markset *set);
/* Adds `count` marks of an id; the newest time wins. Answers 1 where the id is new, 0 where it was there, -1 where it
 * failed: with *full the set holds `limit` ids and this is a new one, else there is no memory. */
int wb_markset_add(wb_markset *set, const uint8_t id[16], int64_t time_us, uint64_t count,
                   size_t limit, bool *full);
/* Takes all marks out, sorted as by wb_marks_sort, into an array that the caller frees with wb_free. NULL: the set is
 * empty (*count is 0), or there is no memory (*count is the set's, and it keeps all). The table keeps its size, unless
 * that is far too large. */
wb_mark *wb_markset_drain(wb_markset *set, size_t *count);
/* Sorts by id, bytewise ascending. `scratch` has room for `count` marks. */
void wb_marks_sort(wb_mark *marks, wb_mark *scratch, size_t count);

#endif
