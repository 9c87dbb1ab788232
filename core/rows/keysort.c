/* SPDX-License-Identifier: MIT
 * See keysort.h. Sixteen bytes of each key, after what all have in common, are sorted as an id is; then those whose bytes
 * are equal by the next ones. So time is that of reading the keys and of a radix sort, whatever they are. Calls are at
 * most log2(count) deep: the largest run is left to the caller's loop. */
#include "rows/keysort.h"

#include "rows/marksort.h"

enum { WINDOW_BYTES = 16 };

static size_t index_of(const wb_mark *mark)
{
    return (size_t)mark->time_us;
}

/* How many bytes all have in common, of which `known` are known. */
static size_t common_bytes(const wb_key_list *list, const wb_mark *marks, size_t count,
                           size_t known)
{
    const char *first = wb_key_at(list, index_of(marks));
    size_t common = wb_key_bytes(list, index_of(marks));
    for (size_t i = 1; i < count && common > known; i++) {
        const char *key = wb_key_at(list, index_of(&marks[i]));
        size_t bytes = wb_key_bytes(list, index_of(&marks[i])), at = known;
        common = bytes < common ? bytes : common;
        if (memcmp(first + known, key + known, common - known) == 0)
            continue;
        while (first[at] == key[at])
            at++;
        common = at;
    }
    return common;
}

/* Zeros follow a key's end: that no key begins another one tells it from one that has zeros there. */
static void read_windows(const wb_key_list *list, wb_mark *marks, size_t count, size_t depth)
{
    for (size_t i = 0; i < count; i++) {
        const char *key = wb_key_at(list, index_of(&marks[i]));
        size_t bytes = wb_key_bytes(list, index_of(&marks[i]));
        if (bytes >= depth + WINDOW_BYTES) {
            memcpy(marks[i].key.id, key + depth, WINDOW_BYTES);
            continue;
        }
        memset(marks[i].key.id, 0, WINDOW_BYTES);
        memcpy(marks[i].key.id, key + depth, bytes - depth);
    }
}

static bool is_same_window(const wb_mark *a, const wb_mark *b)
{
    return memcmp(a->key.id, b->key.id, WINDOW_BYTES) == 0;
}

/* Keys that are equal in their first `depth` bytes. */
typedef struct run {
    wb_mark *marks, *scratch;
    size_t count, depth;
} run;

static void sort_run(const wb_key_list *list, run r);

/* Sorts the runs of one window each, but the one that has more than half of all: that is answered. */
static run sort_smaller(const wb_key_list *list, run r, size_t depth)
{
    run rest = {.count = 0};
    for (size_t start = 0, end; start < r.count; start = end) {
        for (end = start + 1; end < r.count && is_same_window(&r.marks[start], &r.marks[end]);)
            end++;
        run same = {r.marks + start, r.scratch + start, end - start, depth};
        if (same.count == 1 || wb_key_bytes(list, index_of(same.marks)) <= depth)
            continue;
        if (same.count > r.count / 2)
            rest = same;
        else
            sort_run(list, same);
    }
    return rest;
}

static void sort_run(const wb_key_list *list, run r)
{
    while (r.count > 1) {
        size_t depth = common_bytes(list, r.marks, r.count, r.depth);
        read_windows(list, r.marks, r.count, depth);
        wb_marks_sort(r.marks, r.scratch, r.count);
        r = sort_smaller(list, r, depth + WINDOW_BYTES);
    }
}

void wb_keys_sort(const wb_key_list *list, wb_mark *marks, wb_mark *scratch, size_t count)
{
    if (count > 0)
        sort_run(list, (run){marks, scratch, count, 0});
}

/* Equal keys have the same window, as they were sorted together. */
bool wb_keys_equal(const wb_key_list *list, const wb_mark *a, const wb_mark *b)
{
    size_t bytes = wb_key_bytes(list, index_of(a));
    return is_same_window(a, b) && bytes == wb_key_bytes(list, index_of(b)) &&
           memcmp(wb_key_at(list, index_of(a)), wb_key_at(list, index_of(b)), bytes) == 0;
}
