/* SPDX-License-Identifier: MIT
 * Schemas: their references, and lookups in them. Invariant: a schema that was handed out never changes. So it needs no
 * lock; references are counted atomically. Nothing fails. */
#include "rows/schema.h"

#include <string.h>

wb_schema *wb_schema_ref(wb_schema *schema)
{
    atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    return schema;
}

void wb_schema_unref(wb_schema *schema)
{
    if (!schema || atomic_fetch_sub_explicit(&schema->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < schema->count; i++) {
        wb_column_plan *plan = &schema->columns[i];
        if (plan->column.default_value.kind == WB_TEXT)
            wb_free((char *)plan->column.default_value.text);
        wb_free((char *)plan->column.name);
        wb_free((char *)plan->column.cast);
        wb_free((void *)plan->column.values);
        wb_free(plan->default_field);
    }
    wb_free(schema);
}

size_t wb_schema_count(const wb_schema *schema)
{
    return schema->count;
}

size_t wb_schema_given(const wb_schema *schema)
{
    return schema->given;
}

const wb_column *wb_schema_column(const wb_schema *schema, size_t index)
{
    return &schema->columns[index].column;
}

int wb_schema_find(const wb_schema *schema, const char *name, size_t bytes)
{
    for (size_t i = 0; i < schema->count; i++) {
        const char *own = schema->columns[i].column.name;
        if (strlen(own) == bytes && memcmp(own, name, bytes) == 0)
            return (int)i;
    }
    return -1;
}

int wb_schema_generated(const wb_schema *schema)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->columns[i].column.generate != WB_GIVEN)
            return (int)i;
    }
    return -1;
}

size_t wb_schema_place(const wb_schema *schema, size_t index)
{
    return schema->columns[index].place;
}
