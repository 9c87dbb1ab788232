/* SPDX-License-Identifier: MIT
 * See merge_rows.h. Both tuples are walked field by field, once; a field is one row's bytes, or a sum. No state. */
#include "rows/merge_rows.h"

#include "rows/arith.h"
#include "rows/row.h"

/* The two fields of a column. */
typedef struct pair {
    const uint8_t *older, *newer;
} pair;

static bool is_null(const uint8_t *field)
{
    return (int32_t)wb_get32(field) < 0;
}

static bool is_left(const uint8_t *field)
{
    return (int32_t)wb_get32(field) == WB_LEFT_LENGTH;
}

static int compare(const wb_column *column, pair at)
{
    wb_value older, newer;
    wb_field_value(column, at.older, &older);
    wb_field_value(column, at.newer, &newer);
    return wb_value_rank(column->type, &older, &newer);
}

/* Is the row that came later the older one by its `newest`? */
static bool came_late(const wb_upsert *upsert, const wb_schema *schema, pair at)
{
    if (upsert->newest < 0)
        return false;
    for (int32_t i = 0; i < upsert->newest; i++) {
        at.older = wb_field_end(at.older);
        at.newer = wb_field_end(at.newer);
    }
    return compare(&schema->columns[upsert->newest].column, at) > 0;
}

/* The field that stays, where it is one of them; NULL: it is their sum. */
static const uint8_t *choose(const wb_column *column, int word, bool late, pair at)
{
    bool older_null = is_null(at.older), newer_null = is_null(at.newer);
    if (word == WB_MERGE_SET)
        return late ? at.older : at.newer;
    if (word == WB_MERGE_KEEP || newer_null)
        return at.older;
    if (word == WB_MERGE_LAST || older_null)
        return at.newer;
    if (word == WB_MERGE_MIN)
        return compare(column, at) <= 0 ? at.older : at.newer;
    if (word == WB_MERGE_MAX)
        return compare(column, at) >= 0 ? at.older : at.newer;
    return word == WB_MERGE_FIRST ? at.older : NULL;
}

static bool merge_field(const wb_column *column, int word, bool late, pair at, wb_buffer *to)
{
    if (is_left(at.older) != is_left(at.newer))
        return false;
    const uint8_t *field = choose(column, word, late, at);
    if (field == NULL)
        return wb_field_add(column->type, at.older, at.newer, to);
    wb_buffer_put(to, field, (size_t)(wb_field_end(field) - field));
    return true;
}

static bool merge_fields(const wb_upsert *upsert, const wb_schema *schema, pair at, wb_buffer *to)
{
    bool late = came_late(upsert, schema, at), merged = true;
    for (size_t i = 0; i < schema->count && merged; i++) {
        merged = merge_field(&schema->columns[i].column, wb_upsert_merge(upsert, i), late, at, to);
        at.older = wb_field_end(at.older);
        at.newer = wb_field_end(at.newer);
    }
    return merged;
}

static void put_older(const wb_schema *schema, const uint8_t *older, wb_buffer *to)
{
    const uint8_t *end = older + sizeof(uint16_t);
    for (size_t i = 0; i < schema->count; i++)
        end = wb_field_end(end);
    wb_buffer_put(to, older, (size_t)(end - older));
}

bool wb_rows_merge(const wb_upsert *upsert, const wb_schema *schema, const uint8_t *older,
                   const uint8_t *newer, wb_buffer *to)
{
    size_t start = to->bytes;
    if (upsert->nothing) {
        put_older(schema, older, to);
        return true;
    }
    wb_buffer_put(to, older, sizeof(uint16_t));
    bool merged = merge_fields(upsert, schema,
                               (pair){older + sizeof(uint16_t), newer + sizeof(uint16_t)}, to) &&
                  to->bytes - start <= WB_TUPLE_MAX_BYTES;
    if (!merged && !to->failed)
        to->bytes = start;
    return merged;
}
