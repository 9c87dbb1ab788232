/* SPDX-License-Identifier: MIT
 * See tally.h. Invariant: the sums are of the rows that are left. */
#include "rows/tally.h"

#include "base/block.h"
#include "base/env.h"

void wb_tallies_fini(wb_tallies *tallies)
{
    wb_block_free(tallies->of, tallies->room * sizeof *tallies->of);
    *tallies = (wb_tallies){0};
}

bool wb_tallies_reserve(wb_tallies *tallies, size_t room)
{
    const size_t bytes = sizeof *tallies->of;
    if (!tallies->on || room == tallies->room)
        return true;
    wb_tally *of = wb_block_resize(tallies->of, tallies->room * bytes, room * bytes);
    if (of == NULL)
        return false;
    tallies->of = of;
    tallies->room = room;
    return true;
}

void wb_tallies_put(wb_tallies *tallies, size_t row, const wb_tally *as)
{
    if (!tallies->on)
        return;
    tallies->of[row] = as != NULL ? *as : (wb_tally){.adds = 1};
    tallies->of[row].tuple = NULL;
    tallies->adds += tallies->of[row].adds;
}

static void bring_back(wb_tallies *tallies, wb_tally *tally)
{
    if (tally->tuple == NULL)
        return;
    wb_free(tally->tuple);
    tally->tuple = NULL;
    tallies->moved--;
    tallies->moved_bytes -= wb_moved_room(tally->bytes);
}

void wb_tallies_drop(wb_tallies *tallies, size_t from, size_t to)
{
    if (!tallies->on)
        return;
    for (size_t row = from; row < to; row++) {
        wb_tally *tally = &tallies->of[row];
        tallies->adds -= tally->adds;
        tallies->gaps -= tally->adds == 0;
        bring_back(tallies, tally);
    }
}

void wb_tallies_sum(wb_tallies *tallies, size_t rows)
{
    tallies->adds = 0;
    for (size_t row = 0; tallies->on && row < rows; row++)
        tallies->adds += tallies->of[row].adds;
}

void wb_tallies_empty(wb_tallies *tallies, size_t row)
{
    wb_tally *tally = &tallies->of[row];
    bring_back(tallies, tally);
    tallies->adds -= tally->adds;
    tallies->gaps++;
    tally->adds = 0;
}

uint8_t *wb_tallies_move(wb_tallies *tallies, size_t row, size_t bytes)
{
    wb_tally *tally = &tallies->of[row];
    bool here = tally->tuple != NULL;
    size_t before = here ? wb_moved_room(tally->bytes) : 0, room = wb_moved_room(bytes);
    if (room != before) {
        uint8_t *tuple = wb_realloc(tally->tuple, room);
        if (tuple == NULL)
            return NULL;
        tally->tuple = tuple;
    }
    tally->bytes = (uint32_t)bytes;
    tallies->moved += !here;
    tallies->moved_bytes += room - before;
    return tally->tuple;
}
