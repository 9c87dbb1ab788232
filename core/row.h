/* SPDX-License-Identifier: MIT
 * One row: values to a tuple of PostgreSQL's binary COPY and back. Every check of a value is made here,
 * when a row is encoded; whatever was encoded can be stored.
 * Format (PostgreSQL manual, "COPY", binary format): int16 number of fields, then for each an int32 length
 * (-1: NULL) and that many bytes; all big-endian. timestamptz: int64 µs since 2000; date: int32 days since
 * 2000; jsonb: a version byte 1, then text. */
#ifndef WB_ROW_H
#define WB_ROW_H

#include "schema.h"
#include "uuid.h"

/* At least what wb_row_encode will write for these values. */
size_t wb_row_bound(const wb_schema *schema, const wb_value *values, size_t count);

/* Writes the tuple at `to`, which has wb_row_bound bytes of room. `source` and `unix_us` are for generated
 * columns (`source` may be NULL where there are none). WB_INVALID names the column, its type and the value;
 * nothing is used up then but room at `to`. */
int wb_row_encode(const wb_schema *schema, wb_uuid_source *source, int64_t unix_us, const wb_value *values,
                  size_t count, uint8_t *to, size_t *bytes, wb_err *err);

/* The values of a tuple, as wb_batch_values gives them; text points into the tuple. */
void wb_row_values(const wb_schema *schema, const uint8_t *tuple, wb_value *values);

/* One value as a field (length word and data), for a schema's defaults: `to` has 4 + 32 + value->bytes. */
int wb_field_encode(const wb_column *column, const wb_value *value, uint8_t *to, size_t *bytes, wb_err *err);

#endif
