/* SPDX-License-Identifier: MIT
 * Two sorts. Ids of 16 bytes go by a radix sort, most significant byte first. Texts go by quicksort on four of their bytes
 * at a time, which are kept in the mark: a text's own memory is read only where those are equal. No state, no memory, no
 * locks, no failure; the stack is bounded, whatever the keys. */
#include "rows/marksort.h"

#include <string.h>

#include "base/bigendian.h"

enum { SMALL_SORT = 24 };

static void sort_from(wb_mark *data, wb_mark *other, size_t count, unsigned byte, bool home);

/* ---- ids of 16 bytes ---- */

void wb_marks_sort(wb_mark *marks, wb_mark *scratch, size_t count)
{
    if (count > 1)
        sort_from(marks, scratch, count, 0, true);
}

static bool is_before(const wb_mark *a, const wb_mark *b)
{
    uint64_t x = wb_get64(a->key.id), y = wb_get64(b->key.id);
    if (x != y)
        return x < y;
    return wb_get64(a->key.id + 8) < wb_get64(b->key.id + 8);
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
    uint64_t a = wb_get64(marks->key.id), b = wb_get64(marks->key.id + 8);
    uint64_t front = 0, back = 0;
    for (size_t i = 1; i < count; i++) {
        front |= wb_get64(marks[i].key.id) ^ a;
        back |= wb_get64(marks[i].key.id + 8) ^ b;
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
            buckets[marks[i].key.id[byte]]++;
        if (buckets[marks->key.id[byte]] < count)
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
        to[buckets[from[i].key.id[byte]]++] = from[i];
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

/* ---- texts ---- */

/* The four bytes from `depth` on, as a number; zeros follow the end. */
static uint32_t word_at(const wb_mark *mark, size_t depth)
{
    uint8_t word[4] = {0};
    size_t bytes = mark->key.text.bytes;
    if (depth < bytes)
        memcpy(word, mark->key.text.at + depth, bytes - depth < 4 ? bytes - depth : 4);
    return wb_get32(word);
}

static void read_words(wb_mark *marks, size_t count, size_t depth)
{
    for (size_t i = 0; i < count; i++)
        marks[i].key.text.sort = word_at(&marks[i], depth);
}

static bool is_text_before(const wb_mark *a, const wb_mark *b, size_t depth)
{
    if (a->key.text.sort != b->key.text.sort)
        return a->key.text.sort < b->key.text.sort;
    size_t left = a->key.text.bytes, right = b->key.text.bytes;
    size_t least = left < right ? left : right;
    int order =
        least > depth ? memcmp(a->key.text.at + depth, b->key.text.at + depth, least - depth) : 0;
    return order != 0 ? order < 0 : left < right;
}

static void insertion_sort_texts(wb_mark *marks, size_t count, size_t depth)
{
    for (size_t i = 1; i < count; i++) {
        wb_mark mark = marks[i];
        size_t j = i;
        for (; j > 0 && is_text_before(&mark, &marks[j - 1], depth); j--)
            marks[j] = marks[j - 1];
        marks[j] = mark;
    }
}

static void swap(wb_mark *a, wb_mark *b)
{
    wb_mark mark = *a;
    *a = *b;
    *b = mark;
}

/* Parts the marks by the word of the middle one: those before *low have a smaller one, those from *high on a larger one.
 * The order that they come in is that of a secret hash, so nobody can choose texts whose middle is always a bad one. */
static uint32_t part(wb_mark *marks, size_t count, size_t *low, size_t *high)
{
    uint32_t middle = marks[count / 2].key.text.sort;
    size_t i = 0, before = 0, after = count;
    while (i < after) {
        uint32_t word = marks[i].key.text.sort;
        if (word < middle)
            swap(&marks[i++], &marks[before++]);
        else if (word > middle)
            swap(&marks[i], &marks[--after]);
        else
            i++;
    }
    *low = before;
    *high = after;
    return middle;
}

/* A run of marks that are equal before `depth`, and whose words are those there. */
struct run {
    wb_mark *marks;
    size_t count, depth;
};

static void sort_run(struct run run);

/* Sorts all but the largest of three, which is left to the caller: so calls are at most log2(count) deep. */
static struct run sort_smaller(struct run runs[3])
{
    size_t largest = 0;
    for (size_t i = 1; i < 3; i++)
        if (runs[i].count > runs[largest].count)
            largest = i;
    for (size_t i = 0; i < 3; i++)
        if (i != largest)
            sort_run(runs[i]);
    return runs[largest];
}

static void sort_run(struct run run)
{
    while (run.count > SMALL_SORT) {
        size_t low, high;
        uint32_t middle = part(run.marks, run.count, &low, &high);
        struct run runs[3] = {{run.marks, low, run.depth},
                              {run.marks + low, high - low, run.depth + 4},
                              {run.marks + high, run.count - high, run.depth}};
        if ((middle & 0xFF) == 0)
            runs[1].count = 0; /* they end here: they are equal */
        read_words(runs[1].marks, runs[1].count, runs[1].depth);
        run = sort_smaller(runs);
    }
    insertion_sort_texts(run.marks, run.count, run.depth);
}

void wb_marks_sort_texts(wb_mark *marks, size_t count)
{
    read_words(marks, count, 0);
    sort_run((struct run){marks, count, 0});
}
