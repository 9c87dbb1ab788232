/* SPDX-License-Identifier: MIT
 * A set of keys, on segments of marks (rows/segments.h). Marks are only removed all at once. A slot is empty where its count
 * is 0. The upper half of a text's hash is kept beside it: other texts are told apart by it, and a segment is split without
 * reading the texts.
 * No locks: its owner's. Only memory fails, and then nothing has changed. */
#include "rows/markset.h"

#include <string.h>

#include "rows/hash.h"
#include "rows/marksort.h"
#include "rows/segments.h"

struct wb_markset {
    int64_t was_us;
    wb_segments segments;
    bool of_texts;
    size_t count; /* of all marks */
    wb_hash hash;
    wb_texts texts; /* those of the keys */
};

wb_markset *wb_markset_new(const wb_env *env, bool of_texts)
{
    wb_markset *set = wb_alloc_zeroed(sizeof *set);
    if (!set)
        return NULL;
    if (!wb_segments_init(&set->segments, sizeof(wb_mark))) {
        wb_markset_free(set);
        return NULL;
    }
    set->of_texts = of_texts;
    env->random(env->context, &set->hash, sizeof set->hash);
    return set;
}

void wb_markset_free(wb_markset *set)
{
    if (!set)
        return;
    wb_segments_fini(&set->segments);
    wb_texts_fini(&set->texts);
    wb_free(set);
}

size_t wb_markset_count(const wb_markset *set)
{
    return set->count;
}

size_t wb_markset_text_bytes(const wb_markset *set)
{
    return set->texts.bytes;
}

size_t wb_markset_work(const wb_markset *set)
{
    return set->segments.work;
}

/* ---- adding ---- */

static bool same_id(const uint8_t a[16], const uint8_t b[16])
{
    uint64_t x[2], y[2];
    memcpy(x, a, 16);
    memcpy(y, b, 16);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static bool same_text(const wb_key *a, const wb_key *b)
{
    return a->text.sort == b->text.sort && a->text.bytes == b->text.bytes &&
           memcmp(a->text.at, b->text.at, a->text.bytes) == 0;
}

/* The hash as far as it chooses a place. Of a text, the half that is kept, twice. */
static inline uint64_t hash_of(const wb_markset *set, const wb_key *key)
{
    if (!set->of_texts)
        return wb_hash_16(&set->hash, 0, key->id);
    return (uint64_t)key->text.sort << 32 | key->text.sort;
}

static inline wb_mark *marks_of(const wb_segment *segment)
{
    return (wb_mark *)(void *)segment->slots;
}

/* The slot that holds the id, or the empty one that would. */
static inline wb_mark *find_id(const wb_markset *set, uint64_t hash, const uint8_t id[16])
{
    wb_mark *slots = marks_of(wb_segment_of(&set->segments, hash));
    size_t i = wb_first_slot(hash);
    while (slots[i].count != 0 && !same_id(slots[i].key.id, id))
        i = wb_next_slot(i);
    return &slots[i];
}

static wb_mark *find_text(const wb_markset *set, uint64_t hash, const wb_key *key)
{
    wb_mark *slots = marks_of(wb_segment_of(&set->segments, hash));
    size_t i = wb_first_slot(hash);
    while (slots[i].count != 0 && !same_text(&slots[i].key, key))
        i = wb_next_slot(i);
    return &slots[i];
}

static wb_mark *find_free(wb_segment *in, uint64_t hash)
{
    wb_mark *slots = marks_of(in);
    size_t i = wb_first_slot(hash);
    while (slots[i].count != 0)
        i = wb_next_slot(i);
    return &slots[i];
}

static bool hash_of_mark(const void *set, const void *entry, uint64_t *hash)
{
    const wb_mark *mark = entry;
    *hash = hash_of(set, &mark->key);
    return true;
}

/* Puts a key in that is not there. Not inlined: most marks are of a key that is there. */
static __attribute__((noinline)) int put(wb_markset *set, uint64_t hash, const wb_mark *mark,
                                         size_t limit, bool *full)
{
    *full = set->count >= limit;
    if (*full)
        return -1;
    while (wb_segment_of(&set->segments, hash)->count == WB_SLOTS_MOST)
        if (!wb_segments_split(&set->segments, hash, hash_of_mark, set))
            return -1;
    wb_mark own = *mark;
    if (set->of_texts) {
        own.key.text.at = wb_texts_put(&set->texts, mark->key.text.at, mark->key.text.bytes);
        if (!own.key.text.at)
            return -1;
    }
    wb_segment *in = wb_segment_of(&set->segments, hash);
    *find_free(in, hash) = own;
    in->count++;
    set->count++;
    return 1;
}

static inline void merge(wb_mark *slot, int64_t time_us, uint64_t count)
{
    if (time_us > slot->time_us)
        slot->time_us = time_us;
    slot->count += count;
}

static __attribute__((noinline)) int add_text(wb_markset *set, wb_mark mark, size_t limit,
                                              bool *full)
{
    wb_key *key = &mark.key;
    key->text.sort = (uint32_t)(wb_hash_text(&set->hash, key->text.at, key->text.bytes) >> 32);
    uint64_t hash = hash_of(set, key);
    wb_mark *slot = find_text(set, hash, key);
    set->was_us = slot->count == 0 ? INT64_MIN : slot->time_us;
    if (slot->count == 0)
        return put(set, hash, &mark, limit, full);
    merge(slot, mark.time_us, mark.count);
    return 0;
}

int wb_markset_add(wb_markset *set, const wb_key *key, int64_t time_us, uint64_t count,
                   size_t limit, bool *full)
{
    if (set->of_texts)
        return add_text(set, (wb_mark){*key, time_us, count}, limit, full);
    uint64_t hash = wb_hash_16(&set->hash, 0, key->id);
    wb_mark *slot = find_id(set, hash, key->id);
    set->was_us = slot->count == 0 ? INT64_MIN : slot->time_us;
    if (slot->count == 0)
        return put(set, hash, &(wb_mark){*key, time_us, count}, limit, full);
    merge(slot, time_us, count);
    return 0;
}

int64_t wb_markset_was_us(const wb_markset *set)
{
    return set->was_us;
}

/* ---- draining ---- */

static void gather(void *end, const wb_segment *segment)
{
    const wb_mark *slots = marks_of(segment);
    wb_mark **to = end;
    for (size_t i = 0, n = 0; n < segment->count; i++) {
        if (slots[i].count == 0)
            continue;
        *(*to)++ = slots[i];
        n++;
    }
}

/* The marks are sorted with as much memory again, which is given back. */
static wb_mark *sort(wb_mark *marks, size_t count)
{
    wb_marks_sort(marks, marks + count, count);
    wb_mark *less = wb_realloc(marks, count * sizeof *marks);
    return less ? less : marks;
}

bool wb_markset_drain(wb_markset *set, wb_marked *out)
{
    size_t count = set->count;
    *out = (wb_marked){0};
    if (count == 0)
        return true;
    wb_mark *marks = wb_alloc((set->of_texts ? 1 : 2) * count * sizeof *marks);
    if (!marks)
        return false;
    wb_mark *end = marks;
    wb_segments_drain(&set->segments, gather, &end);
    set->count = 0;
    if (set->of_texts)
        wb_marks_sort_texts(marks, count);
    else
        marks = sort(marks, count);
    *out = (wb_marked){.marks = marks, .count = count, .texts = set->texts};
    set->texts = (wb_texts){0};
    return true;
}

void wb_marked_fini(wb_marked *marked)
{
    wb_free(marked->marks);
    wb_texts_fini(&marked->texts);
    *marked = (wb_marked){0};
}
