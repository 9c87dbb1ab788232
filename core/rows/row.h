/* SPDX-License-Identifier: MIT
 * One row: values to a tuple of PostgreSQL's binary COPY and back. Every check of a value is made here,
 * when a row is encoded; whatever was encoded can be stored.
 * Format (PostgreSQL manual, "COPY", binary format): int16 number of fields, then for each an int32 length
 * (-1: NULL) and that many bytes; all big-endian. timestamptz: int64 µs since 2000; date: int32 days since
 * 2000; jsonb: a version byte 1, then text.
 *
 * What each type takes, besides NULL where the column allows it:
 *   bool               a bool
 *   int2, int4, int8   an int in range; a float that is whole
 *   float4, float8     a float, NaN and infinities too; an int, which may be rounded; float4 no finite
 *                      number that would become infinite
 *   text               text: UTF-8 without NUL
 *   bytea              text: any bytes
 *   uuid               text: 36 characters or 16 raw bytes
 *   timestamptz        seconds since 1970 as an int or a float; RFC 3339 text
 *   date               days since 1970 as an int or a whole float; text, YYYY-MM-DD
 *   json, jsonb        JSON text; an int, a finite float or a bool, which become JSON */
#ifndef WB_ROW_H
#define WB_ROW_H

#include "rows/schema.h"
#include "base/uuid.h"

/* A tuple and a field stay below PostgreSQL's limit of 1 GiB, with room for the headers it adds. */
#define WB_TUPLE_MAX_BYTES (((size_t)1 << 30) - 65536)

/* The most that a field's data takes beyond its text's bytes: a number as JSON, with a version byte. */
enum { WB_FIELD_SLACK = 32 };

/* At least what wb_row_encode will write for these values. */
size_t wb_row_bound(const wb_schema *schema, const wb_value *values, size_t count);

/* Writes the tuple at `to`, which has wb_row_bound bytes of room. `source` and `unix_us` are for generated
 * columns (`source` may be NULL where there are none). WB_INVALID names the column, its type and the value;
 * nothing is used up then but room at `to`. */
int wb_row_encode(const wb_schema *schema, wb_uuid_source *source, int64_t unix_us,
                  const wb_value *values, size_t count, uint8_t *to, size_t *bytes, wb_err *err);

/* For a row whose bound is over WB_TUPLE_MAX_BYTES, so that there is no room to encode it: WB_INVALID,
 * naming the largest of its values. */
int wb_row_refuse(const wb_schema *schema, const wb_value *values, size_t count, wb_err *err);

/* The values of a tuple, as wb_batch_values gives them; text points into the tuple. */
void wb_row_values(const wb_schema *schema, const uint8_t *tuple, wb_value *values);

/* One value as a field (length word and data), for a schema's defaults: `to` has 4 + WB_FIELD_SLACK +
 * value->bytes. */
int wb_field_encode(const wb_column *column, const wb_value *value, uint8_t *to, size_t *bytes,
                    wb_err *err);

/* The value of one field, as wb_row_values; returns where the next field begins. */
const uint8_t *wb_field_value(int type, const uint8_t *field, wb_value *value);

#endif
