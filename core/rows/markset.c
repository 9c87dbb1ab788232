/* SPDX-License-Identifier: MIT
 * A set of keys: segments of SLOTS marks each, with linear probing inside of one, and a directory that the top bits of a
 * key's hash choose the segment from (extendible hashing). A full segment is split in two by the next bit; where the
 * directory has no place for a second one, it is doubled first. So an add moves less than one segment's marks, gets
 * memory of one slab at most, clears one segment of it, and gives none back but a smaller directory. (That has 8 bytes
 * for some 600 marks: to double it takes microseconds up to 10 M ids, a millisecond at 100 M.)
 * Invariant: a segment has free slots, so that every probe ends. A slot is empty where its count is 0. A segment of depth
 * d is what the first d bits of the hash say, and 2^(depth - d) entries of the directory lead there, side by side. Marks
 * are only removed all at once, so there are no tombstones. The upper half of a text's hash is kept beside it: other
 * texts are told apart by it, and a segment is split without reading the texts.
 * No locks: its owner's. Only memory fails, and then nothing has changed. */
#include "rows/markset.h"

#include <string.h>

#include "rows/hash.h"
#include "rows/marksort.h"

enum {
    SLOTS_BITS = 10,
    SLOTS = 1 << SLOTS_BITS,
    SLOTS_TAKEN_MOST = SLOTS / 4 * 3,
    CACHE_LINE = 64,
    SLAB_ROOM_MOST = 32,         /* 1 MiB */
    DEPTH_MOST = 32 - SLOTS_BITS /* of a text's hash there are 32 bits */
};

typedef struct segment {
    _Alignas(CACHE_LINE) unsigned depth; /* how many bits of their hash its marks share */
    unsigned count;
    _Alignas(CACHE_LINE) wb_mark slots[SLOTS];
} segment;

/* Memory for segments. The slabs of a set double in size, up to SLAB_ROOM_MOST. */
typedef struct slab {
    struct slab *older;
    size_t used, room;
    segment *segments;
} slab;

struct wb_markset {
    segment **directory; /* of 2^depth, at least two */
    unsigned shift;      /* 64 - depth */
    bool of_texts;
    size_t count; /* of all marks */
    wb_hash hash;
    slab *newest;
    wb_texts texts; /* those of the keys */
    size_t work;
};

static segment *new_segment(wb_markset *set);
static bool split(wb_markset *set, uint64_t hash);
static void begin(wb_markset *set, segment *first);

wb_markset *wb_markset_new(const wb_env *env, bool of_texts)
{
    wb_markset *set = wb_alloc_zeroed(sizeof *set);
    if (!set)
        return NULL;
    set->directory = wb_alloc(2 * sizeof *set->directory);
    segment *first = set->directory ? new_segment(set) : NULL;
    if (!first) {
        wb_markset_free(set);
        return NULL;
    }
    begin(set, first);
    set->of_texts = of_texts;
    env->random(env->context, &set->hash, sizeof set->hash);
    return set;
}

static void free_newest_slab(wb_markset *set)
{
    slab *newest = set->newest;
    set->newest = newest->older;
    wb_free(newest);
}

void wb_markset_free(wb_markset *set)
{
    if (!set)
        return;
    while (set->newest)
        free_newest_slab(set);
    wb_texts_fini(&set->texts);
    wb_free(set->directory);
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
    return set->work;
}

