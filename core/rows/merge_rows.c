/* SPDX-License-Identifier: MIT
 * See merge_rows.h. A row is walked once, and what stays of each column is put in the place of its own field. Sums are
 * written anew for each row, into the buffer that those before are not in; so nothing is lost where a later column can't
 * be merged. Invariant: every field of `fields` is whole, and `bytes` is that of all. */
#include "rows/merge_rows.h"

#include "base/env.h"
#include "rows/arith.h"
#include "rows/row.h"

bool wb_merging_init(wb_merging *merging, const wb_upsert *upsert, const wb_schema *schema)
{
    *merging = (wb_merging){.upsert = upsert, .schema = schema};
    merging->fields = wb_alloc(schema->count * sizeof *merging->fields);
    merging->came = wb_alloc(schema->count * sizeof *merging->came);
    return merging->fields != NULL && merging->came != NULL;
}

void wb_merging_fini(wb_merging *merging)
{
    wb_free(merging->fields);
    wb_free(merging->came);
    wb_buffer_fini(&merging->sums[0]);
    wb_buffer_fini(&merging->sums[1]);
    *merging = (wb_merging){0};
}

static size_t bytes_of(const uint8_t *field)
{
    return (size_t)(wb_field_end(field) - field);
}

/* Answers the tuple's bytes. */
static size_t find_fields(const wb_schema *schema, const uint8_t *tuple, const uint8_t **fields)
{
    const uint8_t *at = tuple + sizeof(uint16_t);
    for (size_t i = 0; i < schema->count; i++) {
        fields[i] = at;
        at = wb_field_end(at);
    }
    return (size_t)(at - tuple);
}

void wb_merging_begin(wb_merging *merging, const uint8_t *tuple)
{
    merging->bytes = find_fields(merging->schema, tuple, merging->fields);
}

/* ---- adding a row ---- */

static bool is_null(const uint8_t *field)
{
    return (int32_t)wb_get32(field) < 0;
}

static bool is_left(const uint8_t *field)
{
    return (int32_t)wb_get32(field) == WB_LEFT_LENGTH;
}

static int compare(const wb_merging *merging, size_t column)
{
    const wb_column *of = &merging->schema->columns[column].column;
    wb_value older, newer;
    wb_field_value(of, merging->fields[column], &older);
    wb_field_value(of, merging->came[column], &newer);
    return wb_value_rank(of->type, &older, &newer);
}

/* Is the row that came the older one by its `newest`? */
static bool came_late(const wb_merging *merging)
{
    int32_t newest = merging->upsert->newest;
    return newest >= 0 && compare(merging, (size_t)newest) > 0;
}

/* The field that stays, where it is one of the two; NULL: it is their sum. */
static const uint8_t *choose(const wb_merging *merging, size_t column, bool late)
{
    const uint8_t *older = merging->fields[column], *newer = merging->came[column];
    int word = merging->upsert->merge[column];
    if (word == WB_MERGE_SET)
        return late ? older : newer;
    if (word == WB_MERGE_KEEP || is_null(newer))
        return older;
    if (word == WB_MERGE_LAST || is_null(older))
        return newer;
    if (word == WB_MERGE_MIN)
        return compare(merging, column) <= 0 ? older : newer;
    if (word == WB_MERGE_MAX)
        return compare(merging, column) >= 0 ? older : newer;
    return word == WB_MERGE_FIRST ? older : NULL;
}

static bool is_summed(const wb_merging *merging, size_t column)
{
    return merging->upsert->merge[column] == WB_MERGE_SUM;
}

/* What is summed is written, also where it is one of the two: it would be lost with the other buffer. */
static bool merge_column(wb_merging *merging, size_t column, bool late, wb_buffer *sums)
{
    const uint8_t *older = merging->fields[column], *newer = merging->came[column];
    if (is_left(older) != is_left(newer))
        return false;
    const uint8_t *field = choose(merging, column, late);
    if (field == NULL)
        return wb_field_add(merging->schema->columns[column].column.type, older, newer, sums);
    merging->came[column] = field;
    if (is_summed(merging, column))
        wb_buffer_put(sums, field, bytes_of(field));
    return true;
}

/* Now that they are where they stay. Answers the tuple's bytes. */
static size_t find_sums(wb_merging *merging, const wb_buffer *sums)
{
    const uint8_t *at = (const uint8_t *)sums->data;
    size_t bytes = sizeof(uint16_t);
    for (size_t i = 0; i < merging->schema->count; i++) {
        if (is_summed(merging, i)) {
            merging->came[i] = at;
            at = wb_field_end(at);
        }
        bytes += bytes_of(merging->came[i]);
    }
    return bytes;
}

static void swap_fields(wb_merging *merging)
{
    const uint8_t **fields = merging->fields;
    merging->fields = merging->came;
    merging->came = fields;
    merging->side = !merging->side;
}

bool wb_merging_add(wb_merging *merging, const uint8_t *tuple)
{
    wb_buffer *sums = &merging->sums[!merging->side];
    if (merging->upsert->nothing)
        return true;
    find_fields(merging->schema, tuple, merging->came);
    bool late = came_late(merging);
    sums->bytes = 0;
    for (size_t i = 0; i < merging->schema->count; i++)
        if (!merge_column(merging, i, late, sums))
            return false;
    if (wb_merging_failed(merging))
        return false;
    size_t bytes = find_sums(merging, sums);
    if (bytes > WB_TUPLE_MAX_BYTES)
        return false;
    merging->bytes = bytes;
    swap_fields(merging);
    return true;
}

/* Fields that lie one after another are copied at once. */
void wb_merging_put(const wb_merging *merging, wb_buffer *to)
{
    size_t columns = merging->schema->count;
    uint8_t count[sizeof(uint16_t)];
    if (!wb_buffer_reserve(to, merging->bytes))
        return;
    wb_put16(count, (uint16_t)columns);
    wb_buffer_put(to, count, sizeof count);
    for (size_t i = 0; i < columns;) {
        const uint8_t *first = merging->fields[i], *end = first;
        while (i < columns && merging->fields[i] == end)
            end = wb_field_end(merging->fields[i++]);
        wb_buffer_put(to, first, (size_t)(end - first));
    }
}
