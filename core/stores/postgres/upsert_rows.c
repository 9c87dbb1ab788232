/* SPDX-License-Identifier: MIT
 * Rows as arrays, one for each column, for a statement that takes them apart again. A field of a tuple and an element of
 * an array are alike (int32 length, bytes), so a field is copied as it is. Only a field that is an array itself becomes the
 * array's text, since unnest takes elements out of all dimensions.
 * Format (array_recv in src/backend/utils/adt/arrayfuncs.c): see rows/array.h.
 * Used by the session's thread, so not locked. Only memory fails; memory is kept for the next rows. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"
#include "rows/array.h"
#include "rows/row.h"
#include "rows/value_text.h"

bool wb_pg_arrays_init(wb_pg_arrays *arrays, const wb_pg_session *session)
{
    const wb_schema *schema = session->target.schema;
    *arrays = (wb_pg_arrays){.parameters.values =
                                 wb_alloc_zeroed(schema->count * sizeof *arrays->parameters.values),
                             .parameters.lengths = wb_alloc_zeroed(schema->count * sizeof(int)),
                             .parameters.formats = wb_alloc_zeroed(schema->count * sizeof(int)),
                             .oids = wb_alloc_zeroed(schema->count * sizeof *arrays->oids),
                             .columns = wb_alloc_zeroed(schema->count * sizeof *arrays->columns)};
    if (arrays->parameters.values == NULL || arrays->parameters.lengths == NULL ||
        arrays->parameters.formats == NULL || arrays->oids == NULL || arrays->columns == NULL) {
        wb_pg_arrays_fini(arrays, schema);
        return false;
    }
    for (size_t i = 0; i < schema->count; i++)
        arrays->oids[i] = wb_pg_sent_oid(session, i);
    return true;
}

void wb_pg_arrays_fini(wb_pg_arrays *arrays, const wb_schema *schema)
{
    for (size_t i = 0; arrays->columns != NULL && i < schema->count; i++)
        wb_buffer_fini(&arrays->columns[i]);
    wb_free(arrays->columns);
    wb_free(arrays->oids);
    wb_free(arrays->parameters.values);
    wb_free(arrays->parameters.lengths);
    wb_free(arrays->parameters.formats);
}

static void begin_array(wb_buffer *array, uint32_t oid, size_t elements)
{
    uint8_t header[WB_ARRAY_HEADER_BYTES];
    const uint32_t words[] = {1, 0, oid, (uint32_t)elements, 1};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        wb_put32(header + i * sizeof *words, words[i]);
    array->bytes = 0;
    wb_buffer_put(array, header, sizeof header);
}

static void put_as_text(wb_buffer *array, const wb_column *column, const uint8_t *field)
{
    size_t begin = array->bytes;
    wb_value value;
    wb_field_value(column, field, &value);
    wb_buffer_put(array, field, sizeof(uint32_t)); /* the length, which is not known yet */
    wb_put_value(array, column, &value);
    if (!array->failed)
        wb_put32((uint8_t *)array->data + begin,
                 (uint32_t)(array->bytes - begin - sizeof(uint32_t)));
}

static void put_as_it_is(wb_buffer *array, const uint8_t *field, size_t bytes)
{
    if (array->capacity - array->bytes < bytes && !wb_buffer_reserve(array, bytes))
        return;
    memcpy(array->data + array->bytes, field, bytes);
    array->bytes += bytes;
}

static void put_row(wb_buffer *columns, const wb_schema *schema, const uint8_t *tuple)
{
    const uint8_t *field = tuple + sizeof(uint16_t);
    for (size_t i = 0; i < schema->count; i++) {
        const uint8_t *end = wb_field_end(field);
        int32_t length = (int32_t)wb_get32(field);
        if (schema->columns[i].column.array && length >= 0)
            put_as_text(&columns[i], &schema->columns[i].column, field);
        else if (length != WB_LEFT_LENGTH)
            put_as_it_is(&columns[i], field, (size_t)(end - field));
        field = end;
    }
}

/* False: a column is without memory. */
static bool list(wb_pg_arrays *arrays, const wb_schema *schema)
{
    wb_pg_parameters *to = &arrays->parameters;
    to->count = 0;
    for (size_t i = 0; i < schema->count; i++) {
        const wb_buffer *array = &arrays->columns[i];
        if (array->failed)
            return false;
        if (array->bytes == WB_ARRAY_HEADER_BYTES) /* left to the server */
            continue;
        to->values[to->count] = array->data;
        to->lengths[to->count] = (int)array->bytes;
        to->formats[to->count++] = 1;
    }
    return true;
}

bool wb_pg_arrays_fill(wb_pg_arrays *arrays, const wb_schema *schema, const wb_keyed_row *rows,
                       size_t count)
{
    for (size_t i = 0; i < schema->count; i++)
        begin_array(&arrays->columns[i], arrays->oids[i], count);
    for (size_t i = 0; i < count; i++)
        put_row(arrays->columns, schema, rows[i].at);
    return list(arrays, schema);
}
