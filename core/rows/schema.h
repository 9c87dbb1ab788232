/* SPDX-License-Identifier: MIT
 * The inside of a schema, for the row encoder and the stores. Nobody changes one after wb_schema_new. */
#ifndef WB_SCHEMA_H
#define WB_SCHEMA_H

#include <stdatomic.h>

#include "base/err.h"

/* The most that a field's data takes besides a given text: a number as JSON and a version byte. */
enum { WB_FIELD_SLACK = 32 };

typedef struct wb_column_plan {
    wb_column column;       /* name and default text are owned by the schema */
    int32_t code;           /* wb_column_code */
    uint32_t place;         /* among the values of a row: the generated columns come last */
    uint16_t left_bit;      /* among those that may be left to the server: its place in a shape */
    uint32_t default_bytes; /* of default_field; 0: no default */
    uint8_t *default_field; /* the default, encoded: length word and data */
} wb_column_plan;

/* What the encoder goes by: the type, or that it is an array. */
enum { WB_ARRAY_CODE = WB_TYPES };
static inline int wb_column_code(const wb_column *column)
{
    return column->array ? WB_ARRAY_CODE : column->type;
}

struct wb_schema {
    atomic_uint references;
    uint16_t count; /* columns */
    uint16_t given; /* columns that are not generated */
    uint16_t left;  /* columns that may be left to the server, of those that are not generated */
    bool lenient;   /* a column is */
    bool arrays;    /* a column is one */
    size_t fixed_bytes; /* of a tuple without the texts that are given; defaults included */
    wb_column_plan columns[];
};

int wb_schema_generated(const wb_schema *schema); /* the first such column; -1: there is none */

#endif
