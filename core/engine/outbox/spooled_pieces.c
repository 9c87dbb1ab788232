/* SPDX-License-Identifier: MIT
 * See spooled_pieces.h. Only memory fails. */
#include "engine/outbox/spooled_pieces.h"

#include <string.h>

#include "base/env.h"
#include "rows/schema_text.h"

/* ---- making batches ---- */

void wb_replay_free_pieces(wb_spooled_piece **pieces)
{
    for (wb_spooled_piece *at = *pieces, *next; at != NULL; at = next) {
        next = at->next;
        wb_batch_free(at->batch);
        wb_free(at->table);
        wb_free(at);
    }
    *pieces = NULL;
}

/* NULL: no memory. */
static wb_spooled_piece *piece_new(wb_replay *replay, const wb_spooled_row *row)
{
    wb_spooled_piece *made = wb_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return NULL;
    made->batch = wb_batch_new(replay->schema);
    made->table = row->table != NULL ? wb_strdup(row->table) : NULL;
    made->routed = row->routed;
    made->ticket = replay->ticket;
    memcpy(made->key, row->key, sizeof made->key);
    if (made->batch != NULL && (row->table == NULL) == (made->table == NULL) &&
        (replay->outbox->coalescer == NULL || wb_batch_tally(made->batch)))
        return made;
    wb_replay_free_pieces(&made);
    return NULL;
}

static bool is_same_table(const wb_spooled_piece *at, const wb_spooled_row *row)
{
    if (at->routed != row->routed || (at->table == NULL) != (row->table == NULL))
        return false;
    return at->table == NULL || strcmp(at->table, row->table) == 0;
}

static bool has_room(const wb_replay *replay, const wb_spooled_piece *at, const wb_spooled_row *row)
{
    const wb_thresholds *thresholds = &replay->outbox->thresholds;
    return wb_batch_left(at->batch) < thresholds->batch_size &&
           at->batch->bytes + row->bytes <= thresholds->batch_bytes;
}

/* The piece that the row belongs to, which is in front of the list then. */
static wb_spooled_piece *piece_of(wb_replay *replay, wb_spooled_piece **pieces,
                                  const wb_spooled_row *row)
{
    bool keyed = row->key[0] != 0;
    for (wb_spooled_piece **link = pieces, *at; (at = *link) != NULL; link = &at->next) {
        bool same = is_same_table(at, row) && at->batch->schema == replay->schema &&
                    memcmp(at->key, row->key, sizeof at->key) == 0;
        if (!same || (!keyed && !has_room(replay, at, row)))
            continue;
        *link = at->next;
        at->next = *pieces;
        return *pieces = at;
    }
    wb_spooled_piece *made = piece_new(replay, row);
    if (made == NULL)
        return NULL;
    made->next = *pieces;
    return *pieces = made;
}

bool wb_replay_put(wb_replay *replay, wb_spooled_piece **pieces, uint32_t slot,
                   const wb_spooled_row *spooled)
{
    wb_spooled_row own = *spooled, *row = &own;
    if (own.table == NULL && own.routed)
        own.table = replay->table;
    wb_spooled_piece *at = piece_of(replay, pieces, row);
    if (at == NULL || !wb_batch_reserve(at->batch, row->bytes))
        return false;
    wb_batch *batch = at->batch;
    memcpy(wb_batch_end(batch), row->tuple, row->bytes);
    wb_batch_push(batch, row->bytes, row->unix_us - replay->unix_skew);
    batch->rows[batch->count - 1].number = slot << WB_SPOOL_ENTRY_BITS | row->entry;
    if (batch->rank == 0)
        batch->rank = row->entry;
    if (batch->tallies.on) {
        wb_tally *tally = &batch->tallies.of[batch->count - 1];
        batch->tallies.adds += row->adds - tally->adds;
        tally->adds = row->adds;
        bool joins =
            replay->schema == replay->outbox->schema && !replay->outbox->coalesces_in_order;
        tally->hash = joins; /* it is looked up anew */
    }
    return true;
}

static bool has_text(const wb_schema *schema, const uint8_t *text, size_t bytes)
{
    size_t own_bytes;
    uint8_t *own = schema != NULL ? wb_schema_text(schema, &own_bytes) : NULL;
    bool same = own != NULL && own_bytes == bytes && memcmp(own, text, bytes) == 0;
    wb_free(own);
    return same;
}

/* The rows of a write have one schema, whatever segments they are in. */
static bool know_earlier(wb_replay *replay, const uint8_t *text, size_t bytes, wb_err *err)
{
    wb_schema *schema;
    if (has_text(replay->earlier, text, bytes))
        return true;
    if (wb_schema_of_text(text, bytes, &schema, err) != WB_OK)
        return false;
    wb_schema_unref(replay->earlier);
    replay->earlier = schema;
    return true;
}

bool wb_replay_schema(wb_replay *replay, const wb_spool_reading *reading, wb_err *err)
{
    size_t bytes;
    const wb_spool *spool = replay->outbox->spool;
    size_t table_bytes = strlen(replay->outbox->table) + 1;
    const char *table = wb_spool_segment_table(reading);
    const uint8_t *text = wb_spool_segment_schema(reading, &bytes);
    replay->table = strcmp(table, replay->outbox->table) == 0 ? NULL : table;
    replay->schema = NULL;
    if (bytes == spool->head_bytes - table_bytes &&
        memcmp(text, spool->head + table_bytes, bytes) == 0)
        replay->schema = wb_schema_ref(replay->outbox->schema);
    else if (know_earlier(replay, text, bytes, err))
        replay->schema = wb_schema_ref(replay->earlier);
    return replay->schema != NULL;
}

void wb_replay_fini(wb_replay *replay)
{
    wb_replay_free_pieces(&replay->fresh);
    wb_replay_free_pieces(&replay->keyed);
    wb_schema_unref(replay->earlier);
}

void wb_replay_begin(wb_replay *replay, wb_outbox *outbox)
{
    const wb_env *env = &outbox->backlog.env;
    replay->outbox = outbox;
    replay->unix_skew = env->unix_us(env->context) - wb_backlog_now_us(&outbox->backlog);
}
