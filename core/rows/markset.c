/* SPDX-License-Identifier: MIT
 * A set of ids: one table of marks with linear probing. A slot is empty where its count is 0.
 * Invariant: the capacity is a power of two, and at most 3/4 of it is taken, so that every probe ends. Marks are only
 * removed all at once, so there are no tombstones. The hash's top bits choose the slot, so that a table twice as large
 * is filled in the order in which the old one is read.
 * No locks: its owner's. Only memory fails, and then nothing has changed. */
#include "rows/markset.h"

#include <string.h>

#include "base/bigendian.h"

struct wb_markset {
    wb_mark *slots;
    size_t capacity;  /* a power of two */
    size_t count;     /* slots taken */
    unsigned shift;   /* 64 - log2(capacity) */
    uint64_t keys[4]; /* of the hash; secret */
};

enum { CAPACITY_MIN = 64, SMALL_SORT = 24 };

static bool set_capacity(wb_markset *set, size_t capacity);
static wb_mark *find_slot(const wb_markset *set, const uint8_t id[16]);
static bool grow(wb_markset *set);
static bool shrink(wb_markset *set, size_t held);
static void sort_from(wb_mark *data, wb_mark *other, size_t count, unsigned byte, bool home);

wb_markset *wb_markset_new(const wb_env *env)
{
    wb_markset *set = wb_alloc_zeroed(sizeof *set);
    if (!set)
        return NULL;
    if (!set_capacity(set, CAPACITY_MIN)) {
        wb_free(set);
        return NULL;
    }
    env->random(env->context, set->keys, sizeof set->keys);
    return set;
}

void wb_markset_free(wb_markset *set)
{
    if (!set)
        return;
    wb_free(set->slots);
    wb_free(set);
}

size_t wb_markset_count(const wb_markset *set)
{
    return set->count;
}

/* Puts in an empty table of that capacity; the caller frees the old one. False: no memory, nothing is done. */
static bool set_capacity(wb_markset *set, size_t capacity)
{
    wb_mark *slots =
        capacity <= SIZE_MAX / sizeof *slots ? wb_alloc(capacity * sizeof *slots) : NULL;
    if (!slots)
        return false;
    /* Not calloc: its pages would fault twice, when they are first read and when they are first written. */
    memset(slots, 0, capacity * sizeof *slots);
    set->slots = slots;
    set->capacity = capacity;
    set->shift = 64u - (unsigned)__builtin_ctzll(capacity);
    return true;
}

/* ---- adding ---- */

static void multiply(uint64_t *a, uint64_t *b)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)*a * *b;
    *a = (uint64_t)product;
    *b = (uint64_t)(product >> 64);
#else
    uint64_t a0 = (uint32_t)*a, a1 = *a >> 32, b0 = (uint32_t)*b, b1 = *b >> 32;
    uint64_t low = a0 * b0, x = a1 * b0 + (low >> 32), y = a0 * b1 + (uint32_t)x;
    *a = y << 32 | (uint32_t)low;
    *b = a1 * b1 + (x >> 32) + (y >> 32);
#endif
}

/* Two rounds of a keyed 64 x 64 -> 128 bit multiplication, folded after the second. Whoever doesn't know the keys can't
 * choose ids that collide. */
static uint64_t hash_id(const wb_markset *set, const uint8_t id[16])
{
    uint64_t a, b;
    memcpy(&a, id, 8);
    memcpy(&b, id + 8, 8);
    a ^= set->keys[0];
    b ^= set->keys[1];
    multiply(&a, &b);
    a ^= set->keys[2];
    b ^= set->keys[3];
    multiply(&a, &b);
    return a ^ b;
}

static bool same_id(const uint8_t a[16], const uint8_t b[16])
{
    uint64_t x[2], y[2];
    memcpy(x, a, 16);
    memcpy(y, b, 16);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* The slot that holds the id, or the empty one that would. */
static wb_mark *find_slot(const wb_markset *set, const uint8_t id[16])
{
    size_t i = (size_t)(hash_id(set, id) >> set->shift);
    while (set->slots[i].count != 0 && !same_id(set->slots[i].id, id))
        i = (i + 1) & (set->capacity - 1);
    return &set->slots[i];
}

int wb_markset_add(wb_markset *set, const uint8_t id[16], int64_t time_us, uint64_t count,
                   size_t limit, bool *full)
{
    wb_mark *slot = find_slot(set, id);
    if (slot->count != 0) {
        if (time_us > slot->time_us)
            slot->time_us = time_us;
        slot->count += count;
        return 0;
    }
    *full = set->count >= limit;
    if (*full)
        return -1;
    if (set->count >= set->capacity / 4 * 3) {
        if (!grow(set))
            return -1;
        slot = find_slot(set, id);
    }
    memcpy(slot->id, id, 16);
    slot->time_us = time_us;
    slot->count = count;
    set->count++;
    return 1;
}

static bool grow(wb_markset *set)
{
    wb_mark *old = set->slots;
    size_t old_capacity = set->capacity;
    if (!set_capacity(set, old_capacity * 2))
        return false;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].count != 0)
            *find_slot(set, old[i].id) = old[i];
    wb_free(old);
    return true;
}

