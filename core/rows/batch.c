/* SPDX-License-Identifier: MIT
 * Batches. Invariants: first <= count <= room; rows[i].end ascends, and rows[count - 1].end == bytes <= capacity <=
 * BYTES_MAX, so that an offset fits 32 bits; the state changes only as wb_batch_become allows. No locks: a batch has
 * one owner at a time. Only growing fails; the batch is then as it was. */
#include "rows/batch.h"

#include <assert.h>
#include <string.h>

#include "base/block.h"

enum {
    FIRST_ROWS = 64,     /* the first room is for so many rows */
    FIRST_BYTES = 16384, /* and for so many bytes at most, unless one row needs more */
    SLACK_SHIFT = 6,     /* a sealed batch may waste a 64th of what it holds */
    BYTES_MAX = 1 << 30,
    STATES = WB_BATCH_SETTLED + 1,
};

static bool grow(wb_batch *batch, size_t bytes);
static bool compact(wb_batch *batch);
static bool tuples_grow(wb_batch *batch, size_t capacity);
static bool rows_grow(wb_batch *batch, size_t room);
static size_t grown(size_t now, size_t first, size_t need);
static uint32_t age_of(int64_t opened_us, int64_t now_us);
static void open_at(wb_batch *batch, int64_t opened_us);

wb_batch *wb_batch_new(wb_schema *schema)
{
    wb_batch *batch = wb_alloc_zeroed(sizeof *batch);
    if (batch)
        batch->schema = wb_schema_ref(schema);
    return batch;
}

void wb_batch_free(wb_batch *batch)
{
    if (!batch)
        return;
    wb_schema_unref(batch->schema);
    wb_shared_text_unref(batch->table);
    wb_free(batch->error);
    wb_batch_skip(batch, wb_batch_left(batch));
    wb_tallies_fini(&batch->tallies);
    wb_block_free(batch->tuples, batch->capacity);
    wb_block_free(batch->rows, batch->room * sizeof *batch->rows);
    wb_free(batch);
}

void wb_batch_free_list(wb_batch *batch)
{
    while (batch != NULL) {
        wb_batch *next = batch->next;
        wb_batch_free(batch);
        batch = next;
    }
}

void wb_batch_clear(wb_batch *batch)
{
    wb_batch_skip(batch, wb_batch_left(batch));
    wb_batch empty = {
        .schema = batch->schema,
        .state = WB_BATCH_OPEN,
        .room = batch->room,
        .capacity = batch->capacity,
        .tuples = batch->tuples,
        .rows = batch->rows,
        .tallies = {.on = batch->tallies.on, .of = batch->tallies.of, .room = batch->tallies.room},
    };
    assert(batch->state != WB_BATCH_TAKEN);
    wb_shared_text_unref(batch->table);
    wb_free(batch->error);
    *batch = empty;
}

void wb_batch_goes_to(wb_batch *batch, uint32_t route, wb_shared_text *table)
{
    wb_shared_text *before = batch->table;
    batch->routed = true;
    batch->route = route;
    batch->table = wb_shared_text_ref(table);
    wb_shared_text_unref(before);
}

void wb_batch_become(wb_batch *batch, int state)
{
    static const bool allowed[STATES][STATES] = {
        [WB_BATCH_OPEN] = {[WB_BATCH_SEALED] = true},
        [WB_BATCH_SEALED] = {[WB_BATCH_TAKEN] = true, [WB_BATCH_SETTLED] = true},
        [WB_BATCH_TAKEN] = {[WB_BATCH_SEALED] = true, [WB_BATCH_SETTLED] = true},
    };
    assert(state >= 0 && state < STATES && allowed[batch->state][state]);
    (void)allowed;
    batch->state = state;
    if (state == WB_BATCH_TAKEN)
        batch->known = 0;
}

static inline bool has_room(const wb_batch *batch, size_t bytes)
{
    return batch->count < batch->room && bytes <= batch->capacity - batch->bytes;
}

bool wb_batch_reserve(wb_batch *batch, size_t bytes)
{
    if (__builtin_expect(has_room(batch, bytes), 1))
        return true;
    return (compact(batch) && has_room(batch, bytes)) || grow(batch, bytes);
}

bool wb_batch_fit(wb_batch *batch, size_t bytes)
{
    return has_room(batch, bytes) || (compact(batch) && has_room(batch, bytes)) ||
           wb_batch_prepare(batch, 1, bytes);
}

/* Moves the rows that are left over those that are gone, where more are gone: a batch that loses rows at its front
 * while others come must not grow for ever. */
static bool compact(wb_batch *batch)
{
    size_t begin = wb_batch_begin(batch), left = wb_batch_left(batch);
    if (batch->tallies.on || batch->first <= left || begin < batch->bytes - begin)
        return false; /* rows with tallies keep their numbers: see wb_batch_squeeze */
    memmove(batch->tuples, batch->tuples + begin, batch->bytes - begin);
    for (size_t i = 0; i < left; i++) {
        batch->rows[i] = batch->rows[batch->first + i];
        batch->rows[i].end -= (uint32_t)begin;
    }
    batch->bytes -= begin;
    batch->first = 0;
    batch->count = left;
    return true;
}

