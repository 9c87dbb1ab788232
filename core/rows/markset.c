/* SPDX-License-Identifier: MIT
 * A set of keys: one table of marks with linear probing. A slot is empty where its count is 0.
 * Invariant: the capacity is a power of two, and at most 3/4 of it is taken, so that every probe ends. Marks are only
 * removed all at once, so there are no tombstones. The hash's top bits choose the slot, so that a table twice as large
 * is filled in the order in which the old one is read. The upper half of a text's hash is kept beside it: other texts are
 * told apart by it, and a larger table is filled without reading the texts.
 * No locks: its owner's. Only memory fails, and then nothing has changed. */
#include "rows/markset.h"

#include <string.h>

#include "rows/marksort.h"

struct wb_markset {
    wb_mark *slots;
    size_t capacity; /* a power of two */
    size_t count;    /* slots taken */
    unsigned shift;  /* 64 - log2(capacity) */
    bool of_texts;
    uint64_t keys[4]; /* of the hash; secret */
    wb_texts texts;   /* those of the keys */
};

enum { CAPACITY_MIN = 64 };

static bool set_capacity(wb_markset *set, size_t capacity);
static bool grow(wb_markset *set);
static bool shrink(wb_markset *set, size_t held);

wb_markset *wb_markset_new(const wb_env *env, bool of_texts)
{
    wb_markset *set = wb_alloc_zeroed(sizeof *set);
    if (!set)
        return NULL;
    if (!set_capacity(set, CAPACITY_MIN)) {
        wb_free(set);
        return NULL;
    }
    set->of_texts = of_texts;
    env->random(env->context, set->keys, sizeof set->keys);
    return set;
}

void wb_markset_free(wb_markset *set)
{
    if (!set)
        return;
    wb_texts_fini(&set->texts);
    wb_free(set->slots);
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
 * choose words that collide. */
static inline uint64_t hash_words(const wb_markset *set, uint64_t a, uint64_t b)
{
    a ^= set->keys[0];
    b ^= set->keys[1];
    multiply(&a, &b);
    a ^= set->keys[2];
    b ^= set->keys[3];
    multiply(&a, &b);
    return a ^ b;
}

static inline uint64_t hash_16(const wb_markset *set, uint64_t before, const void *bytes)
{
    uint64_t words[2];
    memcpy(words, bytes, 16);
    return hash_words(set, words[0] ^ before, words[1]);
}

static uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t load4(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Fewer than 16 bytes as two words, all of them at least once. */
static uint64_t hash_short(const wb_markset *set, uint64_t before, const char *text, size_t bytes)
{
    if (bytes >= 8)
        return hash_words(set, load8(text) ^ before, load8(text + bytes - 8));
    if (bytes >= 4)
        return hash_words(set, load4(text) ^ before, load4(text + bytes - 4));
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word = word << 8 | (uint8_t)text[i];
    return hash_words(set, word ^ before, 0);
}

/* The length first, so that the last words may overlap others; then sixteen bytes after the other. */
static uint64_t hash_text(const wb_markset *set, const char *text, size_t bytes)
{
    uint64_t hash = hash_words(set, bytes, 0);
    if (bytes < 16)
        return hash_short(set, hash, text, bytes);
    for (size_t at = 0; at + 16 < bytes; at += 16)
        hash = hash_16(set, hash, text + at);
    return hash_16(set, hash, text + bytes - 16);
}

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

static inline size_t next_slot(const wb_markset *set, size_t i)
{
    return (i + 1) & (set->capacity - 1);
}

/* The slot that holds the id, or the empty one that would. */
static inline wb_mark *find_id(const wb_markset *set, const uint8_t id[16])
{
    size_t i = (size_t)(hash_16(set, 0, id) >> set->shift);
    while (set->slots[i].count != 0 && !same_id(set->slots[i].key.id, id))
        i = next_slot(set, i);
    return &set->slots[i];
}

/* Where a text's first slot is, by the half of its hash that is kept. */
static size_t first_slot(const wb_markset *set, const wb_key *key)
{
    return (size_t)(((uint64_t)key->text.sort << 32) >> set->shift);
}

static wb_mark *find_text(const wb_markset *set, const wb_key *key)
{
    size_t i = first_slot(set, key);
    while (set->slots[i].count != 0 && !same_text(&set->slots[i].key, key))
        i = next_slot(set, i);
    return &set->slots[i];
}

static inline wb_mark *find_free(const wb_markset *set, const wb_key *key)
{
    if (!set->of_texts)
        return find_id(set, key->id);
    size_t i = first_slot(set, key);
    while (set->slots[i].count != 0)
        i = next_slot(set, i);
    return &set->slots[i];
}

/* Puts a key that is not there into its slot. Not inlined: most marks are of a key that is there. */
static __attribute__((noinline)) int put(wb_markset *set, wb_mark *slot, const wb_key *key,
                                         int64_t time_us, uint64_t count)
{
    if (set->count >= set->capacity / 4 * 3) {
        if (!grow(set))
            return -1;
        slot = find_free(set, key);
    }
    const char *text = NULL;
    if (set->of_texts && !(text = wb_texts_put(&set->texts, key->text.at, key->text.bytes)))
        return -1;
    slot->key = *key;
    if (set->of_texts)
        slot->key.text.at = text;
    slot->time_us = time_us;
    slot->count = count;
    set->count++;
    return 1;
}

/* Marks the key that has the slot, or would have. */
static inline int mark(wb_markset *set, wb_mark *slot, const wb_key *key, int64_t time_us,
                       uint64_t count, size_t limit, bool *full)
{
    if (slot->count != 0) {
        if (time_us > slot->time_us)
            slot->time_us = time_us;
        slot->count += count;
        return 0;
    }
    *full = set->count >= limit;
    return *full ? -1 : put(set, slot, key, time_us, count);
}

int wb_markset_add(wb_markset *set, const wb_key *key, int64_t time_us, uint64_t count,
                   size_t limit, bool *full)
{
    if (!set->of_texts)
        return mark(set, find_id(set, key->id), key, time_us, count, limit, full);
    wb_key own = *key;
    own.text.sort = (uint32_t)(hash_text(set, own.text.at, own.text.bytes) >> 32);
    return mark(set, find_text(set, &own), &own, time_us, count, limit, full);
}

static bool grow(wb_markset *set)
{
    wb_mark *old = set->slots;
    size_t old_capacity = set->capacity;
    if (!set_capacity(set, old_capacity * 2))
        return false;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].count != 0)
            *find_free(set, &old[i].key) = old[i];
    wb_free(old);
    return true;
}

/* ---- draining ---- */

bool wb_markset_drain(wb_markset *set, wb_marked *out)
{
    size_t held = set->count, n = 0;
    wb_mark *marks = held ? wb_alloc(held * sizeof *marks) : NULL;
    if (held && !marks)
        return false;
    for (size_t i = 0; n < held; i++)
        if (set->slots[i].count != 0)
            marks[n++] = set->slots[i];
    if (set->of_texts)
        wb_marks_sort_texts(marks, held);
    else /* the table is scratch memory now: it is emptied next */
        wb_marks_sort(marks, set->slots, held);
    *out = (wb_marked){.marks = marks, .count = held, .texts = set->texts};
    set->texts = (wb_texts){0};
    set->count = 0;
    if (!shrink(set, held) && held)
        memset(set->slots, 0, set->capacity * sizeof *set->slots);
    return true;
}

void wb_marked_fini(wb_marked *marked)
{
    wb_free(marked->marks);
    wb_texts_fini(&marked->texts);
    *marked = (wb_marked){0};
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
