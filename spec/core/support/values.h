/* SPDX-License-Identifier: MIT
 * What the tests of rows share: values, schemas that must be right, rows that must encode. */
#ifndef SPEC_VALUES_H
#define SPEC_VALUES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows/row.h"

#define ABSENT ((wb_value){.kind = WB_ABSENT})
#define NIL    ((wb_value){.kind = WB_NULL})

static inline wb_value boolean(bool b)
{
    return (wb_value){.kind = WB_BOOL, .i = b};
}

static inline wb_value integer(int64_t i)
{
    return (wb_value){.kind = WB_INT, .i = i};
}

static inline wb_value number(double f)
{
    return (wb_value){.kind = WB_FLOAT, .f = f};
}

static inline wb_value bytes_of(const char *text, size_t bytes)
{
    return (wb_value){.kind = WB_TEXT, .bytes = (uint32_t)bytes, .text = text};
}

static inline wb_value text_of(const char *text)
{
    return bytes_of(text, strlen(text));
}

static inline wb_schema *schema_of(const wb_column *columns, size_t count)
{
    wb_schema *schema = NULL;
    wb_err err;
    if (wb_schema_new(columns, count, &schema, &err) != WB_OK)
        fail_msg("%s", err.text);
    return schema;
}

/* Encodes into memory of exactly the bound, so that a byte too many is seen by the sanitizer. */
static inline uint8_t *encoded(const wb_schema *schema, wb_uuid_source *source,
                               const wb_value *values, size_t count, size_t *bytes)
{
    wb_err err;
    size_t bound = wb_row_bound(schema, values, count);
    uint8_t *tuple = malloc(bound);
    if (wb_row_encode(schema, values, count, tuple, bytes, &err))
        fail_msg("%s", err.text);
    wb_row_generate(schema, source, INT64_C(1715673600115245), tuple);
    assert_true(*bytes <= bound);
    return tuple;
}

#endif