static bool grow(wb_batch *batch, size_t bytes)
{
    if (bytes > BYTES_MAX - batch->bytes)
        return false;
    size_t need = batch->bytes + bytes;
    size_t first = bytes < FIRST_BYTES / FIRST_ROWS ? bytes * FIRST_ROWS : FIRST_BYTES;
    size_t capacity = grown(batch->capacity, first, need);
    if (need > batch->capacity && !tuples_grow(batch, capacity < BYTES_MAX ? capacity : BYTES_MAX))
        return false;
    return batch->count < batch->room ||
           rows_grow(batch, grown(batch->room, FIRST_ROWS, batch->count + 1));
}

/* The next size: twice as much, or what is needed where that is more. Of a large block only what is used is there. */
static size_t grown(size_t now, size_t first, size_t need)
{
    size_t size = now < first ? first : now * 2;
    return size < need ? need : size;
}

static bool tuples_grow(wb_batch *batch, size_t capacity)
{
    uint8_t *tuples = wb_block_resize(batch->tuples, batch->capacity, capacity);
    if (!tuples)
        return false;
    batch->tuples = tuples;
    batch->capacity = capacity;
    return true;
}

static bool rows_grow(wb_batch *batch, size_t room)
{
    const size_t bytes = sizeof *batch->rows;
    if (room > batch->room && !wb_tallies_reserve(&batch->tallies, room))
        return false;
    struct wb_batch_row *rows = wb_block_resize(batch->rows, batch->room * bytes, room * bytes);
    if (!rows)
        return false;
    batch->rows = rows;
    batch->room = room;
    (void)wb_tallies_reserve(&batch->tallies, room); /* that it shrinks may fail */
    return true;
}

bool wb_batch_tally(wb_batch *batch)
{
    if (batch->tallies.on)
        return true;
    batch->tallies.on = true;
    if (!wb_tallies_reserve(&batch->tallies, batch->room)) {
        batch->tallies.on = false;
        return false;
    }
    for (size_t row = batch->first; row < batch->count; row++)
        wb_tallies_put(&batch->tallies, row, NULL);
    return true;
}

void wb_batch_push(wb_batch *batch, size_t bytes, int64_t now_us)
{
    assert(batch->state == WB_BATCH_OPEN);
    assert(batch->count < batch->room && bytes <= batch->capacity - batch->bytes);
    if (wb_batch_left(batch) == 0)
        batch->opened_us = now_us;
    batch->bytes += bytes;
    wb_tallies_put(&batch->tallies, batch->count, NULL);
    batch->rows[batch->count++] = (struct wb_batch_row){
        .end = (uint32_t)batch->bytes,
        .age_us = age_of(batch->opened_us, now_us),
    };
}

static uint32_t age_of(int64_t opened_us, int64_t now_us)
{
    if (now_us <= opened_us)
        return 0;
    uint64_t age_us = (uint64_t)now_us - (uint64_t)opened_us;
    return age_us < UINT32_MAX ? (uint32_t)age_us : UINT32_MAX;
}

bool wb_batch_merge(wb_batch *batch, const wb_batch *more)
{
    return wb_batch_merge_run(batch, more, 0, wb_batch_left(more));
}

/* Exactly, of an empty batch: the first merge is mostly the only one. */
bool wb_batch_prepare(wb_batch *batch, size_t rows, size_t bytes)
{
    if (bytes > BYTES_MAX - batch->bytes)
        return false;
    size_t capacity = grown(batch->capacity, 0, batch->bytes + bytes);
    if (bytes > batch->capacity - batch->bytes &&
        !tuples_grow(batch, capacity < BYTES_MAX ? capacity : BYTES_MAX))
        return false;
    return rows <= batch->room - batch->count ||
           rows_grow(batch, grown(batch->room, 0, batch->count + rows));
}

const uint8_t *wb_batch_tuple(const wb_batch *batch, size_t row, size_t *bytes)
{
    const wb_tally *tally = batch->tallies.on ? &batch->tallies.of[row] : NULL;
    size_t begin = row == 0 ? 0 : batch->rows[row - 1].end;
    bool moved = tally != NULL && tally->tuple != NULL;
    *bytes = moved ? tally->bytes : batch->rows[row].end - begin;
    return moved ? tally->tuple : batch->tuples + begin;
}

bool wb_batch_replace(wb_batch *batch, size_t row, const uint8_t *tuple, size_t bytes,
                      int64_t *gained)
{
    size_t before, moved_bytes = batch->tallies.moved_bytes;
    uint8_t *at = (uint8_t *)wb_batch_tuple(batch, row, &before);
    if (bytes != before && (at = wb_tallies_move(&batch->tallies, row, bytes)) == NULL)
        return false;
    memcpy(at, tuple, bytes);
    *gained = (int64_t)batch->tallies.moved_bytes - (int64_t)moved_bytes;
    return true;
}

