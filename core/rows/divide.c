/* SPDX-License-Identifier: MIT
 * See divide.h. Copies runs of rows of one class, then squeezes them out of the batch. */
#include "rows/divide.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "rows/arith.h"
#include "rows/row.h"

/* ---- dividing ---- */

struct division {
    const wb_batch *batch;
    wb_row_class *class_of;
    const void *context;
    size_t kept; /* the class that stays */
};

/* The pieces while they are made, each with its class. Few classes are there at once, and runs are long. */
struct sorting {
    wb_batch *pieces, *current;
    size_t current_class;
};

static size_t class_at(const struct division *division, size_t index)
{
    return division->class_of(division->batch, index, division->context);
}

/* The end of the run of one class that begins at row `from`. */
static size_t run_end(const struct division *division, size_t from, size_t *class)
{
    size_t left = wb_batch_left(division->batch), to = from + 1;
    *class = class_at(division, from);
    while (to < left && class_at(division, to) == *class)
        to++;
    return to;
}

wb_batch *wb_batch_piece(const wb_batch *batch, size_t first_row)
{
    wb_batch *piece = wb_batch_new(batch->schema);
    if (piece == NULL)
        return NULL;
    piece->serial = batch->serial;
    piece->rank = batch->rank + first_row;
    piece->reason = batch->reason;
    wb_batch_goes_to(piece, batch->route, batch->table);
    piece->routed = batch->routed;
    piece->in_doubt = batch->in_doubt;
    piece->taken_us = batch->taken_us;
    piece->taken_adds = batch->taken_adds;
    piece->standing = batch->standing;
    return piece;
}

/* A piece's class is that of the row that it began with. */
static bool piece_of(const struct division *division, struct sorting *sorting, size_t class,
                     size_t row)
{
    if (sorting->current != NULL && sorting->current_class == class)
        return true;
    const wb_batch *batch = division->batch;
    wb_batch **link = &sorting->pieces;
    while (*link != NULL && class_at(division, (*link)->rank - batch->rank) != class)
        link = &(*link)->next;
    if (*link == NULL)
        *link = wb_batch_piece(batch, row);
    sorting->current = *link;
    sorting->current_class = class;
    return *link != NULL;
}

static bool copy_out(const struct division *division, struct sorting *sorting)
{
    size_t left = wb_batch_left(division->batch), class;
    for (size_t from = 0, to; from < left; from = to) {
        to = run_end(division, from, &class);
        if (class == division->kept)
            continue;
        if (!piece_of(division, sorting, class, from) ||
            !wb_batch_merge_run(sorting->current, division->batch, from, to - from))
            return false;
    }
    return true;
}

/* Moves a run of rows down to row `*count` of the batch. */
static void move_down(wb_batch *batch, size_t from, size_t to, size_t *count)
{
    size_t begin = wb_batch_begin_of(batch, from), bytes = wb_batch_begin_of(batch, to) - begin;
    size_t place = *count == 0 ? 0 : batch->rows[*count - 1].end;
    memmove(batch->tuples + place, batch->tuples + begin, bytes);
    for (size_t row = batch->first + from; row < batch->first + to; row++) {
        struct wb_batch_row moved = batch->rows[row];
        moved.end = (uint32_t)(moved.end - begin + place);
        if (batch->tallies.on)
            batch->tallies.of[*count] = batch->tallies.of[row];
        batch->rows[(*count)++] = moved;
    }
}

static struct division division_of(const wb_batch *batch, wb_row_class *class_of,
                                   const void *context)
{
    assert(wb_batch_left(batch) > 0);
    return (struct division){
        .batch = batch,
        .class_of = class_of,
        .context = context,
        .kept = class_of(batch, wb_batch_left(batch) - 1, context),
    };
}

bool wb_batch_copy_pieces(const wb_batch *batch, wb_row_class *class_of, const void *context,
                          wb_batch **pieces)
{
    struct division division = division_of(batch, class_of, context);
    struct sorting sorting = {NULL, NULL, 0};
    bool done = copy_out(&division, &sorting);
    if (!done) {
        wb_batch_free_list(sorting.pieces);
        sorting.pieces = NULL;
    }
    *pieces = sorting.pieces;
    return done;
}

