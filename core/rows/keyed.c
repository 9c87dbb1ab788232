/* SPDX-License-Identifier: MIT
 * See keyed.h. The rows' keys are laid out one after another and sorted; rows of one key are neighbours then, in the order
 * in which they came. They are folded from left to right, as far as two can be one. Invariant: the batch is only read. */
#include "rows/keyed.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/env.h"
#include "rows/merge_rows.h"
#include "rows/upsert_key.h"

/* A row that will be written, before it has its place. */
typedef struct entry {
    size_t merged; /* where its tuple is in `merged`; NOT_MERGED: it is the batch's */
    uint32_t bytes;
    uint32_t row;
    uint32_t pass;
} entry;

#define NOT_MERGED SIZE_MAX

/* The key of a row that is to be written: wb_upsert_key_put. */
typedef struct row_key {
    const char *at;
    uint32_t bytes;
    uint32_t row;
} row_key;

typedef struct making {
    const wb_batch *batch;
    const wb_upsert *upsert;
    bool merges;
    size_t count; /* rows to be written */
    row_key *keys;
    wb_buffer key_bytes, merged;
    wb_merging merging;
    entry *entries; /* in the order of their keys; passes ascend within a key */
    size_t entries_count;
    size_t keys_count; /* distinct ones */
} making;

/* ---- the keys ---- */

static const uint8_t *tuple_at(const making *m, size_t row)
{
    return m->batch->tuples + wb_batch_begin_of(m->batch, row);
}

static bool read_keys(making *m, const bool *there)
{
    for (size_t i = 0; i < wb_batch_left(m->batch); i++) {
        size_t before = m->key_bytes.bytes;
        if (there != NULL && there[i])
            continue;
        wb_upsert_key_put(m->upsert, m->batch->schema, tuple_at(m, i), &m->key_bytes);
        m->keys[m->count++] =
            (row_key){.bytes = (uint32_t)(m->key_bytes.bytes - before), .row = (uint32_t)i};
    }
    const char *at = m->key_bytes.data;
    for (size_t i = 0; i < m->count; at += m->keys[i++].bytes)
        m->keys[i].at = at;
    return !m->key_bytes.failed;
}

/* No key begins another one, so that memcmp finds a difference within the shorter. */
static int compare_keys(const row_key *a, const row_key *b)
{
    return memcmp(a->at, b->at, a->bytes < b->bytes ? a->bytes : b->bytes);
}

/* Rows of one key in the order in which they came. */
static int by_key(const void *a, const void *b)
{
    const row_key *x = a, *y = b;
    int order = compare_keys(x, y);
    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static bool sort_keys(making *m, const bool *there)
{
    size_t left = wb_batch_left(m->batch);
    m->keys = wb_alloc(left * sizeof *m->keys);
    m->entries = wb_alloc(left * sizeof *m->entries);
    if (m->keys == NULL || m->entries == NULL || !read_keys(m, there))
        return false;
    qsort(m->keys, m->count, sizeof *m->keys, by_key);
    return true;
}

/* ---- rows of one key ---- */

/* A row of the batch, as it is. */
static entry *put_entry(making *m, size_t row, size_t pass)
{
    entry *e = &m->entries[m->entries_count++];
    size_t bytes = wb_batch_begin_of(m->batch, row + 1) - wb_batch_begin_of(m->batch, row);
    *e = (entry){NOT_MERGED, (uint32_t)bytes, (uint32_t)row, (uint32_t)pass};
    return e;
}

/* As many rows as can be one, from the first on. Answers how many. */
static size_t merge_rows(making *m, const row_key *keys, size_t count, size_t pass)
{
    size_t merged = 1;
    entry *e = put_entry(m, keys->row, pass);
    wb_merging_begin(&m->merging, tuple_at(m, e->row));
    while (merged < count && wb_merging_add(&m->merging, tuple_at(m, keys[merged].row)))
        merged++;
    if (merged == 1 || m->upsert->nothing)
        return merged;
    e->merged = m->merged.bytes;
    e->bytes = (uint32_t)m->merging.bytes;
    wb_merging_put(&m->merging, &m->merged);
    return merged;
}

static void fold_key(making *m, const row_key *keys, size_t count)
{
    m->keys_count++;
    if (!m->merges || count == 1) {
        for (size_t i = 0; i < count; i++)
            put_entry(m, keys[i].row, i);
        return;
    }
    size_t pass = 0;
    for (size_t at = 0; at < count; pass++)
        at += merge_rows(m, keys + at, count - at, pass);
}

static bool fold_keys(making *m)
{
    for (size_t start = 0, end; start < m->count; start = end) {
        end = start + 1;
        while (end < m->count && compare_keys(&m->keys[start], &m->keys[end]) == 0)
            end++;
        fold_key(m, m->keys + start, end - start);
    }
    return !m->merged.failed && !wb_merging_failed(&m->merging);
}

/* ---- passes ---- */

static size_t count_passes(const making *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->entries_count; i++)
        if (m->entries[i].pass >= count)
            count = m->entries[i].pass + 1;
    return count;
}

