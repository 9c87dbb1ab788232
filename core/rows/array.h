/* SPDX-License-Identifier: MIT
 * One-dimensional arrays, as PostgreSQL's binary format has them (array_send in src/backend/utils/adt/arrayfuncs.c):
 * int32 number of dimensions (0: empty), int32 whether there is a NULL, OID of the elements' type; int32 length and
 * int32 first index; then each element as a field. The OID is that of our own type; where a table's elements are of
 * another that is written alike (an enum, a domain), who writes puts its OID in. */
#ifndef WB_ARRAY_H
#define WB_ARRAY_H

#include "rows/schema.h"

enum {
    WB_ARRAY_HEADER_BYTES = 20,
    WB_ARRAY_OID_OFFSET = 8, /* in the data */
};

/* Writes one value as a field: wb_field_encode. */
typedef int wb_field_writer(const wb_column *column, const wb_value *value, uint8_t *to,
                            size_t *bytes, wb_err *err);

/* No less than wb_array_put writes for a list, its length word included. */
size_t wb_array_bound(const wb_value *list);
/* Writes a list as a field of an array column. NULL: it was refused, and *err says which element. */
uint8_t *wb_array_put(const wb_column *column, const wb_value *list, wb_field_writer *write,
                      uint8_t *to, wb_err *err);
/* The column that an array's elements are of, one by one; it is not lenient. */
wb_column wb_array_element(const wb_column *column);

#endif