/* Rows only move down. */
void wb_batch_squeeze(wb_batch *batch)
{
    size_t count = 0, bytes = 0;
    for (size_t row = batch->first; row < batch->count; row++) {
        size_t begin = row == 0 ? 0 : batch->rows[row - 1].end;
        size_t length = batch->rows[row].end - begin;
        if (batch->tallies.of[row].adds == 0)
            continue;
        memmove(batch->tuples + bytes, batch->tuples + begin, length);
        bytes += length;
        batch->tallies.of[count] = batch->tallies.of[row];
        batch->rows[count] = batch->rows[row];
        batch->rows[count++].end = (uint32_t)bytes;
    }
    batch->first = 0;
    batch->count = count;
    batch->bytes = bytes;
    batch->tallies.gaps = 0;
}

/* ---- merging ---- */

static void open_with(wb_batch *batch, const wb_batch *more)
{
    if (wb_batch_left(batch) == 0)
        batch->opened_us = more->opened_us;
    else if (more->opened_us < batch->opened_us)
        open_at(batch, more->opened_us);
}

static uint64_t adds_at(const wb_batch *batch, size_t row)
{
    return batch->tallies.on ? batch->tallies.of[row].adds : 1;
}

/* To the end, which has room for it. */
static void push_row(wb_batch *batch, const wb_batch *more, size_t row)
{
    size_t bytes;
    const uint8_t *tuple = wb_batch_tuple(more, row, &bytes);
    memcpy(wb_batch_end(batch), tuple, bytes);
    batch->bytes += bytes;
    wb_tallies_put(&batch->tallies, batch->count, more->tallies.on ? &more->tallies.of[row] : NULL);
    batch->rows[batch->count++] = (struct wb_batch_row){
        .end = (uint32_t)batch->bytes,
        .age_us = age_of(batch->opened_us, more->opened_us + more->rows[row].age_us),
        .route = more->rows[row].route,
        .number = more->rows[row].number,
    };
}

/* Row by row: gaps are left out. */
static bool merge_tallied(wb_batch *batch, const wb_batch *more, size_t first, size_t last)
{
    size_t rows = 0, bytes = 0, of_row;
    for (size_t row = first; row < last; row++) {
        if (adds_at(more, row) == 0)
            continue;
        (void)wb_batch_tuple(more, row, &of_row);
        bytes += of_row;
        rows++;
    }
    if (rows == 0)
        return true;
    if (!wb_batch_tally(batch) || !wb_batch_prepare(batch, rows, bytes))
        return false;
    open_with(batch, more);
    for (size_t row = first; row < last; row++)
        if (adds_at(more, row) > 0)
            push_row(batch, more, row);
    return true;
}

bool wb_batch_merge_run(wb_batch *batch, const wb_batch *more, size_t from, size_t rows)
{
    assert(from + rows <= wb_batch_left(more));
    size_t begin = wb_batch_begin_of(more, from);
    size_t bytes = wb_batch_begin_of(more, from + rows) - begin;
    assert(batch->schema->count == more->schema->count && batch != more);
    if (rows == 0)
        return true;
    if (more->tallies.on || batch->tallies.on)
        return merge_tallied(batch, more, more->first + from, more->first + from + rows);
    if (!wb_batch_prepare(batch, rows, bytes))
        return false;
    open_with(batch, more);
    memcpy(wb_batch_end(batch), more->tuples + begin, bytes);
    const struct wb_batch_row *row = &more->rows[more->first + from];
    for (size_t i = 0; i < rows; i++, row++)
        batch->rows[batch->count++] = (struct wb_batch_row){
            .end = (uint32_t)(row->end - begin + batch->bytes),
            .age_us = age_of(batch->opened_us, more->opened_us + row->age_us),
            .route = row->route,
            .number = row->number,
        };
    batch->bytes += bytes;
    return true;
}

/* Moves the opening back in time; the ages then count from there. */
static void open_at(wb_batch *batch, int64_t opened_us)
{
    for (size_t i = batch->first; i < batch->count; i++)
        batch->rows[i].age_us = age_of(opened_us, batch->opened_us + batch->rows[i].age_us);
    batch->opened_us = opened_us;
}

size_t wb_batch_skip(wb_batch *batch, size_t rows)
{
    assert(rows <= wb_batch_left(batch));
    size_t weight = wb_batch_weight(batch);
    wb_tallies_drop(&batch->tallies, batch->first, batch->first + rows);
    batch->first += rows;
    return weight - wb_batch_weight(batch);
}

/* Where resizing fails the memory stays as it was. */
void wb_batch_shrink(wb_batch *batch)
{
    if (batch->bytes > 0 && batch->capacity - batch->bytes > batch->bytes >> SLACK_SHIFT)
        tuples_grow(batch, batch->bytes);
    if (batch->count > 0 && batch->room - batch->count > batch->count >> SLACK_SHIFT)
        rows_grow(batch, batch->count);
}
