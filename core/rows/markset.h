/* SPDX-License-Identifier: MIT
 * A set of keys, each with its newest time and how often it was marked. The hash has a secret key, since an attacker may
 * choose ids. No lock: its owner's. No pointer leads into it. */
#ifndef WB_MARKSET_H
#define WB_MARKSET_H

#include "base/env.h"
#include "rows/key.h"
#include "rows/texts.h"

/* Marks that were taken out of a set, and what their keys are made of. All zero: none. */
typedef struct wb_marked {
    wb_mark *marks; /* sorted by key, bytewise ascending */
    size_t count;
    wb_texts texts;
} wb_marked;

typedef struct wb_markset wb_markset;

/* An empty set of texts, or of other keys; the key of its hash comes from env's random bytes. NULL: no memory. */
wb_markset *wb_markset_new(const wb_env *env, bool of_texts);
void wb_markset_free(wb_markset *set);
size_t wb_markset_count(const wb_markset *set);
/* Bytes of memory that the texts of its keys take. */
size_t wb_markset_text_bytes(const wb_markset *set);
/* Never takes long, however many keys there are: it grows in small steps (markset.c).
 * Adds `count` marks of a key, and copies its text; the newest time wins. Answers 1 where the key is new, 0 where it was
 * there, -1 where it failed: with *full the set holds `limit` keys and this is a new one, else there is no memory. */
int wb_markset_add(wb_markset *set, const wb_key *key, int64_t time_us, uint64_t count,
                   size_t limit, bool *full);
/* The time that the key of the last add had before it; INT64_MIN: it was new. */
int64_t wb_markset_was_us(const wb_markset *set);
/* Takes all marks out, and gives the set's memory back: that takes its time, so not under a lock that an add waits for.
 * False: there is no memory, and the set keeps all. */
bool wb_markset_drain(wb_markset *set, wb_marked *out);
/* For tests: how many marks, and entries of the directory, adds have moved so far. */
size_t wb_markset_work(const wb_markset *set);
void wb_marked_fini(wb_marked *marked);

#endif