/* ---- draining ---- */

wb_mark *wb_markset_drain(wb_markset *set, size_t *count)
{
    size_t held = set->count;
    *count = held;
    wb_mark *marks = held ? wb_alloc(held * sizeof *marks) : NULL;
    if (held && !marks)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; n < held; i++)
        if (set->slots[i].count != 0)
            marks[n++] = set->slots[i];
    wb_marks_sort(marks, set->slots,
                  held); /* the table is scratch memory now: it is emptied next */
    set->count = 0;
    if (!shrink(set, held) && held)
        memset(set->slots, 0, set->capacity * sizeof *set->slots);
    return marks;
}

/* A table of more than 16 times the marks it held gets a quarter of its size: one quiet interval must not throw it all
 * away. Without memory for a smaller table the large one stays. */
static bool shrink(wb_markset *set, size_t held)
{
    wb_mark *old = set->slots;
    if (set->capacity / 4 < CAPACITY_MIN || set->capacity / 16 <= held)
        return false;
    if (!set_capacity(set, set->capacity / 4))
        return false;
    wb_free(old);
    return true;
}

/* ---- sorting ---- */

void wb_marks_sort(wb_mark *marks, wb_mark *scratch, size_t count)
{
    if (count > 1)
        sort_from(marks, scratch, count, 0, true);
}

static bool is_before(const wb_mark *a, const wb_mark *b)
{
    uint64_t x = wb_get64(a->id), y = wb_get64(b->id);
    if (x != y)
        return x < y;
    return wb_get64(a->id + 8) < wb_get64(b->id + 8);
}

static void insertion_sort(wb_mark *marks, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        wb_mark mark = marks[i];
        size_t j = i;
        for (; j > 0 && is_before(&mark, &marks[j - 1]); j--)
            marks[j] = marks[j - 1];
        marks[j] = mark;
    }
}

/* The first byte in which any id differs from the first id; 16 where none does. */
static unsigned first_difference(const wb_mark *marks, size_t count)
{
    uint64_t a = wb_get64(marks->id), b = wb_get64(marks->id + 8);
    uint64_t front = 0, back = 0;
    for (size_t i = 1; i < count; i++) {
        front |= wb_get64(marks[i].id) ^ a;
        back |= wb_get64(marks[i].id + 8) ^ b;
    }
    if (front)
        return (unsigned)__builtin_clzll(front) / 8;
    return back ? 8 + (unsigned)__builtin_clzll(back) / 8 : 16;
}

/* Finds the first byte, from `byte` on, in which the marks differ, and counts its values. Answers 16 where they are
 * equal. A prefix that all share (the time of version 7, the zeros of a counter) costs one pass. */
static unsigned count_bytes(const wb_mark *marks, size_t count, unsigned byte, size_t buckets[256])
{
    for (; byte < 16; byte = first_difference(marks, count)) {
        memset(buckets, 0, 256 * sizeof *buckets);
        for (size_t i = 0; i < count; i++)
            buckets[marks[i].id[byte]]++;
        if (buckets[marks->id[byte]] < count)
            break;
    }
    return byte;
}

/* Copies the marks into `to`, in the order of one byte. A bucket holds a count before and the end of its run after. */
static void scatter(const wb_mark *from, wb_mark *to, size_t count, unsigned byte,
                    size_t buckets[256])
{
    size_t start = 0;
    for (int i = 0; i < 256; i++) {
        size_t length = buckets[i];
        buckets[i] = start;
        start += length;
    }
    for (size_t i = 0; i < count; i++)
        to[buckets[from[i].id[byte]]++] = from[i];
}

/* Sorts the marks in `data`, which are equal before `byte`, most significant byte first. They end up in `data` where
 * that is home, else in `other`. Each level has a later byte, so that there are 16 at most. */
static void sort_from(wb_mark *data, wb_mark *other, size_t count, unsigned byte, bool home)
{
    size_t buckets[256];
    if (count > SMALL_SORT)
        byte = count_bytes(data, count, byte, buckets);
    if (count <= SMALL_SORT || byte == 16) {
        insertion_sort(data, count);
        if (!home)
            memcpy(other, data, count * sizeof *data);
        return;
    }
    scatter(data, other, count, byte, buckets);
    for (size_t i = 0, start = 0; i < 256; start = buckets[i++])
        if (buckets[i] > start)
            sort_from(other + start, data + start, buckets[i] - start, byte + 1, !home);
}
