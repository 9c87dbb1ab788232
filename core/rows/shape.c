/* SPDX-License-Identifier: MIT
 * See shape.h. A row says by the lengths of its fields which of them are left to the server, so that it needs no other
 * mark. Invariant: the batch is only read. No locks: its owner calls. Only memory fails. */
#include "rows/shape.h"

#include <string.h>

#include "base/bigendian.h"
#include "base/env.h"
#include "rows/array.h"

enum { WORD_BITS = 64 };

size_t wb_shape_words(const wb_schema *schema)
{
    return (schema->left + WORD_BITS - 1u) / WORD_BITS;
}

/* Looks no further than the last column that may be left. */
void wb_shape_read(const wb_schema *schema, const uint8_t *tuple, uint64_t *shape)
{
    const uint8_t *field = tuple + sizeof(uint16_t);
    size_t bit = 0;
    memset(shape, 0, wb_shape_words(schema) * sizeof *shape);
    for (size_t i = 0; bit < schema->left; i++) {
        int32_t length = (int32_t)wb_get32(field);
        if (schema->columns[i].column.server_default) {
            shape[bit / WORD_BITS] |= (uint64_t)(length == WB_LEFT_LENGTH) << (bit % WORD_BITS);
            bit++;
        }
        field = wb_field_end(field);
    }
}

static void row_shape(const wb_batch *batch, size_t index, uint64_t *shape)
{
    wb_shape_read(batch->schema, batch->tuples + wb_batch_begin_of(batch, index), shape);
}

size_t wb_shape_find(const uint64_t *shapes, size_t count, const uint64_t *shape, size_t words)
{
    size_t at = 0;
    while (at < count && memcmp(shapes + at * words, shape, words * sizeof *shape) != 0)
        at++;
    return at;
}

/* The last has the room behind the others. */
bool wb_shapes_of(const wb_batch *batch, wb_shapes *shapes)
{
    size_t words = wb_shape_words(batch->schema), left = wb_batch_left(batch);
    *shapes = (wb_shapes){.count = 1, .words = words};
    if (words == 0)
        return true;
    shapes->shapes = wb_alloc_zeroed((WB_SHAPES + 1) * words * sizeof *shapes->shapes);
    if (shapes->shapes == NULL)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < left && count <= WB_SHAPES; i++) {
        uint64_t *shape = shapes->shapes + count * words;
        row_shape(batch, i, shape);
        count += wb_shape_find(shapes->shapes, count, shape, words) == count;
    }
    shapes->count = count > 0 ? count : 1;
    return true;
}

void wb_shapes_fini(wb_shapes *shapes)
{
    wb_free(shapes->shapes);
    *shapes = (wb_shapes){0};
}

bool wb_shape_gives(const wb_schema *schema, const uint64_t *shape, size_t index)
{
    const wb_column_plan *plan = &schema->columns[index];
    size_t bit = plan->left_bit;
    return !plan->column.server_default || (shape[bit / WORD_BITS] >> (bit % WORD_BITS) & 1) == 0;
}

size_t wb_class_shape(const wb_batch *batch, size_t index, const void *context)
{
    const wb_shapes *shapes = context;
    if (shapes->count == 1 || shapes->count > WB_SHAPES)
        return 0;
    uint64_t *shape = shapes->shapes + WB_SHAPES * shapes->words;
    row_shape(batch, index, shape);
    return wb_shape_find(shapes->shapes, shapes->count, shape, shapes->words);
}

size_t wb_tuple_given(const uint8_t *tuple, const uint32_t *elements, uint8_t *to)
{
    unsigned fields = wb_get16(tuple), given = 0;
    const uint8_t *field = tuple + sizeof(uint16_t);
    uint8_t *at = to + sizeof(uint16_t);
    for (unsigned i = 0; i < fields; i++) {
        int32_t length = (int32_t)wb_get32(field);
        const uint8_t *end = wb_field_end(field);
        if (length != WB_LEFT_LENGTH) {
            memcpy(at, field, (size_t)(end - field));
            if (elements != NULL && elements[i] != 0 && length > 0)
                wb_put32(at + sizeof(uint32_t) + WB_ARRAY_OID_OFFSET, elements[i]);
            at += end - field;
            given++;
        }
        field = end;
    }
    wb_put16(to, (uint16_t)given);
    return (size_t)(at - to);
}