/* Says where each pass begins. Its count is 0 then. */
static void begin_passes(const making *m, wb_keyed *keyed)
{
    const wb_keyed_row *rows = keyed->rows;
    for (size_t i = 0; i < m->entries_count; i++)
        keyed->passes[m->entries[i].pass].count++;
    for (size_t i = 0; i < keyed->count; i++) {
        wb_keyed_pass *pass = &keyed->passes[i];
        pass->rows = rows;
        rows += pass->count;
        pass->count = 0;
    }
}

static const uint8_t *tuple_of(const making *m, const entry *e)
{
    if (e->merged != NOT_MERGED)
        return (const uint8_t *)m->merged.data + e->merged;
    return tuple_at(m, e->row);
}

static void put_rows(const making *m, wb_keyed *keyed)
{
    for (size_t i = 0; i < m->entries_count; i++) {
        const entry *e = &m->entries[i];
        wb_keyed_pass *pass = &keyed->passes[e->pass];
        size_t at = (size_t)(pass->rows - keyed->rows) + pass->count++;
        keyed->rows[at] = (wb_keyed_row){tuple_of(m, e), e->bytes, e->row};
    }
}

static size_t superseded(const making *m)
{
    const wb_schema *schema = m->batch->schema;
    if (wb_upsert_gathers(m->upsert, schema) || wb_upsert_expresses(m->upsert, schema))
        return 0;
    bool last_wins = m->upsert->newest < 0 && !m->upsert->nothing;
    return m->count - (m->merges && !last_wins ? m->entries_count : m->keys_count);
}

static bool make_passes(making *m, wb_keyed *keyed)
{
    *keyed = (wb_keyed){.count = count_passes(m), .rows_count = m->entries_count};
    keyed->passes = wb_alloc_zeroed((keyed->count + 1) * sizeof *keyed->passes);
    keyed->rows = wb_alloc((keyed->rows_count + 1) * sizeof *keyed->rows);
    if (keyed->passes == NULL || keyed->rows == NULL) {
        wb_keyed_fini(keyed);
        return false;
    }
    begin_passes(m, keyed);
    put_rows(m, keyed);
    keyed->superseded = superseded(m);
    keyed->merged = m->merged.data;
    m->merged = WB_BUFFER_EMPTY;
    return true;
}

/* ---- all of it ---- */

static void free_making(making *m)
{
    wb_buffer_fini(&m->key_bytes);
    wb_buffer_fini(&m->merged);
    wb_merging_fini(&m->merging);
    wb_free(m->keys);
    wb_free(m->entries);
}

static bool make(making *m, const bool *there, wb_keyed *keyed)
{
    *keyed = (wb_keyed){0};
    if (wb_batch_left(m->batch) == 0)
        return true;
    bool made = wb_merging_init(&m->merging, m->upsert, m->batch->schema) && sort_keys(m, there) &&
                fold_keys(m) && make_passes(m, keyed);
    free_making(m);
    return made;
}

bool wb_keyed_of(const wb_batch *batch, const bool *there, const wb_upsert *upsert, wb_keyed *keyed)
{
    making m = {
        .batch = batch, .upsert = upsert, .merges = !wb_upsert_expresses(upsert, batch->schema)};
    return make(&m, there, keyed);
}

static int by_arrival(const void *a, const void *b)
{
    uint32_t one = ((const wb_keyed_row *)a)->row, other = ((const wb_keyed_row *)b)->row;
    return (one > other) - (one < other);
}

bool wb_keyed_as_they_came(const wb_batch *batch, const bool *there, const wb_upsert *upsert,
                           wb_keyed *keyed)
{
    making m = {.batch = batch, .upsert = upsert};
    if (!make(&m, there, keyed))
        return false;
    if (keyed->count > 0) {
        qsort(keyed->rows, keyed->rows_count, sizeof *keyed->rows, by_arrival);
        keyed->passes[0] = (wb_keyed_pass){keyed->rows, keyed->rows_count};
        keyed->count = 1;
    }
    keyed->as_they_came = true;
    return true;
}

size_t wb_keyed_superseded(const wb_keyed *keyed, size_t unchanged)
{
    if (!keyed->as_they_came)
        return keyed->superseded + unchanged;
    return unchanged > keyed->superseded ? unchanged : keyed->superseded;
}

void wb_keyed_fini(wb_keyed *keyed)
{
    wb_free(keyed->passes);
    wb_free(keyed->rows);
    wb_free(keyed->merged);
    *keyed = (wb_keyed){0};
}
