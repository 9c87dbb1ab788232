/* SPDX-License-Identifier: MIT
 * See coalescer.h. Keys are columns that are compared as bytes, as they lie in the tuple; those that are side by side are
 * one run. No locks. Without memory a row can't be found, and stays as it is. */
#include "rows/coalescer.h"

#include <assert.h>
#include <string.h>

#include "base/env.h"
#include "rows/hash.h"
#include "rows/upsert.h"

/* All zero: none. */
typedef struct entry {
    uint32_t slot; /* from 1 */
    uint32_t row;
    uint32_t hash;
} entry;

typedef struct slot {
    wb_batch *batch; /* NULL: free */
    uint32_t where;  /* free: the next free one */
} slot;

struct run {
    size_t first, last; /* columns */
};

struct wb_coalescer {
    wb_schema *schema;
    wb_upsert *rules;
    wb_merging merging;
    wb_buffer merged;
    wb_hash hash;
    wb_segments segments;
    bool used;   /* since it was last asked to rest */
    slot *slots; /* from 1; the first leads to those that are free */
    uint32_t slot_count;
    struct run *runs; /* the key */
    size_t run_count;
};

/* ---- beginning and end ---- */

/* The ids of rows that are merged are never made. */
static void keep_ids(wb_upsert *rules, const wb_schema *schema)
{
    int32_t *words = (int32_t *)rules->merge;
    for (size_t i = 0; i < schema->count; i++)
        if (schema->columns[i].column.generate != WB_GIVEN)
            words[i] = WB_MERGE_KEEP;
}

static bool find_runs(wb_coalescer *coalescer)
{
    const wb_schema *schema = coalescer->schema;
    coalescer->runs = wb_alloc(coalescer->rules->key_count * sizeof *coalescer->runs);
    if (coalescer->runs == NULL)
        return false;
    for (size_t i = 0; i < schema->count; i++) {
        size_t count = coalescer->run_count;
        if (!wb_upsert_is_key(coalescer->rules, i))
            continue;
        if (count > 0 && coalescer->runs[count - 1].last + 1 == i)
            coalescer->runs[count - 1].last = i;
        else
            coalescer->runs[coalescer->run_count++] = (struct run){i, i};
    }
    return true;
}

wb_coalescer *wb_coalescer_new(const wb_upsert *coalesce, wb_schema *schema, const wb_env *env)
{
    wb_coalescer *coalescer = wb_alloc_zeroed(sizeof *coalescer);
    if (coalescer == NULL)
        return NULL;
    coalescer->schema = wb_schema_ref(schema);
    coalescer->rules = wb_upsert_copy(coalesce, schema);
    bool done = coalescer->rules != NULL;
    if (done)
        keep_ids(coalescer->rules, schema);
    done = done && wb_merging_init(&coalescer->merging, coalescer->rules, schema) &&
           find_runs(coalescer) && wb_segments_init(&coalescer->segments, sizeof(entry));
    if (!done) {
        wb_coalescer_free(coalescer);
        return NULL;
    }
    env->random(env->context, &coalescer->hash, sizeof coalescer->hash);
    return coalescer;
}

void wb_coalescer_free(wb_coalescer *coalescer)
{
    if (coalescer == NULL)
        return;
    wb_segments_fini(&coalescer->segments);
    wb_merging_fini(&coalescer->merging);
    wb_buffer_fini(&coalescer->merged);
    wb_free(coalescer->slots);
    wb_free(coalescer->runs);
    wb_upsert_free(coalescer->rules, coalescer->schema);
    wb_schema_unref(coalescer->schema);
    wb_free(coalescer);
}

const wb_upsert *wb_coalescer_rules(const wb_coalescer *coalescer)
{
    return coalescer != NULL ? coalescer->rules : NULL;
}

/* ---- slots ---- */

/* The slot of the batch; it gets one where it has none. NULL: no memory. */
static slot *slot_of(wb_coalescer *coalescer, wb_batch *batch)
{
    if (batch->slot > 0)
        return &coalescer->slots[batch->slot];
    uint32_t free = coalescer->slots != NULL ? coalescer->slots[0].where : 0;
    if (free == 0) {
        uint32_t count = coalescer->slot_count, room = count > 0 ? 2 * count : 16;
        slot *slots = wb_realloc(coalescer->slots, room * sizeof *slots);
        if (slots == NULL)
            return NULL;
        for (uint32_t i = count; i < room; i++)
            slots[i] = (slot){NULL, i + 1 < room ? i + 1 : 0};
        coalescer->slots = slots;
        coalescer->slot_count = room;
        free = count > 0 ? count : 1;
    }
    coalescer->slots[0].where = coalescer->slots[free].where;
    coalescer->slots[free].batch = batch;
    batch->slot = free;
    return &coalescer->slots[free];
}

