/* SPDX-License-Identifier: MIT
 * The inside of a schema, for the row encoder and the stores. Nobody changes one after wb_schema_new. */
#ifndef WB_SCHEMA_H
#define WB_SCHEMA_H

#include <stdatomic.h>

#include "base/err.h"

typedef struct wb_column_plan {
    wb_column column;       /* name and default text are owned by the schema */
    int32_t place;          /* among the given columns, or -1 */
    uint32_t default_bytes; /* of default_field; 0: no default */
    uint8_t *default_field; /* the default, encoded: length word and data */
} wb_column_plan;

struct wb_schema {
    atomic_uint references;
    uint16_t count;     /* columns */
    uint16_t given;     /* columns that add is given */
    size_t fixed_bytes; /* of a tuple without the texts that are given; defaults included */
    wb_column_plan columns[];
};

#endif