/* What stays is mostly all that follows the first run, which need not be moved where it is the larger part. A row's
 * class is asked before the row is moved: rows only move down. */
static void keep(const struct division *division, wb_batch *batch)
{
    size_t left = wb_batch_left(batch), class, first = 0, count = 0;
    while (class_at(division, first) != division->kept)
        first = run_end(division, first, &class);
    batch->rank += first;
    size_t gone = wb_batch_begin_of(batch, first);
    if (run_end(division, first, &class) == left && gone <= batch->bytes - gone) {
        wb_batch_skip(batch, first);
        return;
    }
    for (size_t from = first, to; from < left; from = to) {
        to = run_end(division, from, &class);
        if (class == division->kept)
            move_down(batch, from, to, &count);
    }
    wb_tallies_sum(&batch->tallies, count);
    batch->bytes = batch->rows[count - 1].end;
    batch->first = 0;
    batch->count = count;
}

void wb_batch_keep(wb_batch *batch, wb_row_class *class_of, const void *context, size_t class)
{
    struct division division = division_of(batch, class_of, context);
    division.kept = class;
    keep(&division, batch);
}

void wb_batch_keep_rest(wb_batch *batch, wb_row_class *class_of, const void *context)
{
    struct division division = division_of(batch, class_of, context);
    keep(&division, batch);
}

/* ---- sorting ---- */

struct keyed_row {
    wb_value key; /* a text points into the batch */
    size_t index;
};

static int compare_rows(const void *a, const void *b)
{
    const struct keyed_row *one = a, *other = b;
    int order = wb_value_compare(&one->key, &other->key);
    return order != 0 ? order : (one->index > other->index) - (one->index < other->index);
}

static wb_value value_at(const wb_batch *batch, size_t index, size_t column)
{
    size_t bytes;
    return wb_row_value(batch->schema, wb_batch_row(batch, index, &bytes), column);
}

static bool copy_in_order(const wb_batch *batch, const struct keyed_row *order, wb_batch *sorted)
{
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        if (!wb_batch_merge_run(sorted, batch, order[i].index, 1))
            return false;
    }
    return true;
}

void wb_batch_swap_rows(wb_batch *batch, wb_batch *other)
{
    wb_batch was = *batch;
    batch->first = other->first;
    batch->count = other->count;
    batch->room = other->room;
    batch->bytes = other->bytes;
    batch->capacity = other->capacity;
    batch->tuples = other->tuples;
    batch->rows = other->rows;
    batch->opened_us = other->opened_us;
    other->first = was.first;
    other->count = was.count;
    other->room = was.room;
    other->bytes = was.bytes;
    other->capacity = was.capacity;
    other->tuples = was.tuples;
    other->rows = was.rows;
    batch->tallies = other->tallies;
    other->tallies = was.tallies;
}

wb_batch *wb_batch_tidied(const wb_batch *batch)
{
    wb_batch *tidied = wb_batch_new(batch->schema);
    if (tidied != NULL && wb_batch_merge(tidied, batch))
        return tidied;
    wb_batch_free(tidied);
    return NULL;
}

bool wb_batch_sort(wb_batch *batch, size_t column)
{
    size_t left = wb_batch_left(batch);
    struct keyed_row *order = wb_alloc(left * sizeof *order);
    wb_batch *sorted = wb_batch_new(batch->schema);
    bool done = order != NULL && sorted != NULL;
    if (done) {
        for (size_t i = 0; i < left; i++)
            order[i] = (struct keyed_row){.key = value_at(batch, i, column), .index = i};
        qsort(order, left, sizeof *order, compare_rows);
        done = copy_in_order(batch, order, sorted);
    }
    if (done)
        wb_batch_swap_rows(batch, sorted);
    wb_batch_free(sorted);
    wb_free(order);
    return done;
}
