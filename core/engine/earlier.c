/* SPDX-License-Identifier: MIT
 * See earlier.h. The target owns its reference and its upsert; all else is borrowed. */
#include "engine/earlier.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "rows/upsert.h"

/* Where a column of the options is among the rows'; -1: they lack it. */
static int32_t place_of(const wb_target *target, const wb_schema *schema, int32_t column)
{
    const char *name = target->schema->columns[column].column.name;
    return wb_schema_find(schema, name, strlen(name));
}

static int refuse(const wb_target *target, int32_t column, const char *what, wb_err *err)
{
    return wb_fail_store(err, WB_HOLD,
                         "rows of an earlier schema have no column \"%s\", which is %s",
                         target->schema->columns[column].column.name, what);
}

struct arrays {
    int32_t *key, *merge;
    const char **expressions;
};

static int fill(const wb_target *target, const wb_schema *schema, const struct arrays *to,
                wb_upsert *upsert, wb_err *err)
{
    const wb_upsert *from = target->upsert;
    for (size_t i = 0; i < from->key_count; i++) {
        to->key[i] = place_of(target, schema, from->key[i]);
        if (to->key[i] < 0)
            return refuse(target, from->key[i], "of the upsert's key", err);
    }
    for (int32_t column = 0; column < (int32_t)target->schema->count; column++) {
        int32_t place = place_of(target, schema, column);
        if (place < 0 && column == from->newest)
            return refuse(target, column, "the upsert's `newest`", err);
        if (place < 0)
            continue;
        to->merge[place] = from->merge[column];
        if (from->expressions != NULL)
            to->expressions[place] = from->expressions[column];
        if (column == from->newest)
            upsert->newest = place;
    }
    return WB_OK;
}

/* A column that the options don't know is kept as it is in a row that is there. */
static int upsert_of(const wb_target *target, wb_schema *schema, wb_upsert **out, wb_err *err)
{
    const wb_upsert *from = target->upsert;
    struct arrays arrays = {
        .key = wb_alloc_zeroed(from->key_count * sizeof *arrays.key),
        .merge = wb_alloc_zeroed(schema->count * sizeof *arrays.merge),
        .expressions = wb_alloc_zeroed(schema->count * sizeof *arrays.expressions),
    };
    wb_upsert upsert = *from;
    upsert.key = arrays.key;
    upsert.merge = arrays.merge;
    upsert.expressions = from->expressions != NULL ? arrays.expressions : NULL;
    int code = wb_fail(err, WB_MEMORY, "out of memory for an upsert");
    if (arrays.key != NULL && arrays.merge != NULL && arrays.expressions != NULL)
        code = fill(target, schema, &arrays, &upsert, err);
    *out = code == WB_OK ? wb_upsert_copy(&upsert, schema) : NULL;
    if (code == WB_OK && *out == NULL)
        code = wb_fail(err, WB_MEMORY, "out of memory for an upsert");
    wb_free(arrays.key);
    wb_free(arrays.merge);
    wb_free(arrays.expressions);
    return code;
}

int wb_earlier_target(const wb_target *target, wb_schema *schema, wb_target *out, wb_err *err)
{
    wb_target earlier = *target;
    wb_upsert *upsert = NULL;
    if (target->dedupe == WB_DEDUPE_COLUMN) {
        earlier.dedupe_column = place_of(target, schema, target->dedupe_column);
        if (earlier.dedupe_column < 0)
            return refuse(target, target->dedupe_column, "what tells whether they are in", err);
    }
    int code = target->upsert != NULL ? upsert_of(target, schema, &upsert, err) : WB_OK;
    if (code != WB_OK)
        return code;
    earlier.upsert = upsert;
    earlier.schema = wb_schema_ref(schema);
    *out = earlier;
    return WB_OK;
}

void wb_earlier_fini(wb_target *earlier)
{
    if (earlier->schema != NULL)
        wb_upsert_free((wb_upsert *)earlier->upsert, earlier->schema);
    wb_schema_unref(earlier->schema);
    *earlier = (wb_target){.schema = NULL};
}