void wb_coalescer_leave(wb_coalescer *coalescer, wb_batch *batch)
{
    uint32_t of_batch = batch->slot;
    if (of_batch == 0)
        return;
    coalescer->slots[of_batch] = (slot){NULL, coalescer->slots[0].where};
    coalescer->slots[0].where = of_batch;
    batch->slot = 0;
    batch->known = 0;
}

/* ---- finding ---- */

static uint64_t place_of(uint32_t hash)
{
    return (uint64_t)hash << 32 | hash;
}

/* The batch that the entry leads to; NULL: it leads nowhere. */
static wb_batch *batch_of(const wb_coalescer *coalescer, const entry *at)
{
    wb_batch *batch = coalescer->slots[at->slot].batch;
    if (batch == NULL || batch->state > WB_BATCH_SEALED || at->row < batch->first ||
        at->row >= batch->known)
        return NULL;
    const wb_tally *tally = &batch->tallies.of[at->row];
    __builtin_prefetch(&batch->rows[at->row]); /* where its tuple is: read next */
    return tally->hash == at->hash && tally->adds > 0 ? batch : NULL;
}

static bool hash_of_entry(const void *owner, const void *of, uint64_t *hash)
{
    (void)owner;
    *hash = place_of(((const entry *)of)->hash);
    return true;
}

static bool hash_of_live(const void *owner, const void *of, uint64_t *hash)
{
    return hash_of_entry(owner, of, hash) && batch_of(owner, of) != NULL;
}

static const char *field_text(const uint8_t *field)
{
    return (const char *)field;
}

static size_t run_bytes(const struct run *run, const uint8_t *const *fields)
{
    return (size_t)(wb_field_end(fields[run->last]) - fields[run->first]);
}

static bool has_gap(const struct run *run, const uint8_t *const *fields)
{
    for (size_t i = run->first; i <= run->last; i++)
        if ((int32_t)wb_get32(fields[i]) < 0)
            return true;
    return false;
}

uint32_t wb_coalescer_look(wb_coalescer *coalescer, const uint8_t *tuple, uint32_t where)
{
    wb_merging_look(&coalescer->merging, tuple);
    const uint8_t *const *fields = (const uint8_t *const *)coalescer->merging.came;
    uint64_t sum = where;
    for (size_t i = 0; i < coalescer->run_count; i++) {
        const struct run *run = &coalescer->runs[i];
        if (has_gap(run, fields))
            return 0;
        uint64_t text =
            wb_hash_text(&coalescer->hash, field_text(fields[run->first]), run_bytes(run, fields));
        sum = wb_hash_words(&coalescer->hash, text, sum);
    }
    uint32_t hash = (uint32_t)(sum >> 32);
    return hash > 0 ? hash : 1;
}

static bool is_same_shape(const wb_coalescer *coalescer)
{
    const wb_merging *merging = &coalescer->merging;
    for (size_t i = 0; merging->shapes && i < coalescer->schema->count; i++)
        if (wb_field_is_left(merging->fields[i]) != wb_field_is_left(merging->came[i]))
            return false;
    return true;
}

/* As the row that was looked at. Its fields are at hand then. */
static bool is_same(wb_coalescer *coalescer, const wb_row_place *place)
{
    wb_merging *merging = &coalescer->merging;
    wb_merging_begin(merging, place->tuple);
    for (size_t i = 0; i < coalescer->run_count; i++) {
        const struct run *run = &coalescer->runs[i];
        size_t of_one = run_bytes(run, (const uint8_t *const *)merging->fields);
        if (of_one != run_bytes(run, (const uint8_t *const *)merging->came) ||
            memcmp(merging->fields[run->first], merging->came[run->first], of_one) != 0)
            return false;
    }
    return is_same_shape(coalescer);
}

bool wb_coalescer_find(wb_coalescer *coalescer, uint32_t hash, uint32_t where, wb_row_place *place)
{
    const uint64_t at = place_of(hash);
    const wb_segment *segment = wb_segment_of(&coalescer->segments, at);
    const entry *entries = (const entry *)(const void *)segment->slots;
    for (size_t i = wb_first_slot(at); entries[i].slot != 0; i = wb_next_slot(i)) {
        if (entries[i].hash != hash)
            continue;
        wb_batch *batch = batch_of(coalescer, &entries[i]);
        if (batch == NULL || coalescer->slots[entries[i].slot].where != where)
            continue;
        *place = wb_row_place_of(batch, entries[i].row);
        if (is_same(coalescer, place))
            return true;
    }
    return false;
}