/* All keys are in one segment. */
static void begin(wb_markset *set, segment *first)
{
    set->directory[0] = set->directory[1] = first;
    set->shift = 63;
    set->count = 0;
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

/* The top bits choose the segment, the lowest ones the slot. */
static inline segment *segment_of(const wb_markset *set, uint64_t hash)
{
    return set->directory[hash >> set->shift];
}

static inline size_t first_slot(uint64_t hash)
{
    return (size_t)hash & (SLOTS - 1);
}

static inline size_t next_slot(size_t i)
{
    return (i + 1) & (SLOTS - 1);
}

/* The slot that holds the id, or the empty one that would. */
static inline wb_mark *find_id(segment *in, uint64_t hash, const uint8_t id[16])
{
    size_t i = first_slot(hash);
    while (in->slots[i].count != 0 && !same_id(in->slots[i].key.id, id))
        i = next_slot(i);
    return &in->slots[i];
}

static wb_mark *find_text(segment *in, uint64_t hash, const wb_key *key)
{
    size_t i = first_slot(hash);
    while (in->slots[i].count != 0 && !same_text(&in->slots[i].key, key))
        i = next_slot(i);
    return &in->slots[i];
}

static wb_mark *find_free(segment *in, uint64_t hash)
{
    size_t i = first_slot(hash);
    while (in->slots[i].count != 0)
        i = next_slot(i);
    return &in->slots[i];
}

/* Puts a key in that is not there. Not inlined: most marks are of a key that is there. */
static __attribute__((noinline)) int put(wb_markset *set, uint64_t hash, const wb_mark *mark,
                                         size_t limit, bool *full)
{
    *full = set->count >= limit;
    if (*full)
        return -1;
    while (segment_of(set, hash)->count == SLOTS_TAKEN_MOST)
        if (!split(set, hash))
            return -1;
    wb_mark own = *mark;
    if (set->of_texts) {
        own.key.text.at = wb_texts_put(&set->texts, mark->key.text.at, mark->key.text.bytes);
        if (!own.key.text.at)
            return -1;
    }
    segment *in = segment_of(set, hash);
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
    wb_mark *slot = find_text(segment_of(set, hash), hash, key);
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
    wb_mark *slot = find_id(segment_of(set, hash), hash, key->id);
    if (slot->count == 0)
        return put(set, hash, &(wb_mark){*key, time_us, count}, limit, full);
    merge(slot, time_us, count);
    return 0;
}

/* ---- growing ---- */

static slab *add_slab(wb_markset *set)
{
    slab *newest = set->newest;
    size_t room = newest ? newest->room * 2 : 1;
    if (room > SLAB_ROOM_MOST)
        room = SLAB_ROOM_MOST;
    slab *new = wb_alloc(sizeof *new + CACHE_LINE + room * sizeof(segment));
    if (!new)
        return NULL;
    uintptr_t end = (uintptr_t)(new + 1) + CACHE_LINE - 1;
    *new = (slab){newest, 0, room, (segment *)(end - end % CACHE_LINE)};
    return set->newest = new;
}

/* An empty one. NULL: no memory. */
static segment *new_segment(wb_markset *set)
{
    slab *from = set->newest;
    if (!from || from->used == from->room)
        from = add_slab(set);
    return from ? memset(&from->segments[from->used++], 0, sizeof(segment)) : NULL;
}

static bool double_directory(wb_markset *set)
{
    size_t count = (size_t)1 << (64 - set->shift);
    segment **entries = wb_realloc(set->directory, 2 * count * sizeof(*entries));
    if (!entries)
        return false;
    for (size_t i = count; i-- > 0;)
        entries[2 * i] = entries[2 * i + 1] = entries[i];
    set->directory = entries;
    set->shift--;
    set->work += count;
    return true;
}

/* Takes each mark out of the segment, and puts it back or into the other, by the last bit of their depth. As the first
 * comes after an empty slot, none is put behind where it was. */
static void part(wb_markset *set, segment *old, segment *new)
{
    size_t start = 0;
    while (old->slots[start].count != 0)
        start++;
    for (size_t i = next_slot(start); i != start; i = next_slot(i)) {
        wb_mark mark = old->slots[i];
        if (mark.count == 0)
            continue;
        uint64_t hash = hash_of(set, &mark.key);
        segment *to = hash >> (64 - old->depth) & 1 ? new : old;
        old->slots[i].count = 0;
        *find_free(to, hash) = mark;
        new->count += to == new;
    }
    set->work += old->count;
    old->count -= new->count;
}

/* Splits the segment of that hash. False: there is no memory. */
static bool split(wb_markset *set, uint64_t hash)
{
    segment *old = segment_of(set, hash);
    if (old->depth == DEPTH_MOST)
        return false;
    if (old->depth == 64 - set->shift && !double_directory(set))
        return false;
    segment *new = new_segment(set);
    if (!new)
        return false;
    new->depth = ++old->depth;
    size_t entries = (size_t)1 << (64 - set->shift - new->depth);
    size_t first = (size_t)(hash >> set->shift) / (2 * entries) * (2 * entries) + entries;
    for (size_t i = 0; i < entries; i++)
        set->directory[first + i] = new;
    part(set, old, new);
    return true;
}

/* ---- draining ---- */

static size_t gather_segment(const segment *from, wb_mark *marks)
{
    size_t n = 0;
    for (size_t i = 0; n < from->count; i++)
        if (from->slots[i].count != 0)
            marks[n++] = from->slots[i];
    return n;
}

/* Copies the marks, and gives back all memory but the first slab's. */
static void gather(wb_markset *set, wb_mark *marks)
{
    size_t n = 0;
    for (;;) {
        slab *newest = set->newest;
        for (size_t i = 0; i < newest->used; i++)
            n += gather_segment(&newest->segments[i], marks + n);
        newest->used = 0;
        if (!newest->older)
            break;
        free_newest_slab(set);
    }
    begin(set, new_segment(set));
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
    gather(set, marks);
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
