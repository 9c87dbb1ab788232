/* SPDX-License-Identifier: MIT
 * One row: values to a tuple of PostgreSQL's binary COPY and back. Encoding makes every check of a value, so what was
 * encoded can be stored.
 * Format (PostgreSQL manual, "COPY", binary format): int16 number of fields, then for each an int32 length
 * (-1: NULL) and that many bytes; all big-endian. timestamptz, timestamp: int64 µs since 2000; date: int32 days since
 * 2000; time: int64 µs since midnight; jsonb: a version byte 1, then text; numeric: see decimal.h.
 *
 * What each type takes, besides NULL where the column allows it:
 *   bool               a bool
 *   int2, int4, int8   an int in range; a float that is whole
 *   float4, float8     a float, also NaN and the infinities; an int, which may be rounded; for float4 no
 *                      finite number that would become infinite, and no other than 0 that would become 0
 *   text               text: UTF-8 without NUL
 *   bytea              text: any bytes
 *   uuid               text: 36 characters, or another form of them; 16 raw bytes
 *   timestamptz        seconds since 1970 as an int or a float; text with a zone, as RFC 3339; infinity
 *   timestamp          the same; text without a zone
 *   date               days since 1970 as an int or a whole float; text, YYYY-MM-DD; infinity
 *   time               seconds since midnight; text, HH:MM:SS
 *   interval           seconds; text (rows/interval.h)
 *   numeric            a number; decimal text (rows/decimal.h)
 *   inet, cidr, macaddr   text (rows/network.h)
 *   json, jsonb        JSON text; an int, a finite float or a bool, which become JSON
 *   an array           a list of what its type takes, or NULL */
#ifndef WB_ROW_H
#define WB_ROW_H

#include "base/bigendian.h"
#include "base/uuid.h"
#include "rows/schema.h"

/* In place of a field's length: the field is not given, and is the server's to fill. Such a tuple is no COPY tuple yet
 * (rows/shape.h). */
enum { WB_LEFT_LENGTH = -2 };

/* In place of a generated field's length: its id is made when the row is accepted (wb_row_generate). 16 bytes follow. */
enum { WB_AWAITED_LENGTH = -3 };

/* PostgreSQL limits a tuple and a field to 1 GiB, the headers that it adds included. */
#define WB_TUPLE_MAX_BYTES (((size_t)1 << 30) - 65536)

/* A row that is encoded. Its ids may be awaited. */
typedef struct wb_tuple {
    const uint8_t *at;
    size_t bytes;
    uint64_t cleaned; /* texts that lost something */
} wb_tuple;

/* No less than wb_row_encode will write for these values. */
size_t wb_row_bound(const wb_schema *schema, const wb_value *values, size_t count);

/* Writes the tuple at `to`, which has wb_row_bound bytes of room. Generated columns that are not given await their ids.
 * WB_INVALID names the column, its type and the value; the bytes at `to` are then undefined. */
int wb_row_encode(const wb_schema *schema, const wb_value *values, size_t count, uint8_t *to,
                  size_t *bytes, wb_err *err);

/* Makes the ids that a tuple awaits. */
void wb_row_generate(const wb_schema *schema, wb_uuid_source *source, int64_t unix_us,
                     uint8_t *tuple);

/* Refuses a row whose bound is over WB_TUPLE_MAX_BYTES, without encoding it: WB_INVALID names its largest value. */
int wb_row_refuse(const wb_schema *schema, const wb_value *values, size_t count, wb_err *err);

/* May these bytes, which this process may not have written, be read as a tuple of the schema? */
bool wb_tuple_is_sound(const wb_schema *schema, const uint8_t *tuple, size_t bytes);

/* The values of a tuple, as wb_batch_values answers them; text points into the tuple. */
void wb_row_values(const wb_schema *schema, const uint8_t *tuple, wb_value *values);

/* One of them. */
wb_value wb_row_value(const wb_schema *schema, const uint8_t *tuple, size_t column);

/* Writes the field of a value that is absent or NULL: a default, a NULL, an id that is awaited. Answers its end. NULL: the
 * column has to be given, *err says so. */
uint8_t *wb_missing_put(const wb_column_plan *plan, bool null, uint8_t *to, wb_err *err);

/* Writes one value as a field, length word and data. `to` has 4 + WB_FIELD_SLACK bytes, and those of a text. */
int wb_field_encode(const wb_column *column, const wb_value *value, uint8_t *to, size_t *bytes,
                    wb_err *err);

/* Where the next field begins. */
static inline bool wb_field_is_left(const uint8_t *field)
{
    return (int32_t)wb_get32(field) == WB_LEFT_LENGTH;
}
static inline const uint8_t *wb_field_end(const uint8_t *field)
{
    int32_t length = (int32_t)wb_get32(field);
    if (length < 0)
        length = length == WB_AWAITED_LENGTH ? 16 : 0;
    return field + sizeof(uint32_t) + length;
}

/* Reads the value of one field, as wb_row_values does. Answers where the next field begins. */
const uint8_t *wb_field_value(const wb_column *column, const uint8_t *field, wb_value *value);

#endif