bool wb_coalescer_merge(wb_coalescer *coalescer, bool came_later, size_t *bytes, size_t *column)
{
    wb_merging *merging = &coalescer->merging;
    if (!came_later)
        wb_merging_turn(merging);
    bool merged = wb_merging_merge(merging);
    *bytes = merging->came_bytes;
    *column = merging->refused;
    return merged;
}

/* Where a field has another length the tuple is written anew, and lies elsewhere from then on. */
static bool put_anew(wb_coalescer *coalescer, const wb_row_place *place, int64_t *gained)
{
    wb_buffer *merged = &coalescer->merged;
    wb_merging_take(&coalescer->merging);
    merged->bytes = 0;
    merged->failed = false;
    wb_merging_put(&coalescer->merging, merged);
    return !merged->failed && wb_batch_replace(place->batch, place->row, (uint8_t *)merged->data,
                                               merged->bytes, gained);
}

bool wb_coalescer_put(wb_coalescer *coalescer, const wb_row_place *place, uint64_t adds,
                      int64_t *gained)
{
    wb_tallies *tallies = &place->batch->tallies;
    *gained = 0;
    if (!wb_merging_write_over(&coalescer->merging) && !put_anew(coalescer, place, gained))
        return false;
    tallies->of[place->row].adds += adds;
    tallies->adds += adds;
    return true;
}

/* ---- entering ---- */

/* Room for one more in the segment of that hash. False: no memory. */
static bool make_room(wb_coalescer *coalescer, uint64_t at)
{
    wb_segments *segments = &coalescer->segments;
    while (wb_segment_of(segments, at)->count == WB_SLOTS_MOST) {
        wb_segments_sift(segments, at, hash_of_live, coalescer);
        if (wb_segment_of(segments, at)->count > WB_SLOTS_MOST / 2 &&
            !wb_segments_split(segments, at, hash_of_entry, coalescer))
            return false;
    }
    return true;
}

/* An entry of that hash which leads nowhere is used again: the row that it led to may come back. */
static bool put(wb_coalescer *coalescer, const entry *new)
{
    const uint64_t at = place_of(new->hash);
    if (!make_room(coalescer, at))
        return false;
    wb_segment *segment = wb_segment_of(&coalescer->segments, at);
    entry *entries = (entry *)(void *)segment->slots;
    size_t i = wb_first_slot(at);
    while (entries[i].slot != 0 &&
           !(entries[i].hash == new->hash &&batch_of(coalescer, &entries[i]) == NULL))
        i = wb_next_slot(i);
    segment->count += entries[i].slot == 0;
    entries[i] = *new;
    return true;
}

void wb_coalescer_enter(wb_coalescer *coalescer, wb_batch *batch, size_t row, uint32_t hash,
                        uint32_t where)
{
    coalescer->used = true;
    slot *of_batch = hash > 0 ? slot_of(coalescer, batch) : NULL;
    batch->tallies.of[row].hash = 0;
    if (of_batch != NULL) {
        of_batch->where = where;
        if (put(coalescer, &(entry){batch->slot, (uint32_t)row, hash}))
            batch->tallies.of[row].hash = hash;
    }
    batch->known = row + 1;
}

void wb_coalescer_squeeze(wb_coalescer *coalescer, wb_batch *batch)
{
    uint32_t where = batch->slot > 0 ? coalescer->slots[batch->slot].where : 0;
    assert(batch->known == batch->count);
    wb_batch_squeeze(batch);
    batch->known = 0;
    for (size_t row = 0; row < batch->count; row++)
        wb_coalescer_enter(coalescer, batch, row, batch->tallies.of[row].hash, where);
}

bool wb_coalescer_rest(wb_coalescer *coalescer, bool at_once, wb_segments *old)
{
    wb_segments new;
    bool rests = (at_once || !coalescer->used) && !wb_segments_is_small(&coalescer->segments);
    coalescer->used = false;
    if (!rests)
        return false;
    if (!wb_segments_init(&new, sizeof(entry))) {
        wb_segments_fini(&new);
        return false;
    }
    *old = coalescer->segments;
    coalescer->segments = new;
    return true;
}

size_t wb_coalescer_work(const wb_coalescer *coalescer)
{
    return coalescer->segments.work;
}
