/* SPDX-License-Identifier: MIT
 * See merge_rows.h. A row is walked once, and what stays of each column is put in the place of its own field. Sums are
 * written anew for each row, into the buffer that those before are not in; so nothing is lost where a later column can't
 * be merged. Invariant: every field of `fields` is whole, and `bytes` is that of all. */
#include "rows/merge_rows.h"

#include <string.h>

#include "base/env.h"
#include "rows/arith.h"
#include "rows/row.h"

/* Whole numbers and times are whole numbers in a tuple, too. */
static bool is_whole(const wb_column *column)
{
    return !column->array && column->cast == NULL &&
           (column->type == WB_TYPE_INT8 || column->type == WB_TYPE_TIMESTAMPTZ ||
            column->type == WB_TYPE_TIMESTAMP);
}

static void find_changing(wb_merging *merging)
{
    for (size_t i = 0; i < merging->schema->count; i++) {
        const wb_column *column = &merging->schema->columns[i].column;
        int word = merging->upsert->merge[i];
        merging->shapes = merging->shapes || column->server_default;
        if (word != WB_MERGE_KEEP)
            merging->changing[merging->changing_count++] =
                (struct wb_changing){.column = i, .word = word, .whole = is_whole(column)};
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

static int64_t whole_of(const uint8_t *field)
{
    return (int64_t)wb_get64(field + sizeof(uint32_t));
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

static bool keeps_older(const wb_merging *merging, const struct wb_changing *changing,
                        const uint8_t *older, const uint8_t *newer)
{
    int64_t order = 0;
    if (changing->whole)
        order = (whole_of(older) > whole_of(newer)) - (whole_of(older) < whole_of(newer));
    else
        order = compare(merging, changing->column);
    return changing->word == WB_MERGE_MIN ? order <= 0 : order >= 0;
}

/* The field that stays, where it is one of the two; NULL: it is their sum. */
static const uint8_t *choose(const wb_merging *merging, const struct wb_changing *changing,
                             bool late)
{
    const uint8_t *older = merging->fields[changing->column];
    const uint8_t *newer = merging->came[changing->column];
    if (changing->word == WB_MERGE_SET)
        return late ? older : newer;
    if (is_null(newer))
        return older;
    if (changing->word == WB_MERGE_LAST || is_null(older))
        return newer;
    if (changing->word == WB_MERGE_FIRST)
        return older;
    if (changing->word == WB_MERGE_SUM)
        return NULL;
    return keeps_older(merging, changing, older, newer) ? older : newer;
}

/* What is summed is written, also where it is one of the two: it would be lost with the other buffer. */
static bool sum(const wb_merging *merging, const struct wb_changing *changing, const uint8_t *field,
                wb_buffer *sums)
{
    const uint8_t *older = merging->fields[changing->column];
    const uint8_t *newer = merging->came[changing->column];
    if (field == NULL)
        return wb_field_add(merging->schema->columns[changing->column].column.type, older, newer,
                            sums);
    wb_buffer_put(sums, field, bytes_of(field));
    return true;
}

/* Once the sums are where they stay. Answers the tuple's bytes. */
static size_t find_sums(wb_merging *merging, const wb_buffer *sums, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)sums->data;
    for (size_t i = 0; i < merging->changing_count && sums->bytes > 0; i++) {
        size_t column = merging->changing[i].column;
        if (merging->changing[i].word != WB_MERGE_SUM)
            continue;
        merging->came[column] = at;
        at = wb_field_end(at);
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
    size_t bytes = merging->bytes;
    sums->bytes = 0;
    sums->failed = false;
    if (differ_in_shape(merging))
        return false;
    for (size_t i = 0; i < merging->changing_count; i++) {
        const struct wb_changing *changing = &merging->changing[i];
        const uint8_t *older = merging->fields[changing->column];
        const uint8_t *field = choose(merging, changing, late);
        merging->refused = changing->column;
        if (changing->word == WB_MERGE_SUM && !sum(merging, changing, field, sums))
            return false;
        if (changing->word == WB_MERGE_SUM)
            continue;
        merging->came[changing->column] = field;
        if (field != older)
            bytes += bytes_of(field) - bytes_of(older);
    }
    merging->refused = SIZE_MAX;
    merging->no_memory = merging->no_memory || sums->failed;
    if (sums->failed)
        return false;
    merging->came_bytes = find_sums(merging, sums, bytes);
    return merging->came_bytes <= WB_TUPLE_MAX_BYTES;
}

void wb_merging_take(wb_merging *merging)
{
    for (size_t i = 0; i < merging->changing_count; i++) {
        size_t column = merging->changing[i].column;
        merging->fields[column] = merging->came[column];
    }
    merging->bytes = merging->came_bytes;
    merging->side = !merging->side;
}

bool wb_merging_write_over(const wb_merging *merging)
{
    const uint8_t **fields = merging->fields, **came = merging->came;
    for (size_t i = 0; i < merging->changing_count; i++) {
        size_t column = merging->changing[i].column;
        if (wb_get32(fields[column]) != wb_get32(came[column]))
            return false;
    }
    for (size_t i = 0; i < merging->changing_count; i++) {
        size_t column = merging->changing[i].column;
        uint8_t *to = (uint8_t *)fields[column];
        if (to != came[column] && merging->changing[i].whole && !is_null(to))
            memcpy(to + sizeof(uint32_t), came[column] + sizeof(uint32_t), sizeof(uint64_t));
        else if (to != came[column])
            memcpy(to, came[column], bytes_of(to));
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
