/* SPDX-License-Identifier: MIT
 * See merge_rows.h. A row is walked once, and what stays of each column is put in the place of its own field. Sums are
 * written anew for each row, into the buffer that those before are not in; so nothing is lost where a later column can't
 * be merged. Invariant: every field of `fields` is whole, and `bytes` is that of all. */
#include "rows/merge_rows.h"

#include <string.h>

#include "base/env.h"
#include "rows/arith.h"
#include "rows/row.h"

static void find_changing(wb_merging *merging)
{
    for (size_t i = 0; i < merging->schema->count; i++) {
        merging->shapes = merging->shapes || merging->schema->columns[i].column.server_default;
        if (merging->upsert->merge[i] != WB_MERGE_KEEP)
            merging->changing[merging->changing_count++] = i;
    }
}

bool wb_merging_init(wb_merging *merging, const wb_upsert *upsert, const wb_schema *schema)
{
    *merging = (wb_merging){.upsert = upsert, .schema = schema};
    merging->fields = wb_alloc(schema->count * sizeof *merging->fields);
    merging->came = wb_alloc(schema->count * sizeof *merging->came);
    merging->changing = wb_alloc(schema->count * sizeof *merging->changing);
    if (merging->fields == NULL || merging->came == NULL || merging->changing == NULL)
        return false;
    find_changing(merging);
    return true;
}

void wb_merging_fini(wb_merging *merging)
{
    wb_free(merging->fields);
    wb_free(merging->came);
    wb_free(merging->changing);
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

/* Whole numbers and times are whole numbers in a tuple, too. */
static bool is_whole(int type)
{
    return type == WB_TYPE_INT8 || type == WB_TYPE_TIMESTAMPTZ || type == WB_TYPE_TIMESTAMP;
}

static int compare(const wb_merging *merging, size_t column)
{
    const wb_column *of = &merging->schema->columns[column].column;
    const uint8_t *fields = merging->fields[column], *came = merging->came[column];
    wb_value older, newer;
    if (is_whole(of->type) && !is_null(fields) && !is_null(came)) {
        int64_t is = (int64_t)wb_get64(fields + sizeof(uint32_t));
        int64_t comes = (int64_t)wb_get64(came + sizeof(uint32_t));
        return (is > comes) - (is < comes);
    }
    wb_field_value(of, fields, &older);
    wb_field_value(of, came, &newer);
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
    const uint8_t *field = choose(merging, column, late);
    if (field == NULL)
        return wb_field_add(merging->schema->columns[column].column.type, merging->fields[column],
                            merging->came[column], sums);
    merging->came[column] = field;
    if (is_summed(merging, column))
        wb_buffer_put(sums, field, bytes_of(field));
    return true;
}

/* Now that the sums are where they stay. Answers the tuple's bytes. */
static size_t find_sums(wb_merging *merging, const wb_buffer *sums)
{
    const uint8_t *at = (const uint8_t *)sums->data;
    size_t bytes = merging->bytes;
    for (size_t i = 0; i < merging->changing_count; i++) {
        size_t column = merging->changing[i];
        if (is_summed(merging, column)) {
            merging->came[column] = at;
            at = wb_field_end(at);
        }
        bytes += bytes_of(merging->came[column]) - bytes_of(merging->fields[column]);
    }
    return bytes;
}

/* They leave different columns to the server. */
static bool differ_in_shape(wb_merging *merging)
{
    for (size_t i = 0; merging->shapes && i < merging->schema->count; i++) {
        merging->refused = i;
        if (wb_field_is_left(merging->fields[i]) != wb_field_is_left(merging->came[i]))
            return true;
    }
    return false;
}

void wb_merging_look(wb_merging *merging, const uint8_t *tuple)
{
    merging->came_bytes = find_fields(merging->schema, tuple, merging->came);
}

bool wb_merging_merge(wb_merging *merging)
{
    wb_buffer *sums = &merging->sums[!merging->side];
    bool late = came_late(merging);
    sums->bytes = 0;
    sums->failed = false;
    if (differ_in_shape(merging))
        return false;
    for (size_t i = 0; i < merging->changing_count; i++) {
        merging->refused = merging->changing[i];
        if (!merge_column(merging, merging->changing[i], late, sums))
            return false;
    }
    merging->refused = SIZE_MAX;
    merging->no_memory = merging->no_memory || sums->failed;
    if (sums->failed)
        return false;
    merging->came_bytes = find_sums(merging, sums);
    return merging->came_bytes <= WB_TUPLE_MAX_BYTES;
}

void wb_merging_take(wb_merging *merging)
{
    for (size_t i = 0; i < merging->changing_count; i++)
        merging->fields[merging->changing[i]] = merging->came[merging->changing[i]];
    merging->bytes = merging->came_bytes;
    merging->side = !merging->side;
}

bool wb_merging_write_over(const wb_merging *merging)
{
    const uint8_t **fields = merging->fields, **came = merging->came;
    for (size_t i = 0; i < merging->changing_count; i++) {
        size_t column = merging->changing[i];
        if (wb_get32(fields[column]) != wb_get32(came[column]))
            return false;
    }
    for (size_t i = 0; i < merging->changing_count; i++) {
        size_t column = merging->changing[i];
        if (fields[column] != came[column])
            memcpy((uint8_t *)fields[column], came[column], bytes_of(came[column]));
    }
    return true;
}

bool wb_merging_add(wb_merging *merging, const uint8_t *tuple)
{
    if (merging->upsert->nothing)
        return true;
    wb_merging_look(merging, tuple);
    if (!wb_merging_merge(merging))
        return false;
    wb_merging_take(merging);
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
